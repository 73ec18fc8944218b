//! The JSON config: which fields there are, and what they are when nothing is said.

use farwatch_guest::fields::{Fields, Form, FromFields};
use farwatch_guest::secret::Secret;
use farwatch_guest::service::{self, Kind, Security, Service};

use crate::filter;

/// Where servers listen, and how they are spoken to.
pub const KIND: Kind = Kind { port: 389, tls_port: 636, can_start_tls: true, security: Security::StartTls, alpn: &[] };
/// Names in directories are paths, but no longer ones.
const NAME_MAX: usize = 1_024;
/// Filters that people write are shorter.
const FILTER_MAX: usize = 1_024;
/// Every entry that is counted travels.
const ENTRIES_MAX: u64 = 1_000;
/// What every entry matches.
const ANY: &str = "(objectClass=*)";
/// The scopes, by the numbers of the protocol.
const SCOPES: [(&str, u32); 3] = [("base", 0), ("one", 1), ("subtree", 2)];

/// Who binds.
#[derive(Debug, Clone)]
pub struct Login {
    /// The name of its entry.
    pub name: String,
    /// Its password.
    pub password: Secret,
}

/// What a run asks and expects.
#[derive(Debug, Clone)]
pub struct Config {
    /// The server.
    pub service: Service,
    /// Who binds; nobody if none.
    pub login: Option<Login>,
    /// From where to search.
    pub base: String,
    /// How far down.
    pub scope: u32,
    /// Which entries, as servers read it.
    pub filter: Vec<u8>,
    /// How many there should be at least.
    pub entries_min: u32,
    /// And at most.
    pub entries_max: Option<u32>,
}

impl FromFields for Config {
    const FORM: Form = Form {
        example: "{\"host\": \"directory.example.com\", \"base_dn\": \"dc=example,dc=com\"}",
        fields: &[
            service::FIELDS,
            &[
                "bind_dn",
                "password",
                "allow_plaintext_login",
                "base_dn",
                "scope",
                "filter",
                "entries_min",
                "entries_max",
            ],
        ],
    };

    fn read(fields: &mut Fields<'_>) -> Self {
        let service = KIND.read(fields);
        let login = login(fields, service.security);
        let base = fields.text("base_dn", NAME_MAX).unwrap_or_default().to_owned();
        // Without a base it is the server's own entry that is read, which has none below it.
        let usual = if base.is_empty() { 0 } else { 2 };
        let scope = fields.choice("scope", &SCOPES).unwrap_or(usual);
        let filter = read_filter(fields);
        let entries_min = fields.number("entries_min", 0, ENTRIES_MAX).unwrap_or(1) as u32;
        let entries_max = fields.number("entries_max", 0, ENTRIES_MAX).map(|count| count as u32);
        if entries_max.is_some_and(|max| max < entries_min) {
            let message = format!("`entries_max` is below `entries_min`, which is {entries_min}");
            fields.bad("entries_max", message);
        }
        Config { service, login, base, scope, filter, entries_min, entries_max }
    }
}

fn login(fields: &mut Fields<'_>, security: Security) -> Option<Login> {
    let name = fields.text("bind_dn", NAME_MAX).map(str::to_owned);
    if name.as_deref() == Some("") {
        fields.bad("bind_dn", "`bind_dn` is empty; leave it out to bind as nobody".to_owned());
    }
    let password = fields.secret("password");
    fields.guard_login(security != Security::None, "password");
    let (name, password) = fields.together(("bind_dn", name), ("password", password))?;
    Some(Login { name, password })
}

fn read_filter(fields: &mut Fields<'_>) -> Vec<u8> {
    match filter::read(fields.text("filter", FILTER_MAX).unwrap_or(ANY)) {
        Ok(filter) => filter,
        Err(wrong) => {
            fields.bad("filter", format!("`filter` is no filter such as (uid=anna): {wrong}"));
            Vec::new()
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
        assert_eq!((config.service.security, config.base.as_str(), config.scope), (Security::StartTls, "", 0));
        assert_eq!((config.entries_min, config.entries_max), (1, None));
        assert!(config.login.is_none() && config.filter == filter::read(ANY).unwrap());
        assert_eq!(read(r#"{"host": "a", "base_dn": "o=x"}"#).scope, 2);
        let config = read(
            r#"{"host": "a", "port": 3389, "security": "none", "bind_dn": "cn=watch", "password": {"secret": "p"},
            "allow_plaintext_login": true, "base_dn": "o=x", "scope": "one", "filter": "(uid=anna)", "entries_min": 2,
            "entries_max": 5}"#,
        );
        assert_eq!((config.service.security, config.base.as_str(), config.scope), (Security::None, "o=x", 1));
        assert_eq!((config.entries_min, config.entries_max), (2, Some(5)));
        assert_eq!(config.filter, filter::read("(uid=anna)").unwrap());
        assert_eq!(config.login.map(|login| login.name).as_deref(), Some("cn=watch"));
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        for (fields, field) in [
            (r#""bind_dn": "cn=watch""#, "/password"),
            (r#""password": {"secret": "p"}"#, "/bind_dn"),
            (r#""bind_dn": "", "password": {"secret": "p"}"#, "/bind_dn"),
            (r#""bind_dn": "cn=a", "password": "geheim""#, "/password"),
            (r#""security": "none", "bind_dn": "cn=a", "password": {"secret": "p"}"#, "/password"),
            (r#""scope": "sub""#, "/scope"),
            (r#""filter": "uid=anna""#, "/filter"),
            (r#""entries_min": 1001"#, "/entries_min"),
            (r#""entries_max": 0"#, "/entries_max"),
            (r#""base": "o=x""#, "/base"),
        ] {
            let problems = judge::<Config>(&format!(r#"{{"host": "a", {fields}}}"#)).unwrap_err();
            assert_eq!((problems.len(), problems[0].field.as_deref()), (1, Some(field)), "{fields}: {problems:?}");
        }
    }
}
