//! A check as a host holds it: all its revisions, and which of them a slot is run by.
//!
//! Knows when slots are due and by what definition; says nothing about who runs them.

use farwatch_proto::check::{Activity, Definition, StreamId};
use farwatch_proto::time::UnixMs;

use crate::holding::digest_of_check;
use crate::slot::Schedule;

/// All revisions of one check that a host was given, ordered by revision.
#[derive(Clone, Debug)]
pub struct Held {
    revisions: Vec<Definition>,
    digest: u64,
}

impl Held {
    /// These revisions of one check, in any order.
    pub fn new(mut revisions: Vec<Definition>) -> Self {
        revisions.sort_by_key(|definition| definition.revision);
        let digest = digest_of_check(revisions.iter());
        Self { revisions, digest }
    }

    /// What tells these revisions from any others.
    pub const fn digest(&self) -> u64 {
        self.digest
    }

    /// All of them, ascending.
    pub fn revisions(&self) -> &[Definition] {
        &self.revisions
    }

    /// The revision of this number.
    pub fn revision(&self, number: u32) -> Option<&Definition> {
        self.revisions.iter().find(|definition| definition.revision == number)
    }

    /// The revision in force for this slot.
    pub fn in_force_at(&self, slot: UnixMs) -> Option<&Definition> {
        self.revisions.iter().rev().find(|definition| definition.in_force_from.is_some_and(|from| from <= slot))
    }

    /// The most streams any of its revisions has.
    pub fn streams(&self) -> u16 {
        self.revisions.iter().map(|definition| definition.placement.streams).max().unwrap_or(0)
    }

    /// The revision by which this slot of a stream is run, if it is due.
    pub fn due(&self, stream: StreamId, slot: UnixMs) -> Option<&Definition> {
        let definition = self.in_force_at(slot).filter(|definition| makes_due(definition, stream))?;
        schedule(definition, stream).is_slot(slot).then_some(definition)
    }

    /// The first slot of this stream at or after `from` that is due under the revision in force for it.
    pub fn next_slot(&self, stream: StreamId, mut from: UnixMs) -> Option<UnixMs> {
        loop {
            let borders = self.revisions.iter().filter_map(|definition| definition.in_force_from);
            let later = borders.filter(|border| *border > from).min();
            let due = self.in_force_at(from).filter(|definition| makes_due(definition, stream));
            let slot = due.map(|definition| schedule(definition, stream).slot_at_or_after(from));
            match (slot, later) {
                (Some(slot), Some(border)) if slot >= border => from = border,
                (Some(slot), _) => return Some(slot),
                (None, Some(border)) => from = border,
                (None, None) => return None,
            }
        }
    }
}

fn makes_due(definition: &Definition, stream: StreamId) -> bool {
    definition.activity == Activity::Active && stream.number < definition.placement.streams
}

fn schedule(definition: &Definition, stream: StreamId) -> Schedule {
    Schedule::of(stream, definition.interval, definition.placement.streams)
}

#[cfg(test)]
pub(crate) mod tests {
    use farwatch_proto::check::{PlacementWish, Repeat};
    use farwatch_proto::id::{CheckId, ModuleHash, TenantId};
    use farwatch_proto::interval::Interval;

    use super::*;

    pub(crate) const CHECK: CheckId = CheckId::from_bytes([5; 16]);
    pub(crate) const STREAM: StreamId = StreamId { check: CHECK, number: 0 };

    pub(crate) fn definition(revision: u32, seconds: u32, activity: Activity, from: Option<i64>) -> Definition {
        Definition {
            check: CHECK,
            tenant: TenantId::from_bytes([1; 16]),
            revision,
            activity,
            module: ModuleHash([2; 32]),
            prepared: Vec::new(),
            interval: Interval::from_seconds(seconds).unwrap(),
            timeout_ms: 1000,
            placement: PlacementWish { streams: 1, ..PlacementWish::default() },
            repeat: Repeat::Safe,
            secrets: Vec::new(),
            in_force_from: from.map(UnixMs),
        }
    }

    fn slots(held: &Held, count: usize) -> Vec<UnixMs> {
        let next = |from: UnixMs| held.next_slot(STREAM, from);
        std::iter::successors(next(UnixMs(0)), |slot| next(*slot + 1)).take(count).collect()
    }

    #[test]
    fn a_pending_revision_makes_nothing_due_and_the_newest_in_force_counts() {
        let pending = Held::new(vec![definition(1, 10, Activity::Active, None)]);
        assert!(slots(&pending, 3).is_empty() && pending.in_force_at(UnixMs(i64::MAX)).is_none());
        let held = Held::new(vec![
            definition(3, 10, Activity::Active, None),
            definition(2, 10, Activity::Active, Some(50_000)),
            definition(1, 10, Activity::Active, Some(0)),
        ]);
        assert_eq!(held.in_force_at(UnixMs(49_999)).map(|it| it.revision), Some(1));
        assert_eq!(held.in_force_at(UnixMs(50_000)).map(|it| it.revision), Some(2));
        assert!(held.revision(3).is_some());
    }

    #[test]
    fn the_schedule_changes_at_the_border_and_ends_with_a_pause() {
        let held = Held::new(vec![
            definition(1, 10, Activity::Active, Some(0)),
            definition(2, 30, Activity::Active, Some(60_000)),
            definition(3, 30, Activity::Paused, Some(150_000)),
        ]);
        let all = slots(&held, 100);
        let (before, after): (Vec<UnixMs>, Vec<UnixMs>) = all.iter().copied().partition(|slot| slot.0 < 60_000);
        assert_eq!((before.len(), after.len()), (6, 3), "{all:?}");
        assert!(after.iter().all(|slot| slot.0 < 150_000));
        for (revision, mine) in [(1, &before), (2, &after)] {
            assert!(mine.iter().all(|slot| held.due(STREAM, *slot).is_some_and(|due| due.revision == revision)));
            assert!(mine.iter().all(|slot| held.due(STREAM, *slot + 1).is_none()));
        }
    }
}
