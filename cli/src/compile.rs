//! The process that compiles modules: this program under another word.
//!
//! Bytes nobody has vouched for are compiled there and nowhere else, so that whatever a module makes
//! the compiler do ends with that process.

use std::path::PathBuf;

use crate::exit::{Failure, OrFail, UNAVAILABLE};

/// The hidden word.
pub(crate) const WORD: &str = "compile-module";

/// How to start it.
pub(crate) fn compile_command() -> Result<(PathBuf, Vec<String>), Failure> {
    let program = std::env::current_exe().or_fail(UNAVAILABLE)?;
    Ok((program, vec![WORD.to_owned()]))
}
