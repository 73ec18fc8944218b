//! Things by their id or by what people call them.

use serde_json::Value;

use super::connection::Connection;
use super::fields::{items, text};
use crate::exit::{Failure, REFUSED};

/// A list whose items have an id and a name.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    word: &'static str,
    prefix: &'static str,
    path: &'static str,
    /// Whether the list takes a filter by name.
    filters: bool,
}

/// Checks.
pub(super) const CHECK: Kind = Kind { word: "check", prefix: "chk_", path: "/v1/checks", filters: true };
/// Contacts.
pub(super) const CONTACT: Kind = Kind { word: "contact", prefix: "con_", path: "/v1/contacts", filters: false };
/// Tenants.
pub(super) const TENANT: Kind = Kind { word: "tenant", prefix: "ten_", path: "/v1/tenants", filters: false };
/// Hosts.
pub(super) const HOST: Kind = Kind { word: "host", prefix: "hst_", path: "/v1/hosts", filters: false };

/// The id of what is called so, or the id itself.
pub(super) fn id_of(connection: &Connection, kind: Kind, said: &str) -> Result<String, Failure> {
    if said.starts_with(kind.prefix) {
        return Ok(said.to_owned());
    }
    let listed = match kind {
        Kind { filters: true, path, .. } => connection.list(&format!("{path}?name={}", encoded(said)))?,
        // Few enough for one answer, which takes no parameters.
        Kind { prefix: "hst_", path, .. } => connection.get(path)?,
        Kind { path, .. } => connection.list(path)?,
    };
    find(&listed, kind, said)
}

fn find(listed: &Value, kind: Kind, said: &str) -> Result<String, Failure> {
    let found = items(listed).find(|item| item["name"] == said).map(|item| text(item, "id"));
    found.ok_or_else(|| {
        let word = kind.word;
        Failure::new(REFUSED, format_args!("there is no {word} called {said:?}; see `farwatch {word} list`"))
    })
}

/// A value as it stands in a query (RFC 3986).
pub(super) fn encoded(value: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    let sign = |byte: u8| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    value.bytes().map(sign).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_is_found_whole() {
        let listed = json!({"items": [{"id": "chk_1", "name": "shop eu"}, {"id": "chk_2", "name": "shop"}]});
        assert_eq!(find(&listed, CHECK, "shop").ok().as_deref(), Some("chk_2"));
        let complaint = format!("{:?}", find(&listed, CHECK, "sho").unwrap_err());
        assert!(complaint.contains("there is no check called") && complaint.contains("see `farwatch check list`"));
    }

    #[test]
    fn names_are_encoded_for_the_query() {
        assert_eq!(encoded("Käse & Co"), "K%C3%A4se%20%26%20Co");
    }
}
