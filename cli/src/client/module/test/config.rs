//! Which config a component is tested with, and from where it is.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::TestArgs;
use super::opened::Opened;
use super::recording::Recording;
use crate::client::check::config::object_in;
use crate::exit::Failure;

/// The config of a project, in its folder.
const OF_PROJECT: &str = "config.json";

/// See the file's documentation.
#[derive(Debug, PartialEq)]
pub(super) struct Chosen {
    pub(super) config: Value,
    /// In words.
    pub(super) from: String,
}

impl Chosen {
    /// What was said, or else recorded, or else that of the project, or else the module's own example.
    pub(super) fn of(args: &TestArgs, recording: Option<&Recording>, opened: &Opened) -> Result<Self, Failure> {
        let said = args.config.as_deref().map(object_in).transpose()?.map(Value::Object);
        let recorded = recording.map(|recording| recording.config.clone());
        let of_project = if args.file.is_none() { of_project(&args.path)? } else { None };
        let found = [(said, "--config"), (recorded, "the recording"), (of_project, OF_PROJECT)];
        Ok(chosen(found, || opened.example()).with_url(args.url.as_deref()))
    }

    fn with_url(mut self, url: Option<&str>) -> Self {
        if let Some(url) = url {
            self.config["url"] = json!(url);
            self.from.push_str(", with --url");
        }
        self
    }
}

fn of_project(folder: &Path) -> Result<Option<Value>, Failure> {
    let file = folder.join(OF_PROJECT);
    if file.exists() { Ok(Some(Value::Object(object_in(&file.display().to_string())?))) } else { Ok(None) }
}

/// The first config that there is.
fn chosen<const N: usize>(found: [(Option<Value>, &str); N], example: impl FnOnce() -> Option<Value>) -> Chosen {
    let found = found.into_iter().find_map(|(config, from)| Some((config?, from)));
    let of_schema = || example().map(|config| (config, "the first example of the module's schema"));
    let (config, from) =
        found.or_else(of_schema).unwrap_or_else(|| (Value::Object(Map::new()), "nothing: the schema has no example"));
    Chosen { config, from: from.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_config_that_there_is_counts_and_an_example_after_all_others() {
        let config = |name: &str| Some(json!({ "name": name }));
        let first = chosen([(None, "a"), (config("b"), "b"), (config("c"), "c")], || config("example"));
        assert_eq!((&first.config, first.from.as_str()), (&json!({"name": "b"}), "b"));
        let example = chosen([(None, "a")], || config("example"));
        assert!(example.from.contains("first example"), "{example:?}");
        assert_eq!(chosen([(None, "a")], || None).config, json!({}));
    }

    #[test]
    fn the_config_of_a_project_stands_in_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(of_project(folder.path()).unwrap(), None);
        std::fs::write(folder.path().join(OF_PROJECT), r#"{"url": "https://a.example"}"#).unwrap();
        assert_eq!(of_project(folder.path()).unwrap(), Some(json!({"url": "https://a.example"})));
        std::fs::write(folder.path().join(OF_PROJECT), "[]").unwrap();
        assert!(of_project(folder.path()).is_err());
    }

    #[test]
    fn a_url_stands_over_what_the_config_has() {
        let with_url = chosen([(Some(json!({"url": "a", "x": 1})), "--config")], || None).with_url(Some("b"));
        assert_eq!(with_url.config, json!({"url": "b", "x": 1}));
        assert_eq!(with_url.from, "--config, with --url");
    }
}
