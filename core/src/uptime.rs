//! How long a check was watched in a period, and how long of that it was down.
//!
//! Counted from incidents and never from single results: a result that nobody confirmed is no outage, and an outage
//! goes on between results.

use farwatch_proto::time::UnixMs;

/// From one moment up to, and without, another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Its first moment.
    pub from: UnixMs,
    /// The first moment after it.
    pub to: UnixMs,
}

impl Period {
    /// The part of it that lies in the other as well, if any.
    pub fn within(self, other: Self) -> Option<Self> {
        let common = Self { from: self.from.max(other.from), to: self.to.min(other.to) };
        (common.from < common.to).then_some(common)
    }

    const fn ms(self) -> i64 {
        self.to.since(self.from)
    }
}

/// What a period comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uptime {
    /// How long it was watched.
    pub watched_ms: i64,
    /// How long of that it was down.
    pub down_ms: i64,
}

impl Uptime {
    /// The part of the watched time that it was not down; `None` where it was not watched.
    pub fn share(self) -> Option<f64> {
        (self.watched_ms > 0).then(|| (self.watched_ms - self.down_ms) as f64 / self.watched_ms as f64)
    }
}

/// Of when it was watched, which are periods in order and apart, how much it was down. Outages may come in any order
/// and lie over one another: each moment counts once.
pub fn uptime(watched: &[Period], outages: &[Period]) -> Uptime {
    let down = united(outages);
    let common = watched.iter().flat_map(|watched| down.iter().filter_map(|down| down.within(*watched)));
    Uptime { watched_ms: watched.iter().map(|watched| watched.ms()).sum(), down_ms: common.map(Period::ms).sum() }
}

/// The same moments as periods in order and apart.
fn united(periods: &[Period]) -> Vec<Period> {
    let mut sorted: Vec<Period> = periods.iter().copied().filter(|period| period.from < period.to).collect();
    sorted.sort_by_key(|period| period.from);
    let mut apart: Vec<Period> = Vec::with_capacity(sorted.len());
    for period in sorted {
        match apart.last_mut() {
            Some(last) if period.from <= last.to => last.to = last.to.max(period.to),
            _ => apart.push(period),
        }
    }
    apart
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn period(from: i64, to: i64) -> Period {
        Period { from: UnixMs(from), to: UnixMs(to) }
    }

    #[test]
    fn a_pause_is_neither_up_nor_down() {
        let watched = [period(0, 100), period(200, 300)];
        let found = uptime(&watched, &[period(90, 250)]);
        assert_eq!(found, Uptime { watched_ms: 200, down_ms: 60 });
        assert_eq!(found.share(), Some(0.7));
        assert_eq!(uptime(&[], &[period(0, 5)]).share(), None);
    }

    proptest! {
        #[test]
        fn every_moment_counts_once(
            borders in prop::collection::btree_set(0..200_i64, 0..8),
            outages in prop::collection::vec((0..200_i64, 0..60_i64), 0..6),
        ) {
            let borders: Vec<i64> = borders.into_iter().collect();
            let watched: Vec<Period> = borders.chunks_exact(2).map(|pair| period(pair[0], pair[1])).collect();
            let outages: Vec<Period> = outages.iter().map(|(from, length)| period(*from, from + length)).collect();
            let holds = |periods: &[Period], ms: i64| {
                periods.iter().any(|period| period.from.0 <= ms && ms < period.to.0)
            };
            let watched_ms = (0..300).filter(|ms| holds(&watched, *ms)).count() as i64;
            let down_ms = (0..300).filter(|ms| holds(&watched, *ms) && holds(&outages, *ms)).count() as i64;
            prop_assert_eq!(uptime(&watched, &outages), Uptime { watched_ms, down_ms });
        }
    }
}
