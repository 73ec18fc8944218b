//! The names of secrets, and where a config names them: `{"secret": "mail-password"}` in place of any value.
//!
//! What a secret is worth is not known here.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde_json::Value;

use super::field::{FieldProblem, pointer_key};

/// The longest name, in bytes, as modules have it.
const NAME_MAX_BYTES: usize = 64;
/// Secrets of one check: more would not fit beside its config into one message to a host.
pub const SECRETS_MAX: usize = 8;
/// The one member of an object that names a secret.
const MEMBER: &str = "secret";

/// The name of a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(transparent)]
pub struct SecretName(#[schemars(length(min = 1, max = NAME_MAX_BYTES), pattern(r"^[a-z0-9][a-z0-9._-]*$"))] String);

/// A text that is no such name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no name of a secret: it has 1 to {NAME_MAX_BYTES} of a-z, 0-9, `.`, `_` and `-`, and begins with a letter or a digit"
)]
pub struct BadSecretName;

impl FromStr for SecretName {
    type Err = BadSecretName;

    fn from_str(text: &str) -> Result<Self, BadSecretName> {
        let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_good = text.len() <= NAME_MAX_BYTES
            && text.bytes().next().is_some_and(is_word)
            && text.bytes().all(|byte| is_word(byte) || b"._-".contains(&byte));
        if is_good { Ok(Self(text.to_owned())) } else { Err(BadSecretName) }
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl SecretName {
    /// It as a text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The secrets that a config names, each once, in order; and what is wrong with how it names them. `is_known` says which
/// there are.
pub fn secrets_of(config: &Value, is_known: impl Fn(&str) -> bool) -> (Vec<String>, Vec<FieldProblem>) {
    let (mut named, mut problems) = (Vec::new(), Vec::new());
    find(config, String::new(), &mut |pointer, name| {
        if name.parse::<SecretName>().is_err() {
            problems.push(FieldProblem::new(pointer, format!("{name:?} is {BadSecretName}")));
        } else if !is_known(name) {
            let detail = format!("there is no secret {name}; `farwatch secret set {name}` gives it a value");
            problems.push(FieldProblem::new(pointer, detail));
        } else {
            named.push(name.to_owned());
        }
    });
    named.sort();
    named.dedup();
    if named.len() > SECRETS_MAX {
        let detail = format!("the config names {} secrets; at most {SECRETS_MAX} are allowed", named.len());
        problems.push(FieldProblem::new("", detail));
    }
    (named, problems)
}

fn find(value: &Value, pointer: String, found: &mut impl FnMut(String, &str)) {
    match value {
        Value::Object(map) => match (map.len(), map.get(MEMBER).and_then(Value::as_str)) {
            (1, Some(name)) => found(pointer, name),
            _ => map.iter().for_each(|(key, value)| find(value, format!("{pointer}/{}", pointer_key(key)), found)),
        },
        Value::Array(values) => {
            values.iter().enumerate().for_each(|(index, value)| find(value, format!("{pointer}/{index}"), found));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_found_wherever_they_stand() {
        let config = json!({
            "password": {"secret": "b"},
            "headers": [{"name": "x", "value": {"secret": "a"}}, {"secret": "b"}],
            "secret": "no reference, for other members stand beside it",
        });
        assert_eq!(secrets_of(&config, |_| true), (vec!["a".to_owned(), "b".to_owned()], Vec::new()));
        let (named, problems) = secrets_of(&config, |name| name == "b");
        assert_eq!((named.len(), problems.len()), (1, 1));
        assert_eq!(problems[0].pointer, "/headers/0/value");
    }

    #[test]
    fn names_and_their_number_are_limited() {
        for bad in ["", "A", "-a", "a b", &"a".repeat(65)] {
            let (named, problems) = secrets_of(&json!({ "x": {"secret": bad} }), |_| true);
            assert_eq!((named.len(), problems.len()), (0, 1), "{bad}");
        }
        let many: Vec<Value> = (0..=SECRETS_MAX).map(|n| json!({"secret": n.to_string()})).collect();
        assert_eq!(secrets_of(&json!({ "x": many }), |_| true).1.len(), 1);
    }
}
