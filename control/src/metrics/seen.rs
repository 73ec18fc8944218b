//! What is asked for when somebody looks: how the leader stands, the tasks, the database, and the process itself.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use farwatch_core::fleet::SILENCE_MS;
use farwatch_proto::time::UnixMs;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::leader::handle::LeaderStatus;
use crate::store::{Backlog, PoolUse};
use crate::tasks::TaskStatus;

/// A whole number and one with a fraction, as they stand now.
type Whole = Gauge<i64>;
type Fraction = Gauge<f64, std::sync::atomic::AtomicU64>;

/// A word that says which of a few.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

/// A verdict.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VerdictLabel {
    verdict: String,
}

/// A task of the list.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TaskLabel {
    task: &'static str,
}

/// How things stand at one moment.
pub struct Seen {
    /// Processor time of this process so far.
    pub cpu: Duration,
    /// How the leader stands, if it is this process.
    pub leader: LeaderStatus,
    /// The background work of this process.
    pub tasks: Vec<TaskStatus>,
    /// The connections of this process to the database.
    pub pool: PoolUse,
    /// What waits in the database; absent while it does not answer.
    pub backlog: Option<Backlog>,
}

impl Seen {
    pub(super) fn register(&self, registry: &mut Registry) {
        let build = Info::new([("version", farwatch_proto::VERSION)]);
        registry.register("build", "Which Farwatch this is", build);
        self.register_leader(registry);
        self.register_tasks(registry);
        self.register_database(registry);
    }

    fn register_leader(&self, registry: &mut Registry) {
        let leader = &self.leader;
        whole(registry, "leader", "1 where this process leads", i64::from(leader.leads));
        if !leader.leads {
            return;
        }
        whole(registry, "epoch", "The number of the leadership", leader.epoch.unwrap_or(0));
        whole(registry, "journal_seq", "The last row of the journal", leader.journal_seq);
        counted(registry, "results", "Results committed in this leadership", leader.results);
        counted(registry, "refused_messages", "Messages of hosts refused in this leadership", leader.refused);
        let mut hosts = BTreeMap::from([("heard", 0), ("silent", 0), ("unlinked", 0)]);
        for host in leader.hosts.values() {
            let state = match (host.connected, host.silent_ms < SILENCE_MS) {
                (true, true) => "heard",
                (true, false) => "silent",
                (false, _) => "unlinked",
            };
            *hosts.entry(state).or_default() += 1;
        }
        let linked = hosts["heard"] + hosts["silent"];
        whole(registry, "link_sessions", "Hosts with an open link", linked);
        let capped = leader.hosts.values().map(|host| host.rate_capped).sum::<u64>();
        let about =
            "Probes that hosts did not make since they started, because their tenant had connected as often as it may";
        whole(registry, "probes_rate_capped", about, i64::try_from(capped).unwrap_or(i64::MAX));
        by_state(registry, "hosts", "Registered hosts, by how the leader hears them", &hosts);
        let verdicts: Family<VerdictLabel, Whole> = Family::default();
        for (verdict, checks) in &leader.verdicts {
            verdicts
                .get_or_create(&VerdictLabel { verdict: verdict.clone() })
                .set(i64::try_from(*checks).unwrap_or(i64::MAX));
        }
        registry.register("checks", "Checks that are watched, by verdict", verdicts);
    }

    fn register_tasks(&self, registry: &mut Registry) {
        let (runs, failures): (Family<TaskLabel, Counter>, Family<TaskLabel, Counter>) = Default::default();
        let (last, failing): (Family<TaskLabel, Fraction>, Family<TaskLabel, Whole>) = Default::default();
        for task in &self.tasks {
            let label = TaskLabel { task: task.name };
            runs.get_or_create(&label).inc_by(task.runs);
            failures.get_or_create(&label).inc_by(task.failures);
            failing.get_or_create(&label).set(i64::from(task.last_error.is_some()));
            if let Some(at) = task.last_run {
                last.get_or_create(&label).set(seconds(at));
            }
        }
        registry.register("task_runs", "Runs of a background task", runs);
        registry.register("task_failures", "Runs of a background task that failed", failures);
        registry.register("task_failing", "1 where the last run of a background task failed", failing);
        registry.register("task_last_run_timestamp_seconds", "When a background task last ended a run", last);
    }

    fn register_database(&self, registry: &mut Registry) {
        let PoolUse { open, idle } = self.pool;
        let pool = BTreeMap::from([("idle", i64::from(idle)), ("used", i64::from(open.saturating_sub(idle)))]);
        by_state(registry, "database_connections", "Connections to the database", &pool);
        whole(registry, "database_up", "1 where the database answered", i64::from(self.backlog.is_some()));
        let Some(Backlog { open_incidents, waiting, dead, .. }) = self.backlog else { return };
        whole(registry, "incidents_open", "Incidents that go on", open_incidents);
        let deliveries = BTreeMap::from([("waiting", waiting), ("dead", dead)]);
        by_state(registry, "deliveries", "Deliveries that are not done, by state", &deliveries);
    }

    /// What every exporter tells of its process, by the names that everybody knows.
    pub(super) fn register_process(&self, started: UnixMs, registry: &mut Registry) {
        let cpu: Counter<f64, std::sync::atomic::AtomicU64> = Counter::default();
        cpu.inc_by(self.cpu.as_secs_f64());
        registry.register("process_cpu_seconds", "Processor time of this process", cpu);
        let start: Fraction = Gauge::default();
        start.set(seconds(started));
        registry.register("process_start_time_seconds", "When this process started", start);
        if let Some(bytes) = resident_bytes() {
            whole(registry, "process_resident_memory_bytes", "Memory of this process", bytes);
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            let open = i64::try_from(open.count()).unwrap_or(i64::MAX);
            whole(registry, "process_open_fds", "Open file descriptors", open);
        }
    }
}

fn whole(registry: &mut Registry, name: &str, about: &str, value: i64) {
    let gauge = Whole::default();
    gauge.set(value);
    registry.register(name, about, gauge);
}

fn counted(registry: &mut Registry, name: &str, about: &str, value: u64) {
    let counter: Counter = Counter::default();
    counter.inc_by(value);
    registry.register(name, about, counter);
}

fn by_state(registry: &mut Registry, name: &str, about: &str, values: &BTreeMap<&'static str, i64>) {
    let family: Family<StateLabel, Whole> = Family::default();
    for (state, value) in values {
        family.get_or_create(&StateLabel { state }).set(*value);
    }
    registry.register(name, about, family);
}

/// Prometheus knows seconds only.
#[allow(clippy::cast_precision_loss, reason = "milliseconds of our centuries are whole numbers of a double")]
fn seconds(at: UnixMs) -> f64 {
    at.0 as f64 / 1000.0
}

/// What Linux says of this process, where it says it.
fn resident_bytes() -> Option<i64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
