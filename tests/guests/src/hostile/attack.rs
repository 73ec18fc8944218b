//! What an attack says: `tests/hostile/<attack>/expected.toml`, and `attack.wat` beside it where no compiler makes it.
//!
//! It is only read here.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde::Deserialize;

use super::component;
use crate::case;

/// The timeout of a run where an attack names none.
const TIMEOUT_MS: u32 = 2_000;
/// What makes a folder an attack.
const EXPECTED: &str = "expected.toml";

/// See the file's documentation.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attack {
    /// What it does, as one sentence.
    pub says: String,
    /// The guest that does it, where it is no WAT.
    pub guest: Option<String>,
    /// The config of the check. `{url}` in a text becomes the address of the server.
    #[serde(default)]
    pub config: toml::Table,
    /// The server that plays along.
    pub server: Option<String>,
    /// Whether it needs a name server, and so a network to itself.
    #[serde(default)]
    pub apart: bool,
    /// How long the run may take.
    #[serde(default = "usual_timeout_ms")]
    pub timeout_ms: u32,
    /// So many bytes are added to a module in WAT, which mean nothing. With WASI, more than 4 MiB are a large one.
    #[serde(default)]
    pub padding: usize,
    /// What a module in WAT tells of itself, where that is the attack.
    #[serde(default)]
    pub told: Told,
    /// Where it ends.
    pub at: At,
    /// The code that it ends with.
    pub code: String,
    /// What the message contains.
    #[serde(default)]
    pub message: Vec<String>,
    /// Its name.
    #[serde(skip)]
    pub name: String,
    /// Where its files are.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// The places where an attack can end, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum At {
    /// Its bytes are refused before anything is compiled.
    Gate,
    /// It is refused by the compiler, or when its code is loaded.
    Compile,
    /// It cannot say what it is.
    Describe,
    /// What it says of itself is refused.
    Rules,
    /// It cannot judge a config.
    Validate,
    /// It runs, and is stopped, or is answered and gets nothing.
    Run,
}

impl At {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::Compile => "compile",
            Self::Describe => "describe",
            Self::Rules => "rules",
            Self::Validate => "validate",
            Self::Run => "run",
        }
    }
}

/// What a module tells of itself; what is left out is well-behaved.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// Its name; that of the attack.
    pub name: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// What it checks.
    pub summary: Option<String>,
    /// The schema of its config.
    pub config_schema: Option<String>,
    /// The probes that it says it needs.
    #[serde(default)]
    pub capabilities: Vec<String>,
}

const fn usual_timeout_ms() -> u32 {
    TIMEOUT_MS
}

impl Attack {
    /// The attack in WAT, if it is one.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    fn wat(&self) -> anyhow::Result<Option<String>> {
        let path = self.folder.join("attack.wat");
        path.exists().then(|| fs::read_to_string(&path).with_context(|| path.display().to_string())).transpose()
    }

    /// The component, where it is one in WAT.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn build(&self) -> anyhow::Result<Vec<u8>> {
        let bytes = component::build(&self.name, &self.wat()?.unwrap_or_default(), &self.told)?;
        Ok(if self.padding == 0 { bytes } else { component::padded(bytes, self.padding) })
    }

    /// The config as JSON, with the address of the server in it.
    ///
    /// # Errors
    /// When JSON has no word for it.
    pub fn config(&self, url: &str) -> anyhow::Result<String> {
        Ok(serde_json::to_string(&self.config)?.replace("{url}", url))
    }
}

/// Where they are.
pub fn folder() -> PathBuf {
    case::folder().join("../../hostile")
}

/// All attacks, by their names.
///
/// # Errors
/// When one cannot be read.
pub fn all() -> anyhow::Result<Vec<Attack>> {
    let entries = fs::read_dir(folder()).with_context(|| format!("cannot read {}", folder().display()))?;
    let mut folders: Vec<_> = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    folders.retain(|path| path.join(EXPECTED).exists());
    folders.sort();
    let attacks = folders.iter().map(|folder| read(folder).with_context(|| format!("in {}", folder.display())));
    attacks.collect()
}

fn read(folder: &Path) -> anyhow::Result<Attack> {
    let name = folder.file_name().context("the folder has no name")?.to_string_lossy().into_owned();
    let attack: Attack = toml::from_str(&fs::read_to_string(folder.join(EXPECTED))?)?;
    ensure!(attack.says.ends_with('.'), "what it says is no sentence");
    Ok(Attack { name, folder: folder.to_owned(), ..attack })
}
