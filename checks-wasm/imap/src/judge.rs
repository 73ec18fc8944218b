//! What the answers of a mail server say about it, in the words of outcomes.

use farwatch_guest::dialogue::{Wrong, unexpected};
use farwatch_guest::outcome::{Finding, integer, plural};
use farwatch_guest::service::Heard;
use farwatch_guest::wit::farwatch::check::types::Status;

use crate::answer::{Condition, Word};
use crate::config::Config;

/// Codes by which a server says that it is in trouble, not whoever asks (RFC 5530).
const TROUBLE: &[&str] = &["UNAVAILABLE", "SERVERBUG", "CONTACTADMIN", "LIMIT", "INUSE", "CORRUPTION"];

/// A login that did not succeed.
pub fn login(condition: &Condition, username: &str) -> Wrong {
    let code = match condition.word {
        Word::No if condition.is_one_of(TROUBLE) => "login-unavailable",
        Word::No => "login-refused",
        _ => "protocol-error",
    };
    unexpected(code, &format!("a login as `{username}`"), condition.shown.as_bytes())
}

/// A mailbox that was not opened. Many servers give no code, and hardly any other reason.
pub fn mailbox(condition: &Condition, name: &str) -> Wrong {
    let code = match condition.word {
        Word::No if condition.is_one_of(TROUBLE) || condition.is_one_of(&["NOPERM"]) => "mailbox-unavailable",
        Word::No => "mailbox-missing",
        _ => "protocol-error",
    };
    unexpected(code, &format!("the mailbox `{name}`"), condition.shown.as_bytes())
}

/// What is in the mailbox.
pub fn counts(config: &Config, messages: u32, unseen: u32) -> Heard {
    let finding = above(config, messages, config.messages_degraded_above, "messages-too-many", "message")
        .or_else(|| above(config, unseen, config.unseen_degraded_above, "unseen-too-many", "unseen message"));
    let attributes = vec![integer("imap.messages", messages.into()), integer("imap.unseen", unseen.into())];
    Heard { finding, attributes }
}

fn above(config: &Config, count: u32, limit: Option<u32>, code: &'static str, noun: &str) -> Finding {
    let limit = limit.filter(|limit| count > *limit)?;
    let message = format!("`{}` has {}, more than {limit}, says the answer", config.mailbox, plural(count, noun));
    Some((Status::Degraded, code, message))
}

#[cfg(test)]
mod tests {
    use farwatch_guest::fields::{judge, reread};

    use super::*;

    #[test]
    fn counts_are_compared_with_their_limits() {
        let said = r#"{"host": "a", "username": "anna", "password": {"secret": "pw"}, "messages_degraded_above": 10,
            "unseen_degraded_above": 0}"#;
        let config = reread::<Config>(&judge::<Config>(said).unwrap()).unwrap();
        for (messages, unseen, code) in
            [(10, 0, None), (11, 0, Some("messages-too-many")), (10, 1, Some("unseen-too-many"))]
        {
            let heard = counts(&config, messages, unseen);
            assert_eq!(heard.finding.map(|(_, code, _)| code), code, "{messages} {unseen}");
            assert_eq!(heard.attributes.len(), 2);
        }
        let message = counts(&config, 0, 1).finding.unwrap().2;
        assert_eq!(message, "`INBOX` has 1 unseen message, more than 0, says the answer");
    }

    #[test]
    fn refusals_are_told_from_troubles() {
        let code = |wrong: Wrong| match wrong {
            Wrong::Found(_, code, _) => code,
            other => panic!("{other:?}"),
        };
        for (said, login_code, mailbox_code) in [
            ("NO [AUTHENTICATIONFAILED] no", "login-refused", "mailbox-missing"),
            ("NO no", "login-refused", "mailbox-missing"),
            ("NO [UNAVAILABLE] later", "login-unavailable", "mailbox-unavailable"),
            ("NO [NOPERM] not yours", "login-refused", "mailbox-unavailable"),
            ("BAD what", "protocol-error", "protocol-error"),
        ] {
            let condition = Condition::read(said).unwrap();
            assert_eq!(code(login(&condition, "anna")), login_code, "{said}");
            assert_eq!(code(mailbox(&condition, "INBOX")), mailbox_code, "{said}");
        }
    }
}
