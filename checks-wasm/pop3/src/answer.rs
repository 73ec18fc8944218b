//! Answers as POP3 has them (RFC 1939): one line that says `+OK` or `-ERR`, and why.

use farwatch_guest::dialogue::{SHOWN_MAX, Said, protocol_error};
use farwatch_guest::escapes::show;

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whether the server did what it was told.
    pub is_ok: bool,
    /// What stands in brackets (RFC 2449), or nothing.
    pub code: String,
    /// What it says behind `+OK` or `-ERR`.
    pub text: String,
    /// The whole of it, for a person.
    pub shown: String,
}

impl Answer {
    /// Reads a line; `what` it is, for messages.
    pub fn read(line: &str, what: &str) -> Said<Self> {
        let (word, text) = line.split_once(' ').unwrap_or((line, ""));
        let is_ok = match word {
            "+OK" => true,
            "-ERR" => false,
            _ => return Err(protocol_error(what, line.as_bytes())),
        };
        let code = text.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or("", |(code, _)| code);
        let shown = show(line.as_bytes(), SHOWN_MAX);
        Ok(Self { is_ok, code: code.to_owned(), text: text.to_owned(), shown })
    }

    /// How many messages there are, and how many bytes they have: the answer to STAT.
    pub fn counts(&self) -> Option<(u32, i64)> {
        let mut words = self.text.split_ascii_whitespace();
        let counts = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        (counts.1 >= 0).then_some(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read() {
        for (line, is_ok, code) in
            [("+OK", true, ""), ("+OK 2 320", true, ""), ("-ERR [AUTH] no", false, "AUTH"), ("-ERR [open", false, "")]
        {
            let answer = Answer::read(line, "an answer").unwrap();
            assert_eq!((answer.is_ok, answer.code.as_str(), answer.shown.as_str()), (is_ok, code, line));
        }
        for line in ["", "OK", "+ok hello", "* OK IMAP", "+OKAY", "\u{fffd}\u{fffd}"] {
            assert!(Answer::read(line, "an answer").is_err(), "{line}");
        }
    }

    #[test]
    fn counts_are_read() {
        for (line, counts) in [
            ("+OK 2 320", Some((2, 320))),
            ("+OK 0 0 octets", Some((0, 0))),
            ("+OK 2", None),
            ("+OK two 320", None),
            ("+OK 2 -1", None),
            ("+OK 4294967296 1", None),
            ("+OK", None),
        ] {
            assert_eq!(Answer::read(line, "an answer").unwrap().counts(), counts, "{line}");
        }
    }
}
