//! The JSON config: which fields there are, and what they are when nothing is said.
//!
//! A password needs no encryption of the connection here: which proof of it the server asks for is known only in a run, and
//! the usual ones never send the password itself. A server that asks for that is refused there.

use farwatch_guest::fields::{Fields, Form, FromFields};
use farwatch_guest::query::{self, Query};
use farwatch_guest::secret::Secret;
use farwatch_guest::service::{self, Kind, Security, Service};

/// Where servers listen, and how they are spoken to.
pub const KIND: Kind =
    Kind { port: 3306, tls_port: 3306, can_start_tls: true, security: Security::StartTls, alpn: &[] };
/// The longest name of a user, by MariaDB; MySQL allows 32 characters.
const NAME_MAX: usize = 256;

/// Who logs in, and where to.
#[derive(Debug, Clone)]
pub struct Login {
    /// The user.
    pub username: String,
    /// Its password; users without one have an empty one.
    pub password: Option<Secret>,
    /// The database; none if none is needed.
    pub database: Option<String>,
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
    /// Whether the server should refuse writes; either if none.
    pub is_read_only: Option<bool>,
}

impl FromFields for Config {
    const FORM: Form = Form {
        example: "{\"host\": \"db.example.com\", \"username\": \"watch\", \"password\": {\"secret\": \"watch-password\"}}",
        fields: &[
            service::FIELDS,
            &["username", "password", "database", "allow_plaintext_login"],
            query::FIELDS,
            &["expect_read_only"],
        ],
    };

    fn read(fields: &mut Fields<'_>) -> Self {
        let service = KIND.read(fields);
        if service.security == Security::Tls {
            let message = "no server of this protocol speaks TLS from the first byte; set `security` to \"starttls\"";
            fields.bad("security", message.to_owned());
        }
        let login = login(fields, service.security);
        let query = query::read(fields);
        Config { service, login, query, is_read_only: fields.boolean("expect_read_only") }
    }
}

fn login(fields: &mut Fields<'_>, security: Security) -> Login {
    let username = fields.needed("username", "who logs in", NAME_MAX).unwrap_or_default().to_owned();
    let database = fields.text("database", NAME_MAX).map(str::to_owned);
    for (field, name) in [("username", Some(&username)), ("database", database.as_ref())] {
        let is_text = fields.get(field).is_some_and(|value| value.is_string());
        if is_text && name.is_some_and(|name| name.is_empty() || name.contains('\0')) {
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
        assert_eq!((config.service.security, config.is_read_only), (Security::StartTls, None));
        assert_eq!((config.login.database, config.login.password), (None, None));
        assert_eq!(config.query.statement, "select 1");
        let config = read(
            r#"{"host": "a", "port": 3307, "security": "none", "username": "watch", "password": {"secret": "p"},
            "database": "shop", "allow_plaintext_login": true, "query": "select 7", "expect_value": "7",
            "expect_minimum": 1, "expect_maximum": 9, "expect_read_only": true}"#,
        );
        assert_eq!((config.service.security, config.is_read_only), (Security::None, Some(true)));
        assert_eq!((config.login.database.as_deref(), config.login.is_plaintext_allowed), (Some("shop"), true));
        assert!(config.login.password.is_some() && config.query.statement == "select 7");
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        for (fields, field) in [
            (r#""username": """#, "/username"),
            (r#""username": "a", "database": "a\u0000b""#, "/database"),
            (r#""username": "a", "password": "geheim""#, "/password"),
            (r#""username": "a", "allow_plaintext_login": true"#, "/allow_plaintext_login"),
            (r#""username": "a", "expect_read_only": "yes""#, "/expect_read_only"),
            (r#""username": "a", "expect_value": "1""#, "/expect_value"),
            (r#""username": "a", "security": "tls""#, "/security"),
            (r#""username": "a", "table": "x""#, "/table"),
            (r#""port": 3306"#, "/username"),
        ] {
            let problems = judge::<Config>(&format!(r#"{{"host": "a", {fields}}}"#)).unwrap_err();
            assert_eq!((problems.len(), problems[0].field.as_deref()), (1, Some(field)), "{fields}: {problems:?}");
        }
    }
}
