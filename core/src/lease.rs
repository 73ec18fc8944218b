//! Who leads, as one process decides it by what it has seen of the lease.
//!
//! The lease is a counter that its holder keeps raising. A holder that could not raise it for three seconds fences
//! itself; a follower takes the lease when it has itself seen the counter stand still for five. Both go by the
//! CLOCK_BOOTTIME of their own machine, so that neither wall clocks nor suspended machines matter. Nothing here reads a
//! clock or a database, and it is no fence for what is written: that is the chain of the journal.

use farwatch_proto::time::BootMs;

/// The lease is renewed this often.
pub const RENEW_PERIOD_MS: i64 = 1_000;
/// A renewal that takes longer has failed, so that the next one can be tried before the fence comes down.
pub const RENEW_LIMIT_MS: i64 = 900;
/// A leader that has not renewed for this long does not lead any more: less than [`STILL_MS`], for two are not to lead.
pub const FENCE_MS: i64 = 3_000;
/// A lease whose counter has stood still for this long is free.
pub const STILL_MS: i64 = 5_000;
/// A follower looks at the lease this often.
pub const WATCH_PERIOD_MS: i64 = 500;

/// The lease as a follower has seen it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watch {
    /// The counter as it was seen last, and when it was first seen to be that.
    seen: Option<(u64, BootMs)>,
}

impl Watch {
    /// The counter stood at this at `now`; how long it has been seen to stand still, in milliseconds. A counter that
    /// went back, for its database lost its tail, has moved as well.
    pub fn see(&mut self, counter: u64, now: BootMs) -> i64 {
        let since = match self.seen {
            Some((before, since)) if before == counter => since,
            _ => now,
        };
        self.seen = Some((counter, since));
        now.since(since)
    }
}

/// Whether a lease may be taken: nobody holds it, or it was seen to stand still for long enough.
pub const fn is_free(is_held: bool, stood_still_ms: i64) -> bool {
    !is_held || stood_still_ms >= STILL_MS
}

/// How long this process may lead by what it has renewed.
#[derive(Clone, Copy, Debug)]
pub struct Tenure {
    renewed: BootMs,
}

impl Tenure {
    /// A leadership begins, by an acquisition that was asked for at `asked`.
    pub const fn begin(asked: BootMs) -> Self {
        Self { renewed: asked }
    }

    /// A renewal succeeded that was asked for at `asked`. When the answer came says nothing: the counter may have been
    /// raised at any moment since.
    pub const fn renewed(&mut self, asked: BootMs) {
        self.renewed = asked;
    }

    /// Whether this process has to believe that another one leads.
    pub const fn is_over(&self, now: BootMs) -> bool {
        now.since(self.renewed) >= FENCE_MS
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_counter_that_moves_either_way_is_alive_and_one_that_stands_still_is_free() {
        let mut watch = Watch::default();
        let still: Vec<i64> = [(7, 0), (7, 400), (8, 900), (6, 1_400), (6, 6_399), (6, 6_400)]
            .map(|(counter, now)| watch.see(counter, BootMs(now)))
            .to_vec();
        assert_eq!(still, [0, 400, 0, 0, 4_999, 5_000]);
        assert!(!is_free(true, 4_999) && is_free(true, 5_000) && is_free(false, 0));
    }

    #[test]
    fn a_leader_fences_itself_by_when_it_asked_and_not_by_when_it_was_answered() {
        let mut tenure = Tenure::begin(BootMs(100));
        assert!(!tenure.is_over(BootMs(3_099)) && tenure.is_over(BootMs(3_100)));
        tenure.renewed(BootMs(2_000));
        assert!(!tenure.is_over(BootMs(4_999)) && tenure.is_over(BootMs(5_000)));
    }

    proptest! {
        /// Whatever the delays of the database: who takes the lease does so after its holder has fenced itself, though
        /// their clocks began at different moments.
        #[test]
        fn nobody_takes_a_lease_before_its_holder_has_fenced_itself(
            renewals in prop::collection::vec((0..2_000_i64, 0..900_i64), 1..20),
            looks in prop::collection::vec(1..800_i64, 60..61),
            apart in -100_000..100_000_i64,
        ) {
            // By true time: when each renewal was asked for, and when the counter rose by it.
            let mut asked = 0;
            let rises: Vec<(i64, i64)> = renewals
                .iter()
                .map(|(pause, delay)| {
                    asked += pause + 900;
                    (asked, asked + delay)
                })
                .collect();
            let mut tenure = Tenure::begin(BootMs(0));
            let (mut watch, mut now) = (Watch::default(), 0);
            for look in looks {
                now += look;
                let mut risen = rises.iter().filter(|(_, rose)| *rose <= now);
                let counter = risen.clone().count() as u64;
                if let Some((asked, _)) = risen.next_back() {
                    tenure.renewed(BootMs(*asked));
                }
                if is_free(true, watch.see(counter, BootMs(now + apart))) {
                    prop_assert!(tenure.is_over(BootMs(now)));
                    break;
                }
            }
        }
    }
}
