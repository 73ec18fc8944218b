//! Results as callers see them, and the names of the hosts that found them.

use std::collections::BTreeMap;

use farwatch_core::block::SlotRun;
use farwatch_core::ledger::DueSlot;
use farwatch_core::slot::{Timing, timing};
use farwatch_proto::id::{HostId, ModuleHash, OrderId};
use farwatch_proto::interval::Interval;
use farwatch_proto::outcome::{Attribute, Blame, Status};
use farwatch_proto::run::{Purpose, RunResult, Terms};
use farwatch_proto::time::{Stamp, UnixMs};
use schemars::JsonSchema;
use serde::Serialize;

use super::problem::ApiError;
use crate::store::{LedgerRevision, Store};

/// What people call the hosts, the retired ones too.
pub(super) struct HostNames(BTreeMap<HostId, String>);

impl HostNames {
    pub(super) async fn load(store: &Store) -> Result<Self, ApiError> {
        let hosts = store.hosts().list().await?;
        Ok(Self(hosts.into_iter().map(|host| (host.id, host.facts.name)).collect()))
    }

    /// The name, or the id where there is none.
    pub(super) fn of(&self, host: HostId) -> String {
        self.0.get(&host).cloned().unwrap_or_else(|| host.to_string())
    }
}

#[derive(Serialize, JsonSchema)]
pub(super) struct ResultView {
    stream: u16,
    slot: UnixMs,
    host: HostId,
    host_name: String,
    status: &'static str,
    /// Who is to blame that a run could not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    blame: Option<Blame>,
    latency_us: u32,
    #[serde(skip_serializing_if = "String::is_empty")]
    code: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attributes: Vec<Attribute>,
    /// `on_time`, `late`, or `outside` the window; absent for a run outside the schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    timing: Option<&'static str>,
    /// The order it answers, when its slot was not due.
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<OrderId>,
    started: UnixMs,
    duration_us: u32,
    /// The CPU time of the module, without its probes; absent where it was not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_us: Option<u32>,
    /// The most memory that the module had; absent where it was not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_bytes: Option<u64>,
    revision: u32,
    module: ModuleHash,
    view: Stamp,
}

/// The result that speaks for a slot.
#[derive(Serialize, JsonSchema)]
pub(super) struct SpokenView {
    stream: u16,
    slot: UnixMs,
    host: HostId,
    host_name: String,
    status: &'static str,
    /// Who is to blame that a run could not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    blame: Option<Blame>,
    /// To within 0.4 %.
    latency_us: u32,
    #[serde(skip_serializing_if = "String::is_empty")]
    code: String,
    /// `on_time`, `late`, or `outside` the window.
    timing: &'static str,
    started: UnixMs,
    /// The revision that counted at the slot, and the module that it runs.
    revision: u32,
    module: ModuleHash,
    view: Stamp,
}

impl SpokenView {
    pub(super) fn of(due: DueSlot, run: &SlotRun<'_>, stream: u16, terms: &LedgerRevision, names: &HostNames) -> Self {
        let SlotRun { runner, started, latency, status, code } = *run;
        Self {
            stream,
            slot: due.slot,
            host: runner.host,
            host_name: names.of(runner.host),
            status: status.word(),
            blame: blame(status),
            latency_us: latency.us(),
            code: code.to_owned(),
            timing: timing_word(timing(due.slot, due.interval, started)),
            started,
            revision: terms.revision,
            module: terms.module,
            view: runner.view,
        }
    }

    /// Where it stands among the results of its check.
    pub(super) const fn place(&self) -> (UnixMs, u16) {
        (self.slot, self.stream)
    }
}

pub(super) const fn blame(status: Status) -> Option<Blame> {
    match status {
        Status::Unknown(blame) => Some(blame),
        Status::Up | Status::Degraded | Status::Down => None,
    }
}

/// One result of a host. `interval` is the one in force, by which its timing is told.
pub(super) fn result_view(host: HostId, result: RunResult, interval: Interval, names: &HostNames) -> ResultView {
    let RunResult { stream, purpose, slot, terms, started, duration_us, cost, outcome } = result;
    let Terms { revision, module, view } = terms;
    let (timing, order) = match purpose {
        Purpose::Slot => (Some(timing_word(timing(slot, interval, started))), None),
        Purpose::Vote(order) => (None, Some(order)),
    };
    let is_measured = !cost.is_nothing();
    let detail = outcome.detail.map_or_else(Default::default, |detail| *detail);
    ResultView {
        stream: stream.number,
        slot,
        host,
        host_name: names.of(host),
        status: outcome.status.word(),
        blame: blame(outcome.status),
        latency_us: outcome.latency_us,
        code: detail.code,
        message: detail.message,
        attributes: detail.attributes,
        timing,
        order,
        started,
        duration_us,
        cpu_us: is_measured.then_some(cost.cpu_us),
        memory_bytes: is_measured.then(|| cost.memory_bytes()),
        revision,
        module,
        view,
    }
}

const fn timing_word(timing: Timing) -> &'static str {
    match timing {
        Timing::OnTime => "on_time",
        Timing::Late => "late",
        Timing::Early | Timing::Outside => "outside",
    }
}
