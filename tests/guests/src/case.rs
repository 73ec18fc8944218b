//! What a case says: `cases/<module>/<case>/case.toml`.
//!
//! It is only read here.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde::Deserialize;

use crate::relay::Mishap;

/// The timeout of a run where a case names none: long, for good cases share a busy machine with many.
const TIMEOUT_MS: u32 = 10_000;
/// What all modules share, and is none.
const SHARED: &str = "guest";

/// See the file's documentation.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it shows, as one sentence.
    pub says: String,
    /// How long the run may take.
    #[serde(default = "usual_timeout_ms")]
    pub timeout_ms: u32,
    /// The config of the check. A text that is `{port}` becomes the port of the server, and so do the other facts that the
    /// server tells of itself; within a longer text they are put in as they are.
    pub config: toml::Table,
    /// The secrets that the config names; they may be facts of the server, too.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// The server.
    pub server: Setup,
    /// What stands between the two, if anything does.
    pub way: Option<Mishap>,
    /// What the module has to find.
    pub expect: Expect,
    /// `module/case`.
    #[serde(skip)]
    pub name: String,
    /// Where its files are.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// Which server, and how it is set up. Cases of the same set-up share one server.
#[derive(Debug, Clone, Deserialize)]
pub struct Setup {
    /// Which one: a name of `server.rs`.
    pub kind: String,
    /// What that kind of server is told.
    #[serde(flatten)]
    pub settings: toml::Table,
}

/// What the module has to find.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// `up`, `degraded`, `down` or `unknown`.
    pub status: String,
    /// The code of the outcome.
    #[serde(default = "ok")]
    pub code: String,
    /// What its message contains.
    #[serde(default)]
    pub message: Vec<String>,
    /// What its message must not contain.
    #[serde(default)]
    pub message_lacks: Vec<String>,
}

const fn usual_timeout_ms() -> u32 {
    TIMEOUT_MS
}

fn ok() -> String {
    "ok".to_owned()
}

impl Case {
    /// The module.
    pub fn module(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }
}

/// Where the cases are.
pub fn folder() -> PathBuf {
    // The checkout that the test runs in, which need not be the one it was compiled in.
    let here = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    here.join("cases")
}

/// All cases, by their names.
///
/// # Errors
/// When one cannot be read, or a folder holds none.
pub fn all() -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for module in folders(&folder())? {
        for folder in folders(&module)? {
            cases.push(read(&folder).with_context(|| format!("in {}", folder.display()))?);
        }
    }
    ensure!(!cases.is_empty(), "there are no cases in {}", folder().display());
    Ok(cases)
}

/// The built-in modules that there are, whether or not they have cases.
///
/// # Errors
/// When they cannot be listed.
pub fn modules() -> anyhow::Result<Vec<String>> {
    let all = folder().join("../../../checks-wasm");
    let names = folders(&all)?.into_iter().filter(|folder| folder.join("Cargo.toml").exists());
    let names = names.filter_map(|folder| Some(folder.file_name()?.to_str()?.to_owned()));
    Ok(names.filter(|name| name != SHARED).collect())
}

fn read(folder: &Path) -> anyhow::Result<Case> {
    let text = fs::read_to_string(folder.join("case.toml")).context("there is no case.toml")?;
    let names: Vec<_> = folder.iter().rev().take(2).map(|name| name.to_string_lossy().into_owned()).collect();
    let case: Case = toml::from_str(&text)?;
    Ok(Case { name: format!("{}/{}", names[1], names[0]), folder: folder.to_owned(), ..case })
}

fn folders(parent: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(parent).with_context(|| format!("cannot read {}", parent.display()))?;
    let mut folders: Vec<_> = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    folders.retain(|path| path.is_dir());
    folders.sort();
    Ok(folders)
}
