//! One run of a module, made at once: what a host would find, without a schedule, a spool or a control plane.
//!
//! It is the same sandbox, the same probes and the same words as in every run of a host.

use std::time::Duration;

use farwatch_proto::outcome::{Outcome, Shown};
use farwatch_proto::time::UnixMs;
use farwatch_proto::trying::{LogLevel, LogLine, TryRun};
use farwatch_sandbox::{Level, Limits, Log, Module, Probes, RunContext, RunEnd, RunReport, Sandbox};

use crate::clock::Clock;
use crate::outcome;
use crate::probe::{HOST_TROUBLE, Prober};
use crate::recording::{Call, Departure, Recorder, Replay};
use crate::runner::{RunProbes, Trouble};
use crate::secrets::Secrets;

/// What one run found, and what it took.
#[derive(Debug)]
pub struct Found {
    /// What it found, without the values of secrets.
    pub outcome: Outcome,
    /// What the guest logged.
    pub log: Log,
    /// The CPU time that the guest took, without its probes, in microseconds.
    pub cpu_us: u64,
    /// The most memory that the guest had, in bytes.
    pub memory_bytes: usize,
    /// The probes that it made, sockets of its own among them.
    pub probes: u32,
}

/// What one run found, with every call of its probes.
#[derive(Debug)]
pub struct Recorded {
    /// What it found.
    pub found: Found,
    /// What its probes were asked and answered, without the values of secrets.
    pub calls: Vec<Call>,
    /// Calls beyond [`CALLS_MAX`](crate::recording::CALLS_MAX), which are not kept.
    pub dropped: u32,
}

/// Makes the run. `is_shown` says whether a run that is not plainly good is to show what came, by its code.
pub async fn run_once(
    sandbox: &Sandbox,
    prober: &Prober,
    module: &Module,
    context: &RunContext,
    secrets: &Secrets,
    is_shown: impl FnOnce(&str) -> bool,
) -> Found {
    let mut probes = RunProbes::new(prober, secrets);
    let report = run(sandbox, module, context, &mut probes).await;
    let (trouble, seen) = probes.into_parts();
    found(report, trouble, secrets, outcome::of_end, |code| if is_shown(code) { seen.shown() } else { Vec::new() })
}

/// Makes the run, and shows all that was measured and all that came, whatever it found.
pub(crate) async fn run_whole(
    sandbox: &Sandbox,
    prober: &Prober,
    module: &Module,
    context: &RunContext,
    secrets: &Secrets,
) -> Found {
    let mut probes = RunProbes::whole(prober, secrets);
    let report = run(sandbox, module, context, &mut probes).await;
    let (trouble, seen) = probes.into_parts();
    found(report, trouble, secrets, outcome::whole_of_end, |_| seen.shown())
}

/// Makes the run, and shows all that was measured, and of each call of a probe all that came.
pub async fn run_recorded(
    sandbox: &Sandbox,
    prober: &Prober,
    module: &Module,
    context: &RunContext,
    secrets: &Secrets,
    clock: &Clock,
) -> Recorded {
    let mut probes = Recorder::around(RunProbes::whole(prober, secrets), clock.clone());
    let report = run(sandbox, module, context, &mut probes).await;
    let (calls, dropped, trouble) = probes.into_parts();
    let found = found(report, trouble, secrets, outcome::whole_of_end, |_| Vec::new());
    Recorded { found, calls, dropped }
}

/// Makes a run that was recorded again, without a network.
///
/// # Errors
/// How the run departed from what was recorded: what it found means nothing then.
pub async fn run_again(
    sandbox: &Sandbox,
    module: &Module,
    context: &RunContext,
    secrets: &Secrets,
    calls: &[Call],
) -> Result<Found, Departure> {
    let mut probes = Replay::of(calls, secrets);
    let report = run(sandbox, module, context, &mut probes).await;
    match probes.into_departure() {
        Some(departure) => Err(departure),
        None => Ok(found(report, None, secrets, outcome::whole_of_end, |_| Vec::new())),
    }
}

async fn run(sandbox: &Sandbox, module: &Module, context: &RunContext, probes: &mut impl Probes) -> RunReport {
    let limits = Limits::for_run(module.tier(), Duration::from_millis(context.timeout_ms.into()));
    sandbox.run(module, probes, context, &limits).await
}

fn found(
    report: RunReport,
    trouble: Option<Trouble>,
    secrets: &Secrets,
    of_end: impl FnOnce(RunEnd) -> Outcome,
    shown: impl FnOnce(&str) -> Vec<Shown>,
) -> Found {
    let RunReport { end, cpu_us, memory_bytes, probes, mut log } = report;
    let mut found = match trouble {
        Some(Trouble::Host(trouble)) => outcome::host_trouble(HOST_TROUBLE, &trouble),
        Some(Trouble::Capped(why)) => outcome::despite_cap(of_end(end), &why),
        None => of_end(end),
    };
    if let Some(detail) = found.detail.as_deref_mut() {
        detail.shown = shown(&detail.code);
    }
    log.lines.iter_mut().for_each(|line| secrets.redact(&mut line.message));
    Found { outcome: secrets.redacted(found), log, cpu_us, memory_bytes, probes }
}

impl Found {
    /// All of it in the words that are told to people. When it began and how long it took is whoever made it to say.
    pub fn told(self, started: UnixMs, took: Duration) -> TryRun {
        let Self { outcome: Outcome { status, latency_us, detail }, log, cpu_us, memory_bytes, .. } = self;
        let level = |level: Level| match level {
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        let line = |line: farwatch_sandbox::LogLine| LogLine { level: level(line.level), message: line.message };
        TryRun {
            status,
            latency_us,
            detail: detail.map_or_else(Default::default, |detail| *detail),
            log: log.lines.into_iter().map(line).collect(),
            log_dropped: log.dropped,
            is_cut: false,
            started,
            duration_us: u32::try_from(took.as_micros()).unwrap_or(u32::MAX),
            cpu_us,
            memory_bytes: memory_bytes as u64,
        }
    }
}
