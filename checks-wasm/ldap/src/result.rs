//! What a server says when it refuses: its result code, its words, and what they mean for a check.

use farwatch_guest::dialogue::{SHOWN_MAX, Wrong, down};
use farwatch_guest::escapes::show;

use crate::message::Done;

/// What ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Somebody wanted to be let in.
    Bind,
    /// Something was looked for.
    Search,
}

/// The names of results (RFC 4511, appendix A) that checks meet.
const NAMES: &[(u32, &str)] = &[
    (1, "operationsError"),
    (2, "protocolError"),
    (3, "timeLimitExceeded"),
    (8, "strongerAuthRequired"),
    (10, "referral"),
    (11, "adminLimitExceeded"),
    (13, "confidentialityRequired"),
    (18, "inappropriateMatching"),
    (21, "invalidAttributeSyntax"),
    (32, "noSuchObject"),
    (34, "invalidDNSyntax"),
    (48, "inappropriateAuthentication"),
    (49, "invalidCredentials"),
    (50, "insufficientAccessRights"),
    (51, "busy"),
    (52, "unavailable"),
    (53, "unwillingToPerform"),
    (80, "other"),
];

/// A result with its name and what the server says of it.
pub fn shown(done: &Done) -> String {
    let name =
        NAMES.iter().find(|(code, _)| *code == done.code).map(|(_, name)| format!(" {name}")).unwrap_or_default();
    format!("result {}{name} `{}`", done.code, show(done.words.as_bytes(), SHOWN_MAX))
}

/// What a refusal means.
pub fn refused(done: &Done, step: Step) -> Wrong {
    let expected = match step {
        Step::Bind => "to be let in",
        Step::Search => "an answer to the search",
    };
    down(code(done.code, step), format!("expected {expected}, got {}", shown(done)))
}

fn code(code: u32, step: Step) -> &'static str {
    match code {
        48 | 49 => "login-refused",
        8 | 13 => "encryption-required",
        3 => "search-timeout",
        10 => "referred",
        32 => "base-missing",
        50 => "permission-denied",
        51 => "busy",
        52 => "unavailable",
        _ if step == Step::Bind => "login-failed",
        _ => "search-refused",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_their_codes_and_their_words() {
        for (result, step, code, message) in [
            (49, Step::Bind, "login-refused", "expected to be let in, got result 49 invalidCredentials `why`"),
            (
                13,
                Step::Bind,
                "encryption-required",
                "expected to be let in, got result 13 confidentialityRequired `why`",
            ),
            (53, Step::Bind, "login-failed", "expected to be let in, got result 53 unwillingToPerform `why`"),
            (32, Step::Search, "base-missing", "expected an answer to the search, got result 32 noSuchObject `why`"),
            (1, Step::Search, "search-refused", "expected an answer to the search, got result 1 operationsError `why`"),
            (999, Step::Search, "search-refused", "expected an answer to the search, got result 999 `why`"),
        ] {
            let done = Done { code: result, words: "why".to_owned() };
            let Wrong::Found(_, found, said) = refused(&done, step) else { panic!("{result}") };
            assert_eq!((found, said.as_str()), (code, message));
        }
    }
}
