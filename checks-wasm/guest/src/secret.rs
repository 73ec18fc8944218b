//! Secrets as a config names them: `{"secret": "mail-password"}` where the value would stand.
//!
//! A value is asked for in the run that needs it, and is never part of a message.

use serde_json::Value;

use crate::fields::Fields;
use crate::wit::farwatch::check::secrets;
use crate::wit::farwatch::check::types::Problem;

/// The longest name of a secret, as control has it.
const NAME_MAX: usize = 64;

/// A secret by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Its value.
    ///
    /// # Errors
    /// When the check has no such secret, which says nothing of the target.
    pub fn reveal(&self) -> Result<String, Problem> {
        secrets::get(&self.0)
    }
}

impl Fields<'_> {
    /// A secret, by its name.
    pub fn secret(&mut self, field: &str) -> Option<Secret> {
        let value = self.get(field)?;
        let name = match value {
            Value::Object(map) if map.len() == 1 => map.get("secret").and_then(Value::as_str),
            _ => None,
        };
        let name = name.filter(|name| !name.is_empty() && name.len() <= NAME_MAX);
        if name.is_none() {
            let message = format!(
                "`{field}` must name a secret: write {{\"secret\": \"NAME\"}}, and give its value by `farwatch secret set NAME`"
            );
            self.add("config-secret-expected", format!("/{field}"), message);
        }
        name.map(|name| Secret(name.to_owned()))
    }

    /// Two fields that mean nothing without each other, such as a name and its password. What is missing is told.
    pub fn together<A, B>(
        &mut self,
        (field, value): (&str, Option<A>),
        (other, needed): (&str, Option<B>),
    ) -> Option<(A, B)> {
        let is_there = |field: &str| self.get(field).is_some();
        for (given, missing) in [(field, other), (other, field)] {
            if is_there(given) && !is_there(missing) {
                let message = format!("`{given}` means nothing without `{missing}`; give both, or neither");
                self.add("config-missing-field", format!("/{missing}"), message);
                break;
            }
        }
        value.zip(needed)
    }
}
