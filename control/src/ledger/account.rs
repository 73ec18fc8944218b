//! The account as it is made: opened with what was due, entered into run by run, and closed.
//!
//! It keeps one byte and one moment per due slot, whatever the journal holds.

use std::collections::{BTreeMap, HashMap, HashSet};

use farwatch_core::block::{Block, Hour, OpenRun, SlotOnRecord};
use farwatch_core::ledger::{
    Balance, DueSlot, InForce, PENDING_MAX_MS, RunOnRecord, SlotState, due_slots, settled_at, slot_state,
};
use farwatch_core::revision::Cadence;
use farwatch_core::slot::streams_of;
use farwatch_proto::check::{Repeat, StreamId};
use farwatch_proto::id::{CheckId, HostId};
use farwatch_proto::outcome::Status;
use farwatch_proto::run::{Purpose, RunResult};
use farwatch_proto::time::UnixMs;

use super::owners::Owed;
use super::{CheckAccount, Ledger, LedgerError, MISSED_LISTED_MAX, MissCause, MissedSlot};
use crate::store::LedgerRevision;
use crate::tail::Held;

/// Runs that cover nothing whose story is kept, to tell why slots were missed.
const TROUBLES_MAX: usize = 10_000;
/// Runs of slots that were not due that are told apart; more of them is a house on fire, whatever their number.
const EXTRA_MAX: usize = 100_000;

/// The best that is on record of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Best {
    Uncovered,
    Late,
    OnTime,
}

impl Best {
    /// Of a slot that stands so on record.
    const fn of(state: SlotState) -> Self {
        match state {
            SlotState::OnTime => Self::OnTime,
            SlotState::Late => Self::Late,
            SlotState::Missed | SlotState::Pending => Self::Uncovered,
        }
    }
}

/// One stream: its due slots in order, and the best on record of each.
struct StreamAccount {
    stream: StreamId,
    due: Vec<DueSlot>,
    best: Vec<Best>,
    check: usize,
}

impl StreamAccount {
    fn index_of(&self, slot: UnixMs) -> Option<usize> {
        self.due.binary_search_by_key(&slot, |due| due.slot).ok()
    }

    /// Every due slot with how it stands.
    fn states(
        &self,
        now: UnixMs,
        undelivered: &impl Fn(StreamId, UnixMs) -> bool,
    ) -> impl Iterator<Item = (DueSlot, SlotState)> {
        self.due.iter().zip(&self.best).map(move |(due, best)| {
            let state = match best {
                Best::OnTime => SlotState::OnTime,
                Best::Late => SlotState::Late,
                Best::Uncovered => slot_state(*due, &[], now, undelivered(self.stream, due.slot)),
            };
            (*due, state)
        })
    }

    fn uncovered(&self) -> impl Iterator<Item = DueSlot> {
        self.due.iter().zip(&self.best).filter(|(_, best)| **best == Best::Uncovered).map(|(due, _)| *due)
    }
}

/// How every due slot of some streams stands.
pub(super) type States = HashMap<StreamId, BTreeMap<UnixMs, SlotState>>;

/// See the file's documentation.
pub(super) struct Account<'r> {
    from: UnixMs,
    to: UnixMs,
    /// The revisions of each check that had a slot due.
    checks: Vec<&'r [LedgerRevision]>,
    streams: Vec<StreamAccount>,
    by_stream: HashMap<StreamId, usize>,
    troubles: HashMap<(StreamId, UnixMs), MissCause>,
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
        let mut account = Self {
            from,
            to,
            checks: Vec::new(),
            streams: Vec::new(),
            by_stream: HashMap::new(),
            troubles: HashMap::new(),
            extra: HashSet::new(),
        };
        let mut slots = 0;
        for of_check in revisions.chunk_by(|one, next| one.check == next.check) {
            slots += account.open_check(of_check);
            if slots > most {
                return Err(LedgerError::TooManySlots { most });
            }
        }
        Ok(account)
    }

    /// Opens every stream of one check and says how many slots are due.
    fn open_check(&mut self, revisions: &'r [LedgerRevision]) -> usize {
        let history: Vec<InForce> = revisions.iter().map(in_force).collect();
        let most_streams = revisions.iter().map(|revision| revision.streams).max().unwrap_or(0);
        let check = self.checks.len();
        let mut slots = 0;
        for stream in streams_of(revisions[0].check, most_streams) {
            let due = due_slots(stream, &history, self.from, self.to);
            if due.is_empty() {
                continue;
            }
            slots += due.len();
            self.by_stream.insert(stream, self.streams.len());
            self.streams.push(StreamAccount { stream, best: vec![Best::Uncovered; due.len()], due, check });
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
        let first = Hour::of(self.from.max(held.from()));
        for index in 0..self.streams.len() {
            let stream = self.streams[index].stream;
            let mut hour = first;
            while hour.start() < self.to && held.open().last().is_some_and(|last| hour <= last) {
                held.open().runs(stream, hour).for_each(|run| self.enter_run(index, &run));
                hour = hour.next();
            }
        }
    }

    fn enter_run(&mut self, index: usize, run: &OpenRun<'_>) {
        let OpenRun { slot, host, view, started, status, .. } = *run;
        if slot < self.from || slot >= self.to {
            return;
        }
        let account = &mut self.streams[index];
        let stream = account.stream;
        let Some(index) = account.index_of(slot) else {
            self.note_extra(stream, slot, host);
            return;
        };
        let on_record = RunOnRecord { host, view, started, status };
        // Time plays no part here: a covering run is on time or late whenever one looks.
        let best = Best::of(slot_state(account.due[index], &[on_record], UnixMs(i64::MAX), false));
        account.best[index] = account.best[index].max(best);
        if best == Best::Uncovered && self.troubles.len() < TROUBLES_MAX {
            self.troubles.insert((stream, slot), trouble(host, status, run.code));
        }
    }

    /// Enters what is on record of a folded hour.
    pub(super) fn enter_block(&mut self, block: &Block) {
        let Some(stream) = self.by_stream.get(&block.key().stream) else { return };
        let account = &mut self.streams[*stream];
        for SlotOnRecord { due, state, run } in block.slots() {
            let Some(index) = account.index_of(due.slot) else { continue };
            let best = Best::of(state);
            account.best[index] = account.best[index].max(best);
            let story = run.filter(|_| best == Best::Uncovered && self.troubles.len() < TROUBLES_MAX);
            if let Some(run) = story {
                let cause = trouble(run.runner.host, run.status, run.code);
                self.troubles.insert((account.stream, due.slot), cause);
            }
        }
        let stream = account.stream;
        for (slot, host) in block.extra() {
            self.note_extra(stream, *slot, *host);
        }
    }

    fn note_extra(&mut self, stream: StreamId, slot: UnixMs, host: HostId) {
        let in_period = self.from <= slot && slot < self.to;
        if in_period && self.extra.len() < EXTRA_MAX {
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

    /// How every due slot stands. `undelivered` says whether somebody may still hold a result of the slot.
    pub(super) fn states(self, now: UnixMs, undelivered: impl Fn(StreamId, UnixMs) -> bool) -> States {
        let of_stream = |account: &StreamAccount| {
            let states = account.states(now, &undelivered).map(|(due, state)| (due.slot, state));
            (account.stream, states.collect())
        };
        self.streams.iter().map(of_stream).collect()
    }

    /// Closes it. `undelivered` says whether somebody may still hold a result of the slot.
    pub(super) fn close(mut self, now: UnixMs, undelivered: impl Fn(StreamId, UnixMs) -> bool) -> Ledger {
        let mut ledger = Ledger { extra: self.extra.len() as u64, ..Ledger::default() };
        let mut balances = vec![Balance::default(); self.checks.len()];
        for account in &self.streams {
            for (due, state) in account.states(now, &undelivered) {
                balances[account.check].count(state);
                match revision_at(self.checks[account.check], due.slot).repeat {
                    Repeat::Safe => ledger.promised.count(state),
                    Repeat::Unsafe => ledger.unpromised.count(state),
                }
                if state == SlotState::Missed && ledger.missed.len() < MISSED_LISTED_MAX {
                    let cause = self.troubles.remove(&(account.stream, due.slot)).unwrap_or(MissCause::NoRun);
                    let Owed { stream, slot, revision } = self.owed(account, due.slot);
                    ledger.missed.push(MissedSlot { stream, slot, revision, cause, owners: Vec::new() });
                }
            }
        }
        ledger.checks =
            self.checks.iter().zip(balances).map(|(revisions, balance)| of_check(revisions, balance)).collect();
        ledger
    }
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

fn trouble(host: HostId, status: Status, code: &str) -> MissCause {
    if status.covers() {
        MissCause::OutsideWindow { host }
    } else {
        MissCause::HostTrouble { host, code: code.to_owned() }
    }
}

#[cfg(test)]
mod tests;
