//! A Farwatch host at its ordinary work: slots, sandbox, spool and link; and beside it in turn the plain probe and
//! blackbox_exporter.
//!
//! Each makes as many probes a second of the same target as the host in the same seconds, so whatever else the machine does,
//! and what its caches hold, weighs on both alike.

use std::time::Duration;

use anyhow::Context;
use farwatch_tests::system::System;
use farwatch_tests::wait::eventually;
use serde_json::json;

use super::{RUNS_PER_SECOND, blackbox_exporter, plain_probe};
use crate::cpu;

/// Checks at 10 s that make this load.
const CHECKS: u32 = 10 * RUNS_PER_SECOND;
/// One check must be made by then.
const MAKE_LIMIT: Duration = Duration::from_secs(10);
/// All checks must be in force by then.
const SETTLE_LIMIT: Duration = Duration::from_secs(300);

/// CPU of one probe by a host and by whoever probed beside it, in microseconds.
pub(crate) struct Pair {
    pub(crate) host_us: f64,
    pub(crate) other_us: f64,
    /// Runs of the host meanwhile.
    pub(crate) runs: f64,
}

/// What a host costs, everything it does included.
pub(crate) struct HostCost {
    /// Beside the same probes without WASM and without a host.
    pub(crate) plain: Pair,
    pub(crate) blackbox: Pair,
    pub(crate) memory_mib: f64,
}

/// The cost of one check run by a host.
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
    let plain = pair(&system, host, || plain_probe(url, Some(RUNS_PER_SECOND)))?;
    let blackbox = pair(&system, host, || blackbox_exporter(url))?;
    Ok(HostCost { plain, blackbox, memory_mib: cpu::resident_mib(host)? })
}

/// What the host costs while somebody else probes.
fn pair(system: &System, host: u32, other: impl FnOnce() -> anyhow::Result<f64>) -> anyhow::Result<Pair> {
    let (cpu_before, runs_before) = (cpu::used_us(host)?, results(system)?);
    let other_us = other()?;
    let (cpu_us, runs) = (cpu::used_us(host)? - cpu_before, results(system)? - runs_before);
    Ok(Pair { host_us: cpu_us / runs as f64, other_us, runs: runs as f64 })
}

/// Results committed since control started.
fn results(system: &System) -> anyhow::Result<u64> {
    system.api().get("/v1/health")?["results"].as_u64().context("health tells no results")
}
