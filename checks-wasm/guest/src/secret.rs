//! Secrets as a config names them: `{"secret": "mail-password"}` where the value would stand.
//!
//! A value is asked for in the run that needs it, and is never part of a message.

use serde_json::{Map, Value};

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

    /// The secret that an object names, if it does nothing else.
    pub fn of(map: &Map<String, Value>) -> Option<Self> {
        let name = if map.len() == 1 { map.get("secret")?.as_str()? } else { return None };
        (!name.is_empty() && name.len() <= NAME_MAX).then(|| Self(name.to_owned()))
    }
}

/// A text that stands in the config, or in a secret that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text {
    /// The text itself.
    Plain(String),
    /// The secret that holds it.
    Secret(Secret),
}

impl Fields<'_> {
    /// A text of so many bytes at most, or a secret.
    pub fn text_or_secret(&mut self, field: &str, max: usize) -> Option<Text> {
        match self.get(field)? {
            Value::Object(_) => self.secret(field).map(Text::Secret),
            _ => self.text(field, max).map(|text| Text::Plain(text.to_owned())),
        }
    }

    /// A secret, by its name.
    pub fn secret(&mut self, field: &str) -> Option<Secret> {
        let value = self.get(field)?;
        let secret = value.as_object().and_then(Secret::of);
        if secret.is_none() {
            let message = format!(
                "`{field}` must name a secret: write {{\"secret\": \"NAME\"}}, and give its value by `farwatch secret set NAME`"
            );
            self.add("config-secret-expected", format!("/{field}"), message);
        }
        secret
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

    /// Refuses to show what is secret over a connection that is not encrypted, unless `allow_plaintext_login` says that it
    /// may be. `shown` is the field that holds it.
    pub fn guard_login(&mut self, is_encrypted: bool, shown: &str) {
        let is_allowed = self.boolean("allow_plaintext_login").unwrap_or(false);
        if is_encrypted || is_allowed || self.get(shown).is_none() {
            return;
        }
        let message = format!(
            "`{shown}` would be sent without encryption, for everybody on the way to read; encrypt the connection, or set \
             `allow_plaintext_login` to true"
        );
        self.add("config-plaintext-login", format!("/{shown}"), message);
    }
}
