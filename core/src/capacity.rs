//! How much of a host its streams may take: run places, and never more than half of them.
//!
//! A stream keeps a place for its timeout at worst, once in each interval. Half of the places are kept for what a host runs
//! beside its own: the slots of a neighbour that died, and votes. Counts; moves nothing.

use farwatch_proto::interval::Interval;

/// One place that is always taken.
const WHOLE: u64 = 1_000_000;
/// One place in so many may be taken by the streams that a host is the first owner of.
pub const PLACES_ONE_IN: u64 = 2;

/// Places that streams take at worst, in millionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Load(u64);

impl Load {
    /// Adds one stream.
    pub fn add(&mut self, interval: Interval, timeout_ms: u32) {
        let share = u64::from(timeout_ms) * WHOLE / interval.ms().unsigned_abs().max(1);
        self.0 = self.0.saturating_add(share);
    }

    /// How many places it is.
    #[allow(clippy::cast_precision_loss, reason = "places are few")]
    pub fn places(self) -> f64 {
        self.0 as f64 / WHOLE as f64
    }

    /// Whether it is more than a host with so many run places should bear.
    pub fn is_beyond(self, run_places: u32) -> bool {
        self.0.saturating_mul(PLACES_ONE_IN) > u64::from(run_places) * WHOLE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_may_take_half_of_the_places_and_no_more() {
        let ten = Interval::from_seconds(10).unwrap();
        let mut load = Load::default();
        (0..16).for_each(|_| load.add(ten, 5_000));
        assert!((load.places() - 8.0).abs() < 1e-9);
        assert!(!load.is_beyond(16) && load.is_beyond(15));
        load.add(ten, 1);
        assert!(load.is_beyond(16));
        assert!(!Load::default().is_beyond(0));
    }
}
