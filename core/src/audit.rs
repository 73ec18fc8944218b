//! What was due and how it stands, computed a second time by a path of its own.
//!
//! The ledger is only worth what somebody finds who does not trust it. So nothing here uses the schedule, the due slots
//! or the slot states that the ledger is made with: slots are walked by plain arithmetic from revisions, runs are held
//! against the window as the design words it, and who owed a slot follows from the history of views. It reads no ledger
//! and mends none; it names the slots that differ.

use std::collections::{BTreeMap, BTreeSet};

use farwatch_proto::check::Activity;
use farwatch_proto::fleet::View;
use farwatch_proto::id::HostId;
use farwatch_proto::interval::Interval;
use farwatch_proto::time::UnixMs;

use crate::hash::hash64;
use crate::ledger::{InForce, RunOnRecord, SlotState};
use crate::placement::{Subject, owners, preference_lists};

/// A run counts from so much before T, and up to so much before the next T.
const BEFORE_MS: i64 = 50;
/// A slot may be pending for so long after its window: 15 minutes, and the longest run that may have begun at its end.
const PENDING_FOR_MS: i64 = 15 * 60_000;

/// What the record has of one stream.
#[derive(Clone, Copy, Debug)]
pub struct Books<'a> {
    /// The check, as placement reads it.
    pub subject: Subject<'a>,
    /// The number of the stream.
    pub stream: u16,
    /// What made slots due and from when on, oldest first.
    pub history: &'a [InForce],
    /// The views in force, oldest first.
    pub views: &'a [View],
    /// The runs of each slot.
    pub runs: &'a BTreeMap<UnixMs, Vec<RunOnRecord>>,
}

/// How the ledger and the audit differ on a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The ledger accounts for a slot that was not due.
    NotDue,
    /// It was due, and the ledger does not know it.
    Unaccounted,
    /// The ledger says `ledger`, and what is on record comes to `record`.
    Otherwise {
        /// As the ledger has it.
        ledger: SlotState,
        /// As the record has it.
        record: SlotState,
    },
}

/// One slot on which they differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its T.
    pub slot: UnixMs,
    /// In what.
    pub difference: Difference,
    /// Who owed it, by rank, under the view in force at T.
    pub owed_by: Vec<HostId>,
}

/// The slots of `[from, to)` on which the ledger of one stream and its record differ at `now`, in order. None is what
/// there should be.
pub fn audit(
    books: &Books<'_>,
    ledger: &BTreeMap<UnixMs, SlotState>,
    (from, to): (UnixMs, UnixMs),
    now: UnixMs,
) -> Vec<Finding> {
    let due = due_between(books, from, to);
    let slots: BTreeSet<UnixMs> = ledger.range(from..to).map(|(slot, _)| *slot).chain(due.keys().copied()).collect();
    let differs = |slot: UnixMs| {
        let difference = match (due.get(&slot), ledger.get(&slot)) {
            (None, _) => Difference::NotDue,
            (Some(_), None) => Difference::Unaccounted,
            (Some(interval), Some(stands)) => {
                let record = state_of(slot, *interval, books.runs.get(&slot).map_or(&[], Vec::as_slice));
                let may_wait = now.since(slot) < 2 * interval.ms() + PENDING_FOR_MS;
                let waits = record == SlotState::Missed && *stands == SlotState::Pending && may_wait;
                if *stands == record || waits {
                    return None;
                }
                Difference::Otherwise { ledger: *stands, record }
            }
        };
        Some(Finding { slot, difference, owed_by: owed_by(books, slot) })
    };
    slots.into_iter().filter_map(differs).collect()
}

/// Every moment that was due, with the interval it was due by.
fn due_between(books: &Books<'_>, from: UnixMs, to: UnixMs) -> BTreeMap<UnixMs, Interval> {
    let mut due = BTreeMap::new();
    for (index, held) in books.history.iter().enumerate() {
        let until = books.history.get(index + 1).map_or(to, |next| next.from.min(to));
        let cadence = held.cadence;
        if cadence.activity != Activity::Active || books.stream >= cadence.streams {
            continue;
        }
        let interval_ms = cadence.interval.ms();
        let apart_ms = i64::from(books.stream) * interval_ms / i64::from(cadence.streams);
        let hash = hash64(books.subject.check.as_bytes()) % interval_ms.unsigned_abs();
        let phase_ms = (hash.cast_signed() + apart_ms) % interval_ms;
        let begin = held.from.max(from);
        // T = n * interval + phase, from the first n that does not lie before.
        let mut n = (begin.0 - phase_ms).div_euclid(interval_ms);
        while n * interval_ms + phase_ms < until.0 {
            if n * interval_ms + phase_ms >= begin.0 {
                due.insert(UnixMs(n * interval_ms + phase_ms), cadence.interval);
            }
            n += 1;
        }
    }
    due
}

/// How a slot stands by its runs alone.
fn state_of(slot: UnixMs, interval: Interval, runs: &[RunOnRecord]) -> SlotState {
    let grace_ms = match interval.ms() / 1_000 {
        0..30 => 2_000,
        30..60 => 3_000,
        _ => 5_000,
    };
    let covering = runs.iter().filter(|run| run.status.covers()).map(|run| run.started.0 - slot.0);
    let in_window = covering.filter(|after_ms| *after_ms >= -BEFORE_MS && *after_ms < interval.ms() - BEFORE_MS);
    match in_window.min() {
        None => SlotState::Missed,
        Some(after_ms) if after_ms < grace_ms => SlotState::OnTime,
        Some(_) => SlotState::Late,
    }
}

/// Who owed the slot, by rank, under the view in force at T; nobody where none was.
pub fn owed_by(books: &Books<'_>, slot: UnixMs) -> Vec<HostId> {
    let Some(view) = books.views.iter().rfind(|view| view.in_force_from <= slot) else { return Vec::new() };
    let lists = preference_lists(&books.subject, view);
    lists.get(usize::from(books.stream)).map_or_else(Vec::new, |list| owners(list, view, books.subject.repeat))
}

#[cfg(test)]
mod tests {
    use farwatch_proto::check::{PlacementWish, Repeat, StreamId};
    use farwatch_proto::id::{CheckId, TenantId};
    use farwatch_proto::outcome::{Blame, Status};
    use farwatch_proto::time::Stamp;
    use proptest::prelude::*;

    use super::*;
    use crate::ledger::{due_slots, slot_state};
    use crate::placement::tests::{fleet, host_id};
    use crate::revision::Cadence;

    const CHECK: CheckId = CheckId::from_bytes([8; 16]);
    const NOW: UnixMs = UnixMs(100_000_000);

    fn in_force(from: i64, activity: Activity, seconds: u32, streams: u16) -> InForce {
        let cadence = Cadence { activity, interval: Interval::from_seconds(seconds).unwrap(), streams };
        InForce { from: UnixMs(from), cadence }
    }

    fn run(started: UnixMs, status: Status) -> RunOnRecord {
        RunOnRecord { host: host_id(1), view: Stamp { era: 1, n: 1 }, started, status }
    }

    /// What the audit finds where the ledger is made of these runs, and somebody then changes it.
    fn found(
        history: &[InForce],
        runs: &BTreeMap<UnixMs, Vec<RunOnRecord>>,
        period: (UnixMs, UnixMs),
        change: impl FnOnce(&mut BTreeMap<UnixMs, SlotState>),
    ) -> Vec<Finding> {
        let wish = PlacementWish { streams: 2, ..PlacementWish::default() };
        let tenant = TenantId::from_bytes([1; 16]);
        let subject = Subject { check: CHECK, tenant, wish: &wish, repeat: Repeat::Safe };
        let views = [fleet(5)];
        let stream = StreamId { check: CHECK, number: 1 };
        let due = due_slots(stream, history, period.0, period.1);
        let state = |slot| runs.get(&slot).map_or(&[][..], Vec::as_slice);
        let mut ledger: BTreeMap<UnixMs, SlotState> =
            due.iter().map(|due| (due.slot, slot_state(*due, state(due.slot), NOW, false))).collect();
        change(&mut ledger);
        audit(&Books { subject, stream: 1, history, views: &views, runs }, &ledger, period, NOW)
    }

    #[test]
    fn a_row_that_somebody_changed_is_named_with_who_owed_it() {
        let history = [in_force(0, Activity::Active, 10, 2)];
        let period = (UnixMs(0), UnixMs(100_000));
        let due = due_slots(StreamId { check: CHECK, number: 1 }, &history, period.0, period.1);
        let runs = due.iter().map(|due| (due.slot, vec![run(due.slot + 10, Status::Up)])).collect();
        let slot = due[3].slot;
        let (ledger, record) = (SlotState::Missed, SlotState::OnTime);
        for (change, difference) in [
            (Some((slot, ledger)), Difference::Otherwise { ledger, record }),
            (Some((slot + 1, SlotState::OnTime)), Difference::NotDue),
            (None, Difference::Unaccounted),
        ] {
            let findings = found(&history, &runs, period, |rows| match change {
                Some((slot, state)) => drop(rows.insert(slot, state)),
                None => drop(rows.remove(&slot)),
            });
            let [finding] = findings.as_slice() else { panic!("{findings:?}") };
            assert_eq!((finding.difference, finding.owed_by.len()), (difference, 3));
        }
        assert_eq!(found(&history, &runs, period, |_| {}), []);
    }

    #[test]
    fn what_is_still_pending_is_no_difference_and_what_is_pending_for_ever_is_one() {
        let history = [in_force(0, Activity::Active, 10, 2)];
        let pend = |rows: &mut BTreeMap<UnixMs, SlotState>| rows.values_mut().for_each(|row| *row = SlotState::Pending);
        let late = (NOW - 30_000, NOW - 20_000);
        assert_eq!(found(&history, &BTreeMap::new(), late, pend), []);
        let old = (NOW - 2_000_000, NOW - 1_990_000);
        assert_eq!(found(&history, &BTreeMap::new(), old, pend).len(), 1);
    }

    proptest! {
        #[test]
        fn ledger_and_audit_agree_on_any_history_and_any_runs(
            borders in prop::collection::vec((0..300_000_i64, 0..3_usize, 0..4_usize, 1..4_u16), 1..5),
            from in 0..300_000_i64, length in 0..200_000_i64,
            delays in prop::collection::vec((0..40_usize, -100..70_000_i64, 0..3_usize), 0..60),
        ) {
            let activities = [Activity::Active, Activity::Paused, Activity::Deleted];
            let statuses = [Status::Up, Status::Unknown(Blame::Module), Status::Unknown(Blame::Host)];
            let mut history: Vec<InForce> = borders
                .into_iter()
                .map(|(at, activity, seconds, streams)| in_force(at, activities[activity], [10, 15, 30, 60][seconds], streams))
                .collect();
            history.sort_by_key(|held| held.from);
            history.dedup_by_key(|held| held.from);
            let period = (UnixMs(from), UnixMs(from + length));
            let due = due_slots(StreamId { check: CHECK, number: 1 }, &history, period.0, period.1);
            let mut runs: BTreeMap<UnixMs, Vec<RunOnRecord>> = BTreeMap::new();
            for (slot, delay, status) in delays {
                if let Some(due) = due.get(slot) {
                    runs.entry(due.slot).or_default().push(run(due.slot + delay, statuses[status]));
                }
            }
            prop_assert_eq!(found(&history, &runs, period, |_| {}), []);
        }
    }
}
