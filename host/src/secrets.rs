//! The secrets of a check while a run has them, and how they are kept out of what the run says.
//!
//! They come sealed for this host alone, lie on disk like that, and are opened in memory. They are never shown, not even for
//! debugging. Who may have which is not decided here.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use farwatch_identity::{OpeningKey, SEED_BYTES};
use farwatch_proto::check::{Definition, SecretVersion};
use farwatch_proto::id::{CheckId, TenantId};
use farwatch_proto::outcome::{Attribute, Detail, Outcome, Value};

use crate::{entropy, private_file};

/// What the opening key follows from.
const SEED_FILE: &str = "sealing.seed";

/// Shorter values are not looked for: they would be found in every other word, and are no secrets.
pub const REDACTED_MIN_BYTES: usize = 4;

/// The secrets of one check, by the names that its config has for them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(BTreeMap<String, String>);

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

/// What stands where the value of this secret was.
pub fn stand_in(name: &str) -> String {
    format!("[secret {name}]")
}

/// Opens what was sealed for this host.
pub(crate) struct Opener {
    key: OpeningKey,
    /// Whether the key was made by this process: what was sealed before does not open.
    pub(crate) is_new: bool,
}

impl Opener {
    /// The key in this directory, which is made where there is none.
    pub(crate) fn from_directory(directory: &Path) -> anyhow::Result<Self> {
        let path = directory.join(SEED_FILE);
        let (seed, is_new) = match fs::read(&path) {
            Ok(seed) => (seed, false),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let seed = entropy::bytes::<SEED_BYTES>();
                private_file::write_whole(&path, &seed, 0o600)?;
                (seed.to_vec(), true)
            }
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        let Some(seed) = seed.first_chunk::<SEED_BYTES>() else {
            bail!("{} is damaged; delete it, and this host is sent its secrets anew", path.display());
        };
        Ok(Self { key: OpeningKey::of_seed(seed), is_new })
    }

    /// The key by which control seals for this host.
    pub(crate) fn sealing_key(&self) -> Vec<u8> {
        self.key.sealing_key()
    }

    /// The secrets of a definition; those that do not open are not among them.
    pub(crate) fn open(&self, definition: &Definition) -> Secrets {
        self.open_of((definition.tenant, definition.check), &definition.secrets)
    }

    /// Those of these secrets that open, of this check of this tenant.
    pub(crate) fn open_of(&self, (tenant, check): (TenantId, CheckId), secrets: &[SecretVersion]) -> Secrets {
        let open = |secret: &SecretVersion| {
            let belongs_to = secret.belongs_to(tenant, check);
            let value = self.key.open(&belongs_to, &secret.sealed)?;
            Some((secret.name.clone(), String::from_utf8(value).ok()?))
        };
        secrets.iter().filter_map(open).collect()
    }
}

impl FromIterator<(String, String)> for Secrets {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(secrets: I) -> Self {
        Self(secrets.into_iter().collect())
    }
}

impl Secrets {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Their names and values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of one.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Takes every value out of a text.
    pub(crate) fn redact(&self, text: &mut String) {
        for (name, value) in self.0.iter().filter(|(_, value)| value.len() >= REDACTED_MIN_BYTES) {
            if text.contains(value.as_str()) {
                *text = text.replace(value.as_str(), &stand_in(name));
            }
        }
    }

    /// Takes every value out of what a run found.
    pub(crate) fn redacted(&self, mut outcome: Outcome) -> Outcome {
        if let Some(detail) = outcome.detail.as_deref_mut() {
            let Detail { message, attributes, shown, .. } = detail;
            self.redact(message);
            shown.iter_mut().for_each(|shown| self.redact(&mut shown.text));
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
    use farwatch_proto::outcome::{Shown, Status};

    use super::*;

    #[test]
    fn no_value_is_left_in_what_a_run_found() {
        let secrets: Secrets =
            [("mail", "hunter22"), ("pin", "123")].map(|(a, b)| (a.to_owned(), b.to_owned())).into_iter().collect();
        let mut outcome = Outcome::told(Status::Down, 1, "login-refused", "`hunter22` was refused 123 times: hunter22");
        if let Some(detail) = outcome.detail.as_deref_mut() {
            detail.attributes.push(Attribute { key: "x".to_owned(), value: Value::Text("pass=hunter22".to_owned()) });
            detail.shown.push(Shown { what: "received".to_owned(), text: "you said hunter22".to_owned() });
        }
        let found = secrets.redacted(outcome).detail.unwrap();
        assert_eq!(found.message, "`[secret mail]` was refused 123 times: [secret mail]");
        assert_eq!(found.shown[0].text, "you said [secret mail]");
        assert_eq!(found.attributes[0].value, Value::Text("pass=[secret mail]".to_owned()));
        assert_eq!(format!("{secrets:?}"), r#"{"mail", "pin"}"#);
    }
}
