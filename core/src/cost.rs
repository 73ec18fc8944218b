//! What runs of modules took of late: the sums of the last hour, by check and module, in bounded memory.
//!
//! An hour is told in parts of ten minutes, so what is summed is the last fifty minutes and the part of ten that goes on.
//! It knows nobody's quota; who pays for which check is for whoever asks.

use std::collections::HashMap;

use farwatch_proto::id::{CheckId, ModuleHash};
use farwatch_proto::run::RunCost;
use farwatch_proto::time::UnixMs;

/// What "the last hour" reaches back at most.
pub const HOUR_MS: i64 = 3_600_000;
/// How finely it is told. Finer parts would take as much more memory for each check.
const PART_MS: i64 = 600_000;
const PARTS: usize = 6;
/// Pairs of check and module that are summed: twice the checks of the largest cell, each of some 200 bytes. Those beyond
/// are left out until others have been silent for an hour.
const PAIRS_MAX: usize = 200_000;

/// What some runs took together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// How many runs.
    pub runs: u64,
    /// The CPU time of all together, in microseconds.
    pub cpu_us: u64,
    /// The CPU time of the one that took most.
    pub cpu_us_max: u32,
    /// The memory of the one that had most, in pages.
    memory_pages_max: u16,
}

impl Cost {
    /// The CPU time of the mean run, in microseconds; none where nothing ran.
    pub fn cpu_us_mean(&self) -> Option<u64> {
        self.cpu_us.checked_div(self.runs)
    }

    /// The memory of the run that had most, in bytes.
    pub fn memory_bytes_max(&self) -> u64 {
        RunCost { cpu_us: 0, memory_pages: self.memory_pages_max }.memory_bytes()
    }

    fn of(run: RunCost) -> Self {
        Self { runs: 1, cpu_us: run.cpu_us.into(), cpu_us_max: run.cpu_us, memory_pages_max: run.memory_pages }
    }

    /// Adds what others took.
    pub fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.cpu_us += other.cpu_us;
        self.cpu_us_max = self.cpu_us_max.max(other.cpu_us_max);
        self.memory_pages_max = self.memory_pages_max.max(other.memory_pages_max);
    }
}

/// Ten minutes of one check by one module.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    /// Which ten minutes, counted from 1970.
    number: i64,
    cost: Cost,
}

/// See the file's documentation.
#[derive(Debug, Default)]
pub struct Costs {
    pairs: HashMap<(CheckId, ModuleHash), [Part; PARTS]>,
    /// The ten minutes in which the last run was entered.
    newest: i64,
}

impl Costs {
    /// Enters a run that was made then, as far as it was made in the last hour. `now` is when it became known.
    pub fn enter(&mut self, (check, module): (CheckId, ModuleHash), run: RunCost, made: UnixMs, now: UnixMs) {
        let number = part_of(made);
        let is_of_hour = within_hour(now).contains(&number);
        if run.is_nothing() || !is_of_hour {
            return;
        }
        self.forget_what_is_over(now);
        if self.pairs.len() >= PAIRS_MAX && !self.pairs.contains_key(&(check, module)) {
            return;
        }
        let parts = self.pairs.entry((check, module)).or_default();
        let part = &mut parts[number.rem_euclid(PARTS as i64) as usize];
        if part.number < number {
            *part = Part { number, cost: Cost::default() };
        }
        if part.number == number {
            part.cost.add(&Cost::of(run));
        }
    }

    /// What runs of this check by this module took in the last hour.
    pub fn of(&self, check: CheckId, module: ModuleHash, now: UnixMs) -> Cost {
        let mut sum = Cost::default();
        let hour = within_hour(now);
        let parts = self.pairs.get(&(check, module)).into_iter().flatten();
        parts.filter(|part| hour.contains(&part.number)).for_each(|part| sum.add(&part.cost));
        sum
    }

    /// Once in ten minutes.
    fn forget_what_is_over(&mut self, now: UnixMs) {
        if part_of(now) <= self.newest {
            return;
        }
        self.newest = part_of(now);
        let hour = within_hour(now);
        self.pairs.retain(|_, parts| parts.iter().any(|part| hour.contains(&part.number)));
    }
}

const fn part_of(moment: UnixMs) -> i64 {
    moment.0.div_euclid(PART_MS)
}

/// The parts of the last hour.
fn within_hour(now: UnixMs) -> std::ops::RangeInclusive<i64> {
    let last = part_of(now);
    last - PARTS as i64 + 1..=last
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_790_000_000_000);
    const MINUTE_MS: i64 = 60_000;

    fn pair(check: u8) -> (CheckId, ModuleHash) {
        (CheckId::from_bytes([check; 16]), ModuleHash([7; 32]))
    }

    fn run(cpu_us: u32, memory_pages: u16) -> RunCost {
        RunCost { cpu_us, memory_pages }
    }

    fn of(costs: &Costs, check: u8, now: UnixMs) -> Cost {
        costs.of(pair(check).0, pair(check).1, now)
    }

    #[test]
    fn runs_are_summed_by_check_and_module() {
        let mut costs = Costs::default();
        for (check, cost) in [(1, run(100, 17)), (1, run(300, 16)), (2, run(5, 1))] {
            costs.enter(pair(check), cost, NOW, NOW);
        }
        let sum = of(&costs, 1, NOW);
        assert_eq!((sum.runs, sum.cpu_us, sum.cpu_us_max, sum.cpu_us_mean()), (2, 400, 300, Some(200)));
        assert_eq!(sum.memory_bytes_max(), 17 << 16);
        assert_eq!(of(&costs, 2, NOW).runs, 1);
        assert_eq!(costs.of(pair(1).0, ModuleHash([8; 32]), NOW), Cost::default());
        assert_eq!(Cost::default().cpu_us_mean(), None);
    }

    #[test]
    fn an_hour_is_over_after_an_hour() {
        let mut costs = Costs::default();
        for minute in 0..180 {
            let now = NOW + minute * MINUTE_MS;
            costs.enter(pair(1), run(1, 1), now, now);
            let runs = of(&costs, 1, now).runs;
            let expected = (u64::try_from(minute).unwrap() + 1).min(51);
            assert!((expected.min(50)..=60).contains(&runs), "{runs} at {minute}");
        }
        assert_eq!(of(&costs, 1, NOW + 180 * MINUTE_MS + HOUR_MS).runs, 0);
    }

    #[test]
    fn what_comes_late_counts_for_when_it_was_made() {
        let mut costs = Costs::default();
        costs.enter(pair(1), run(1, 1), NOW, NOW);
        costs.enter(pair(1), run(1, 1), NOW - 30 * MINUTE_MS, NOW);
        assert_eq!(of(&costs, 1, NOW).runs, 2);
        assert_eq!(of(&costs, 1, NOW + 45 * MINUTE_MS).runs, 1);
        // Neither what is over nor what is to come.
        costs.enter(pair(1), run(1, 1), NOW - 90 * MINUTE_MS, NOW);
        costs.enter(pair(1), run(1, 1), NOW + 90 * MINUTE_MS, NOW);
        assert_eq!(of(&costs, 1, NOW).runs, 2);
    }

    #[test]
    fn who_does_not_run_any_more_is_forgotten() {
        let mut costs = Costs::default();
        costs.enter(pair(1), run(1, 1), NOW, NOW);
        let later = NOW + 2 * HOUR_MS;
        costs.enter(pair(2), run(1, 1), later, later);
        assert_eq!(costs.pairs.len(), 1);
    }

    #[test]
    fn what_was_not_measured_is_no_run() {
        let mut costs = Costs::default();
        costs.enter(pair(1), RunCost::default(), NOW, NOW);
        assert_eq!(of(&costs, 1, NOW).runs, 0);
    }
}
