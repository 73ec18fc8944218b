//! What a server says when it refuses: its code (SQLSTATE), its words, and what they mean for a check.

use farwatch_guest::dialogue::{SHOWN_MAX, Wrong, down};
use farwatch_guest::escapes::show;

use crate::packet::texts;

/// What was going on when the server refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Somebody wanted to be let in.
    Login,
    /// Something was asked.
    Query,
}

/// What the refusal in this message means.
pub fn read(body: &[u8], step: Step) -> Wrong {
    let texts = texts(body);
    let field = |kind: char| texts.iter().find_map(|text| text.strip_prefix(kind)).unwrap_or_default();
    let (state, words) = (field('C'), field('M'));
    let (state, words) = (show(state.as_bytes(), SHOWN_MAX), show(words.as_bytes(), SHOWN_MAX));
    let expected = match step {
        Step::Login => "to be let in",
        Step::Query => "an answer to the query",
    };
    down(code(&state, step), format!("expected {expected}, got error {state} `{words}`"))
}

fn code(state: &str, step: Step) -> &'static str {
    match state {
        "28P01" | "28000" => "login-refused",
        "3D000" => "database-missing",
        "53300" => "too-many-connections",
        "57P03" => "not-ready",
        "57P01" | "57P02" => "shutting-down",
        "57014" => "query-timeout",
        "25006" => "query-not-read-only",
        "42501" => "permission-denied",
        _ if step == Step::Login => "login-failed",
        _ => "query-failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_their_codes_and_their_words() {
        for (body, step, code, message) in [
            (
                b"SFATAL\0C28P01\0Mno\0\0".as_slice(),
                Step::Login,
                "login-refused",
                "expected to be let in, got error 28P01 `no`",
            ),
            (b"C3D000\0Mgone\0", Step::Login, "database-missing", "expected to be let in, got error 3D000 `gone`"),
            (b"C57P03\0M\0", Step::Login, "not-ready", "expected to be let in, got error 57P03 ``"),
            (b"CXX000\0Mbad\0", Step::Login, "login-failed", "expected to be let in, got error XX000 `bad`"),
            (b"C42P01\0Mbad\0", Step::Query, "query-failed", "expected an answer to the query, got error 42P01 `bad`"),
            (b"C25006\0M\0", Step::Query, "query-not-read-only", "expected an answer to the query, got error 25006 ``"),
            (b"\xff\xff", Step::Query, "query-failed", "expected an answer to the query, got error  ``"),
        ] {
            let Wrong::Found(_, found, said) = read(body, step) else { panic!("{body:?}") };
            assert_eq!((found, said.as_str()), (code, message), "{body:?}");
        }
    }
}
