//! `farwatch module`: what can be run.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::fields::{items, text, texts};
use super::{Client, ClientArgs};
use crate::exit::{Failure, REFUSED};
use crate::output::{self, Cell, Look, Table};

/// What can be run
#[derive(Args, Debug)]
pub(crate) struct ModuleArgs {
    #[command(flatten)]
    client: ClientArgs,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// List modules
    #[command(after_help = "Example:\n  farwatch module list")]
    List,
    /// Show a module and the fields of its config
    #[command(after_help = "Example:\n  farwatch module show tcp")]
    Show {
        /// Its name, name@version or hash
        #[arg(value_name = "MODULE")]
        module: String,
    },
}

impl ModuleArgs {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let client = Client::open(&self.client)?;
        let modules = client.connection.get("/v1/modules")?;
        match &self.verb {
            Verb::List => client.show(&modules, listed),
            Verb::Show { module } => client.show(find(&modules, module)?, shown),
        }
    }
}

/// The list is newest first, so the first of a name is its latest version.
fn find<'m>(modules: &'m Value, said: &str) -> Result<&'m Value, Failure> {
    let is_meant = |module: &&Value| {
        let versioned = format!("{}@{}", text(module, "name"), text(module, "version"));
        [versioned.as_str(), &text(module, "name"), &text(module, "hash")].contains(&said)
    };
    let missing = || Failure::new(REFUSED, format_args!("there is no module {said}; see `farwatch module list`"));
    items(modules).find(is_meant).ok_or_else(missing)
}

fn listed(modules: &Value, look: Look) -> String {
    let mut table = Table::new(&["name", "version", "summary", "hash"]);
    for module in items(modules) {
        let fields = ["name", "version", "summary", "hash"];
        table.row(fields.map(|field| text(module, field).into()).to_vec());
    }
    table.shown(look, "no modules")
}

fn shown(module: &Value, look: Look) -> String {
    let head = output::facts(
        &[
            ("name", text(module, "name").into()),
            ("version", text(module, "version").into()),
            ("summary", text(module, "summary").into()),
            ("needs", texts(module, "capabilities").collect::<Vec<_>>().join(", ").into()),
            ("hash", text(module, "hash").into()),
        ],
        look,
    );
    let schema = &module["config_schema"];
    let mut table = Table::new(&["config field", "default", "meaning"]);
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let needed = texts(schema, "required").any(|required| required == name);
        let default = if needed { "needed".to_owned() } else { text(field, "default") };
        table.row(vec![Cell::plain(name), default.into(), text(field, "description").into()]);
    }
    format!("{head}\n{}", table.shown(look, "its config has no fields"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_module_is_found_by_name_version_or_hash() {
        let modules = json!({"items": [
            {"name": "http", "version": "0.2.0", "hash": "mod_2"},
            {"name": "http", "version": "0.1.0", "hash": "mod_1"},
        ]});
        for (said, hash) in [("http", "mod_2"), ("http@0.1.0", "mod_1"), ("mod_1", "mod_1")] {
            assert_eq!(text(find(&modules, said).unwrap(), "hash"), hash);
        }
        assert!(find(&modules, "htt").is_err());
    }

    #[test]
    fn the_fields_of_a_config_are_shown() {
        let schema = json!({"required": ["url"], "properties": {
            "url": {"description": "What to fetch."}, "method": {"default": "GET", "description": "The method."},
        }});
        let module = json!({"name": "http", "config_schema": schema, "capabilities": ["http"]});
        let shown = shown(&module, Look::PLAIN);
        assert!(shown.contains("url           needed   What to fetch."), "{shown}");
        assert!(shown.contains("method        GET      The method."), "{shown}");
    }
}
