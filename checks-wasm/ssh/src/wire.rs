//! Numbers, strings and lists as SSH has them (RFC 4251, section 5).
//!
//! It reads only what is there: every length is compared with what is left before anything is taken.

/// Reads them in their order. None where there is less than what is asked for.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Begins at the front.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// So many bytes.
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// One byte.
    pub fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|taken| taken[0])
    }

    /// A number of four bytes.
    pub fn number(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// Bytes behind their number.
    pub fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(length as usize)
    }

    /// The same as a text.
    pub fn text(&mut self) -> Option<&'a str> {
        str::from_utf8(self.string()?).ok()
    }

    /// Names that are separated by commas.
    pub fn names(&mut self) -> Option<Vec<&'a str>> {
        Some(self.text()?.split(',').filter(|name| !name.is_empty()).collect())
    }

    /// A number of any size that is not negative, without leading zeros.
    pub fn unsigned(&mut self) -> Option<&'a [u8]> {
        let bytes = self.string()?;
        if bytes.first().is_some_and(|first| first & 0x80 != 0) {
            return None;
        }
        Some(without_zeros(bytes))
    }
}

fn without_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    &bytes[zeros..]
}

/// Writes them.
#[derive(Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// Begins with the number of a message.
    pub fn message(number: u8) -> Self {
        Self(vec![number])
    }

    /// All that was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// These bytes as they are.
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// One byte.
    pub fn byte(self, byte: u8) -> Self {
        self.raw(&[byte])
    }

    /// A number of four bytes.
    pub fn number(self, number: u32) -> Self {
        self.raw(&number.to_be_bytes())
    }

    /// Bytes behind their number.
    pub fn string(self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        self.number(bytes.len() as u32).raw(bytes)
    }

    /// Names that are separated by commas.
    pub fn names(self, names: &[&str]) -> Self {
        self.string(names.join(","))
    }

    /// A number of any size that is not negative.
    pub fn unsigned(self, bytes: &[u8]) -> Self {
        let bytes = without_zeros(bytes);
        // A set first bit would make it negative.
        let zero = bytes.first().is_some_and(|first| first & 0x80 != 0);
        self.number((bytes.len() + usize::from(zero)) as u32).raw(if zero { &[0] } else { &[] }).raw(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let bytes = Writer::message(20).number(7).string("abc").names(&["x", "y"]).unsigned(&[0, 0x80, 1]).into_bytes();
        let mut reader = Reader::new(&bytes);
        assert_eq!((reader.byte(), reader.number(), reader.text()), (Some(20), Some(7), Some("abc")));
        assert_eq!((reader.names(), reader.unsigned()), (Some(vec!["x", "y"]), Some(&[0x80, 1][..])));
        assert_eq!(reader.byte(), None);
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        for bytes in [&[][..], &[0, 0, 0], &[0, 0, 0, 1], &[0xff, 0xff, 0xff, 0xff, 1]] {
            assert_eq!(Reader::new(bytes).string(), None, "{bytes:?}");
        }
        assert_eq!(Reader::new(&[0, 0, 0, 1, 0xff]).text(), None);
        assert_eq!(Reader::new(&[0, 0, 0, 1, 0xff]).unsigned(), None);
    }

    #[test]
    fn numbers_of_any_size_have_no_more_bytes_than_they_need() {
        for (number, wire) in [
            (&[][..], &[0, 0, 0, 0][..]),
            (&[0, 0], &[0, 0, 0, 0]),
            (&[0x7f], &[0, 0, 0, 1, 0x7f]),
            (&[0, 0x80], &[0, 0, 0, 2, 0, 0x80]),
        ] {
            assert_eq!(Writer::default().unsigned(number).into_bytes(), wire, "{number:?}");
        }
    }
}
