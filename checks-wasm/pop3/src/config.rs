//! The JSON config: which fields there are, and what they are when nothing is said.

use farwatch_guest::credentials::{self, Credentials};
use farwatch_guest::fields::{Fields, Form, FromFields};
use farwatch_guest::service::{self, Kind, Security, Service};

/// Where POP3 servers listen (RFC 1939, RFC 8314).
pub const KIND: Kind = Kind { port: 110, tls_port: 995, can_start_tls: true, security: Security::Tls, alpn: &[] };
/// More messages than any mailbox holds.
const MESSAGES_MAX: u64 = u32::MAX as u64;

/// What a run asks and expects.
#[derive(Debug, Clone)]
pub struct Config {
    /// The server.
    pub service: Service,
    /// Who logs in.
    pub credentials: Option<Credentials>,
    /// Degraded when there are more messages.
    pub messages_degraded_above: Option<u32>,
}

impl FromFields for Config {
    const FORM: Form = Form {
        example: "{\"host\": \"pop.example.com\", \"username\": \"watcher\", \"password\": {\"secret\": \"NAME\"}}",
        fields: &[service::FIELDS, credentials::FIELDS, &["messages_degraded_above"]],
    };

    fn read(fields: &mut Fields<'_>) -> Self {
        let service = KIND.read(fields);
        let credentials = Credentials::needed(fields, &service);
        let limit = fields.number("messages_degraded_above", 0, MESSAGES_MAX);
        Self { service, credentials, messages_degraded_above: limit.map(|limit| limit as u32) }
    }
}

#[cfg(test)]
mod tests {
    use farwatch_guest::fields::{judge, reread};

    use super::*;

    const LOGIN: &str = r#""host": "a.example", "username": "anna", "password": {"secret": "pw"}"#;

    #[test]
    fn every_field_is_read() {
        let said = format!(r#"{{{LOGIN}, "messages_degraded_above": 7, "security": "starttls"}}"#);
        let config = reread::<Config>(&judge::<Config>(&said).unwrap()).unwrap();
        assert_eq!((config.messages_degraded_above, config.service.security), (Some(7), Security::StartTls));
        assert_eq!(config.credentials.unwrap().username, "anna");
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        for (fields, field) in [
            (format!(r#"{LOGIN}, "messages_degraded_above": -1"#), "/messages_degraded_above"),
            (format!(r#"{LOGIN}, "security": "none""#), "/password"),
            (format!(r#"{LOGIN}, "mailbox": "a""#), "/mailbox"),
            (r#""host": "a.example""#.to_owned(), "/username"),
        ] {
            let problems = judge::<Config>(&format!("{{{fields}}}")).unwrap_err();
            assert_eq!((problems.len(), problems[0].field.as_deref()), (1, Some(field)), "{fields}");
        }
    }
}
