//! The bytes that are kept: `corpus/<target>/<name>`, and `corpus/any/` for all targets.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use farwatch_proto::id::ModuleHash;

use crate::case;

/// What is played to every target.
const ANY: &str = "any";

fn folder(target: &str) -> PathBuf {
    case::folder().join("../corpus").join(target)
}

/// What is played to this target, always in the same order.
///
/// # Errors
/// When it cannot be read.
pub fn read(target: &str) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut paths = files(&folder(ANY))?;
    if folder(target).exists() {
        paths.extend(files(&folder(target))?);
    }
    ensure!(!paths.is_empty(), "there is no corpus in {}", folder(ANY).display());
    paths.iter().map(|path| fs::read(path).with_context(|| format!("cannot read {}", path.display()))).collect()
}

fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files: Vec<_> = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    files.sort();
    Ok(files)
}

/// Keeps what broke a target.
///
/// # Errors
/// When it cannot be written.
pub fn keep(target: &str, bytes: &[u8]) -> anyhow::Result<PathBuf> {
    let name = ModuleHash::of(bytes).to_string();
    let path = folder(target).join(name.chars().take(16).collect::<String>());
    fs::create_dir_all(folder(target))?;
    fs::write(&path, bytes)?;
    Ok(path)
}
