//! `make servers`: which module is played against which servers of which versions, and in how many cases.
//!
//! It plays nothing. A module that has too few cases, and a server that is not installed, fail it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use farwatch_guest_cases::case::{self, Case};
use farwatch_guest_cases::server;

/// A module with fewer cases has not met what its users fear.
const CASES_MIN: usize = 8;

fn main() -> ExitCode {
    match tell() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "servers: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn tell() -> anyhow::Result<()> {
    let cases = case::all()?;
    let mut modules: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
    for case in &cases {
        modules.entry(case.module()).or_default().push(case);
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{:<12} {:<14} {:<56} {:>5}", "module", "server", "version", "cases")?;
    for (module, cases) in &modules {
        let kinds: BTreeSet<&str> = cases.iter().map(|case| case.server.kind.as_str()).collect();
        for kind in kinds {
            let count = cases.iter().filter(|case| case.server.kind == kind).count();
            writeln!(out, "{module:<12} {kind:<14} {:<56} {count:>5}", server::version(kind)?)?;
        }
    }
    writeln!(out, "servers: modules={} cases={}", modules.len(), cases.len())?;
    for module in case::modules()? {
        let count = modules.get(module.as_str()).map_or(0, Vec::len);
        ensure!(count >= CASES_MIN, "the module {module} has {count} cases; {CASES_MIN} are the least");
    }
    out.flush().context("the table cannot be written")
}
