//! Changing what is kept: `field=value` on the command line becomes a merge patch (RFC 7396), and the API judges it.

use clap::Args;
use serde_json::{Map, Value};

use super::Client;
use crate::exit::{Failure, USAGE};

/// What a change says.
#[derive(Args, Debug)]
pub(crate) struct Changes {
    /// What to change, as field=value; parts of a field by dots, and nothing behind = takes it away. A value is read
    /// as JSON where it is such, and as a text where it is not
    #[arg(value_name = "FIELD=VALUE", required = true)]
    changes: Vec<String>,
}

impl Changes {
    /// Makes the change and returns what came of it.
    pub(super) fn make(&self, client: &Client, path: &str) -> Result<Value, Failure> {
        client.connection.patch(path, &Value::Object(patch_of(&self.changes)?))
    }
}

fn patch_of(changes: &[String]) -> Result<Map<String, Value>, Failure> {
    let mut patch = Map::new();
    for change in changes {
        let said = change.split_once('=').filter(|(field, _)| field.split('.').all(|part| !part.is_empty()));
        let Some((field, value)) = said else {
            let line = format!("{change:?} says no change: write it as field=value, such as interval=30s");
            return Err(Failure::new(USAGE, line));
        };
        put(&mut patch, field, value_of(value));
    }
    Ok(patch)
}

fn value_of(text: &str) -> Value {
    if text.is_empty() {
        return Value::Null;
    }
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

fn put(patch: &mut Map<String, Value>, field: &str, value: Value) {
    let Some((outer, inner)) = field.split_once('.') else {
        patch.insert(field.to_owned(), value);
        return;
    };
    let within = patch.entry(outer).or_insert(Value::Null);
    if !within.is_object() {
        *within = Value::Object(Map::new());
    }
    if let Value::Object(within) = within {
        put(within, inner, value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn patch(changes: &[&str]) -> Result<Value, String> {
        let changes: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
        patch_of(&changes).map(Value::Object).map_err(|failure| format!("{failure:?}"))
    }

    #[test]
    fn changes_become_a_merge_patch() {
        for (changes, expected) in [
            (&["name=shop eu"][..], json!({"name": "shop eu"})),
            (&["interval=30s", "timeout_ms=5000"], json!({"interval": "30s", "timeout_ms": 5000})),
            (&["config.url=https://a.example/?q=1"], json!({"config": {"url": "https://a.example/?q=1"}})),
            (&["labels.tier=", "labels.net=fast"], json!({"labels": {"tier": null, "net": "fast"}})),
            (&["paused=true", r#"contacts=["con_1"]"#], json!({"paused": true, "contacts": ["con_1"]})),
            (&[r#"name="12""#], json!({"name": "12"})),
        ] {
            assert_eq!(patch(changes), Ok(expected), "{changes:?}");
        }
    }

    #[test]
    fn what_says_no_change_is_refused() {
        for bad in ["name", "=x", "config.=x", ".url=x"] {
            assert!(patch(&[bad]).unwrap_err().contains("field=value"), "{bad}");
        }
    }
}
