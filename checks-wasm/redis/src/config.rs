//! The JSON config: which fields there are, and what they are when nothing is said.

use farwatch_guest::fields::{Fields, Form, FromFields};
use farwatch_guest::secret::Secret;
use farwatch_guest::service::{self, Kind, Security, Service};

/// Where servers listen, and how they are spoken to. Few speak TLS, and those do from the first byte.
pub const KIND: Kind = Kind { port: 6379, tls_port: 6379, can_start_tls: false, security: Security::None, alpn: &[] };
/// Names of users are short words.
const NAME_MAX: usize = 255;
/// Keys may be longer, but none that a check asks for is.
const KEY_MAX: usize = 1_024;
/// More databases than any server has.
const DATABASE_MAX: u64 = 65_535;

/// What a server is in replication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It takes writes.
    Primary,
    /// It follows another.
    Replica,
}

/// What a run asks and expects.
#[derive(Debug, Clone)]
pub struct Config {
    /// The server.
    pub service: Service,
    /// Who logs in; the user of old if none.
    pub username: Option<String>,
    /// The password, for servers that want one.
    pub password: Option<Secret>,
    /// Which database has the key.
    pub database: u16,
    /// What the server should be; either if none.
    pub role: Option<Role>,
    /// A key that should be there.
    pub key: Option<String>,
}

impl FromFields for Config {
    const FORM: Form = Form {
        example: "{\"host\": \"cache.example.com\"}",
        fields: &[
            service::FIELDS,
            &["username", "password", "allow_plaintext_login", "database", "expect_role", "expect_key"],
        ],
    };

    fn read(fields: &mut Fields<'_>) -> Self {
        let service = KIND.read(fields);
        let username = fields.text("username", NAME_MAX).map(str::to_owned);
        if username.as_deref().is_some_and(|name| name.is_empty() || name.contains(char::is_whitespace)) {
            fields.bad("username", "`username` must be one word".to_owned());
        }
        let password = fields.secret("password");
        if username.is_some() && fields.get("password").is_none() {
            let message = "`username` means nothing without `password`; give both, or the password alone".to_owned();
            fields.add("config-missing-field", "/password".to_owned(), message);
        }
        fields.guard_login(service.security != Security::None, "password");
        let key = fields.text("expect_key", KEY_MAX).map(str::to_owned);
        if key.as_deref() == Some("") {
            fields.bad("expect_key", "`expect_key` is empty; say which key should be there".to_owned());
        }
        Config {
            service,
            username,
            password,
            database: fields.number("database", 0, DATABASE_MAX).unwrap_or(0) as u16,
            role: fields.choice("expect_role", &[("primary", Role::Primary), ("replica", Role::Replica)]),
            key,
        }
    }
}

#[cfg(test)]
mod tests {
    use farwatch_guest::fields::{judge, reread};

    use super::*;

    fn read(config: &str) -> Config {
        reread::<Config>(&judge::<Config>(config).unwrap()).unwrap()
    }

    #[test]
    fn a_host_is_all_that_is_needed_and_every_field_is_read() {
        let config = read(r#"{"host": "a.example"}"#);
        assert_eq!((config.service.security, config.database, config.role), (Security::None, 0, None));
        assert_eq!((config.username, config.password, config.key), (None, None, None));
        let config = read(
            r#"{"host": "a", "port": 6380, "security": "tls", "username": "watch", "password": {"secret": "p"},
            "database": 3, "expect_role": "replica", "expect_key": "heartbeat"}"#,
        );
        assert_eq!((config.service.security, config.database), (Security::Tls, 3));
        assert_eq!((config.username.as_deref(), config.key.as_deref()), (Some("watch"), Some("heartbeat")));
        assert!(config.password.is_some() && config.role == Some(Role::Replica));
        assert!(
            read(r#"{"host": "a", "password": {"secret": "p"}, "allow_plaintext_login": true}"#).password.is_some()
        );
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        for (fields, field) in [
            (r#""password": {"secret": "p"}"#, "/password"),
            (r#""security": "tls", "password": "geheim""#, "/password"),
            (r#""username": "watch""#, "/password"),
            (r#""security": "tls", "username": "", "password": {"secret": "p"}"#, "/username"),
            (r#""security": "starttls""#, "/security"),
            (r#""database": -1"#, "/database"),
            (r#""expect_role": "master""#, "/expect_role"),
            (r#""expect_key": """#, "/expect_key"),
            (r#""key": "x""#, "/key"),
        ] {
            let problems = judge::<Config>(&format!(r#"{{"host": "a", {fields}}}"#)).unwrap_err();
            assert_eq!((problems.len(), problems[0].field.as_deref()), (1, Some(field)), "{fields}: {problems:?}");
        }
    }
}
