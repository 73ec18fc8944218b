//! A Farwatch host at its ordinary work: slots, sandbox, spool and link.

use std::time::Duration;

use anyhow::Context;
use farwatch_tests::system::System;
use farwatch_tests::wait::eventually;
use serde_json::json;

use crate::cpu;

/// A host's ordinary load: some percent of a core.
pub(crate) const RUNS_PER_SECOND: u32 = 250;
/// Checks at 10 s that make this load.
const CHECKS: u32 = 10 * RUNS_PER_SECOND;
/// Runs that are measured.
const RUNS: u64 = 22_000;
/// All checks must be in force by then.
const SETTLE_LIMIT: Duration = Duration::from_secs(120);
/// And the runs done by then.
const RUN_LIMIT: Duration = Duration::from_secs(300);

/// What a host costs.
pub(crate) struct HostCost {
    pub(crate) cpu_us: f64,
    pub(crate) probes: f64,
    pub(crate) memory_mib: f64,
}

/// The cost of one check run by a host, everything it does included.
pub(crate) fn farwatch_host(url: &str) -> anyhow::Result<HostCost> {
    let system = System::builder().hosts(1).start()?;
    for n in 0..CHECKS {
        let check = json!({ "name": format!("bench-{n}"), "module": "http", "config": { "url": url }, "interval": 10 });
        system.api().post("/v1/checks", &check)?;
    }
    let host = system.host_pid("fra-1")?.as_raw_nonzero().get().cast_unsigned();
    eventually("every check to be run", SETTLE_LIMIT, || Ok((results(&system)? >= CHECKS.into()).then_some(())))?;
    let (cpu_before, runs_before) = (cpu::used_us(host)?, results(&system)?);
    eventually("the runs to be done", RUN_LIMIT, || Ok((results(&system)? - runs_before >= RUNS).then_some(())))?;
    let (cpu_us, runs) = (cpu::used_us(host)? - cpu_before, results(&system)? - runs_before);
    Ok(HostCost { cpu_us: cpu_us / runs as f64, probes: runs as f64, memory_mib: cpu::resident_mib(host)? })
}

/// Results committed since control started.
fn results(system: &System) -> anyhow::Result<u64> {
    system.api().get("/v1/health")?["results"].as_u64().context("health tells no results")
}
