//! Much failing at once: when it is a mass failure, and how many votes may be under way.
//!
//! The rule of confirmation stays; what stretches is the time it takes. Which check is asked about first, and who is
//! told of the mass failure, is decided elsewhere.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};

use farwatch_proto::check::StreamId;
use farwatch_proto::time::UnixMs;

/// Failures within this time of each other count together.
pub const WINDOW_MS: i64 = 60_000;
/// Fewer newly failing streams than this are no mass failure, however small the fleet of checks.
pub const STREAMS_MIN: usize = 50;
/// Newly failing streams are a mass failure when they are more than one in so many.
pub const SHARE: usize = 20;
/// It is over when they are fewer than one in this many of what would begin it, so that it does not flicker.
const OVER_FRACTION: usize = 2;
/// Votes take at most one in so many of the hosts' run places; due slots come first.
const VOTES_SHARE: usize = 4;

/// A mass failure began or is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It began, with so many streams newly failing.
    Began(usize),
    /// It is over, after so many milliseconds.
    Over(i64),
}

/// The streams that began to fail lately.
#[derive(Clone, Debug, Default)]
pub struct MassFailure {
    /// When each began to fail, oldest first. No longer than what counts together.
    lately: VecDeque<(UnixMs, StreamId)>,
    /// How often each did.
    times: BTreeMap<StreamId, u32>,
    since: Option<UnixMs>,
}

impl MassFailure {
    /// A stream that did not fail before has failed.
    pub fn note(&mut self, stream: StreamId, now: UnixMs) {
        self.lately.push_back((now, stream));
        *self.times.entry(stream).or_default() += 1;
    }

    /// Lets time pass, among so many streams in all; what has changed by it.
    pub fn step(&mut self, streams: usize, now: UnixMs) -> Option<Turn> {
        while let Some((_, stream)) = self.lately.pop_front_if(|(at, _)| now.since(*at) >= WINDOW_MS) {
            self.forget_once(stream);
        }
        let failing = self.newly_failing();
        let beyond = (streams / SHARE).max(STREAMS_MIN - 1);
        match self.since {
            None if failing > beyond => {
                self.since = Some(now);
                Some(Turn::Began(failing))
            }
            Some(since) if failing <= beyond / OVER_FRACTION => {
                self.since = None;
                Some(Turn::Over(now.since(since)))
            }
            _ => None,
        }
    }

    /// Since when there is one.
    pub const fn since(&self) -> Option<UnixMs> {
        self.since
    }

    /// How many streams began to fail within the window that ended with the last step.
    pub fn newly_failing(&self) -> usize {
        self.times.len()
    }

    fn forget_once(&mut self, stream: StreamId) {
        if let Entry::Occupied(mut times) = self.times.entry(stream) {
            *times.get_mut() -= 1;
            if *times.get() == 0 {
                times.remove();
            }
        }
    }
}

/// Whether one more round may begin while so many votes are under way, for hosts with so many run places together.
/// One always may.
pub const fn may_ask(votes_under_way: usize, run_places: usize) -> bool {
    votes_under_way == 0 || votes_under_way < run_places / VOTES_SHARE
}

#[cfg(test)]
mod tests {
    use farwatch_proto::id::CheckId;
    use proptest::prelude::*;

    use super::*;

    fn stream(n: usize) -> StreamId {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        StreamId { check: CheckId::from_bytes(bytes), number: 0 }
    }

    fn failing(count: usize, at: i64) -> MassFailure {
        let mut mass = MassFailure::default();
        (0..count).for_each(|n| mass.note(stream(n), UnixMs(at)));
        mass
    }

    #[test]
    fn more_than_five_percent_and_fifty_at_least_are_a_mass_failure() {
        for (streams, count, begins) in [
            (60, 49, false),
            (60, 50, true),
            (1_000, 50, false),
            (1_000, 51, true),
            (100_000, 5_000, false),
            (100_000, 5_001, true),
        ] {
            let turn = failing(count, 0).step(streams, UnixMs(1));
            assert_eq!(turn == Some(Turn::Began(count)), begins, "{count} of {streams}: {turn:?}");
        }
    }

    #[test]
    fn it_begins_once_and_its_end_is_told_too() {
        let mut mass = failing(80, 0);
        assert_eq!(mass.step(100, UnixMs(10)), Some(Turn::Began(80)));
        assert_eq!((mass.step(100, UnixMs(20)), mass.since()), (None, Some(UnixMs(10))));
        (0..40).for_each(|n| mass.note(stream(n), UnixMs(30_000)));
        assert_eq!(mass.step(100, UnixMs(60_000)), None, "40 are fewer than began it, and still many");
        assert_eq!(mass.step(100, UnixMs(90_010)), Some(Turn::Over(90_000)));
        assert_eq!((mass.since(), mass.newly_failing()), (None, 0));
    }

    #[test]
    fn a_stream_that_flaps_counts_once() {
        let mut mass = MassFailure::default();
        (0..500).for_each(|n| mass.note(stream(n % 10), UnixMs(n as i64)));
        assert_eq!(mass.step(100, UnixMs(600)), None);
        assert_eq!(mass.newly_failing(), 10);
    }

    #[test]
    fn votes_leave_most_places_to_due_slots_and_one_round_may_always_begin() {
        assert!(may_ask(0, 0) && may_ask(0, 1) && may_ask(63, 256));
        assert!(!may_ask(64, 256) && !may_ask(1, 3));
    }

    proptest! {
        /// Beginnings and ends alternate, whatever fails when.
        #[test]
        fn it_begins_and_ends_in_turn(steps in prop::collection::vec((0..200_usize, 0..90_000_i64), 0..40)) {
            let (mut mass, mut now, mut is_on) = (MassFailure::default(), UnixMs(0), false);
            for (count, passed) in steps {
                now = now + passed;
                (0..count).for_each(|n| mass.note(stream(n), now));
                match mass.step(400, now) {
                    Some(Turn::Began(_)) => prop_assert!(!std::mem::replace(&mut is_on, true)),
                    Some(Turn::Over(_)) => prop_assert!(std::mem::replace(&mut is_on, false)),
                    None => {}
                }
                prop_assert_eq!(mass.since().is_some(), is_on);
                prop_assert!(mass.lately.iter().all(|(at, _)| now.since(*at) < WINDOW_MS));
                prop_assert_eq!(mass.times.values().sum::<u32>() as usize, mass.lately.len());
            }
        }
    }
}
