//! The streams of one shard and when each is due next.
//!
//! Rebuilt whole when anything changes: every stream starts again from the slot whose window is open, so
//! that what this host gained in the meantime is run while it can be. What was started is remembered and
//! not started again.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use farwatch_core::slot::{EARLY_MS, streams_of};
use farwatch_proto::check::{Repeat, StreamId};
use farwatch_proto::time::UnixMs;

use crate::holdings::{Held, Holdings};

/// The streams of one shard.
#[derive(Debug, Default)]
pub(super) struct Table {
    streams: Vec<(StreamId, Arc<Held>)>,
    due: BinaryHeap<Reverse<(UnixMs, u32)>>,
    started: HashMap<StreamId, UnixMs>,
}

impl Table {
    /// Takes in what is held now, of the streams that `is_mine` names.
    pub(super) fn rebuild(&mut self, holdings: &Holdings, is_mine: impl Fn(StreamId) -> bool, now: UnixMs) {
        self.streams.clear();
        self.due.clear();
        for (check, held) in holdings.checks.iter() {
            let mine = streams_of(*check, held.streams()).filter(|stream| is_mine(*stream));
            self.streams.extend(mine.map(|stream| (stream, held.clone())));
        }
        let streams = &self.streams;
        self.started.retain(|stream, _| holdings.checks.contains_key(&stream.check));
        for (index, (stream, held)) in (0..).zip(streams) {
            let from = open_since(held, now).max(self.started.get(stream).map_or(UnixMs(0), |slot| *slot + 1));
            if let Some(slot) = held.next_slot(*stream, from) {
                self.due.push(Reverse((slot, index)));
            }
        }
        self.due.shrink_to_fit();
    }

    /// When the next slot is due.
    pub(super) fn next_due(&self) -> Option<UnixMs> {
        self.due.peek().map(|Reverse((slot, _))| *slot)
    }

    /// The next slot that is due by now; its stream's next one takes its place.
    pub(super) fn pop_due(&mut self, now: UnixMs) -> Option<(StreamId, Arc<Held>, UnixMs)> {
        let mut first = self.due.peek_mut().filter(|first| first.0.0 <= now)?;
        let (slot, index) = first.0;
        let (stream, held) = self.streams[index as usize].clone();
        match held.next_slot(stream, slot + 1) {
            Some(next) => first.0.0 = next,
            None => drop(PeekMut::pop(first)),
        }
        Some((stream, held, slot))
    }

    /// The slot is being run, or was given up; it is not to be started again.
    pub(super) fn note_started(&mut self, stream: StreamId, slot: UnixMs) {
        self.started.insert(stream, slot);
    }

    /// Whether the slot or a later one was started.
    pub(super) fn was_started(&self, stream: StreamId, slot: UnixMs) -> bool {
        self.started.get(&stream).is_some_and(|started| slot <= *started)
    }
}

/// Slots from this moment on may still be run. A check that must not run twice is never run after its
/// moment: whether it was, before a restart, is not known.
fn open_since(held: &Held, now: UnixMs) -> UnixMs {
    let Some(revision) = held.in_force_at(now) else { return now };
    match revision.definition.repeat {
        Repeat::Unsafe => now,
        Repeat::Safe => now - (revision.definition.interval.ms() - EARLY_MS - 1),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use farwatch_proto::check::{Activity, Definition, PlacementWish};
    use farwatch_proto::id::{CheckId, ModuleHash, TenantId};
    use farwatch_proto::interval::Interval;

    use super::*;

    const TEN: i64 = 10_000;

    fn holdings(checks: u8, repeat: Repeat) -> Holdings {
        let held = |n: u8| {
            let definition = Definition {
                check: CheckId::from_bytes([n; 16]),
                tenant: TenantId::from_bytes([1; 16]),
                revision: 1,
                activity: Activity::Active,
                module: ModuleHash([2; 32]),
                prepared: Vec::new(),
                interval: Interval::from_seconds(10).unwrap(),
                timeout_ms: 1000,
                placement: PlacementWish { streams: 2, ..PlacementWish::default() },
                repeat,
                in_force_from: Some(UnixMs(0)),
            };
            (definition.check, Arc::new(Held::new(vec![definition])))
        };
        Holdings::default().with_checks((0..checks).map(held).collect::<HashMap<_, _>>())
    }

    fn rebuilt(holdings: &Holdings, now: i64) -> Table {
        let mut table = Table::default();
        table.rebuild(holdings, |_| true, UnixMs(now));
        table
    }

    fn due_by(table: &mut Table, now: i64) -> Vec<(StreamId, UnixMs)> {
        let due = std::iter::from_fn(|| table.pop_due(UnixMs(now)));
        due.map(|(stream, _, slot)| (stream, slot)).collect()
    }

    #[test]
    fn every_stream_is_due_once_in_each_interval_in_order() {
        let mut table = rebuilt(&holdings(20, Repeat::Safe), 10 * TEN);
        due_by(&mut table, 10 * TEN);
        let due = due_by(&mut table, 12 * TEN);
        assert_eq!(due.len(), 2 * 2 * 20);
        assert!(due.is_sorted_by_key(|(_, slot)| *slot));
        assert!(table.next_due().is_some_and(|slot| slot > UnixMs(12 * TEN)));
    }

    #[test]
    fn a_rebuild_starts_again_from_the_open_slot_and_not_from_what_was_started() {
        let holdings = holdings(20, Repeat::Safe);
        let mut table = rebuilt(&holdings, 10 * TEN);
        let open = due_by(&mut table, 10 * TEN);
        assert_eq!(open.len(), 40, "each stream has one open slot");
        for (stream, slot) in open.iter().take(10) {
            table.note_started(*stream, *slot);
        }
        table.rebuild(&holdings, |_| true, UnixMs(10 * TEN));
        let again = due_by(&mut table, 10 * TEN);
        assert_eq!(again.len(), 30);
        assert!(again.iter().all(|(stream, slot)| !table.was_started(*stream, *slot)));
    }

    #[test]
    fn what_must_not_run_twice_is_never_run_after_its_moment() {
        let mut table = rebuilt(&holdings(20, Repeat::Unsafe), 10 * TEN);
        assert!(due_by(&mut table, 10 * TEN).iter().all(|(_, slot)| *slot == UnixMs(10 * TEN)));
    }

    #[test]
    fn a_shard_has_only_its_own_streams() {
        let holdings = holdings(20, Repeat::Safe);
        let mut table = Table::default();
        table.rebuild(&holdings, |stream| stream.number == 0, UnixMs(10 * TEN));
        assert_eq!(due_by(&mut table, 10 * TEN).len(), 20);
    }
}
