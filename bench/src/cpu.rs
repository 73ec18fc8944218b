//! CPU time and memory of a process, as the kernel counts them.

use std::fs;

use anyhow::Context;

/// User and system time of a process and of its ended children, in microseconds.
pub(crate) fn used_us(pid: u32) -> anyhow::Result<f64> {
    let fields = stat(pid)?;
    let ticks =
        |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).context("a short stat line");
    let used = ticks(11)? + ticks(12)? + ticks(13)? + ticks(14)?;
    Ok(used * 1_000_000.0 / rustix::param::clock_ticks_per_second() as f64)
}

/// Resident memory of a process, in MiB.
pub(crate) fn resident_mib(pid: u32) -> anyhow::Result<f64> {
    memory_mib(pid, "VmRSS:")
}

/// The most memory that was ever resident of a process, in MiB.
pub(crate) fn peak_mib(pid: u32) -> anyhow::Result<f64> {
    memory_mib(pid, "VmHWM:")
}

fn memory_mib(pid: u32, field: &str) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).context("the kernel tells no memory")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1024.0)
}

/// The fields of /proc/PID/stat behind the command, which may hold spaces itself.
fn stat(pid: u32) -> anyhow::Result<Vec<String>> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = line.rsplit_once(") ").context("a stat line without a command")?;
    Ok(rest.split_whitespace().map(str::to_owned).collect())
}
