//! The account as it is made: opened with what was due, entered into run by run, and closed.
//!
//! It keeps some twenty bytes per due slot, whatever the journal holds.

mod stream;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use farwatch_core::block::{Block, Hour, OpenRun, SlotOnRecord};
use farwatch_core::ledger::{
    Balance, DueSlot, InForce, PENDING_MAX_MS, RunOnRecord, SlotState, due_slots, settled_at, slot_state,
};
use farwatch_core::revision::Cadence;
use farwatch_core::slot::streams_of;
use farwatch_proto::check::{Repeat, StreamId};
use farwatch_proto::id::{CheckId, HostId};
use farwatch_proto::interval::Interval;
use farwatch_proto::run::{Purpose, RunResult};
use farwatch_proto::time::UnixMs;

use super::causes::Causes;
use super::owners::Owed;
use super::{CheckAccount, Ledger, LedgerError, MISSED_LISTED_MAX, MissedSlot};
use crate::store::LedgerRevision;
use crate::tail::Held;
use stream::{Best, StreamAccount};

/// Runs of slots that were not due that are told apart; more of them is a house on fire, whatever their number.
const EXTRA_MAX: usize = 100_000;

/// How every due slot of some streams stands.
pub(super) type States = HashMap<StreamId, BTreeMap<UnixMs, SlotState>>;

/// The slots of a stream that an account is about, and the moments within which runs of it are looked for.
type Due = (Vec<DueSlot>, (UnixMs, UnixMs));

/// See the file's documentation.
#[derive(Default)]
pub(super) struct Account<'r> {
    /// The revisions of each check that had a slot due.
    checks: Vec<&'r [LedgerRevision]>,
    streams: Vec<StreamAccount>,
    by_stream: HashMap<StreamId, usize>,
    causes: Causes,
    extra: HashSet<(StreamId, UnixMs, HostId)>,
}

impl<'r> Account<'r> {
    /// The account of what these revisions, in order of check and revision, made due in `[from, to)`, if that is no more
    /// than `most` slots.
    pub(super) fn open(
        revisions: &'r [LedgerRevision],
        (from, to): (UnixMs, UnixMs),
        most: usize,
    ) -> Result<Self, LedgerError> {
        let due =
            |stream, _: &[LedgerRevision], history: &[InForce]| (due_slots(stream, history, from, to), (from, to));
        Self::open_by(revisions, most, due)
    }

    /// The same of the slots under the promise on which the record settles in `[from, to)`: those of which nobody brings
    /// a result any more, if all that could are heard.
    pub(super) fn open_settling(
        revisions: &'r [LedgerRevision],
        (from, to): (UnixMs, UnixMs),
        most: usize,
    ) -> Result<Self, LedgerError> {
        let due = |stream, of_check: &[LedgerRevision], history: &[InForce]| {
            let settle_ms = history.iter().map(|held| settles_after_ms(held.cadence.interval)).max().unwrap_or(0);
            let mut due = due_slots(stream, history, from - settle_ms, to);
            due.retain(|due| {
                let settles = settled_at(*due);
                let is_promised = revision_at(of_check, due.slot).repeat == Repeat::Safe;
                from <= settles && settles < to && is_promised
            });
            let span = due.first().zip(due.last()).map_or((from, from), |(first, last)| (first.slot, last.slot + 1));
            (due, span)
        };
        Self::open_by(revisions, most, due)
    }

    fn open_by(
        revisions: &'r [LedgerRevision],
        most: usize,
        due: impl Fn(StreamId, &[LedgerRevision], &[InForce]) -> Due,
    ) -> Result<Self, LedgerError> {
        let mut account = Self::default();
        let mut slots = 0;
        for of_check in revisions.chunk_by(|one, next| one.check == next.check) {
            slots += account.open_check(of_check, &due);
            if slots > most {
                return Err(LedgerError::TooManySlots { most });
            }
        }
        Ok(account)
    }

    /// Opens every stream of one check and says how many slots are due.
    fn open_check(
        &mut self,
        revisions: &'r [LedgerRevision],
        due: &impl Fn(StreamId, &[LedgerRevision], &[InForce]) -> Due,
    ) -> usize {
        let history: Vec<InForce> = revisions.iter().map(in_force).collect();
        let most_streams = revisions.iter().map(|revision| revision.streams).max().unwrap_or(0);
        let check = self.checks.len();
        let mut slots = 0;
        for stream in streams_of(revisions[0].check, most_streams) {
            let (due, span) = due(stream, revisions, &history);
            if due.is_empty() {
                continue;
            }
            slots += due.len();
            self.by_stream.insert(stream, self.streams.len());
            self.streams.push(StreamAccount::new(stream, due, span, check));
        }
        if slots > 0 {
            self.checks.push(revisions);
        }
        slots
    }

    /// The checks that had a slot due.
    pub(super) fn checks(&self) -> Vec<CheckId> {
        self.checks.iter().map(|revisions| revisions[0].check).collect()
    }

    /// The checks that had a slot due in this hour, in order.
    pub(super) fn checks_due_in(&self, hour: Hour) -> Vec<CheckId> {
        let is_due = |account: &&StreamAccount| {
            let next = account.due.partition_point(|due| due.slot < hour.start());
            account.due.get(next).is_some_and(|due| hour.holds(due.slot))
        };
        let checks: BTreeSet<CheckId> =
            self.streams.iter().filter(is_due).map(|account| account.stream.check).collect();
        checks.into_iter().collect()
    }

    /// The moments between which it looks for runs; `None` when nothing was due.
    pub(super) fn span(&self) -> Option<(UnixMs, UnixMs)> {
        let froms = self.streams.iter().map(|account| account.span.0).min();
        froms.zip(self.streams.iter().map(|account| account.span.1).max())
    }

    /// Enters one result. Votes are no runs of slots.
    pub(super) fn enter(&mut self, host: HostId, result: &RunResult) {
        if result.purpose != Purpose::Slot {
            return;
        }
        // A check that had nothing due is none of this account's business: it may be another tenant's.
        if let Some(index) = self.by_stream.get(&result.stream) {
            self.enter_run(*index, &OpenRun::of(host, result));
        }
    }

    /// Enters what the tail of the journal holds.
    pub(super) fn enter_open(&mut self, held: &Held) {
        let Some(last) = held.open().last() else { return };
        for index in 0..self.streams.len() {
            let StreamAccount { stream, span: (from, to), .. } = self.streams[index];
            let mut hour = Hour::of(from.max(held.from()));
            while hour.start() < to && hour <= last {
                held.open().runs(stream, hour).for_each(|run| self.enter_run(index, &run));
                hour = hour.next();
            }
        }
    }

    fn enter_run(&mut self, index: usize, run: &OpenRun<'_>) {
        let OpenRun { slot, host, view, started, status, .. } = *run;
        let account = &mut self.streams[index];
        if !account.spans(slot) {
            return;
        }
        let stream = account.stream;
        let Some(index) = account.index_of(slot) else {
            self.note_extra(stream, slot, host);
            return;
        };
        let on_record = RunOnRecord { host, view, started, status };
        // Time plays no part here: a covering run is on time or late whenever one looks.
        let best = Best::of(slot_state(account.due[index], &[on_record], UnixMs(i64::MAX), false));
        account.raise(index, best);
        if best == Best::Uncovered {
            account.note_story(index, self.causes.of_run(host, status, run.code));
        }
    }

    /// Enters what is on record of a folded hour.
    pub(super) fn enter_block(&mut self, block: &Block) {
        let Some(stream) = self.by_stream.get(&block.key().stream) else { return };
        let account = &mut self.streams[*stream];
        for SlotOnRecord { due, state, run } in block.slots() {
            let Some(index) = account.index_of(due.slot) else { continue };
            let best = Best::of(state);
            account.raise(index, best);
            if let Some(run) = run.filter(|_| best == Best::Uncovered) {
                account.note_story(index, self.causes.of_run(run.runner.host, run.status, run.code));
            }
        }
        let stream = *stream;
        for (slot, host) in block.extra() {
            if self.streams[stream].spans(*slot) {
                self.note_extra(block.key().stream, *slot, *host);
            }
        }
    }

    fn note_extra(&mut self, stream: StreamId, slot: UnixMs, host: HostId) {
        if self.extra.len() < EXTRA_MAX {
            self.extra.insert((stream, slot, host));
        }
    }

    /// The slots that a host which has not delivered could still cover at `now`.
    pub(super) fn undecided(&self, now: UnixMs) -> Vec<Owed> {
        let can_wait = |due: &DueSlot| {
            let settled = settled_at(*due);
            settled <= now && now < settled + PENDING_MAX_MS
        };
        let mut undecided = Vec::new();
        for account in &self.streams {
            let waiting = account.uncovered().filter(can_wait);
            undecided.extend(waiting.map(|due| self.owed(account, due.slot)));
        }
        undecided
    }

    fn owed(&self, account: &StreamAccount, slot: UnixMs) -> Owed {
        let then = revision_at(self.checks[account.check], slot);
        Owed { stream: account.stream, slot, revision: then.revision }
    }

    /// The checks some at a time, each time with how their slots stand. `undelivered` as below.
    pub(super) fn in_parts(
        &self,
        checks_at_once: usize,
        now: UnixMs,
        undelivered: impl Fn(StreamId, UnixMs) -> bool,
    ) -> impl Iterator<Item = (Vec<LedgerRevision>, States)> {
        (0..self.checks.len()).step_by(checks_at_once).map(move |first| {
            let behind = (first + checks_at_once).min(self.checks.len());
            let revisions = self.checks[first..behind].concat();
            let streams = self.streams.iter().filter(|account| (first..behind).contains(&account.check));
            (revisions, streams.map(|account| states_of(account, now, &undelivered)).collect())
        })
    }

    /// How every due slot stands. `undelivered` says whether somebody may still hold a result of the slot.
    pub(super) fn states(self, now: UnixMs, undelivered: impl Fn(StreamId, UnixMs) -> bool) -> States {
        self.streams.iter().map(|account| states_of(account, now, &undelivered)).collect()
    }

    /// Closes it. `undelivered` says whether somebody may still hold a result of the slot.
    pub(super) fn close(mut self, now: UnixMs, undelivered: impl Fn(StreamId, UnixMs) -> bool) -> Ledger {
        let mut ledger = Ledger { extra: self.extra.len() as u64, ..Ledger::default() };
        let mut balances = vec![Balance::default(); self.checks.len()];
        for account in &self.streams {
            for (index, (due, state)) in account.states(now, &undelivered).enumerate() {
                balances[account.check].count(state);
                match revision_at(self.checks[account.check], due.slot).repeat {
                    Repeat::Safe => ledger.promised.count(state),
                    Repeat::Unsafe => ledger.unpromised.count(state),
                }
                if state != SlotState::Missed {
                    continue;
                }
                self.causes.count(account.story(index), due.slot);
                if ledger.missed.len() < MISSED_LISTED_MAX {
                    let cause = self.causes.told(account.story(index));
                    let Owed { stream, slot, revision } = self.owed(account, due.slot);
                    ledger.missed.push(MissedSlot { stream, slot, revision, cause, owners: Vec::new() });
                }
            }
        }
        ledger.causes = self.causes.counted();
        ledger.checks =
            self.checks.iter().zip(balances).map(|(revisions, balance)| of_check(revisions, balance)).collect();
        ledger
    }
}

fn states_of(
    account: &StreamAccount,
    now: UnixMs,
    undelivered: &impl Fn(StreamId, UnixMs) -> bool,
) -> (StreamId, BTreeMap<UnixMs, SlotState>) {
    let states = account.states(now, undelivered).map(|(due, state)| (due.slot, state));
    (account.stream, states.collect())
}

fn of_check(revisions: &[LedgerRevision], balance: Balance) -> CheckAccount {
    CheckAccount { check: revisions[0].check, tenant: revisions[0].tenant, balance }
}

pub(crate) fn in_force(revision: &LedgerRevision) -> InForce {
    let LedgerRevision { activity, interval, streams, in_force_from, .. } = *revision;
    InForce { from: in_force_from, cadence: Cadence { activity, interval, streams } }
}

/// The revision that made the slot due: the last one in force by then.
pub(crate) fn revision_at(revisions: &[LedgerRevision], slot: UnixMs) -> &LedgerRevision {
    let after = revisions.iter().position(|revision| revision.in_force_from > slot).unwrap_or(revisions.len());
    &revisions[after.saturating_sub(1)]
}

/// How long after its T the record settles on a slot of this interval.
fn settles_after_ms(interval: Interval) -> i64 {
    settled_at(DueSlot { slot: UnixMs(0), interval }).0
}

#[cfg(test)]
mod tests;
