//! Configs as types: their schema, what is wrong with one, and reading it again in each run.
//!
//! The JSON itself is what every run gets, so nothing here can go stale when a type grows a field.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Deserializer;

use crate::outcome::problem;
use crate::wit::farwatch::check::secrets;
use crate::{Check, Problem};

/// A value that stands in no config: `{"secret": "NAME"}`, whose value is given by `farwatch secret set NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// The name of the secret.
    #[schemars(length(min = 1, max = 64))]
    secret: String,
}

impl Secret {
    /// Its value. A module that calls it names `secrets` among its capabilities.
    ///
    /// # Errors
    /// When the check has no such secret, which says nothing of the target.
    pub fn reveal(&self) -> Result<String, Problem> {
        secrets::get(&self.secret)
    }
}

/// The JSON Schema of a module's config.
pub fn schema<C: Check>() -> String {
    schemars::schema_for!(C::Config).as_value().to_string()
}

/// Judges a config. Runs get it as it is.
///
/// # Errors
/// What is wrong with it.
pub fn judged<C: Check>(config: String) -> Result<Vec<u8>, Vec<Problem>> {
    C::judge(&read::<C>(&config).map_err(|problem| vec![problem])?)?;
    Ok(config.into_bytes())
}

/// Reads a config that was judged.
///
/// # Errors
/// When it is damaged, or this version of the module reads other ones.
pub fn reread<C: Check>(config: &[u8]) -> Result<C::Config, Problem> {
    read::<C>(&String::from_utf8_lossy(config))
}

fn read<C: Check>(config: &str) -> Result<C::Config, Problem> {
    let mut reader = Deserializer::from_str(config);
    let read = serde_path_to_error::deserialize(&mut reader).map_err(|error| Problem {
        field: Some(pointer(error.path())),
        ..problem("config-invalid", error.into_inner().to_string())
    })?;
    reader.end().map_err(|error| problem("config-invalid", error.to_string()))?;
    Ok(read)
}

/// Where a field stands, as a JSON pointer (RFC 6901).
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let part = |segment: &Segment| match segment {
        Segment::Seq { index } => Some(format!("/{index}")),
        Segment::Map { key } => Some(format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
        Segment::Enum { .. } | Segment::Unknown => None,
    };
    path.iter().filter_map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Context, Outcome};

    struct Page;

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Config {
        /// The page.
        url: String,
        password: Option<Secret>,
    }

    impl Check for Page {
        const NAME: &'static str = "page";
        const VERSION: &'static str = "0.1.0";
        const SUMMARY: &'static str = "Fetches a page.";
        const CAPABILITIES: &'static [&'static str] = &["http"];
        type Config = Config;

        fn judge(config: &Config) -> Result<(), Vec<Problem>> {
            if config.url.starts_with("http") { Ok(()) } else { Err(vec![problem("url-bad", "no URL")]) }
        }

        fn run(config: &Config, _: &Context) -> Result<Outcome, Problem> {
            assert!(config.password.is_none());
            Ok(Outcome::up(&config.url))
        }
    }

    #[test]
    fn a_schema_says_what_the_type_says() {
        let schema: serde_json::Value = serde_json::from_str(&schema::<Page>()).unwrap();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(schema["properties"]["url"]["description"], "The page.");
        assert_eq!((&schema["required"], &schema["additionalProperties"]), (&["url"][..].into(), &false.into()));
    }

    #[test]
    fn what_is_wrong_with_a_config_is_told_with_its_place() {
        for (config, code, field) in [
            (r#"{"url": "http://a.example"}"#, "ok", None),
            (r#"{"url": 7}"#, "config-invalid", Some("/url")),
            (r#"{"url": "http://a.example", "password": {"secret": 1}}"#, "config-invalid", Some("/password/secret")),
            (r#"{"ur": ""}"#, "config-invalid", Some("/ur")),
            ("{}", "config-invalid", Some("")),
            (r#"{"url": "http://a.example"} x"#, "config-invalid", None),
            (r#"{"url": "gopher"}"#, "url-bad", None),
        ] {
            let found = judged::<Page>(config.to_owned()).err().map(|problems| problems[0].clone());
            let (found, place) = found.map_or(("ok".to_owned(), None), |found| (found.code, found.field));
            assert_eq!((found.as_str(), place.as_deref()), (code, field), "{config}");
        }
    }

    #[test]
    fn a_run_reads_the_config_that_was_judged() {
        let config = judged::<Page>(r#"{"url": "http://a.example"}"#.to_owned()).unwrap();
        assert_eq!(reread::<Page>(&config).unwrap().url, "http://a.example");
        assert_eq!(reread::<Page>(b"\xff").err().unwrap().code, "config-invalid");
    }
}
