//! What each built-in module costs, against the real server that its cases are played against.
//!
//! Its rows come from `module_costs`, a process of its own, so that nothing else is counted. Every module that is built
//! has its rows, or the measurement fails.

use std::process::{Command, Stdio};

use anyhow::ensure;

use crate::compare::{Figure, beside};
use crate::rows::{Bar, Table};

/// A good run of a built-in module takes at most a tenth of the CPU that ends a run (`RUN_CPU` in `sandbox/src/limits.rs`), in
/// microseconds: a host that is ten times slower does not call a target unknown for it.
const GUEST_MAX_US: f64 = 20_000.0;
/// What a run in flight may take of a host's memory, in KiB.
const MEMORY_MAX_KIB: f64 = 128.0;
/// `postgres` has the tables that passwords beyond ASCII are prepared by. Few runs touch them, and what is not touched takes
/// nothing.
const TABLES_KIB: f64 = 128.0;
/// A module that a host has not seen before makes its first run within a second, and nearly all of that is compiling.
const COMPILE_MAX_MS: f64 = 1_000.0;

/// Adds the rows of all modules. Those that could be measured are there also when others could not.
pub(crate) fn measure(table: &mut Table) -> anyhow::Result<()> {
    let output = Command::new(beside("module_costs")?).arg("--json").stderr(Stdio::inherit()).output()?;
    for figure in String::from_utf8(output.stdout)?.lines() {
        let Figure { name, value, unit } = serde_json::from_str(figure)?;
        table.add(&name, value, &unit, bar(&name));
    }
    ensure!(output.status.success(), "module_costs failed");
    Ok(())
}

fn bar(name: &str) -> Option<Bar> {
    let most = match name.rsplit('/').next()? {
        "guest_cpu" => GUEST_MAX_US,
        "memory" if name == "modules/postgres/memory" => MEMORY_MAX_KIB + TABLES_KIB,
        "memory" => MEMORY_MAX_KIB,
        "compile" => COMPILE_MAX_MS,
        _ => return None,
    };
    Some(Bar::AtMost(most))
}
