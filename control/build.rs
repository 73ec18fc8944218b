//! Brings the built-in check modules to where the crate embeds them from.
//!
//! It takes what `setup/build-guests.sh` has made, and builds nothing itself: that needs another toolchain.

#![allow(clippy::print_stdout, reason = "a build script talks to cargo on standard output")]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The components that the crate embeds.
const COMPONENTS: [&str; 7] = ["dns.wasm", "http.wasm", "icmp.wasm", "ntp.wasm", "tcp.wasm", "tls.wasm", "udp.wasm"];

fn main() {
    println!("cargo::rerun-if-env-changed=FARWATCH_MODULES_DIR");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo names the output directory"));
    for component in COMPONENTS {
        let Some(built) = built_module(component, &out) else {
            println!("cargo::error=the built-in module {component} is missing: run make guests");
            return;
        };
        println!("cargo::rerun-if-changed={}", built.display());
        if let Err(error) = fs::copy(&built, out.join(component)) {
            println!("cargo::error=cannot copy {}: {error}", built.display());
            return;
        }
    }
}

/// In the directory that was named, or in `modules` of the target directory, which is above the output.
fn built_module(component: &str, out: &Path) -> Option<PathBuf> {
    let named = env::var_os("FARWATCH_MODULES_DIR").map(PathBuf::from);
    let above = || out.ancestors().map(|above| above.join("modules")).find(|modules| modules.join(component).exists());
    let built = named.or_else(above)?.join(component);
    built.exists().then_some(built)
}
