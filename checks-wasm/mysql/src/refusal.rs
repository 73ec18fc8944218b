//! What a server says when it refuses: its number, its words, and what they mean for a check.

use farwatch_guest::dialogue::{SHOWN_MAX, Wrong, down};
use farwatch_guest::escapes::show;

/// What was going on when the server refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Somebody wanted to be let in.
    Login,
    /// Something was asked.
    Query,
}

/// What the refusal in this packet means.
pub fn read(packet: &[u8], step: Step) -> Wrong {
    let (number, words) = match packet.get(1..).and_then(<[u8]>::split_first_chunk) {
        Some((number, words)) => (u16::from_le_bytes(*number), words),
        None => (0, [].as_slice()),
    };
    // Once both sides know of each other, the SQLSTATE stands before the words.
    let words = if words.first() == Some(&b'#') { words.get(6..).unwrap_or_default() } else { words };
    let expected = match step {
        Step::Login => "to be let in",
        Step::Query => "an answer to the query",
    };
    down(code(number, step), format!("expected {expected}, got error {number} `{}`", show(words, SHOWN_MAX)))
}

/// The numbers are those of MySQL, and of MariaDB where it has one of its own (1969).
fn code(number: u16, step: Step) -> &'static str {
    match number {
        1045 | 1698 | 1862 | 3118 | 4151 => "login-refused",
        1129 | 1130 => "host-refused",
        1040 | 1203 | 1226 => "too-many-connections",
        1044 if step == Step::Login => "database-refused",
        1049 => "database-missing",
        1053 | 1927 | 3169 => "shutting-down",
        1044 | 1142 | 1143 | 1227 => "permission-denied",
        1792 => "query-not-read-only",
        1969 | 3024 => "query-timeout",
        3159 => "encryption-required",
        _ if step == Step::Login => "login-failed",
        _ => "query-failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_their_codes_and_their_words() {
        for (packet, step, code, message) in [
            (
                b"\xff\x15\x04#28000no".as_slice(),
                Step::Login,
                "login-refused",
                "expected to be let in, got error 1045 `no`",
            ),
            (b"\xff\x10\x04full", Step::Login, "too-many-connections", "expected to be let in, got error 1040 `full`"),
            (b"\xff\x6a\x04no", Step::Login, "host-refused", "expected to be let in, got error 1130 `no`"),
            (b"\xff\x14\x04no", Step::Login, "database-refused", "expected to be let in, got error 1044 `no`"),
            (
                b"\xff\x14\x04no",
                Step::Query,
                "permission-denied",
                "expected an answer to the query, got error 1044 `no`",
            ),
            (b"\xff\x00\x07", Step::Query, "query-not-read-only", "expected an answer to the query, got error 1792 ``"),
            (b"\xff\x01", Step::Query, "query-failed", "expected an answer to the query, got error 0 ``"),
            (b"\xff\x01\x00#1", Step::Login, "login-failed", "expected to be let in, got error 1 ``"),
        ] {
            let Wrong::Found(_, found, said) = read(packet, step) else { panic!("{packet:?}") };
            assert_eq!((found, said.as_str()), (code, message), "{packet:?}");
        }
    }
}
