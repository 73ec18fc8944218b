//! The JSON config: which fields there are, and what they are when nothing is said.

use farwatch_guest::credentials::{self, Credentials};
use farwatch_guest::fields::{Fields, Form, FromFields};
use farwatch_guest::service::{self, Kind, Security, Service};

/// Where IMAP servers listen (RFC 9051, RFC 8314).
pub const KIND: Kind = Kind { port: 143, tls_port: 993, can_start_tls: true, security: Security::Tls, alpn: &[] };
/// The mailbox that every user has.
const MAILBOX: &str = "INBOX";
/// Servers take no longer names.
const MAILBOX_MAX: usize = 255;
/// Counts are numbers of 32 bits (RFC 9051, section 9).
const MESSAGES_MAX: u64 = u32::MAX as u64;

/// What a run asks and expects.
#[derive(Debug, Clone)]
pub struct Config {
    /// The server.
    pub service: Service,
    /// Who logs in.
    pub credentials: Option<Credentials>,
    /// What is opened.
    pub mailbox: String,
    /// Degraded when it holds more messages.
    pub messages_degraded_above: Option<u32>,
    /// Degraded when more of them were not read.
    pub unseen_degraded_above: Option<u32>,
}

impl FromFields for Config {
    const FORM: Form = Form {
        example: "{\"host\": \"imap.example.com\", \"username\": \"watcher\", \"password\": {\"secret\": \"NAME\"}}",
        fields: &[
            service::FIELDS,
            credentials::FIELDS,
            &["mailbox", "messages_degraded_above", "unseen_degraded_above"],
        ],
    };

    fn read(fields: &mut Fields<'_>) -> Self {
        let service = KIND.read(fields);
        let credentials = Credentials::needed(fields, &service);
        let mailbox = fields.text("mailbox", MAILBOX_MAX).unwrap_or(MAILBOX);
        if mailbox.is_empty() || mailbox.contains(char::is_control) {
            fields.bad("mailbox", "`mailbox` must be a name without line breaks".to_owned());
        }
        let mut count = |field| fields.number(field, 0, MESSAGES_MAX).map(|count| count as u32);
        Self {
            service,
            credentials,
            mailbox: mailbox.to_owned(),
            messages_degraded_above: count("messages_degraded_above"),
            unseen_degraded_above: count("unseen_degraded_above"),
        }
    }
}

#[cfg(test)]
mod tests {
    use farwatch_guest::fields::{judge, reread};

    use super::*;

    const LOGIN: &str = r#""host": "a.example", "username": "anna", "password": {"secret": "pw"}"#;

    #[test]
    fn every_field_is_read() {
        let read = |said: &str| reread::<Config>(&judge::<Config>(said).unwrap()).unwrap();
        let config = read(&format!("{{{LOGIN}}}"));
        assert_eq!((config.mailbox.as_str(), config.service.security), ("INBOX", Security::Tls));
        let config = read(&format!(
            r#"{{{LOGIN}, "mailbox": "Entwürfe", "messages_degraded_above": 0, "unseen_degraded_above": 7,
                "security": "starttls"}}"#
        ));
        assert_eq!((config.mailbox.as_str(), config.service.security), ("Entwürfe", Security::StartTls));
        assert_eq!((config.messages_degraded_above, config.unseen_degraded_above), (Some(0), Some(7)));
        assert_eq!(config.credentials.unwrap().username, "anna");
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        let nobody = r#""host": "a.example""#;
        for (fields, field) in [
            (format!(r#"{LOGIN}, "mailbox": """#), "/mailbox"),
            (format!(r#"{LOGIN}, "mailbox": "a\r\nb""#), "/mailbox"),
            (format!(r#"{LOGIN}, "messages_degraded_above": -1"#), "/messages_degraded_above"),
            (format!(r#"{LOGIN}, "unseen_degraded_above": "x""#), "/unseen_degraded_above"),
            (format!(r#"{LOGIN}, "security": "none""#), "/password"),
            (format!(r#"{LOGIN}, "folder": "a""#), "/folder"),
            (nobody.to_owned(), "/username"),
        ] {
            let problems = judge::<Config>(&format!("{{{fields}}}")).unwrap_err();
            assert_eq!((problems.len(), problems[0].field.as_deref()), (1, Some(field)), "{fields}");
        }
    }
}
