//! The JSON config: which fields there are, and what they are when nothing is said.

use farwatch_guest::credentials::{self, Credentials};
use farwatch_guest::fields::{Fields, Form, FromFields};
use farwatch_guest::service::{self, Kind, Security, Service};

/// Where SMTP servers listen (RFC 5321, RFC 8314).
pub const KIND: Kind = Kind { port: 25, tls_port: 465, can_start_tls: true, security: Security::StartTls, alpn: &[] };
/// By what name the check greets where none is given: one that nobody can have (RFC 2606).
const EHLO_NAME: &str = "farwatch.invalid";
/// The longest name that the DNS can hold.
const EHLO_NAME_MAX: usize = 255;
/// The longest path of SMTP, without its brackets (RFC 5321, section 4.5.3.1.3).
const ADDRESS_MAX: usize = 254;

/// What a run asks and expects.
#[derive(Debug, Clone)]
pub struct Config {
    /// The server.
    pub service: Service,
    /// Who logs in, if anybody does.
    pub credentials: Option<Credentials>,
    /// By what name the check greets.
    pub ehlo_name: String,
    /// The message that it asks about, if it does.
    pub message: Option<Message>,
}

/// A message that is never sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its sender; nobody where it is empty, as in reports of delivery.
    pub from: String,
    /// Its recipient.
    pub to: String,
    /// Whether the server should refuse it, because it is none of its business.
    pub is_to_be_refused: bool,
}

impl FromFields for Config {
    const FORM: Form = Form {
        example: "{\"host\": \"mail.example.com\"}",
        fields: &[service::FIELDS, credentials::FIELDS, &["ehlo_name", "from", "to", "expect_recipient"]],
    };

    fn read(fields: &mut Fields<'_>) -> Self {
        let service = KIND.read(fields);
        let credentials = Credentials::read(fields, &service);
        let ehlo_name = fields.text("ehlo_name", EHLO_NAME_MAX).unwrap_or(EHLO_NAME);
        if ehlo_name.is_empty() || !ehlo_name.bytes().all(|byte| byte.is_ascii_graphic()) {
            fields.bad("ehlo_name", "`ehlo_name` must be a name, or an address in brackets".to_owned());
        }
        Self { service, credentials, ehlo_name: ehlo_name.to_owned(), message: message(fields) }
    }
}

fn message(fields: &mut Fields<'_>) -> Option<Message> {
    let expected = fields.choice("expect_recipient", &[("accepted", false), ("refused", true)]);
    let from = address(fields, "from");
    let to = address(fields, "to").filter(|to| !to.is_empty());
    if fields.get("to").is_some_and(|to| to.as_str() == Some("")) {
        fields.bad("to", "`to` is empty; write an address, or leave it out".to_owned());
    }
    if expected.is_some() && fields.get("to").is_none() {
        let message = "`expect_recipient` is about a recipient; give `from` and `to`, or leave it out";
        fields.bad("expect_recipient", message.to_owned());
    }
    let (from, to) = fields.together(("from", from), ("to", to))?;
    Some(Message { from, to, is_to_be_refused: expected.unwrap_or(false) })
}

/// An address that can stand in a command. The server says whether it likes it.
fn address(fields: &mut Fields<'_>, field: &str) -> Option<String> {
    let address = fields.text(field, ADDRESS_MAX)?;
    if !address.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>".contains(&byte)) {
        let message = format!("`{field}` must be an address in ASCII, without spaces and brackets");
        fields.bad(field, message);
    }
    Some(address.to_owned())
}

#[cfg(test)]
mod tests {
    use farwatch_guest::fields::{judge, reread};

    use super::*;

    #[test]
    fn a_host_is_all_that_is_needed_and_every_field_is_read() {
        let read = |said: &str| reread::<Config>(&judge::<Config>(said).unwrap()).unwrap();
        let config = read(r#"{"host": "a.example"}"#);
        assert_eq!((config.service.security, config.ehlo_name.as_str()), (Security::StartTls, "farwatch.invalid"));
        assert!(config.credentials.is_none() && config.message.is_none());
        let config = read(
            r#"{"host": "a", "username": "anna", "password": {"secret": "pw"}, "ehlo_name": "[192.0.2.7]", "from": "",
                "to": "bob@example.com", "expect_recipient": "refused"}"#,
        );
        let message = Message { from: String::new(), to: "bob@example.com".to_owned(), is_to_be_refused: true };
        assert_eq!((config.ehlo_name.as_str(), config.message), ("[192.0.2.7]", Some(message)));
        assert_eq!(config.credentials.unwrap().username, "anna");
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        for (fields, field) in [
            (r#""ehlo_name": "a b""#, "/ehlo_name"),
            (r#""ehlo_name": """#, "/ehlo_name"),
            (r#""from": "a@b", "to": """#, "/to"),
            (r#""from": "a@b""#, "/to"),
            (r#""to": "a@b""#, "/from"),
            (r#""from": "a@b\r\nDATA", "to": "c@d""#, "/from"),
            (r#""from": "a@b", "to": "<c@d>""#, "/to"),
            (r#""expect_recipient": "refused""#, "/expect_recipient"),
            (r#""from": "", "to": "c@d", "expect_recipient": "lost""#, "/expect_recipient"),
            (r#""security": "none", "username": "a", "password": {"secret": "b"}"#, "/password"),
            (r#""sender": "a@b""#, "/sender"),
        ] {
            let problems = judge::<Config>(&format!(r#"{{"host": "a.example", {fields}}}"#)).unwrap_err();
            assert_eq!((problems.len(), problems[0].field.as_deref()), (1, Some(field)), "{fields}: {problems:?}");
        }
    }
}
