//! Whether the house is well: what was observed of it, and what follows from that for whoever runs it.
//!
//! Every finding has a code that stays the same, so that a program can go by it, a sentence, and what to do. Nothing is
//! asked here: the caller brings what it saw.

use farwatch_proto::panel::PanelCount;

use crate::sanity::is_broken;

/// A leader shows that it leads about every second; one that has not for this long is stuck.
const STUCK_MS: i64 = 10_000;
/// A question to the database that takes longer is a sign of trouble: usual ones take a few milliseconds.
const SLOW_MS: i64 = 500;
/// A delivery that has been due for this long waits for more than a busy receiver.
const OVERDUE_MS: i64 = 120_000;
/// A task that has not run for this many of its periods, and this long at least, is late.
const LATE_PERIODS: i64 = 3;
const LATE_MS: i64 = 60_000;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It does its work, and somebody should look.
    Degraded,
    /// It does not do its work.
    Failing,
}

/// What is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Its name, for programs.
    pub code: &'static str,
    /// What it is.
    pub says: String,
    /// What to do.
    pub remedy: &'static str,
}

/// How the database answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// After this long.
    AfterMs(i64),
    /// Not.
    Not(String),
}

/// The leader, where it is this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leading {
    /// How long ago it showed how it stands.
    pub shown_ms_ago: i64,
    /// Registered hosts that it hears.
    pub heard: usize,
    /// Registered hosts that it does not.
    pub silent: usize,
    /// Those of them that their neighbours hear.
    pub contradicted: usize,
    /// Checks that hosts cannot run.
    pub unable: usize,
    /// Hosts whose disks take no results.
    pub full_disks: usize,
    /// Results that hosts gave up for want of room since they started.
    pub dropped_results: u64,
    /// Checks that could not be confirmed, up or down.
    pub unconfirmed: usize,
    /// Hosts that have lost their references while most others see them.
    pub insane: usize,
    /// How the panel of references looks to hosts.
    pub panel: PanelCount,
    /// Hosts that own more streams than they have run places for.
    pub beyond_capacity: usize,
    /// How long a mass failure has lasted, and how many streams began to fail in the last minute.
    pub mass_failure: Option<(i64, usize)>,
}

/// A background task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskSeen {
    /// Its name.
    pub name: &'static str,
    /// Its period.
    pub period_ms: i64,
    /// How long ago it ended a run; absent where it never did.
    pub ran_ms_ago: Option<i64>,
    /// What its last run failed with.
    pub error: Option<String>,
}

/// What was observed at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The database.
    pub database: Answered,
    /// Whether any process holds the lease, where that is known.
    pub somebody_leads: Option<bool>,
    /// The leader, where it is this process.
    pub leading: Option<Leading>,
    /// The tasks of this process.
    pub tasks: Vec<TaskSeen>,
    /// Deliveries that were given up.
    pub dead_deliveries: i64,
    /// Journal rows that could not be read.
    pub unreadable_rows: u64,
    /// For how long the oldest delivery has been due.
    pub overdue_ms: Option<i64>,
    /// Our own incidents that go on, and how many slots were missed in them.
    pub own_incidents: (i64, i64),
}

/// All that is not as it should be, the worst first.
pub fn findings(observed: &Observed) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(of_database(&observed.database));
    if observed.somebody_leads == Some(false) {
        let says = "no process leads".to_owned();
        found.push(failing(
            "no-leader",
            says,
            "wait some seconds; if it lasts, the log of each control process says why",
        ));
    }
    if let Some(leading) = &observed.leading {
        of_leader(leading, &mut found);
        of_fitness(leading, &mut found);
    }
    found.extend(observed.tasks.iter().filter_map(of_task));
    if observed.unreadable_rows > 0 {
        let says = format!("{} rows of the journal cannot be read; what they held is lost", observed.unreadable_rows);
        found.push(degraded("journal-unreadable", says, "see the log for which, and the disk of the database"));
    }
    if let (open @ 1.., missed) = observed.own_incidents {
        let says = format!("{missed} slots were missed for {open} causes that were there within the last ten minutes");
        found.push(degraded(
            "slots-missed",
            says,
            "see `farwatch incident list --own`, and which by `farwatch ledger`",
        ));
    }
    of_deliveries(observed, &mut found);
    found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    found
}

/// The worst of them.
pub fn worst(findings: &[Finding]) -> Option<Severity> {
    findings.iter().map(|finding| finding.severity).max()
}

fn failing(code: &'static str, says: String, remedy: &'static str) -> Finding {
    Finding { severity: Severity::Failing, code, says, remedy }
}

fn degraded(code: &'static str, says: String, remedy: &'static str) -> Finding {
    Finding { severity: Severity::Degraded, code, says, remedy }
}

fn of_database(answered: &Answered) -> Option<Finding> {
    match answered {
        Answered::Not(why) => {
            let says = format!("the database does not answer: {why}");
            Some(failing(
                "database-away",
                says,
                "see whether it runs and can be reached from here; hosts carry on meanwhile",
            ))
        }
        Answered::AfterMs(ms) if *ms > SLOW_MS => {
            let says = format!("the database took {ms} ms to answer");
            Some(degraded("database-slow", says, "look at its load and its disk"))
        }
        Answered::AfterMs(_) => None,
    }
}

fn of_leader(leading: &Leading, found: &mut Vec<Finding>) {
    let Leading { shown_ms_ago, heard, silent, contradicted, unable, unconfirmed, mass_failure, .. } = *leading;
    if shown_ms_ago > STUCK_MS {
        let says = format!("the leader has been stuck for {} s", shown_ms_ago / 1000);
        found.push(failing(
            "leader-stuck",
            says,
            "look at the load of this machine; stop this process and another leads",
        ));
    }
    match (heard, silent) {
        (0, 0) => {
            let says = "no host is registered, so no check is run".to_owned();
            found.push(degraded("no-hosts", says, "register a host with `farwatch host register`"));
        }
        (0, _) => {
            let says = "no host is heard, so no check is run by order of this control plane".to_owned();
            found.push(failing(
                "hosts-silent",
                says,
                "see whether hosts run and can reach the link address; see `farwatch host list`",
            ));
        }
        (_, 1..) => {
            let says = format!("{silent} of {} hosts are not heard", heard + silent);
            found.push(degraded("hosts-silent", says, "see which by `farwatch host list`, and start or retire them"));
        }
        (_, 0) => {}
    }
    if contradicted > 0 {
        let says = format!("{contradicted} hosts are not heard here while their neighbours hear them");
        found.push(degraded(
            "hosts-cut-off",
            says,
            "look at the network between control and them: they run their checks, and nothing is placed anew meanwhile",
        ));
    }
    if unable > 0 {
        let says = format!("hosts are unable to run {unable} checks");
        found.push(degraded("hosts-unable", says, "`farwatch host show` says which checks, and why"));
    }
    of_disks(leading, found);
    if let Some((lasted_ms, streams)) = mass_failure {
        let for_s = lasted_ms / 1000;
        let says = format!("a mass failure since {for_s} s: {streams} streams began to fail in the last minute");
        found.push(degraded(
            "mass-failure",
            says,
            "votes take turns until it is over; look for what the targets have in common, the network of hosts included",
        ));
    }
    if unconfirmed > 0 {
        let says = format!("{unconfirmed} checks could not be confirmed to be up or down");
        found.push(degraded(
            "checks-unconfirmed",
            says,
            "too few hosts answered; see `farwatch check list` and the hosts",
        ));
    }
}

fn of_disks(leading: &Leading, found: &mut Vec<Finding>) {
    let Leading { full_disks, dropped_results, .. } = *leading;
    if full_disks > 0 {
        let says = format!("the disks of {full_disks} hosts take no results, which lie in their memory alone");
        found.push(degraded(
            "host-disks-full",
            says,
            "free their disks; `farwatch host show` says which; their checks are run, by standbys as well",
        ));
    }
    if dropped_results > 0 {
        let says = format!("hosts gave up {dropped_results} results for want of room since they started");
        found.push(degraded(
            "results-given-up",
            says,
            "give them more disk, or see why they do not reach control; `farwatch host show` says which",
        ));
    }
}

/// What the panel of references and the load of hosts say.
fn of_fitness(leading: &Leading, found: &mut Vec<Finding>) {
    let Leading { insane, panel: PanelCount { passing, failing }, beyond_capacity, .. } = *leading;
    if is_broken(leading.panel) {
        let says = format!("{failing} of {} hosts do not see the references, so they are ignored", passing + failing);
        found.push(degraded(
            "references-broken",
            says,
            "mend the references, or name others by `farwatch control --reference`; no host is judged by them meanwhile",
        ));
    }
    if insane > 0 {
        let says = format!("{insane} hosts have lost the references, and leave their slots to others");
        found.push(degraded(
            "hosts-insane",
            says,
            "look at the network of these hosts; `farwatch host list` says which, and they come back by themselves",
        ));
    }
    if beyond_capacity > 0 {
        let says = format!("the checks of {beyond_capacity} hosts may take more than half of their run places");
        found.push(degraded(
            "hosts-beyond-capacity",
            says,
            "add hosts, give these more --run-places or less weight, or shorten timeouts; see `farwatch host list`",
        ));
    }
}

fn of_task(task: &TaskSeen) -> Option<Finding> {
    let name = task.name;
    if let Some(error) = &task.error {
        let says = format!("the task {name} failed: {error}");
        return Some(degraded("task-failing", says, "it is tried again by itself; the log says more"));
    }
    let ran_ms_ago = task.ran_ms_ago?;
    let is_late = ran_ms_ago > (LATE_PERIODS * task.period_ms).max(LATE_MS);
    is_late.then(|| {
        let says = format!("the task {name} has not run for {} s", ran_ms_ago / 1000);
        degraded("task-late", says, "look at the load of this machine and at the log")
    })
}

fn of_deliveries(observed: &Observed, found: &mut Vec<Finding>) {
    if observed.dead_deliveries > 0 {
        let says = format!("{} messages could not be delivered and were given up", observed.dead_deliveries);
        let remedy = "see `GET /v1/deliveries?state=dead` of each tenant, and mend the channels";
        found.push(degraded("deliveries-dead", says, remedy));
    }
    if let Some(overdue_ms) = observed.overdue_ms.filter(|ms| *ms > OVERDUE_MS) {
        let says = format!("a message has been due for {} s", overdue_ms / 1000);
        found.push(degraded(
            "deliveries-late",
            says,
            "see whether the relay and the receivers of webhooks can be reached",
        ));
    }
}

#[cfg(test)]
mod tests;
