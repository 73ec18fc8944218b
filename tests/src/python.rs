//! The Python environment of the tests, made by `make setup`: servers and verifiers that are not ours.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;

/// The interpreter of that environment, with a program that is given as text.
pub fn python(program: &str) -> anyhow::Result<Command> {
    let mut command = Command::new(interpreter()?);
    command.args(["-c", program]);
    Ok(command)
}

/// The interpreter, in the target directory: the one that is set, or the one this test was built in.
///
/// # Errors
/// When there is none.
pub fn interpreter() -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe()?;
    let set = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let directories = set.iter().map(PathBuf::as_path).chain(this.ancestors().skip(1));
    let mut found = directories.map(|directory| directory.join("python/bin/python"));
    found.find(|python| python.exists()).context("the Python environment of the tests is missing; run make setup")
}
