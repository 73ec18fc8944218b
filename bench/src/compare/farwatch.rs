//! A Farwatch host at its ordinary work: slots, sandbox, spool and link; and the plain probe beside it.
//!
//! Both make as many probes a second of the same target in the same seconds, so whatever else the machine does,
//! and what its caches hold, weighs on both alike.

use std::time::Duration;

use anyhow::Context;
use farwatch_tests::system::System;
use farwatch_tests::wait::eventually;
use serde_json::json;

use super::{RUNS_PER_SECOND, plain_probe};
use crate::cpu;

/// Checks at 10 s that make this load.
const CHECKS: u32 = 10 * RUNS_PER_SECOND;
/// One check must be made by then.
const MAKE_LIMIT: Duration = Duration::from_secs(10);
/// All checks must be in force by then.
const SETTLE_LIMIT: Duration = Duration::from_secs(300);

/// What a host costs, and the same probes without WASM and without a host.
pub(crate) struct HostCost {
    pub(crate) cpu_us: f64,
    pub(crate) plain_us: f64,
    pub(crate) probes: f64,
    pub(crate) memory_mib: f64,
}

/// The cost of one check run by a host, everything it does included.
pub(crate) fn farwatch_host(url: &str) -> anyhow::Result<HostCost> {
    let system = System::builder().hosts(1).start()?;
    for n in 0..CHECKS {
        let check = json!({ "name": format!("bench-{n}"), "module": "http", "config": { "url": url }, "interval": 10 });
        // Faster than one token may ask: it is told so now and then, and asks again.
        eventually("a check to be made", MAKE_LIMIT, || system.api().post("/v1/checks", &check).map(Some))?;
    }
    let host = system.host_pid("fra-1")?.as_raw_nonzero().get().cast_unsigned();
    let settled = results(&system)? + u64::from(CHECKS);
    eventually("every check to be run", SETTLE_LIMIT, || Ok((results(&system)? >= settled).then_some(())))?;
    let (cpu_before, runs_before) = (cpu::used_us(host)?, results(&system)?);
    let plain_us = plain_probe(url, Some(RUNS_PER_SECOND))?;
    let (cpu_us, runs) = (cpu::used_us(host)? - cpu_before, results(&system)? - runs_before);
    Ok(HostCost { cpu_us: cpu_us / runs as f64, plain_us, probes: runs as f64, memory_mib: cpu::resident_mib(host)? })
}

/// Results committed since control started.
fn results(system: &System) -> anyhow::Result<u64> {
    system.api().get("/v1/health")?["results"].as_u64().context("health tells no results")
}
