//! Brings the built-in check modules to where the crate embeds them from.
//!
//! It takes what `setup/build-guests.sh` has made, and builds nothing itself: that needs another toolchain.

#![allow(clippy::print_stdout, reason = "a build script talks to cargo on standard output")]

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The file that names the checks, one in a line, beside their components.
const LIST: &str = "checks";

fn main() {
    println!("cargo::rerun-if-env-changed=FARWATCH_MODULES_DIR");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo names the output directory"));
    let Some(modules) = modules(&out) else {
        println!("cargo::error=the built-in modules are missing: run make guests");
        return;
    };
    if let Err(error) = embed(&modules, &out) {
        println!("cargo::error=cannot take the built-in modules from {}: {error}", modules.display());
    }
}

/// The directory that was named, or `modules` of the target directory, which is above the output.
fn modules(out: &Path) -> Option<PathBuf> {
    let named = env::var_os("FARWATCH_MODULES_DIR").map(PathBuf::from);
    let above = || out.ancestors().map(|above| above.join("modules")).find(|modules| modules.join(LIST).exists());
    named.or_else(above).filter(|modules| modules.join(LIST).exists())
}

/// Copies the components, and writes the list of them that the crate includes.
fn embed(modules: &Path, out: &Path) -> io::Result<()> {
    let list = modules.join(LIST);
    println!("cargo::rerun-if-changed={}", list.display());
    let mut components = String::from("[\n");
    for check in fs::read_to_string(list)?.lines() {
        let (built, copied) = (modules.join(check).with_extension("wasm"), out.join(check).with_extension("wasm"));
        println!("cargo::rerun-if-changed={}", built.display());
        fs::copy(&built, &copied)?;
        components.push_str(&format!("    ({check:?}, include_bytes!({copied:?})),\n"));
    }
    components.push_str("]\n");
    fs::write(out.join("components.rs"), components)
}
