//! Reads DER (X.690) from the front, one element after another.
//!
//! It holds nothing but slices of what the peer said, never goes deeper by itself, and takes no length that is not there.

/// The tags that are met here.
pub const INTEGER: u8 = 0x02;
pub const BIT_STRING: u8 = 0x03;
pub const OCTET_STRING: u8 = 0x04;
pub const OBJECT_ID: u8 = 0x06;
pub const ENUMERATED: u8 = 0x0a;
pub const UTC_TIME: u8 = 0x17;
pub const GENERALIZED_TIME: u8 = 0x18;
pub const SEQUENCE: u8 = 0x30;
/// Elements that are told apart by a number of their own: `[0]` and so on, with elements in them.
pub const TAGGED_0: u8 = 0xa0;
pub const TAGGED_1: u8 = 0xa1;
pub const TAGGED_3: u8 = 0xa3;

/// One element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element<'a> {
    /// What it is.
    pub tag: u8,
    /// What is in it.
    pub content: &'a [u8],
    /// All of it, as it was signed.
    pub whole: &'a [u8],
}

/// What is left to read.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// From the beginning of these bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next element, whatever it is; none at the end, or where the bytes are no DER.
    pub fn any(&mut self) -> Option<Element<'a>> {
        let (tag, first) = (*self.0.first()?, *self.0.get(1)?);
        let (start, length) = if first < 0x80 {
            (2, usize::from(first))
        } else {
            // Three bytes of length are 16 MiB, more than anything here has.
            let count = usize::from(first & 0x7f);
            let digits = self.0.get(2..2 + count).filter(|_| (1..=3).contains(&count))?;
            (2 + count, digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)))
        };
        let (whole, rest) = self.0.split_at_checked(start + length)?;
        self.0 = rest;
        Some(Element { tag, content: &whole[start..], whole })
    }

    /// The next element, which must be of this tag.
    pub fn next(&mut self, tag: u8) -> Option<Element<'a>> {
        self.any().filter(|element| element.tag == tag)
    }

    /// The next element if it is of this tag; otherwise it stays to be read.
    pub fn optional(&mut self, tag: u8) -> Option<Element<'a>> {
        if self.0.first() == Some(&tag) { self.any() } else { None }
    }

    /// What is in the next element, which must be of this tag.
    pub fn within(&mut self, tag: u8) -> Option<Self> {
        self.next(tag).map(|element| Self(element.content))
    }
}

/// Whole bytes of a bit string: the first byte says how many bits do not count, and here none may.
pub fn bits<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    reader.next(BIT_STRING)?.content.strip_prefix(&[0])
}

/// A moment in Unix seconds, with the year in two digits or in four (RFC 5280, section 4.1.2.5).
pub fn moment_s(element: Element<'_>) -> Option<i64> {
    let text = str::from_utf8(element.content).ok()?.strip_suffix('Z')?;
    let is_short = element.tag == UTC_TIME;
    let long = element.tag == GENERALIZED_TIME && text.len() == 14;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) || !(long || is_short && text.len() == 12) {
        return None;
    }
    let (year, rest) = text.split_at(text.len() - 10);
    let year: i64 = year.parse().ok()?;
    let year = if is_short { year + if year < 50 { 2_000 } else { 1_900 } } else { year };
    let pair = |at: usize| rest[at..at + 2].parse::<i64>().ok();
    let (month, day, hour, minute, second) = (pair(0)?, pair(2)?, pair(4)?, pair(6)?, pair(8)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// The years begin in March here, so that the day that some of them have more is their last.
const fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_read_one_after_another_and_no_length_is_believed() {
        let mut reader = Reader::new(&[INTEGER, 1, 7, SEQUENCE, 0x81, 2, INTEGER, 0]);
        assert_eq!(reader.optional(SEQUENCE), None);
        assert_eq!(reader.next(INTEGER).unwrap().content, [7]);
        assert_eq!(reader.within(SEQUENCE).unwrap().any().unwrap().whole, [INTEGER, 0]);
        assert_eq!(reader.any(), None);
        for bad in [
            &[][..],
            &[INTEGER],
            &[INTEGER, 2, 7],
            &[INTEGER, 0x80],
            &[INTEGER, 0x81],
            &[INTEGER, 0x84, 0, 0, 0, 1, 7],
            &[INTEGER, 0x83, 255, 255, 255, 7],
            &[INTEGER, 0xff, 255, 255, 255, 255],
        ] {
            assert_eq!(Reader::new(bad).any(), None, "{bad:?}");
        }
        assert_eq!(bits(&mut Reader::new(&[BIT_STRING, 2, 0, 9])), Some(&[9][..]));
        assert_eq!(bits(&mut Reader::new(&[BIT_STRING, 2, 1, 9])), None);
    }

    #[test]
    fn moments_are_read_in_both_forms() {
        let read = |tag, text: &str| moment_s(Element { tag, content: text.as_bytes(), whole: &[] });
        for (tag, text, moment) in [
            (GENERALIZED_TIME, "19700101000000Z", Some(0)),
            (GENERALIZED_TIME, "20240229235959Z", Some(1_709_251_199)),
            (GENERALIZED_TIME, "40000101000000Z", Some(64_060_588_800)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (UTC_TIME, "500101000000Z", Some(-631_152_000)),
            (UTC_TIME, "20240229235959Z", None),
            (GENERALIZED_TIME, "240229235959Z", None),
            (GENERALIZED_TIME, "20241301000000Z", None),
            (GENERALIZED_TIME, "20240101000000.5Z", None),
            (GENERALIZED_TIME, "2024010100000+Z", None),
            (GENERALIZED_TIME, "", None),
            (INTEGER, "20240101000000Z", None),
        ] {
            assert_eq!(read(tag, text), moment, "{text}");
        }
    }
}
