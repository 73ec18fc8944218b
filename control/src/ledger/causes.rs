//! Why slots were missed, as far as the record says: the causes that occurred, each once, known by a number.
//!
//! A slot remembers the number of its story, so that every missed slot of a period has a cause however many there are.

use std::collections::{BTreeMap, HashMap};

use farwatch_core::ledger::{CauseCount, MissCause};
use farwatch_proto::id::HostId;
use farwatch_proto::outcome::Status;
use farwatch_proto::time::UnixMs;

/// Causes that are told apart. Codes of host trouble are few; should hosts make up ever new ones, what comes beyond is
/// told as `other`.
const CAUSES_MAX: usize = 10_000;
/// The code of what is not told apart.
const OTHER: &str = "other";

/// A slot without a story: no run is on record.
pub(super) const NO_RUN: u32 = 0;

/// See the file's documentation.
pub(super) struct Causes {
    told: Vec<MissCause>,
    numbers: HashMap<MissCause, u32>,
    /// How many missed slots had which, with the first and the last of them.
    counts: BTreeMap<u32, (u64, UnixMs, UnixMs)>,
}

impl Default for Causes {
    fn default() -> Self {
        let none = MissCause::NoRun;
        Self { numbers: [(none.clone(), NO_RUN)].into(), told: vec![none], counts: BTreeMap::new() }
    }
}

impl Causes {
    /// The number of the story of this run, which does not cover its slot.
    pub(super) fn of_run(&mut self, host: HostId, status: Status, code: &str) -> u32 {
        let code = if self.told.len() < CAUSES_MAX { code } else { OTHER };
        let cause = if status.covers() {
            MissCause::OutsideWindow { host }
        } else {
            MissCause::HostTrouble { host, code: code.to_owned() }
        };
        let next = self.told.len() as u32;
        let number = *self.numbers.entry(cause.clone()).or_insert(next);
        if number == next {
            self.told.push(cause);
        }
        number
    }

    /// The cause of this number.
    pub(super) fn told(&self, number: u32) -> MissCause {
        self.told[number as usize].clone()
    }

    /// Counts a slot that was missed for the cause of this number.
    pub(super) fn count(&mut self, number: u32, slot: UnixMs) {
        let (missed, first, last) = self.counts.entry(number).or_insert((0, slot, slot));
        *missed += 1;
        (*first, *last) = ((*first).min(slot), (*last).max(slot));
    }

    /// The causes of what was counted, those of most slots first.
    pub(super) fn counted(&self) -> Vec<CauseCount> {
        let of = |(number, (missed, first, last)): (&u32, &(u64, UnixMs, UnixMs))| CauseCount {
            cause: self.told(*number),
            missed: *missed,
            first: *first,
            last: *last,
        };
        let mut counted: Vec<CauseCount> = self.counts.iter().map(of).collect();
        counted.sort_by(|one, next| next.missed.cmp(&one.missed).then_with(|| one.cause.cmp(&next.cause)));
        counted
    }
}
