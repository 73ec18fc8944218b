//! Basic encoding rules of ASN.1, as far as SNMP needs them: elements of one byte's tag and a definite length.
//!
//! It reads only what is there, and follows no nesting by itself.

/// The tags of the types that every version has (RFC 2578, section 7.1).
pub mod tag {
    /// A number.
    pub const INTEGER: u8 = 0x02;
    /// Bytes.
    pub const OCTETS: u8 = 0x04;
    /// Nothing.
    pub const NULL: u8 = 0x05;
    /// A name.
    pub const OID: u8 = 0x06;
    /// Elements in a row.
    pub const SEQUENCE: u8 = 0x30;
}

/// Reads elements in their order.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Begins at the front.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether nothing is left.
    pub fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    /// The next element: its tag and what it holds. None where it is cut, or longer than what is left.
    pub fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, first], rest) = self.0.split_first_chunk()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            // Agents write lengths with more bytes than they need. The length is compared with what is left.
            0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 7))?;
                (
                    digits
                        .iter()
                        .try_fold(0_usize, |sum, digit| sum.checked_mul(256)?.checked_add(usize::from(*digit)))?,
                    rest,
                )
            }
            _ => return None,
        };
        let (inner, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, inner))
    }

    /// What the next element holds, which must have this tag.
    pub fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, inner)| inner)
    }

    /// The elements of the next, which must have this tag.
    pub fn inside(&mut self, tag: u8) -> Option<Reader<'a>> {
        self.expect(tag).map(Reader)
    }

    /// The next element as a number.
    pub fn integer(&mut self) -> Option<i64> {
        integer(self.expect(tag::INTEGER)?)
    }
}

/// A number with its sign.
pub fn integer(bytes: &[u8]) -> Option<i64> {
    let negative = bytes.first()? & 0x80 != 0;
    let start = if negative { -1 } else { 0 };
    (bytes.len() <= 8).then(|| bytes.iter().fold(start, |sum: i64, byte| sum << 8 | i64::from(*byte)))
}

/// A number without one, which may have a zero in front of its eight bytes.
pub fn unsigned(bytes: &[u8]) -> Option<u64> {
    let bytes = if bytes.len() == 9 { bytes.strip_prefix(&[0])? } else { bytes };
    let fits = !bytes.is_empty() && bytes.len() <= 8;
    fits.then(|| bytes.iter().fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte)))
}

/// One element.
pub fn element(tag: u8, inner: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    match inner.len() {
        short @ 0..0x80 => bytes.push(short as u8),
        long => {
            bytes.push(0x82);
            bytes.extend_from_slice(&(long as u16).to_be_bytes());
        }
    }
    bytes.extend_from_slice(inner);
    bytes
}

/// A number that is not negative, as an element.
pub fn number(value: u32) -> Vec<u8> {
    let bytes = u64::from(value).to_be_bytes();
    // One byte more than is needed would be wrong, and so would a set first bit.
    let start = (0..7).find(|&at| bytes[at] != 0 || bytes[at + 1] & 0x80 != 0).unwrap_or(7);
    element(tag::INTEGER, &bytes[start..])
}

/// Reads an object identifier from digits and dots; none where it is not one.
pub fn oid(text: &str) -> Option<Vec<u8>> {
    let text = text.strip_prefix('.').unwrap_or(text);
    let parts: Vec<u32> = text.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let (&[first, second], rest) = parts.split_first_chunk()?;
    if first > 2 || (first < 2 && second > 39) {
        return None;
    }
    let mut bytes = Vec::with_capacity(parts.len() + 1);
    push_base128(&mut bytes, (first * 40).checked_add(second)?);
    rest.iter().for_each(|part| push_base128(&mut bytes, *part));
    Some(bytes)
}

fn push_base128(bytes: &mut Vec<u8>, value: u32) {
    for shift in [28, 21, 14, 7] {
        if value >> shift != 0 {
            bytes.push((value >> shift) as u8 | 0x80);
        }
    }
    bytes.push(value as u8 & 0x7f);
}

/// An object identifier as digits and dots.
pub fn oid_text(bytes: &[u8]) -> String {
    let mut parts = Vec::new();
    let mut value = 0_u64;
    for byte in bytes {
        value = (value & 0xffff_ffff) << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            parts.push(value);
            value = 0;
        }
    }
    let Some((&first, rest)) = parts.split_first() else { return String::new() };
    let root = (first / 40).min(2);
    let mut text = format!("{root}.{}", first - root * 40);
    rest.iter().for_each(|part| text.push_str(&format!(".{part}")));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_identifiers_are_read_and_shown() {
        for (text, bytes) in [
            ("1.3.6.1.2.1.1.3.0", &[0x2b, 6, 1, 2, 1, 1, 3, 0][..]),
            (".1.3.6.1.4.1.8072.3", &[0x2b, 6, 1, 4, 1, 0xbf, 8, 3]),
            ("2.999.4294967295", &[0x88, 0x37, 0x8f, 0xff, 0xff, 0xff, 0x7f]),
        ] {
            assert_eq!(oid(text).as_deref(), Some(bytes), "{text}");
            assert_eq!(oid_text(bytes), text.trim_start_matches('.'));
        }
        for text in ["", "1", "1.", "3.1", "1.40", "1.3.x", "1.3.-1", "1.3.4294967296", "2.4294967295"] {
            assert_eq!(oid(text), None, "{text}");
        }
        assert_eq!((oid_text(&[]), oid_text(&[0xff; 20])), (String::new(), String::new()));
    }

    #[test]
    fn numbers_have_the_bytes_that_they_need() {
        for (value, bytes) in [
            (0, &[2, 1, 0][..]),
            (127, &[2, 1, 127]),
            (128, &[2, 2, 0, 128]),
            (0x7fff_ffff, &[2, 4, 0x7f, 0xff, 0xff, 0xff]),
            (0xffff_ffff, &[2, 5, 0, 0xff, 0xff, 0xff, 0xff]),
        ] {
            assert_eq!(number(value), bytes);
            assert_eq!(Reader::new(bytes).integer(), Some(i64::from(value)));
        }
        assert_eq!((integer(&[0xff]), integer(&[]), integer(&[0; 9])), (Some(-1), None, None));
        assert_eq!(unsigned(&[0, 255, 255, 255, 255, 255, 255, 255, 255]), Some(u64::MAX));
        assert_eq!((unsigned(&[1; 9]), unsigned(&[])), (None, None));
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        for bytes in [
            &[][..],
            &[2],
            &[2, 1],
            &[2, 0x80],
            &[2, 0x82, 1],
            &[2, 0x82, 0xff, 0xff, 1],
            &[2, 0x84, 255, 255, 255, 255],
        ] {
            assert_eq!(Reader::new(bytes).next(), None, "{bytes:?}");
        }
        let long = element(tag::OCTETS, &[7; 300]);
        assert_eq!(Reader::new(&long).next(), Some((tag::OCTETS, &[7; 300][..])));
    }
}
