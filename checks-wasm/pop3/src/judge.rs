//! What the answers of a mail server say about it, in the words of outcomes.

use farwatch_guest::dialogue::{Wrong, unexpected};
use farwatch_guest::outcome::{integer, plural};
use farwatch_guest::service::Heard;
use farwatch_guest::wit::farwatch::check::types::Status;

use crate::answer::Answer;
use crate::config::Config;

/// A login that did not succeed. Many servers give no code, and hardly any other reason than a wrong password.
pub fn login(answer: &Answer, username: &str) -> Wrong {
    let code = match answer.code.to_ascii_uppercase().as_str() {
        // Somebody else, or a check from another place, has it open (RFC 2449); servers let only one in.
        "IN-USE" => "mailbox-locked",
        // The server is in trouble, not whoever asks (RFC 3206).
        code if code.starts_with("SYS/") => "login-unavailable",
        _ => "login-refused",
    };
    unexpected(code, &format!("a login as `{username}`"), answer.shown.as_bytes())
}

/// What is in the mailbox.
pub fn counts(config: &Config, messages: u32, bytes: i64) -> Heard {
    let finding = config.messages_degraded_above.filter(|limit| messages > *limit).map(|limit| {
        let message = format!("there are {}, more than {limit}, says the answer", plural(messages, "message"));
        (Status::Degraded, "messages-too-many", message)
    });
    let attributes = vec![integer("pop3.messages", messages.into()), integer("pop3.mail-bytes", bytes)];
    Heard { finding, attributes }
}

#[cfg(test)]
mod tests {
    use farwatch_guest::fields::{judge, reread};

    use super::*;

    #[test]
    fn refusals_are_told_from_troubles() {
        for (said, wanted) in [
            ("-ERR [AUTH] no", "login-refused"),
            ("-ERR no", "login-refused"),
            ("-ERR [in-use] busy", "mailbox-locked"),
            ("-ERR [SYS/TEMP] later", "login-unavailable"),
        ] {
            let wrong = login(&Answer::read(said, "an answer").unwrap(), "anna");
            assert!(matches!(wrong, Wrong::Found(Status::Down, code, _) if code == wanted), "{said}");
        }
    }

    #[test]
    fn counts_are_compared_with_their_limit() {
        let said = r#"{"host": "a", "username": "anna", "password": {"secret": "pw"}, "messages_degraded_above": 1}"#;
        let config = reread::<Config>(&judge::<Config>(said).unwrap()).unwrap();
        assert!(counts(&config, 1, 100).finding.is_none());
        let (status, code, message) = counts(&config, 2, 100).finding.unwrap();
        assert_eq!((status, code), (Status::Degraded, "messages-too-many"));
        assert_eq!(message, "there are 2 messages, more than 1, says the answer");
    }
}
