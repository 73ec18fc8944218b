//! The secrets that a config names, from flags and files. They go to the module alone.

use std::collections::BTreeMap;
use std::fs;

use farwatch_control::spec::{SecretName, secrets_of};
use farwatch_host::secrets::{REDACTED_MIN_BYTES, Secrets, stand_in};
use serde_json::Value;

use crate::exit::{Failure, NO_INPUT, USAGE};

/// Values by their names.
type Given = BTreeMap<String, String>;

/// The secrets of one run.
pub(super) struct Named {
    pub(super) values: Secrets,
    /// Those that the config names.
    pub(super) names: Vec<String>,
    /// Whether something else stands for any of them.
    is_stood_in: bool,
}

impl Named {
    /// A failure of a replay, and what may be its reason.
    pub(super) fn advising(&self, failure: Failure) -> Failure {
        if !self.is_stood_in {
            return failure;
        }
        failure.advising("a recording has no secrets: where a protocol computes with one, say it by --secret")
    }
}

/// What the flags give.
pub(super) fn given(values: &[String], files: &[String]) -> Result<Given, Failure> {
    let mut given = Given::new();
    for said in values {
        let (name, value) = named("--secret NAME=VALUE", said)?;
        given.insert(name, value.to_owned());
    }
    for said in files {
        let (name, file) = named("--secret-file NAME=FILE", said)?;
        let text = fs::read_to_string(file).map_err(|error| {
            Failure::new(NO_INPUT, format_args!("cannot read the secret {name} in {file}: {error}"))
        })?;
        let value = text.strip_suffix('\n').unwrap_or(&text);
        given.insert(name, value.strip_suffix('\r').unwrap_or(value).to_owned());
    }
    match given.iter().find(|(_, value)| value.len() < REDACTED_MIN_BYTES) {
        Some((name, _)) => {
            let line = format!(
                "the secret {name} has fewer than {REDACTED_MIN_BYTES} bytes, which cannot be told from other text; \
                 test with a longer one"
            );
            Err(Failure::new(USAGE, line))
        }
        None => Ok(given),
    }
}

/// A value may be a secret, so it is not said again.
fn named<'s>(form: &str, said: &'s str) -> Result<(String, &'s str), Failure> {
    let parted = said.split_once('=').filter(|(name, _)| name.parse::<SecretName>().is_ok());
    let (name, value) = parted.ok_or_else(|| Failure::new(USAGE, format_args!("write a secret as {form}")))?;
    Ok((name.to_owned(), value))
}

/// The secrets that a config names. In a replay something stands for those that are not given.
pub(super) fn of_config(config: &Value, mut given: Given, is_replay: bool) -> Result<Named, Failure> {
    let (names, problems) = secrets_of(config, |_| true);
    if let Some(problem) = problems.first() {
        return Err(Failure::new(USAGE, format_args!("the config, at {}: {}", problem.pointer, problem.detail)));
    }
    given.retain(|name, _| names.contains(name));
    let missing: Vec<&String> = names.iter().filter(|name| !given.contains_key(*name)).collect();
    if let Some(name) = missing.first().filter(|_| !is_replay) {
        let line =
            format!("the config names the secret {name}; say --secret {name}=VALUE or --secret-file {name}=FILE");
        return Err(Failure::new(USAGE, line));
    }
    let is_stood_in = !missing.is_empty();
    let stood_in: Vec<_> = missing.into_iter().map(|name| (name.clone(), stand_in(name))).collect();
    Ok(Named { values: given.into_iter().chain(stood_in).collect(), names, is_stood_in })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn texts(said: &[&str]) -> Vec<String> {
        said.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn secrets_are_read_from_flags_and_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        fs::write(&file, "open sesame\r\n").unwrap();
        let given = given(&texts(&["mail=a=bcd"]), &texts(&[&format!("shop={}", file.display())])).unwrap();
        assert_eq!(given["mail"], "a=bcd");
        assert_eq!(given["shop"], "open sesame");
    }

    #[test]
    fn a_value_that_is_wrong_is_not_said_again() {
        for said in ["hunter22", "Bad Name=hunter22", "pin=abc"] {
            let line = format!("{:?}", given(&texts(&[said]), &[]).unwrap_err());
            assert!(!line.contains("hunter22") && !line.contains("abc"), "{line}");
        }
    }

    #[test]
    fn a_config_that_names_a_secret_needs_it_and_a_replay_does_not() {
        let config = json!({"password": {"secret": "mail"}});
        let line = format!("{:?}", of_config(&config, Given::new(), false).err().unwrap());
        assert!(line.contains("--secret mail=VALUE"), "{line}");
        let named = of_config(&config, Given::new(), true).unwrap();
        assert!(named.is_stood_in && named.names == ["mail"]);
        let given = |value: &str| Given::from([("mail".to_owned(), value.to_owned())]);
        assert!(!of_config(&config, given("hunter22"), true).unwrap().is_stood_in);
        assert_eq!(of_config(&json!({}), given("hunter22"), false).unwrap().values, Secrets::default());
    }
}
