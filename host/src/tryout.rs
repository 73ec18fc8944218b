//! One run of a module, made at once: what a host would find, without a schedule, a spool or a control plane.
//!
//! It is the same sandbox, the same probes and the same words as in every run of a host.

use std::time::Duration;

use farwatch_proto::outcome::Outcome;
use farwatch_sandbox::{Limits, Log, Module, RunContext, RunEnd, RunReport, Sandbox};

use crate::outcome;
use crate::probe::{HOST_TROUBLE, Prober};
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
    let (report, probes) = run(sandbox, module, context, RunProbes::new(prober, secrets)).await;
    found(report, probes, secrets, outcome::of_end, is_shown)
}

/// Makes the run, and shows all that was measured and all that came, whatever it found.
pub(crate) async fn run_whole(
    sandbox: &Sandbox,
    prober: &Prober,
    module: &Module,
    context: &RunContext,
    secrets: &Secrets,
) -> Found {
    let (report, probes) = run(sandbox, module, context, RunProbes::whole(prober, secrets)).await;
    found(report, probes, secrets, outcome::whole_of_end, |_| true)
}

async fn run<'a>(
    sandbox: &Sandbox,
    module: &Module,
    context: &RunContext,
    mut probes: RunProbes<'a>,
) -> (RunReport, RunProbes<'a>) {
    let limits = Limits::for_run(module.tier(), Duration::from_millis(context.timeout_ms.into()));
    (sandbox.run(module, &mut probes, context, &limits).await, probes)
}

fn found(
    report: RunReport,
    probes: RunProbes<'_>,
    secrets: &Secrets,
    of_end: impl FnOnce(RunEnd) -> Outcome,
    is_shown: impl FnOnce(&str) -> bool,
) -> Found {
    let RunReport { end, cpu_us, memory_bytes, mut log } = report;
    let (trouble, seen) = probes.into_parts();
    let mut found = match trouble {
        Some(Trouble::Host(trouble)) => outcome::host_trouble(HOST_TROUBLE, &trouble),
        Some(Trouble::Capped(why)) => outcome::despite_cap(of_end(end), &why),
        None => of_end(end),
    };
    if let Some(detail) = found.detail.as_deref_mut().filter(|detail| is_shown(&detail.code)) {
        detail.shown = seen.shown();
    }
    log.lines.iter_mut().for_each(|line| secrets.redact(&mut line.message));
    Found { outcome: secrets.redacted(found), log, cpu_us, memory_bytes }
}
