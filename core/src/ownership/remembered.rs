//! What earlier processes of this host completed of slots that may still be open, by its own record of it.
//!
//! A host that starts anew need not run those slots again. What was run by a clock that was then set back proves nothing
//! of the slot it names, and does not count. Reads no record itself; whoever has one gives it here part by part.

use std::collections::HashMap;

use farwatch_proto::check::StreamId;
use farwatch_proto::id::BootId;
use farwatch_proto::time::UnixMs;

/// Runs end in the order in which they are recorded, but for as much as threads and a clock that is slewed may differ. What
/// differs by more was recorded before the clock was set back.
const OUT_OF_ORDER_MS: i64 = 1_000;

/// A run that covered its slot, as it was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Which stream.
    pub stream: StreamId,
    /// Which slot.
    pub slot: UnixMs,
    /// When the run was over, by the clock that its host had then.
    pub ended: UnixMs,
}

/// The last slot of each stream that is known to be run.
#[derive(Clone, Debug, Default)]
pub struct Remembered {
    last: HashMap<StreamId, UnixMs>,
    /// Of the process whose record is being read: when the first of its runs ended of those that were read.
    first_end: Option<(BootId, UnixMs)>,
    last_end: Option<UnixMs>,
}

impl Remembered {
    /// Takes in a part of the record of one process, oldest run first. The newest part is given first, and of each process
    /// all parts in turn. Answers when the last run in it ended, for whoever asks whether an older part is of any use.
    pub fn add_older(&mut self, boot: BootId, runs: impl IntoIterator<Item = Ran>) -> Option<UnixMs> {
        let followed_by = self.first_end.filter(|(of, _)| *of == boot).map(|(_, end)| end);
        let (mut part, mut ends) = (HashMap::new(), None::<(UnixMs, UnixMs)>);
        for ran in runs {
            let (first, last) = ends.unwrap_or((ran.ended, ran.ended));
            let is_set_back = is_set_back(last, ran.ended);
            if is_set_back {
                part.clear();
            }
            let last = if is_set_back { ran.ended } else { last.max(ran.ended) };
            ends = Some((first.min(ran.ended), last));
            part.insert(ran.stream, ran);
        }
        let (first, last) = ends?;
        self.first_end = Some((boot, followed_by.map_or(first, |end| end.min(first))));
        self.last_end = self.last_end.max(Some(last));
        let counts = |ran: &Ran| followed_by.is_none_or(|end| !is_set_back(ran.ended, end));
        for ran in part.into_values().filter(counts) {
            let slot = self.last.entry(ran.stream).or_insert(ran.slot);
            *slot = ran.slot.max(*slot);
        }
        Some(last)
    }

    /// What counts of it for a process that starts now. A record of what is yet to come was made by a clock that was
    /// wrong, or is read by one that is: then nothing does.
    #[must_use]
    pub fn by(self, now: UnixMs) -> Self {
        let is_of_future = self.last_end.is_some_and(|end| is_set_back(end, now));
        if is_of_future { Self::default() } else { self }
    }

    /// The last slot of this stream that was run.
    pub fn last_of(&self, stream: StreamId) -> Option<UnixMs> {
        self.last.get(&stream).copied()
    }

    /// Those streams of the record that are meant.
    #[must_use]
    pub fn of(&self, mut is_meant: impl FnMut(StreamId) -> bool) -> Self {
        let meant = self.last.iter().filter(|(stream, _)| is_meant(**stream));
        Self { last: meant.map(|(stream, slot)| (*stream, *slot)).collect(), ..Self::default() }
    }

    /// Whether there is nothing to remember.
    pub fn is_empty(&self) -> bool {
        self.last.is_empty()
    }
}

/// Whether a clock that showed the one moment and later the other was set back.
const fn is_set_back(before: UnixMs, after: UnixMs) -> bool {
    before.since(after) > OUT_OF_ORDER_MS
}

#[cfg(test)]
mod tests {
    use farwatch_proto::id::CheckId;

    use super::*;

    const HOUR: i64 = 3_600_000;
    const NOW: UnixMs = UnixMs(1_000 * HOUR);
    const OLD: BootId = BootId::from_bytes([1; 16]);
    const NEW: BootId = BootId::from_bytes([2; 16]);

    fn stream(n: u8) -> StreamId {
        StreamId { check: CheckId::from_bytes([n; 16]), number: 0 }
    }

    /// A run of this stream that took 200 ms from this moment, its slot.
    fn ran(n: u8, after_ms: i64) -> Ran {
        let slot = NOW + after_ms;
        Ran { stream: stream(n), slot, ended: slot + 200 }
    }

    fn last(remembered: &Remembered, n: u8) -> Option<i64> {
        remembered.last_of(stream(n)).map(|slot| slot.since(NOW))
    }

    #[test]
    fn the_last_slot_of_each_stream_is_remembered_from_all_parts() {
        let mut remembered = Remembered::default();
        let end = remembered.add_older(NEW, [ran(1, -8_000), ran(2, -7_000)]);
        assert_eq!(end, Some(NOW - 6_800));
        assert_eq!(remembered.add_older(OLD, [ran(1, -18_000), ran(3, -17_500), ran(3, -9_000)]), Some(NOW - 8_800));
        assert_eq!(remembered.add_older(OLD, []), None);
        let remembered = remembered.by(NOW);
        assert_eq!([1, 2, 3, 4].map(|n| last(&remembered, n)), [Some(-8_000), Some(-7_000), Some(-9_000), None]);
        assert_eq!(last(&remembered.of(|of| of == stream(2)), 1), None);
    }

    #[test]
    fn runs_that_end_side_by_side_are_in_no_strict_order() {
        let mut remembered = Remembered::default();
        remembered.add_older(NEW, [ran(1, -7_100), ran(2, -8_000)]);
        assert_eq!([1, 2].map(|n| last(&remembered, n)), [Some(-7_100), Some(-8_000)]);
    }

    #[test]
    fn what_was_run_before_the_clock_was_set_back_does_not_count() {
        let wrong = [ran(1, -5_000), ran(2, -4_000)];
        let right = [ran(3, -HOUR), ran(2, -HOUR + 5_000)];
        let mut in_one_part = Remembered::default();
        in_one_part.add_older(NEW, wrong.into_iter().chain(right));
        let mut in_two = Remembered::default();
        in_two.add_older(NEW, right);
        in_two.add_older(NEW, wrong);
        for remembered in [in_one_part, in_two] {
            let remembered = remembered.by(NOW);
            assert_eq!([1, 2, 3].map(|n| last(&remembered, n)), [None, Some(-HOUR + 5_000), Some(-HOUR)]);
        }
    }

    #[test]
    fn a_record_of_what_is_yet_to_come_is_none() {
        let mut remembered = Remembered::default();
        remembered.add_older(OLD, [ran(1, -9_000), ran(2, HOUR)]);
        assert!(remembered.by(NOW).is_empty());
    }
}
