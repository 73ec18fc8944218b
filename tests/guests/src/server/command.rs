//! The `openssl` command, for what the library of the tests does not make.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

/// Runs it in this directory, and returns what it said.
pub(super) fn openssl(directory: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let ran = Command::new("openssl").args(arguments).current_dir(directory).output();
    let ran = ran.context("openssl cannot be started; install the Debian package openssl")?;
    ensure!(ran.status.success(), "openssl {arguments:?} failed: {}", String::from_utf8_lossy(&ran.stderr));
    Ok(String::from_utf8_lossy(&ran.stdout).into_owned())
}
