//! What came of it, counted without asking the product how much was due.

use std::time::Duration;

use anyhow::{Context, ensure};
use farwatch_core::slot::{Schedule, window_end};
use farwatch_proto::check::StreamId;
use farwatch_proto::interval::Interval;
use farwatch_tests::clock::now;
use farwatch_tests::scene::{Scene, moment};
use farwatch_tests::wait::eventually;

use crate::timeline::Timeline;

/// A story with fewer slots proves little.
const DUE_MIN: u64 = 100;
/// Every slot is decided within its window, the longest run and some allowance.
const DECIDE_LIMIT: Duration = Duration::from_secs(40);

/// The figures of the last line.
pub(crate) struct Tally {
    pub(crate) due: u64,
    pub(crate) on_time: u64,
    pub(crate) late: u64,
    pub(crate) missed: u64,
    pub(crate) pending: u64,
    pub(crate) incidents: usize,
    pub(crate) mails: usize,
    pub(crate) webhooks: usize,
}

/// Counts what was due up to now, and compares with the ledger once it has decided.
pub(crate) fn take(scene: &Scene, timeline: &Timeline) -> anyhow::Result<Tally> {
    let to = now();
    let mut due = 0;
    let mut from = to;
    for (site, id) in scene.sites() {
        let begins = moment(&scene.check(site)?["in_force_from"])?;
        let schedule = Schedule::of(StreamId { check: *id, number: 0 }, Interval::from_seconds(10)?, 1);
        due += schedule.count_between(begins, to);
        from = from.min(begins);
    }
    timeline
        .tell(&format!("{due} slots were due, by a count of this program's own; the ledger decides the last of them"));
    let ledger = eventually("the ledger to decide", DECIDE_LIMIT, || {
        let ledger = scene.ledger(from, to)?;
        let closed = now() > window_end(to, Interval::from_seconds(10)?);
        Ok((closed && ledger["pending"] == 0).then_some(ledger))
    })?;
    ensure!(ledger["due"] == due, "the ledger says that {} slots were due", ledger["due"]);
    let count = |name: &str| ledger[name].as_u64().with_context(|| format!("the ledger tells no {name}"));
    Ok(Tally {
        due,
        on_time: count("on_time")?,
        late: count("late")?,
        missed: count("missed")?,
        pending: count("pending")?,
        incidents: scene.incidents()?.len(),
        mails: scene.mail.mails()?.len(),
        webhooks: scene.webhooks.requests().len(),
    })
}

impl Tally {
    /// Nothing missed, one incident, told once at its beginning and once at its end.
    pub(crate) fn must_hold(&self) -> anyhow::Result<()> {
        ensure!(self.due >= DUE_MIN, "only {} slots were due", self.due);
        ensure!(self.missed == 0, "{} slots were missed", self.missed);
        ensure!(self.pending == 0, "{} slots are undecided", self.pending);
        ensure!(self.due == self.on_time + self.late, "the account does not balance");
        ensure!(self.incidents == 1, "{} incidents were opened", self.incidents);
        ensure!(self.mails == 2 && self.webhooks == 2, "{} mails and {} webhooks were sent", self.mails, self.webhooks);
        Ok(())
    }
}
