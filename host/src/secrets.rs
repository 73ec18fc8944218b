//! The secrets of a check while a run has them, and how they are kept out of what the run says.
//!
//! They are never shown, not even for debugging. Where they come from, and who may have which, is not decided here.

use std::collections::BTreeMap;
use std::fmt;

use farwatch_proto::outcome::{Attribute, Detail, Outcome, Value};

/// Shorter values are not looked for: they would be found in every other word, and are no secrets.
const REDACTED_MIN_BYTES: usize = 4;

/// The secrets of one check, by the names that its config has for them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(BTreeMap<String, String>);

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

impl FromIterator<(String, String)> for Secrets {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(secrets: I) -> Self {
        Self(secrets.into_iter().collect())
    }
}

impl Secrets {
    /// The value of one.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Takes every value out of a text.
    pub(crate) fn redact(&self, text: &mut String) {
        for (name, value) in self.0.iter().filter(|(_, value)| value.len() >= REDACTED_MIN_BYTES) {
            if text.contains(value.as_str()) {
                *text = text.replace(value.as_str(), &format!("[secret {name}]"));
            }
        }
    }

    /// Takes every value out of what a run found.
    pub(crate) fn redacted(&self, mut outcome: Outcome) -> Outcome {
        if let Some(detail) = outcome.detail.as_deref_mut() {
            let Detail { message, attributes, .. } = detail;
            self.redact(message);
            for Attribute { value, .. } in attributes {
                if let Value::Text(text) = value {
                    self.redact(text);
                }
            }
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use farwatch_proto::outcome::Status;

    use super::*;

    #[test]
    fn no_value_is_left_in_what_a_run_found() {
        let secrets: Secrets =
            [("mail", "hunter22"), ("pin", "123")].map(|(a, b)| (a.to_owned(), b.to_owned())).into_iter().collect();
        let mut outcome = Outcome::told(Status::Down, 1, "login-refused", "`hunter22` was refused 123 times: hunter22");
        if let Some(detail) = outcome.detail.as_deref_mut() {
            detail.attributes.push(Attribute { key: "x".to_owned(), value: Value::Text("pass=hunter22".to_owned()) });
        }
        let found = secrets.redacted(outcome).detail.unwrap();
        assert_eq!(found.message, "`[secret mail]` was refused 123 times: [secret mail]");
        assert_eq!(found.attributes[0].value, Value::Text("pass=[secret mail]".to_owned()));
        assert_eq!(format!("{secrets:?}"), r#"{"mail", "pin"}"#);
    }
}
