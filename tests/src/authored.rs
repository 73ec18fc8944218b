//! Modules as their authors make them, by `farwatch module new` and `build`, in each language that there is an SDK for.
//!
//! The tools of the languages come from `setup/sdk.sh`, which `make sdk` and `make bench` run.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::system::farwatch;

/// A language, by its word on the command line, and what is fetched for its projects once.
#[derive(Debug, Clone, Copy)]
pub struct Lang {
    /// The word.
    pub name: &'static str,
    fetched: Option<&'static str>,
}

/// All of them.
pub const LANGS: [Lang; 3] = [
    Lang { name: "rust", fetched: None },
    Lang { name: "javascript", fetched: Some("node_modules") },
    Lang { name: "python", fetched: Some(".venv") },
];

/// Begins a project of this language in a folder of this one, with what its tools would fetch. Its folder.
///
/// # Errors
/// When it cannot be made, or `setup/sdk.sh` has not run.
pub fn begin(lang: Lang, above: &Path) -> anyhow::Result<PathBuf> {
    let folder = above.join(lang.name);
    let mut command = Command::new(farwatch()?);
    command.args(["module", "new", &format!("page-{}", lang.name), "--lang", lang.name, "--path"]).arg(&folder);
    done(with_tools(command)?)?;
    if let Some(wanted) = lang.fetched {
        symlink(fetched()?.join(lang.name).join(wanted), folder.join(wanted))?;
    }
    Ok(folder)
}

/// Builds the component of a project. What `farwatch module build` says of it.
///
/// # Errors
/// When it does not build.
pub fn build(folder: &Path) -> anyhow::Result<Value> {
    let mut command = Command::new(farwatch()?);
    command.args(["module", "build", "--json", "--path"]).arg(folder);
    Ok(serde_json::from_slice(&done(with_tools(command)?)?)?)
}

/// A command with the tools of all languages, as an author has them who has read what to install.
///
/// # Errors
/// When `setup/sdk.sh` has not run.
pub fn with_tools(mut command: Command) -> anyhow::Result<Command> {
    let fetched = fetched()?;
    let set = fs::read_to_string(fetched.join("tools.env"))?;
    command.envs(set.lines().filter_map(|line| line.split_once('=')));
    command.env("CARGO_TARGET_DIR", fetched.join("rust")).env("FARWATCH_SETTINGS", "/dev/null");
    Ok(command)
}

/// What a command prints that must succeed.
///
/// # Errors
/// When it does not, with what it says.
pub fn done(mut command: Command) -> anyhow::Result<Vec<u8>> {
    let output = command.output()?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

/// Where `setup/sdk.sh` has put what it fetched: above this program, in the target directory.
fn fetched() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let found = program.ancestors().map(|above| above.join("sdk")).find(|folder| folder.join("tools.env").exists());
    found.context("the tools of the languages are not there; run setup/sdk.sh")
}
