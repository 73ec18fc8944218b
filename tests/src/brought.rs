//! The module that stands for what customers bring, under whatever version is wanted.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, ensure};

/// What stands before its version in the component.
const WORDS: &[u8] = b"farwatch-brought ";
/// How long the version may be; what it leaves free is blank.
const VERSION_BYTES: usize = 10;

/// Its component, beside the built-in modules.
///
/// # Errors
/// When it is not built.
pub fn component() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let found = program.ancestors().map(|above| above.join("modules/brought.wasm")).find(|path| path.is_file());
    found.context("the guests are not built; run make guests")
}

/// Its bytes under another version.
///
/// # Errors
/// When it is not built, or the version is too long.
pub fn under_version(version: &str) -> anyhow::Result<Vec<u8>> {
    ensure!(version.len() <= VERSION_BYTES, "there is no room for {version}");
    let mut bytes = fs::read(component()?)?;
    let mut places = (0..bytes.len()).filter(|place| bytes[*place..].starts_with(WORDS));
    let place = places.next().context("it does not say its version")?;
    ensure!(places.next().is_none(), "it says its version more than once");
    let written = &mut bytes[place + WORDS.len()..][..VERSION_BYTES];
    written.fill(b' ');
    written[..version.len()].copy_from_slice(version.as_bytes());
    Ok(bytes)
}
