//! The basic encoding rules, as far as LDAP uses them: tags of one byte, and definite lengths.
//!
//! Nothing that a server says of lengths is believed beyond the bytes that came.

/// A list, whose order counts.
pub const SEQUENCE: u8 = 0x30;
/// A whole number.
pub const INTEGER: u8 = 0x02;
/// One of some numbers.
pub const ENUMERATED: u8 = 0x0a;
/// Bytes.
pub const OCTETS: u8 = 0x04;
/// The tag of true and false.
const BOOLEAN: u8 = 0x01;
/// Lengths of more bytes than that are of nothing that is read.
const LENGTH_BYTES_MAX: usize = 4;

/// An element of this tag.
pub fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    match u8::try_from(content.len()) {
        Ok(length) if length < 0x80 => bytes.push(length),
        _ => {
            let length = (content.len() as u32).to_be_bytes();
            bytes.push(0x80 | length.len() as u8);
            bytes.extend_from_slice(&length);
        }
    }
    bytes.extend_from_slice(content);
    bytes
}

/// True or false.
pub fn boolean(is_so: bool) -> Vec<u8> {
    element(BOOLEAN, &[if is_so { 0xff } else { 0 }])
}

/// A number that is not negative.
pub fn number(tag: u8, number: u32) -> Vec<u8> {
    let bytes = u64::from(number).to_be_bytes();
    let zeros = bytes.iter().take(7).take_while(|byte| **byte == 0).count();
    // The first bit is the sign.
    let start = if bytes[zeros] & 0x80 == 0 { zeros } else { zeros - 1 };
    element(tag, &bytes[start..])
}

/// How many bytes of length follow after this second byte of an element, or its length itself.
pub enum Length {
    /// This is it.
    Short(u32),
    /// It stands in so many bytes that follow.
    Long(u32),
}

/// Reads the second byte of an element; none where its length is indefinite or beyond all that is read.
pub fn length(byte: u8) -> Option<Length> {
    match byte {
        0..0x80 => Some(Length::Short(byte.into())),
        _ => {
            let count = usize::from(byte & 0x7f);
            (1..=LENGTH_BYTES_MAX).contains(&count).then_some(Length::Long(count as u32))
        }
    }
}

/// A length that stands in bytes of its own.
pub fn long_length(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |length, byte| length << 8 | u32::from(*byte))
}

/// What is left of a list of elements.
pub struct Elements<'a>(pub &'a [u8]);

impl<'a> Elements<'a> {
    /// The next one: its tag and its content.
    pub fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match length(*first)? {
            Length::Short(length) => (length, rest),
            Length::Long(count) => {
                let (bytes, rest) = rest.split_at_checked(count as usize)?;
                (long_length(bytes), rest)
            }
        };
        let (content, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some((*tag, content))
    }

    /// The content of the next one, which must have this tag.
    pub fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }

    /// The number that the next one is; none where it is negative or large.
    pub fn number(&mut self, tag: u8) -> Option<u32> {
        let content = self.expect(tag)?;
        let is_number = (1..=LENGTH_BYTES_MAX).contains(&content.len()) && content[0] & 0x80 == 0;
        is_number.then(|| long_length(content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_written() {
        assert_eq!(element(OCTETS, b"ab"), b"\x04\x02ab");
        let long = element(OCTETS, &[7; 200]);
        assert_eq!((&long[..6], long.len()), (b"\x04\x84\0\0\0\xc8".as_slice(), 206));
        for (value, bytes) in [
            (0, b"\x02\x01\0".as_slice()),
            (127, b"\x02\x01\x7f"),
            (128, b"\x02\x02\0\x80"),
            (65_536, b"\x02\x03\x01\0\0"),
            (u32::MAX, b"\x02\x05\0\xff\xff\xff\xff"),
        ] {
            assert_eq!(number(INTEGER, value), bytes, "{value}");
        }
    }

    #[test]
    fn elements_are_read_within_what_came() {
        for (bytes, expected) in [
            (b"\x04\x02ab!".as_slice(), Some((4, b"ab".as_slice()))),
            (b"\x04\x81\x02ab", Some((4, b"ab"))),
            (b"\x04\x84\0\0\0\x02ab", Some((4, b"ab"))),
            (b"\x04\0", Some((4, b""))),
            (b"\x04\x03ab", None),
            (b"\x04\x80ab\0\0", None),
            (b"\x04\x85\0\0\0\0\x01a", None),
            (b"\x04\x84\xff\xff\xff\xff", None),
            (b"\x04\x82\x01", None),
            (b"\x04", None),
            (b"", None),
        ] {
            assert_eq!(Elements(bytes).next(), expected, "{bytes:?}");
        }
        for (bytes, expected) in [
            (b"\x0a\x01\x31".as_slice(), Some(0x31)),
            (b"\x0a\x02\x01\0", Some(256)),
            (b"\x0a\x01\xff", None),
            (b"\x0a\0", None),
            (b"\x0a\x05\x01\0\0\0\0", None),
            (b"\x02\x01\x31", None),
        ] {
            assert_eq!(Elements(bytes).number(ENUMERATED), expected, "{bytes:?}");
        }
    }
}
