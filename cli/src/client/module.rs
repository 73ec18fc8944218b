//! `farwatch module`: what can be run, and bringing more of it.

mod build;
mod described;
mod manual;
mod new;
mod project;
mod test;

use std::fs::File;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use farwatch_sandbox::MODULE_BYTES_MAX;
use serde_json::{Value, json};

use super::fields::{items, micros, text};
use super::reference::encoded;
use super::{Client, ClientArgs};
use crate::exit::{Failure, NO_INPUT, REFUSED};
use crate::output::{self, Look, Table};
use project::{Lang, Project};

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
    /// List modules, or the versions of one with what runs by them took in the last hour
    #[command(after_help = "Examples:\n  farwatch module list\n  farwatch module list my-check")]
    List {
        /// Its name; all modules when absent
        #[arg(value_name = "NAME")]
        name: Option<String>,
    },
    /// Show the manual page of a module: what it does, the fields of its config, and what it finds
    #[command(after_help = "Examples:
  farwatch module show imap
  farwatch module show imap --built-in
  farwatch module show --file my-check.wasm")]
    Show {
        /// Its name, name@version or hash
        #[arg(value_name = "MODULE", required_unless_present = "file")]
        module: Option<String>,
        /// As this program brings it, which needs no Farwatch running
        #[arg(long)]
        built_in: bool,
        /// A component on this machine, which needs no Farwatch running
        #[arg(long, value_name = "FILE", conflicts_with = "module")]
        file: Option<PathBuf>,
    },
    /// Begin a module: write a project that builds as it stands, with its own test and manual
    #[command(after_help = "Examples:
  farwatch module new my-check --lang rust
  farwatch module new my-check --lang python --path checks/my-check")]
    New {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        /// The language it is written in
        #[arg(long)]
        lang: Lang,
        /// Where to write it; a folder of its name when absent
        #[arg(long, value_name = "DIR")]
        path: Option<PathBuf>,
    },
    /// Build the component of a project by the tools of its language, and judge it as Farwatch will
    #[command(after_help = "Examples:
  farwatch module build
  farwatch module build --path my-check

Tools: Rust needs cargo with the target wasm32-unknown-unknown; JavaScript node and npm; Python python3 with venv.")]
    Build {
        /// The folder of the project
        #[arg(long, value_name = "DIR", default_value = ".")]
        path: PathBuf,
    },
    /// Run a component here as a host would, and show all that it saw; needs no Farwatch running
    Test(Box<test::TestArgs>),
    /// Hand a module to Farwatch: a component for the world `check-module`, which is judged and asked what it is
    #[command(after_help = "Examples:
  farwatch module push my-check.wasm
  farwatch module push --path my-check

A module says its name and version itself. The same bytes may be pushed again; other bytes need another version.")]
    Push {
        /// The component; that of the project when absent
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// The folder of the project
        #[arg(long, value_name = "DIR", default_value = ".", conflicts_with = "file")]
        path: PathBuf,
    },
    /// Take back a version of a module that no check is run by
    #[command(after_help = "Example:\n  farwatch module delete my-check 1.2.0")]
    Delete {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        /// The version
        #[arg(value_name = "VERSION")]
        version: String,
    },
    /// Let checks try a version again that is held back because its canary failed
    #[command(after_help = "Example:\n  farwatch module retry my-check 1.3.0")]
    Retry {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        /// The version
        #[arg(value_name = "VERSION")]
        version: String,
    },
}

impl ModuleArgs {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        match &self.verb {
            Verb::Show { file: Some(file), .. } => self.page(&described::file(file)?),
            Verb::Show { module, built_in: true, .. } => {
                self.page(&described::built_in(module.as_deref().unwrap_or_default())?)
            }
            Verb::Show { module, .. } => {
                let client = Client::open(&self.client)?;
                let modules = client.connection.get("/v1/modules")?;
                let module = find(&modules, module.as_deref().unwrap_or_default())?;
                client.show(module, |module, _| manual::page(module))
            }
            Verb::List { name } => {
                let client = Client::open(&self.client)?;
                let path = name.as_deref().map_or_else(String::new, |name| format!("/{}", encoded(name)));
                let shown = if name.is_some() { versions } else { listed };
                client.show(&client.connection.get(&format!("/v1/modules{path}"))?, shown)
            }
            Verb::New { name, lang, path } => {
                let folder = new::folder_of(name, path.as_deref())?;
                new::create(name, *lang, &folder)?;
                output::print(&new::next(name, *lang, &folder))
            }
            Verb::Build { path } => build::print(&build::build(path)?, self.client.json),
            Verb::Test(args) => test::run(args, self.client.json),
            Verb::Push { file: Some(file), .. } => push(&Client::open(&self.client)?, file),
            Verb::Push { path, .. } => {
                let component = built(path)?;
                push(&Client::open(&self.client)?, &component)
            }
            Verb::Delete { name, version } => {
                let client = Client::open(&self.client)?;
                client.connection.delete(&format!("/v1/modules/{}/{}", encoded(name), encoded(version)))?;
                let deleted = format!("{name}@{version}");
                client.show(&json!({ "deleted": deleted }), |_, _| format!("{deleted} is taken back\n"))
            }
            Verb::Retry { name, version } => {
                let client = Client::open(&self.client)?;
                client.connection.delete(&format!("/v1/modules/{}/{}/hold", encoded(name), encoded(version)))?;
                let retried = format!("{name}@{version}");
                client.show(&json!({ "retried": retried }), |_, _| format!("{retried} may be tried again\n"))
            }
        }
    }
}

impl ModuleArgs {
    fn page(&self, described: &Value) -> Result<(), Failure> {
        output::print(&if self.client.json { output::json(described) } else { manual::page(described) })
    }
}

/// The component of the project in this folder.
fn built(folder: &Path) -> Result<PathBuf, Failure> {
    let Project { name, lang, component } = Project::read(folder)?;
    if component.exists() {
        return Ok(component);
    }
    let lang = lang.as_str();
    let unbuilt = format!("{name} is not built yet; do that by `farwatch module build`, which needs {lang}");
    Err(Failure::new(NO_INPUT, unbuilt))
}

/// What is too large is not sent: the API would hang up in the middle of it.
fn push(client: &Client, path: &Path) -> Result<(), Failure> {
    let unreadable = |error| Failure::new(NO_INPUT, format_args!("{}: {error}", path.display()));
    let file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    if length > MODULE_BYTES_MAX as u64 {
        let path = path.display();
        return Err(Failure::new(
            REFUSED,
            format_args!("{path} has {length} bytes; at most {MODULE_BYTES_MAX} are taken"),
        ));
    }
    output::progress(&format!("pushing {}, {} KB …", path.display(), length >> 10));
    let pushed = client.connection.upload("/v1/modules", "application/wasm", file);
    output::progress("");
    client.show(&pushed?, |module, look| listed(&json!({ "items": [module] }), look))
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
    let mut table = Table::new(&["name", "version", "from", "summary", "hash"]);
    for module in items(modules) {
        let from = if module["builtin"] == true { "Farwatch" } else { "you" };
        let [name, version, summary, hash] = ["name", "version", "summary", "hash"].map(|field| text(module, field));
        table.row([name, version, from.to_owned(), summary, hash].map(Into::into).to_vec());
    }
    table.shown(look, "no modules") + &held_back(modules)
}

/// The versions that no check is moved to, and why.
fn held_back(modules: &Value) -> String {
    let lines = items(modules).filter_map(|module| {
        let why = module["held"]["why"].as_str()?;
        let [name, version] = ["name", "version"].map(|field| text(module, field));
        Some(format!("\n{name}@{version} is held back: {why}\n"))
    });
    lines.collect()
}

/// The versions of one module, with what runs by each took.
fn versions(modules: &Value, look: Look) -> String {
    let mut table = Table::new(&["version", "from", "runs/h", "CPU mean", "CPU max", "CPU sum", "memory max", "hash"]);
    for module in items(modules) {
        let (from, cost) = (if module["builtin"] == true { "Farwatch" } else { "you" }, &module["cost"]);
        let memory = cost["memory_bytes_max"].as_u64().map_or_else(String::new, |bytes| format!("{} KB", bytes >> 10));
        let [mean, most, sum] = ["cpu_us_mean", "cpu_us_max", "cpu_us"].map(|field| micros(cost, field));
        let (version, hash) = (text(module, "version"), text(module, "hash"));
        let cells = [version, from.to_owned(), text(cost, "runs"), mean, most, sum, memory, hash];
        table.row(cells.map(Into::into).to_vec());
    }
    table.shown(look, "no modules") + &held_back(modules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_who_brought_each_module() {
        let modules = json!({"items": [
            {"name": "page", "version": "1.2.0", "builtin": false, "summary": "Fetches a page.", "hash": "mod_2"},
            {"name": "http", "version": "0.1.0", "builtin": true, "summary": "Fetches a URL.", "hash": "mod_1"},
        ]});
        let shown = listed(&modules, Look::PLAIN);
        assert!(shown.contains("page  1.2.0    you ") && shown.contains("http  0.1.0    Farwatch  "), "{shown}");
    }

    #[test]
    fn a_list_says_which_version_is_held_back_and_why() {
        let held = json!({"since": 1, "why": "it gave no answer for shop"});
        let modules = json!({"items": [{"name": "page", "version": "1.4.0", "builtin": false, "held": held}]});
        let shown = listed(&modules, Look::PLAIN);
        assert!(shown.ends_with("page@1.4.0 is held back: it gave no answer for shop\n"), "{shown}");
    }

    #[test]
    fn versions_show_what_they_take() {
        let cost = json!({"runs": 60, "cpu_us": 6_000_000, "cpu_us_mean": 100_000, "cpu_us_max": 200_000,
                          "memory_bytes_max": 2_097_152});
        let modules = json!({"items": [
            {"version": "1.2.0", "builtin": false, "hash": "mod_2", "cost": cost},
            {"version": "1.1.0", "builtin": false, "hash": "mod_1"},
        ]});
        let shown = versions(&modules, Look::PLAIN);
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[1].contains("2048 KB") && lines[1].contains("60 "), "{shown}");
        assert!(lines[2].ends_with("mod_1"), "{shown}");
    }

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
}
