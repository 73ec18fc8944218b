//! The JSON config: which fields there are, and what they are when nothing is said.
//!
//! A password needs no encryption of the connection here: which proof of it the server asks for is known only in a run, and
//! by SCRAM and MD5 the password itself is never sent. A server that asks for the password itself is refused there.

use farwatch_guest::fields::{Fields, Form, FromFields};
use farwatch_guest::query::{self, Query};
use farwatch_guest::secret::Secret;
use farwatch_guest::service::{self, Kind, Security, Service};

/// Where servers listen, and how they are spoken to. Since version 17 a server that speaks TLS from the first byte insists
/// on the name of its protocol.
pub const KIND: Kind =
    Kind { port: 5432, tls_port: 5432, can_start_tls: true, security: Security::StartTls, alpn: &["postgresql"] };
/// The longest name that a server keeps.
const NAME_MAX: usize = 63;

/// What a server is in a set of copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It takes writes.
    Primary,
    /// It is in recovery: it only follows another.
    Standby,
}

/// Who logs in, and where to.
#[derive(Debug, Clone)]
pub struct Login {
    /// The user.
    pub username: String,
    /// Its password, for servers that ask for one.
    pub password: Option<Secret>,
    /// The database.
    pub database: String,
    /// Whether the password itself may be sent without encryption.
    pub is_plaintext_allowed: bool,
}

/// What a run asks and expects.
#[derive(Debug, Clone)]
pub struct Config {
    /// The server.
    pub service: Service,
    /// Who logs in.
    pub login: Login,
    /// What is asked.
    pub query: Query,
    /// What the server should be; either if none.
    pub role: Option<Role>,
}

impl FromFields for Config {
    const FORM: Form = Form {
        example: "{\"host\": \"db.example.com\", \"username\": \"watch\", \"password\": {\"secret\": \"watch-password\"}}",
        fields: &[
            service::FIELDS,
            &["username", "password", "database", "allow_plaintext_login"],
            query::FIELDS,
            &["expect_role"],
        ],
    };

    fn read(fields: &mut Fields<'_>) -> Self {
        let service = KIND.read(fields);
        let login = login(fields, service.security);
        let query = query::read(fields);
        let role = fields.choice("expect_role", &[("primary", Role::Primary), ("standby", Role::Standby)]);
        Config { service, login, query, role }
    }
}

fn login(fields: &mut Fields<'_>, security: Security) -> Login {
    let username = fields.needed("username", "who logs in", NAME_MAX).unwrap_or_default().to_owned();
    let database = fields.text("database", NAME_MAX).unwrap_or(&username).to_owned();
    for (field, name) in [("username", &username), ("database", &database)] {
        if fields.get(field).is_some_and(|value| value.is_string()) && (name.is_empty() || name.contains('\0')) {
            fields.bad(field, format!("`{field}` must be a name"));
        }
    }
    let password = fields.secret("password");
    let is_plaintext_allowed = fields.boolean("allow_plaintext_login");
    if security != Security::None && is_plaintext_allowed.is_some() {
        let message = "`allow_plaintext_login` is about connections without encryption; leave it out".to_owned();
        fields.bad("allow_plaintext_login", message);
    }
    Login { username, password, database, is_plaintext_allowed: is_plaintext_allowed.unwrap_or(false) }
}

#[cfg(test)]
mod tests {
    use farwatch_guest::fields::{judge, reread};

    use super::*;

    fn read(config: &str) -> Config {
        reread::<Config>(&judge::<Config>(config).unwrap()).unwrap()
    }

    #[test]
    fn a_host_and_a_user_are_all_that_is_needed_and_every_field_is_read() {
        let config = read(r#"{"host": "a.example", "username": "watch"}"#);
        assert_eq!((config.service.security, config.role), (Security::StartTls, None));
        assert_eq!((config.login.database.as_str(), config.login.password), ("watch", None));
        assert_eq!(config.query.statement, "select 1");
        let config = read(
            r#"{"host": "a", "port": 6432, "security": "none", "username": "watch", "password": {"secret": "p"},
            "database": "shop", "allow_plaintext_login": true, "query": "select 7", "expect_value": "7",
            "expect_minimum": 1, "expect_maximum": 9, "expect_role": "standby"}"#,
        );
        assert_eq!((config.service.security, config.role), (Security::None, Some(Role::Standby)));
        assert_eq!((config.login.database.as_str(), config.login.is_plaintext_allowed), ("shop", true));
        assert!(config.login.password.is_some() && config.query.statement == "select 7");
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        for (fields, field) in [
            (r#""username": """#, "/username"),
            (r#""username": "a", "database": "a\u0000b""#, "/database"),
            (r#""username": "a", "password": "geheim""#, "/password"),
            (r#""username": "a", "allow_plaintext_login": true"#, "/allow_plaintext_login"),
            (r#""username": "a", "expect_role": "master""#, "/expect_role"),
            (r#""username": "a", "expect_value": "1""#, "/expect_value"),
            (r#""username": "a", "security": "ssl""#, "/security"),
            (r#""username": "a", "table": "x""#, "/table"),
            (r#""port": 5432"#, "/username"),
        ] {
            let problems = judge::<Config>(&format!(r#"{{"host": "a", {fields}}}"#)).unwrap_err();
            assert_eq!((problems.len(), problems[0].field.as_deref()), (1, Some(field)), "{fields}: {problems:?}");
        }
    }
}
