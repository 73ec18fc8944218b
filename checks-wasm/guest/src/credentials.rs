//! Names and passwords for servers that are logged in to, and whether they may travel unencrypted.
//!
//! How a protocol hands them over is its module's business.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::fields::Fields;
use crate::secret::Secret;
use crate::service::{Security, Service};
use crate::squeezed_text;
use crate::wit::farwatch::check::types::Problem;

/// The fields that all credentials have.
pub const FIELDS: &[&str] = &["username", "password", "allow_plaintext_login"];
/// No server takes a longer name.
const USERNAME_MAX: usize = 255;
/// Where the schema of a module has these fields.
const PLACE: &str = "\"$credentials\": {},";

/// Who logs in.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The name.
    pub username: String,
    password: Secret,
}

impl Credentials {
    /// Reads the fields; none where nobody is to log in.
    pub fn read(fields: &mut Fields<'_>, service: &Service) -> Option<Self> {
        let username = fields.text("username", USERNAME_MAX).map(str::to_owned);
        if username.as_deref().is_some_and(|name| name.is_empty() || name.contains(char::is_control)) {
            fields.bad("username", "`username` must be a name without line breaks".to_owned());
        }
        let password = fields.secret("password");
        fields.guard_login(service.security != Security::None, "password");
        let (username, password) = fields.together(("username", username), ("password", password))?;
        Some(Self { username, password })
    }

    /// The same where somebody has to log in.
    pub fn needed(fields: &mut Fields<'_>, service: &Service) -> Option<Self> {
        if fields.get("username").is_none() && fields.get("password").is_none() {
            let message = "`username` is missing; say who logs in, and give `password`".to_owned();
            fields.add("config-missing-field", "/username".to_owned(), message);
        }
        Self::read(fields, service)
    }

    /// The password. A line break in it would end the line that it is sent in, and what follows would be a command.
    ///
    /// # Errors
    /// When there is none, or it has bytes that no server takes.
    pub fn password(&self) -> Result<String, Problem> {
        let password = self.password.reveal()?;
        if password.contains(['\r', '\n', '\0']) {
            let message = "the value of the secret that `password` names has a line break, which no password has; set \
                           it again without one";
            let field = Some("/password".to_owned());
            return Err(Problem { code: "secret-unusable".to_owned(), message: message.to_owned(), field });
        }
        Ok(password)
    }

    /// What proves who logs in by the mechanism PLAIN of SASL (RFC 4616), in base64.
    pub fn plain(&self, password: &str) -> String {
        STANDARD.encode(format!("\0{}\0{password}", self.username))
    }
}

/// The schema of a module, with the fields of its credentials where it has the property `$credentials`.
pub fn schema(own: &str) -> String {
    own.replace(PLACE, squeezed_text!("src/credentials.json").trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::{Form, FromFields, judge, reread};
    use crate::service::{self, Kind};

    const KIND: Kind = Kind { port: 25, tls_port: 465, can_start_tls: true, security: Security::StartTls, alpn: &[] };

    struct Config(Option<Credentials>);

    impl FromFields for Config {
        const FORM: Form = Form { example: "{}", fields: &[service::FIELDS, FIELDS] };

        fn read(fields: &mut Fields<'_>) -> Self {
            let service = KIND.read(fields);
            Self(Credentials::read(fields, &service))
        }
    }

    fn config(fields: &str) -> String {
        format!(r#"{{"host": "a.example", {fields}}}"#)
    }

    #[test]
    fn a_password_travels_unencrypted_only_where_that_is_said() {
        let login = r#""username": "anna", "password": {"secret": "pw"}"#;
        for (fields, problem) in [
            (login.to_owned(), None),
            (format!(r#"{login}, "security": "tls""#), None),
            (format!(r#"{login}, "security": "none", "allow_plaintext_login": true"#), None),
            (format!(r#"{login}, "security": "none""#), Some("/password")),
            (format!(r#"{login}, "security": "none", "allow_plaintext_login": false"#), Some("/password")),
            (r#""username": "anna""#.to_owned(), Some("/password")),
            (r#""password": {"secret": "pw"}"#.to_owned(), Some("/username")),
            (r#""username": "a\nb", "password": {"secret": "pw"}"#.to_owned(), Some("/username")),
            (r#""username": "anna", "password": "open""#.to_owned(), Some("/password")),
        ] {
            let found = judge::<Config>(&config(&fields)).err();
            let field = found.as_ref().and_then(|problems| problems[0].field.as_deref());
            assert_eq!(field, problem, "{fields}: {found:?}");
        }
    }

    #[test]
    fn plain_is_name_and_password_between_zeros() {
        let said = config(r#""username": "anna", "password": {"secret": "pw"}"#);
        let config = reread::<Config>(&judge::<Config>(&said).unwrap()).unwrap();
        assert_eq!(config.0.unwrap().plain("geheim"), "AGFubmEAZ2VoZWlt");
    }

    #[test]
    fn nobody_need_log_in() {
        let prepared = judge::<Config>(&config(r#""security": "none""#)).unwrap();
        assert!(reread::<Config>(&prepared).unwrap().0.is_none());
    }
}
