//! The account of every slot.
//!
//! What was due follows from revisions and intervals alone, never from counting results; what covers
//! a slot follows from the runs that are on record. So a result that is lost shows up as missed, and
//! `due = on_time + late + missed + pending` always balances.

use std::iter::Sum;
use std::ops::Add;

use farwatch_proto::check::{Activity, StreamId};
use farwatch_proto::id::HostId;
use farwatch_proto::interval::Interval;
use farwatch_proto::outcome::Status;
use farwatch_proto::time::{Stamp, UnixMs};

use crate::revision::Cadence;
use crate::slot::{Schedule, Timing, timing, window_end};

/// While a host that may hold the result could still deliver it, a slot stays pending at most this long.
pub const PENDING_MAX_MS: i64 = 15 * 60_000;
/// A result takes at most this long from its run's end to the record when nothing is wrong.
pub const DELIVERY_ALLOWANCE_MS: i64 = 2_000;

/// A cadence with the slot border it counts from, in force until the next one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InForce {
    /// The border.
    pub from: UnixMs,
    /// What it makes due.
    pub cadence: Cadence,
}

/// One due slot of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueSlot {
    /// Its T.
    pub slot: UnixMs,
    /// The interval in force, which gives its window.
    pub interval: Interval,
}

/// The slots of a stream that are due in `[from, to)`, in order, by the check's cadences in order of
/// their borders.
pub fn due_slots(stream: StreamId, history: &[InForce], from: UnixMs, to: UnixMs) -> Vec<DueSlot> {
    let ends = history.iter().skip(1).map(|next| next.from).chain([to]);
    let spans = history.iter().zip(ends);
    spans
        .filter(|(held, _)| held.cadence.activity == Activity::Active && stream.number < held.cadence.streams)
        .flat_map(|(held, end)| {
            let interval = held.cadence.interval;
            Schedule::of(stream, interval, held.cadence.streams)
                .slots_between(held.from.max(from), end.min(to))
                .map(move |slot| DueSlot { slot, interval })
        })
        .collect()
}

/// What the record says of one run of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunOnRecord {
    /// Who ran it.
    pub host: HostId,
    /// The newest view that host held.
    pub view: Stamp,
    /// When it started.
    pub started: UnixMs,
    /// What it found.
    pub status: Status,
}

/// How one due slot stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SlotState {
    /// Covered by a run that started before T + G.
    OnTime,
    /// Covered later in its window.
    Late,
    /// Covered by nobody.
    Missed,
    /// Not yet decided.
    Pending,
}

/// From when on a slot without a result is missed, unless somebody may still bring one.
pub fn settled_at(due: DueSlot) -> UnixMs {
    window_end(due.slot, due.interval) + (i64::from(due.interval.largest_timeout_ms()) + DELIVERY_ALLOWANCE_MS)
}

/// How the slot stands at `now`, by its runs on record.
///
/// `undelivered` says whether a host that may hold a result of it has not delivered yet.
pub fn slot_state(due: DueSlot, runs: &[RunOnRecord], now: UnixMs, undelivered: bool) -> SlotState {
    let covering = runs.iter().filter(|run| run.status.covers());
    let timings: Vec<Timing> = covering.map(|run| timing(due.slot, due.interval, run.started)).collect();
    if timings.contains(&Timing::OnTime) {
        return SlotState::OnTime;
    }
    if timings.contains(&Timing::Late) {
        return SlotState::Late;
    }
    let settled_at = settled_at(due);
    let waits = undelivered && now < settled_at + PENDING_MAX_MS;
    if now < settled_at || waits { SlotState::Pending } else { SlotState::Missed }
}

/// The one result that speaks for a slot: by rank under the view in force at T, then non-owners, then
/// the later view, then the host id. Runs that cover nothing speak only when there is no other.
pub fn canonical<'r>(runs: &'r [RunOnRecord], owners: &[HostId]) -> Option<&'r RunOnRecord> {
    runs.iter().min_by_key(|run| {
        let rank = owners.iter().position(|owner| *owner == run.host).unwrap_or(owners.len());
        (!run.status.covers(), rank, std::cmp::Reverse(run.view), run.host)
    })
}

/// Why a slot was missed, as far as the record says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MissCause {
    /// No run is on record.
    NoRun,
    /// A host ran it and was itself in trouble, which covers nothing.
    HostTrouble {
        /// The host.
        host: HostId,
        /// What it said, such as `host-paused`.
        code: String,
    },
    /// The only run on record began outside the slot's window.
    OutsideWindow {
        /// The host.
        host: HostId,
    },
}

/// How many slots were missed for one cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CauseCount {
    /// The cause.
    pub cause: MissCause,
    /// How many slots.
    pub missed: u64,
    /// The first of them.
    pub first: UnixMs,
    /// The last of them.
    pub last: UnixMs,
}

/// Counts of slots. The sum of the parts is what was due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// Covered before T + G.
    pub on_time: u64,
    /// Covered later in the window.
    pub late: u64,
    /// Covered by nobody.
    pub missed: u64,
    /// Not yet decided.
    pub pending: u64,
}

impl Balance {
    /// What was due.
    pub const fn due(&self) -> u64 {
        self.on_time + self.late + self.missed + self.pending
    }

    /// Counts one slot.
    pub const fn count(&mut self, state: SlotState) {
        match state {
            SlotState::OnTime => self.on_time += 1,
            SlotState::Late => self.late += 1,
            SlotState::Missed => self.missed += 1,
            SlotState::Pending => self.pending += 1,
        }
    }
}

impl Add for Balance {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            on_time: self.on_time + other.on_time,
            late: self.late + other.late,
            missed: self.missed + other.missed,
            pending: self.pending + other.pending,
        }
    }
}

impl Sum for Balance {
    fn sum<I: Iterator<Item = Self>>(balances: I) -> Self {
        balances.fold(Self::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use farwatch_proto::id::CheckId;
    use farwatch_proto::outcome::Blame;
    use proptest::prelude::*;

    use super::*;

    fn interval(seconds: u32) -> Interval {
        Interval::from_seconds(seconds).unwrap()
    }

    fn stream(number: u16) -> StreamId {
        StreamId { check: CheckId::from_bytes([8; 16]), number }
    }

    fn in_force(from: i64, activity: Activity, seconds: u32, streams: u16) -> InForce {
        InForce { from: UnixMs(from), cadence: Cadence { activity, interval: interval(seconds), streams } }
    }

    fn run(host: u8, delay: i64, status: Status) -> RunOnRecord {
        RunOnRecord {
            host: HostId::from_bytes([host; 16]),
            view: Stamp { era: 1, n: 1 },
            started: UnixMs(1_000_000 + delay),
            status,
        }
    }

    fn state_of(runs: &[RunOnRecord], now_delay: i64, undelivered: bool) -> SlotState {
        let due = DueSlot { slot: UnixMs(1_000_000), interval: interval(10) };
        slot_state(due, runs, UnixMs(1_000_000 + now_delay), undelivered)
    }

    #[test]
    fn a_slot_stands_as_its_best_covering_run_started() {
        let late = run(1, 6_000, Status::Down);
        assert_eq!(state_of(&[late, run(2, 10, Status::Up)], 0, false), SlotState::OnTime);
        assert_eq!(state_of(&[late], 0, false), SlotState::Late);
        assert_eq!(state_of(&[run(1, 5, Status::Unknown(Blame::Module))], 0, false), SlotState::OnTime);
    }

    #[test]
    fn what_covers_nothing_leaves_a_slot_pending_and_then_missed() {
        let host_trouble = run(1, 5, Status::Unknown(Blame::Host));
        let outside = run(1, 9_950, Status::Up);
        for runs in [&[][..], &[host_trouble], &[outside]] {
            assert_eq!(state_of(runs, 9_000, false), SlotState::Pending);
            assert_eq!(state_of(runs, 20_000, false), SlotState::Missed);
            assert_eq!(state_of(runs, 20_000, true), SlotState::Pending);
            assert_eq!(state_of(runs, 20_000 + PENDING_MAX_MS, true), SlotState::Missed);
        }
    }

    #[test]
    fn the_best_rank_at_the_slot_speaks_for_it() {
        let (first, second, stranger) = (run(1, 5, Status::Down), run(2, 2, Status::Up), run(9, 1, Status::Up));
        let owners = [first.host, second.host];
        assert_eq!(canonical(&[stranger, second, first], &owners), Some(&first));
        assert_eq!(canonical(&[stranger, second], &owners), Some(&second));
        let host_trouble = run(1, 0, Status::Unknown(Blame::Host));
        assert_eq!(canonical(&[host_trouble, stranger], &owners), Some(&stranger));
        assert_eq!(canonical(&[], &owners), None);
    }

    #[test]
    fn nothing_is_due_before_the_first_border_or_while_paused() {
        let history = [
            in_force(100_000, Activity::Active, 10, 1),
            in_force(200_000, Activity::Paused, 10, 1),
            in_force(300_000, Activity::Active, 10, 1),
        ];
        let due = due_slots(stream(0), &history, UnixMs(0), UnixMs(400_000));
        assert_eq!(due.len(), 20);
        assert!(due.iter().all(|due| (100_000..200_000).contains(&due.slot.0) || due.slot.0 >= 300_000));
        assert!(due_slots(stream(1), &history, UnixMs(0), UnixMs(400_000)).is_empty());
    }

    proptest! {
        #[test]
        fn due_agrees_with_brute_force_over_any_history(
            borders in prop::collection::vec((0..300_000_i64, 0..3_usize, 0..2_usize, 1..3_u16), 1..5),
            from in 0..300_000_i64, length in 0..200_000_i64, number in 0..2_u16,
        ) {
            let activities = [Activity::Active, Activity::Paused, Activity::Deleted];
            let mut history: Vec<InForce> = borders
                .into_iter()
                .map(|(at, activity, seconds, streams)| in_force(at, activities[activity], [10, 15][seconds], streams))
                .collect();
            history.sort_by_key(|held| held.from);
            history.dedup_by_key(|held| held.from);
            let (from, to) = (UnixMs(from), UnixMs(from + length));
            let brute = (from.0..to.0).filter(|ms| {
                let held = history.iter().rev().find(|held| held.from.0 <= *ms);
                held.is_some_and(|held| {
                    held.cadence.activity == Activity::Active
                        && number < held.cadence.streams
                        && Schedule::of(stream(number), held.cadence.interval, held.cadence.streams).is_slot(UnixMs(*ms))
                })
            });
            let brute: Vec<i64> = brute.collect();
            let due: Vec<i64> =
                due_slots(stream(number), &history, from, to).iter().map(|due| due.slot.0).collect();
            prop_assert_eq!(due, brute);
        }

        #[test]
        fn the_parts_always_sum_to_what_was_due(states in prop::collection::vec(0..4_usize, 0..50)) {
            let all = [SlotState::OnTime, SlotState::Late, SlotState::Missed, SlotState::Pending];
            let mut balance = Balance::default();
            states.iter().for_each(|index| balance.count(all[*index]));
            prop_assert_eq!(balance.due(), states.len() as u64);
        }
    }
}
