//! The contenders, each probing the same nginx with a fresh connection every time.

mod blackbox;
mod farwatch;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, ensure};
use rustix::process::geteuid;
use serde::Deserialize;

use blackbox::blackbox_exporter;
pub(crate) use farwatch::{HostCost, farwatch_host};

use crate::cpu;

/// The rate at which all contenders are compared, for waking up and cold caches cost more the rarer they are. It is what
/// the largest host is built for: 10,000 streams of its own at 10 s.
const RUNS_PER_SECOND: u32 = 1_000;
/// Probes start together in steps of this length, as a host starts what is due.
const STEP_MS: u32 = 20;
/// Probes by the plain program: enough that a host at the same rate makes 20,000 runs meanwhile.
const PLAIN_PROBES: u32 = 25_000;
/// Probes of it in flight at once.
const PLAIN_AT_ONCE: u32 = 64;
/// Runs of check_http: each is a process, so fewer tell as much.
const CHECK_HTTP_RUNS: u32 = 500;

/// One figure of another measuring program.
#[derive(Debug, Deserialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: String,
}

/// Another measuring program.
pub(crate) fn beside(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    ensure!(path.is_file(), "{} is missing; run make bench", path.display());
    Ok(path)
}

/// CPU of one probe by the same code without WASM, in microseconds; at this many a second, or as fast as it can.
pub(crate) fn plain_probe(url: &str, per_second: Option<u32>) -> anyhow::Result<f64> {
    let mut command = Command::new(beside("plain_probe")?);
    command.args([url, &PLAIN_PROBES.to_string(), &PLAIN_AT_ONCE.to_string()]);
    command.args(per_second.map(|rate| rate.to_string()));
    let output = command.output()?;
    ensure!(output.status.success(), "plain_probe: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let figure = text.split_whitespace().find_map(|word| word.strip_prefix("cpu_us_per_probe="));
    Ok(figure.context("plain_probe told no figure")?.parse()?)
}

/// What the sandbox alone costs: of the `http` module by kind of config, or of what these arguments say.
pub(crate) fn sandbox_overhead(arguments: &[&str]) -> anyhow::Result<Vec<Figure>> {
    let output = Command::new(beside("sandbox_overhead")?).arg("--json").args(arguments).output()?;
    ensure!(output.status.success(), "sandbox_overhead: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let rows = text.lines().filter(|line| line.starts_with('{')).map(serde_json::from_str);
    Ok(rows.collect::<Result<_, _>>()?)
}

/// CPU of one run of check_http, process start included, in microseconds.
pub(crate) fn check_http(target: SocketAddr) -> anyhow::Result<f64> {
    let plugin = "/usr/lib/nagios/plugins/check_http";
    let me = std::process::id();
    let before = cpu::used_us(me)?;
    for _ in 0..CHECK_HTTP_RUNS {
        let run = Command::new(plugin)
            .args(["-I", &target.ip().to_string(), "-p", &target.port().to_string()])
            .output()
            .with_context(|| format!("{plugin} is missing as user {}", geteuid().as_raw()))?;
        ensure!(run.status.success(), "check_http: {}", String::from_utf8_lossy(&run.stdout));
    }
    Ok((cpu::used_us(me)? - before) / f64::from(CHECK_HTTP_RUNS))
}
