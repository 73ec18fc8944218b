//! What one try came to: the acceptance that decides what happens next, and the sentence that is recorded.
//!
//! The sentence is shown to the owner of the channel. It is one line of bounded length, and whoever makes one
//! leaves secrets out.

use farwatch_core::delivery::Acceptance;

/// The longest recorded answer, in bytes: enough to see what a receiver complained about.
pub(super) const TEXT_MAX_BYTES: usize = 512;

/// What one try came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// What it means for the delivery.
    pub(super) acceptance: Acceptance,
    /// How long the other side asked to be left alone, in milliseconds.
    pub(super) asked_wait_ms: Option<i64>,
    /// What is recorded of it.
    pub(super) text: String,
}

impl Reply {
    pub(super) fn new(acceptance: Acceptance, text: &str) -> Self {
        Self { acceptance, asked_wait_ms: None, text: one_line(text, TEXT_MAX_BYTES) }
    }

    /// It did not go out and may later.
    pub(super) fn later(text: &str) -> Self {
        Self::new(Acceptance::Later, text)
    }

    /// It will never go out.
    pub(super) fn never(text: &str) -> Self {
        Self::new(Acceptance::Never, text)
    }
}

/// The text on one line, without control characters and runs of spaces, cut after so many bytes.
pub(super) fn one_line(text: &str, max_bytes: usize) -> String {
    let spaced: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.len() <= max_bytes {
        return line;
    }
    const CUT: char = '\u{2026}';
    let end = line.floor_char_boundary(max_bytes - CUT.len_utf8());
    format!("{}{CUT}", line[..end].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_one_line_of_bounded_length() {
        assert_eq!(one_line("a\r\n b\tc\u{0} ", 100), "a b c");
        assert_eq!(one_line("abcdefgh", 8), "abcdefgh");
        assert_eq!(one_line("abcdefghi", 8), "abcde\u{2026}");
        assert_eq!(one_line("äöüäöü", 8), "äö\u{2026}");
    }
}
