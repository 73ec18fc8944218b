//! The ledger of one stream of a world, by `core`, and what is to be said of it.

use std::collections::BTreeMap;

use farwatch_core::audit::{Books, audit};
use farwatch_core::ledger::{Balance, DueSlot, InForce, RunOnRecord, SlotState, canonical, due_slots, slot_state};
use farwatch_core::placement::Subject;
use farwatch_core::revision::Cadence;
use farwatch_proto::fleet::View;
use farwatch_proto::id::HostId;
use farwatch_proto::time::{Stamp, UnixMs};

use crate::fleet::{BEGIN, Watched};
use crate::host::disk::Found;
use crate::world::World;

/// Every due slot of a stream, how it stands, and the runs on record.
pub(crate) struct Kept {
    pub(crate) slots: Vec<(DueSlot, SlotState, Vec<RunOnRecord>)>,
}

fn on_record((host, found): &(HostId, Found)) -> RunOnRecord {
    RunOnRecord { host: *host, view: Stamp::default(), started: found.started_at, status: found.status() }
}

fn history(watched: &Watched, from: UnixMs) -> [InForce; 1] {
    let definition = &watched.held.revisions()[0];
    let (activity, interval, streams) = (definition.activity, definition.interval, definition.placement.streams);
    [InForce { from, cadence: Cadence { activity, interval, streams } }]
}

impl Kept {
    /// The slots due in this period; `when` says at what moment each is looked at, and whether somebody may still bring
    /// a result of it.
    pub(crate) fn of(
        world: &World,
        index: usize,
        (from, to): (UnixMs, UnixMs),
        when: impl Fn(DueSlot) -> (UnixMs, bool),
    ) -> Self {
        let watched = &world.watched[index];
        let due = due_slots(watched.stream, &history(watched, from), from, to);
        let stands = |due: DueSlot| {
            let runs: Vec<RunOnRecord> = world.store.results(index, due.slot).iter().map(on_record).collect();
            let (now, undelivered) = when(due);
            (due, slot_state(due, &runs, now, undelivered), runs)
        };
        Self { slots: due.into_iter().map(stands).collect() }
    }

    pub(crate) fn balance(&self) -> Balance {
        let mut balance = Balance::default();
        self.slots.iter().for_each(|(_, state, _)| balance.count(*state));
        balance
    }

    /// Where the audit finds something else, the balance does not come out, or more than one result speaks for a slot.
    pub(crate) fn differences(
        &self,
        world: &World,
        index: usize,
        views: &[View],
        (from, to): (UnixMs, UnixMs),
        now: UnixMs,
    ) -> Vec<String> {
        let watched = &world.watched[index];
        let definition = &watched.held.revisions()[0];
        let (tenant, wish, repeat) = (definition.tenant, &definition.placement, definition.repeat);
        let subject = Subject { check: definition.check, tenant, wish, repeat };
        let runs: BTreeMap<UnixMs, Vec<RunOnRecord>> =
            self.slots.iter().map(|(due, _, runs)| (due.slot, runs.clone())).collect();
        let ledger: BTreeMap<UnixMs, SlotState> = self.slots.iter().map(|(due, state, _)| (due.slot, *state)).collect();
        let history = history(watched, from);
        let books = Books { subject, stream: watched.stream.number, history: &history, views, runs: &runs };
        let findings = audit(&books, &ledger, (from, to), now);
        let mut told: Vec<String> =
            findings.iter().map(|finding| format!("the audit of stream {index} disagrees: {finding:?}")).collect();
        let Balance { on_time, late, missed, pending } = self.balance();
        if on_time + late + missed + pending != ledger.len() as u64 {
            told.push(format!("the ledger of stream {index} does not balance: {:?}", self.balance()));
        }
        let doubly = self.slots.iter().filter(|(due, _, runs)| runs.len() > 1 && two_speak(world, watched, *due, runs));
        told.extend(
            doubly.map(|(due, ..)| format!("two results speak for slot {} of stream {index}", due.slot.0 - BEGIN)),
        );
        told
    }
}

/// Whether it matters in which order the results of a slot came.
fn two_speak(world: &World, watched: &Watched, due: DueSlot, runs: &[RunOnRecord]) -> bool {
    let owners = watched.owners(world.store.view_at(due.slot));
    let otherwise: Vec<RunOnRecord> = runs.iter().rev().copied().collect();
    canonical(runs, &owners).map(|run| run.host) != canonical(&otherwise, &owners).map(|run| run.host)
}
