//! Sets of HTTP statuses, as people write them: `200-299,301`, or a list of such texts and numbers.
//!
//! It says what is wrong with a set; it does not know where in a config the set stands.

use core::fmt::Write;

/// Some statuses in a row, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusRange {
    /// The first that belongs to it.
    pub first: u16,
    /// The last that belongs to it.
    pub last: u16,
}

/// The statuses that HTTP allows.
const ALL: StatusRange = StatusRange { first: 100, last: 599 };

impl StatusRange {
    /// What is expected where nothing is said.
    pub const SUCCESS: StatusRange = StatusRange { first: 200, last: 299 };

    /// The range of one status.
    ///
    /// # Errors
    /// A sentence that says what is wrong when it is no HTTP status.
    pub fn single(status: u64) -> Result<Self, String> {
        match u16::try_from(status) {
            Ok(status) if ALL.contains(status) => Ok(Self { first: status, last: status }),
            _ => Err(format!("{status} is no HTTP status; use one from 100 to 599")),
        }
    }

    /// Whether the status belongs to it.
    pub fn contains(self, status: u16) -> bool {
        (self.first..=self.last).contains(&status)
    }
}

/// Reads a text such as `200-299,301`.
///
/// # Errors
/// A sentence that says what is wrong with the first bad part.
pub fn parse(text: &str) -> Result<Vec<StatusRange>, String> {
    text.split(',').map(|part| parse_part(part.trim())).collect()
}

fn parse_part(part: &str) -> Result<StatusRange, String> {
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    let number = |text: &str| -> Result<StatusRange, String> {
        let status = text.trim().parse().map_err(|_| format!("`{part}` is no status; write `200` or `200-299`"))?;
        StatusRange::single(status)
    };
    let range = StatusRange { first: number(first)?.first, last: number(last)?.last };
    if range.first > range.last {
        return Err(format!("`{part}` is empty; write the smaller status first"));
    }
    Ok(range)
}

/// Whether the status belongs to any of the ranges.
pub fn contain(ranges: &[StatusRange], status: u16) -> bool {
    ranges.iter().any(|range| range.contains(status))
}

/// The set as `parse` reads it.
pub fn display(ranges: &[StatusRange]) -> String {
    let mut text = String::new();
    for range in ranges {
        let comma = if text.is_empty() { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = match range {
            StatusRange { first, last } if first == last => write!(text, "{comma}{first}"),
            StatusRange { first, last } => write!(text, "{comma}{first}-{last}"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_read_and_written() {
        for (text, normal) in [("200", "200"), (" 200 - 299 , 301", "200-299,301"), ("100-599", "100-599")] {
            assert_eq!(display(&parse(text).expect(text)), normal);
        }
    }

    #[test]
    fn bad_sets_are_refused_in_words() {
        for (text, words) in [
            ("", "`` is no status; write `200` or `200-299`"),
            ("2xx", "`2xx` is no status; write `200` or `200-299`"),
            ("200,", "`` is no status; write `200` or `200-299`"),
            ("299-200", "`299-200` is empty; write the smaller status first"),
            ("99", "99 is no HTTP status; use one from 100 to 599"),
            ("200-600", "600 is no HTTP status; use one from 100 to 599"),
            ("-200", "`-200` is no status; write `200` or `200-299`"),
        ] {
            assert_eq!(parse(text), Err(words.to_owned()), "{text}");
        }
    }

    #[test]
    fn membership_includes_both_ends() {
        let set = parse("200-299,301").expect("valid");
        for (status, inside) in [(199, false), (200, true), (299, true), (300, false), (301, true), (302, false)] {
            assert_eq!(contain(&set, status), inside, "{status}");
        }
    }
}
