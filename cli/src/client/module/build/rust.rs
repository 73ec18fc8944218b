//! Modules in Rust: cargo makes a core module, and a tool that is a part of the project makes a component of it.
//!
//! That tool is the one by which the built-in modules are made. It is built once, by the same cargo: linked into this
//! program it would choose other features for the libraries of the sandbox. The target is `wasm32-unknown-unknown`, so
//! that a module imports what the treaty has and no WASI.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::Work;
use super::tools::{Step, ask, program, run};
use crate::exit::{FAILED, Failure, OrFail, UNAVAILABLE};

const TARGET: &str = "wasm32-unknown-unknown";
const TARGET_MISSING: &str = "the compiler has no wasm32-unknown-unknown; get it by `rustup target add \
                              wasm32-unknown-unknown`";
/// The stack of a module in its own memory, of 32 KiB, twice what the built-in ones have. It lies before all data, so what needs
/// more traps. The usual stack of 1 MiB takes as much of every run's memory, and its end is not cleaned cheaply.
const STACK: &str = "link-arg=-zstack-size=32768";
/// Set where the compiler builds its own standard library for the target.
const BUILD_STD: &str = "CARGO_UNSTABLE_BUILD_STD";
/// The tool, in the project.
const COMPONENTIZE: &str = "sdk/componentize/Cargo.toml";
const METADATA: [&str; 3] = ["metadata", "--format-version=1", "--no-deps"];
const CARGO: Step<'_> = Step {
    what: "building it by cargo",
    missing: "install Rust by https://rustup.rs, and then `rustup target add wasm32-unknown-unknown`",
    failed: "",
};

pub(super) fn build(work: &Work) -> Result<(), Failure> {
    check_target(&work.folder)?;
    let cargo = program("CARGO", "cargo");
    let make = ["rustc", "--lib", "--release", "--target", TARGET, "--", "-C", STACK];
    run(&CARGO, Command::new(&cargo).args(make).current_dir(&work.folder))?;
    let metadata = ask(&CARGO, Command::new(&cargo).args(METADATA).current_dir(&work.folder))?;
    let metadata: Value = serde_json::from_slice(&metadata).or_fail(FAILED)?;
    let built = Built::of(&metadata)?;
    let step = Step { what: "making a component of it", ..CARGO };
    let mut command = Command::new(&cargo);
    command.args(["run", "--quiet", "--locked", "--manifest-path", COMPONENTIZE, "--target-dir"]);
    command.arg(built.target.join("componentize")).arg("--").arg(&built.core).arg(&work.output);
    // It is for this machine, whose standard library is there.
    run(&step, command.env_remove(BUILD_STD).current_dir(&work.folder))
}

/// Whether the compiler has the target, which it says less clearly itself. One that builds its own standard library needs
/// nothing.
fn check_target(folder: &Path) -> Result<(), Failure> {
    if std::env::var_os(BUILD_STD).is_some() {
        return Ok(());
    }
    let mut command = Command::new(program("RUSTC", "rustc"));
    let asked = command.args(["--print", "target-libdir", "--target", TARGET]).current_dir(folder);
    let said = ask(&CARGO, asked)?;
    let folder = PathBuf::from(String::from_utf8_lossy(&said).trim());
    if folder.exists() { Ok(()) } else { Err(Failure::new(UNAVAILABLE, TARGET_MISSING)) }
}

/// Where cargo has put what it built.
#[derive(Debug, PartialEq, Eq)]
struct Built {
    target: PathBuf,
    core: PathBuf,
}

impl Built {
    fn of(metadata: &Value) -> Result<Self, Failure> {
        let packages = metadata["packages"].as_array().into_iter().flatten();
        let is_module = |target: &&Value| {
            target["crate_types"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "cdylib"))
        };
        let mut targets = packages.filter_map(|package| package["targets"].as_array()).flatten();
        let named = targets.find(is_module).and_then(|target| target["name"].as_str());
        let (Some(name), Some(target)) = (named, metadata["target_directory"].as_str().map(PathBuf::from)) else {
            return Err(Failure::new(FAILED, "no library is of the crate type cdylib; see [lib] in Cargo.toml"));
        };
        let core = target.join(TARGET).join("release").join(name.replace('-', "_")).with_extension("wasm");
        Ok(Self { target, core })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_core_module_is_where_cargo_says() {
        let target = json!({"name": "my-check", "crate_types": ["cdylib"]});
        let metadata = json!({"packages": [{"targets": [{"crate_types": ["bin"]}, target]}], "target_directory": "/t"});
        let core = PathBuf::from("/t/wasm32-unknown-unknown/release/my_check.wasm");
        assert_eq!(Built::of(&metadata).unwrap(), Built { target: "/t".into(), core });
        assert!(Built::of(&json!({"packages": [], "target_directory": "/t"})).is_err());
    }
}
