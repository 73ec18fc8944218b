//! Latencies and outcomes over time: the runs that speak for slots, in buckets of one length.
//!
//! Percentiles are those of the latencies as blocks keep them, to within 0.4 %. Sums of a day, which are all that is
//! left of old blocks, have none, and nothing is made up in their place.

use std::collections::BTreeMap;

use farwatch_proto::outcome::Status;
use farwatch_proto::time::UnixMs;

use super::{Latency, Outcomes, SlotRun, Totals};

/// What was found in one stretch of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// What the runs found.
    pub outcomes: Outcomes,
    latency_sum_us: u64,
    latency_max_us: u32,
    /// How often each latency was found.
    latencies: BTreeMap<Latency, u32>,
    /// Whether some of it is known by its sums only.
    is_summed: bool,
}

impl Bucket {
    fn enter(&mut self, run: &SlotRun<'_>) {
        self.outcomes.count(run.status);
        if matches!(run.status, Status::Up | Status::Degraded) {
            self.latency_sum_us += u64::from(run.latency.us());
            self.latency_max_us = self.latency_max_us.max(run.latency.us());
            *self.latencies.entry(run.latency).or_default() += 1;
        }
    }

    fn add(&mut self, totals: &Totals) {
        self.outcomes = self.outcomes + totals.outcomes;
        self.latency_sum_us += totals.latency_sum_us;
        self.latency_max_us = self.latency_max_us.max(totals.latency_max_us);
        self.is_summed |= totals.outcomes.answered() > 0;
    }

    /// How many latencies count: those of targets that answered.
    pub const fn count(&self) -> u64 {
        self.outcomes.answered()
    }

    /// The mean of them.
    pub fn mean_us(&self) -> Option<u64> {
        self.latency_sum_us.checked_div(self.count())
    }

    /// The largest.
    pub fn max_us(&self) -> Option<u32> {
        (self.count() > 0).then_some(self.latency_max_us)
    }

    /// The smallest, where single latencies are on record.
    pub fn min_us(&self) -> Option<u32> {
        let smallest = self.latencies.keys().next().filter(|_| !self.is_summed);
        smallest.map(|latency| latency.us())
    }

    /// The least latency that at least this part of them, in thousandths, do not exceed; `None` where there are none,
    /// or where single ones are not on record any more.
    pub fn quantile_us(&self, per_mille: u64) -> Option<u32> {
        if self.is_summed {
            return None;
        }
        let rank = (self.count() * per_mille).div_ceil(1000).max(1);
        let mut seen = 0;
        let reached = self.latencies.iter().find(|(_, count)| {
            seen += u64::from(**count);
            seen >= rank
        });
        reached.map(|(latency, _)| latency.us())
    }
}

/// Buckets that follow one another.
#[derive(Clone, Debug)]
pub struct Series {
    from: UnixMs,
    step_ms: i64,
    buckets: Vec<Bucket>,
}

impl Series {
    /// So many empty buckets of this length, which must not be nothing, from this moment on.
    pub fn new(from: UnixMs, step_ms: i64, count: usize) -> Self {
        Self { from, step_ms: step_ms.max(1), buckets: vec![Bucket::default(); count] }
    }

    fn bucket(&mut self, moment: UnixMs) -> Option<&mut Bucket> {
        let index = usize::try_from(moment.since(self.from).div_euclid(self.step_ms)).ok()?;
        self.buckets.get_mut(index)
    }

    /// Enters the run that speaks for this slot.
    pub fn enter(&mut self, slot: UnixMs, run: &SlotRun<'_>) {
        if let Some(bucket) = self.bucket(slot) {
            bucket.enter(run);
        }
    }

    /// Adds the sums of a stretch that begins at this moment and lies within one bucket.
    pub fn add(&mut self, moment: UnixMs, totals: &Totals) {
        if let Some(bucket) = self.bucket(moment) {
            bucket.add(totals);
        }
    }

    /// The buckets with the moments they begin at.
    pub fn buckets(&self) -> impl Iterator<Item = (UnixMs, &Bucket)> {
        let moments = (0..).map(|n| self.from + n * self.step_ms);
        moments.zip(&self.buckets)
    }
}

#[cfg(test)]
mod tests {
    use farwatch_proto::id::HostId;
    use farwatch_proto::time::Stamp;
    use proptest::prelude::*;

    use super::*;
    use crate::block::{Rank, Runner};

    fn run(us: u32, status: Status) -> SlotRun<'static> {
        let runner = Runner { host: HostId::from_bytes([1; 16]), view: Stamp { era: 1, n: 1 }, rank: Rank(0) };
        SlotRun { runner, started: UnixMs(0), latency: Latency::of_us(us), status, code: "" }
    }

    fn series(runs: &[(i64, u32)]) -> Series {
        let mut series = Series::new(UnixMs(1_000), 1_000, 3);
        runs.iter().for_each(|(slot, us)| series.enter(UnixMs(*slot), &run(*us, Status::Up)));
        series
    }

    #[test]
    fn a_run_is_in_the_bucket_of_its_slot_or_in_none() {
        let series = series(&[(999, 1), (1_000, 2), (1_999, 4), (3_999, 8), (4_000, 16)]);
        let found: Vec<_> = series.buckets().map(|(at, bucket)| (at.0, bucket.count(), bucket.mean_us())).collect();
        assert_eq!(found, [(1_000, 2, Some(3)), (2_000, 0, None), (3_000, 1, Some(8))]);
    }

    #[test]
    fn what_did_not_answer_counts_and_has_no_latency() {
        let mut series = Series::new(UnixMs(0), 1_000, 1);
        series.enter(UnixMs(0), &run(50, Status::Down));
        let (_, bucket) = series.buckets().next().unwrap();
        assert_eq!((bucket.outcomes.down, bucket.count()), (1, 0));
        assert_eq!((bucket.min_us(), bucket.max_us(), bucket.quantile_us(950)), (None, None, None));
    }

    #[test]
    fn sums_have_a_mean_and_a_maximum_and_no_percentile() {
        let mut series = series(&[(1_000, 100)]);
        let outcomes = Outcomes { up: 3, ..Outcomes::default() };
        let totals = Totals { outcomes, latency_sum_us: 500, latency_max_us: 200, ..Totals::default() };
        series.add(UnixMs(1_500), &totals);
        let (_, bucket) = series.buckets().next().unwrap();
        assert_eq!((bucket.count(), bucket.mean_us(), bucket.max_us()), (4, Some(150), Some(200)));
        assert_eq!((bucket.min_us(), bucket.quantile_us(500)), (None, None));
    }

    proptest! {
        #[test]
        fn percentiles_are_those_of_the_sorted_latencies(
            found in prop::collection::vec(0..250_u32, 1..300), per_mille in 0..=1000_u64,
        ) {
            let runs: Vec<(i64, u32)> = found.iter().map(|us| (1_000, *us)).collect();
            let series = series(&runs);
            let (_, bucket) = series.buckets().next().unwrap();
            let mut sorted = found;
            sorted.sort_unstable();
            let rank = (sorted.len() as u64 * per_mille).div_ceil(1000).max(1);
            prop_assert_eq!(bucket.quantile_us(per_mille), Some(sorted[rank as usize - 1]));
            prop_assert_eq!((bucket.min_us(), bucket.max_us()), (Some(sorted[0]), sorted.last().copied()));
        }
    }
}
