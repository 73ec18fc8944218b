//! When a stream is due.
//!
//! `T = n * interval + phase`, where the phase follows from the check's id: everybody computes the
//! same schedule with no message, and the load is flat. Nothing here knows who runs a slot.

use farwatch_proto::check::StreamId;
use farwatch_proto::id::CheckId;
use farwatch_proto::interval::Interval;
use farwatch_proto::time::UnixMs;

use crate::hash::hash64;

/// A run may start this long before its slot: clocks of owners differ by less.
pub const EARLY_MS: i64 = 50;

/// The schedule of one stream under one revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    interval: Interval,
    phase_ms: i64,
}

impl Schedule {
    /// The schedule of the `stream.number`-th of `streams` streams.
    pub fn of(stream: StreamId, interval: Interval, streams: u16) -> Self {
        let spread = i64::from(stream.number) * interval.ms() / i64::from(streams.max(1));
        let base = (hash64(stream.check.as_bytes()) % interval.ms() as u64) as i64;
        Self { interval, phase_ms: (base + spread) % interval.ms() }
    }

    /// Its interval.
    pub const fn interval(&self) -> Interval {
        self.interval
    }

    /// Milliseconds into each interval at which it is due.
    pub const fn phase_ms(&self) -> i64 {
        self.phase_ms
    }

    /// Whether `moment` is one of its slots.
    pub const fn is_slot(&self, moment: UnixMs) -> bool {
        (moment.0 - self.phase_ms).rem_euclid(self.interval.ms()) == 0
    }

    /// The first slot at or after `moment`.
    pub const fn slot_at_or_after(&self, moment: UnixMs) -> UnixMs {
        let behind = (moment.0 - self.phase_ms).rem_euclid(self.interval.ms());
        UnixMs(if behind == 0 { moment.0 } else { moment.0 - behind + self.interval.ms() })
    }

    /// The slot whose window is open at `moment`; there is always exactly one.
    pub const fn open_slot(&self, moment: UnixMs) -> UnixMs {
        let at = moment.0 + EARLY_MS;
        UnixMs(at - (at - self.phase_ms).rem_euclid(self.interval.ms()))
    }

    /// How many slots lie in `[from, to)`.
    pub const fn count_between(&self, from: UnixMs, to: UnixMs) -> u64 {
        let first = self.slot_at_or_after(from);
        if first.0 >= to.0 {
            return 0;
        }
        ((to.0 - first.0 - 1) / self.interval.ms()) as u64 + 1
    }

    /// The slots in `[from, to)`, in order.
    pub fn slots_between(&self, from: UnixMs, to: UnixMs) -> impl Iterator<Item = UnixMs> + use<> {
        let first = self.slot_at_or_after(from);
        let step = self.interval.ms();
        (0..).map(move |n| first + n * step).take_while(move |slot| *slot < to)
    }
}

/// Where a start lies in relation to a slot's window, `[T - 50 ms, T + interval - 50 ms)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// Before the window.
    Early,
    /// In the window, before T + G.
    OnTime,
    /// In the window, after that.
    Late,
    /// After the window: such a run says nothing about the slot.
    Outside,
}

/// How a run that started then lies in the window of the slot.
pub const fn timing(slot: UnixMs, interval: Interval, started: UnixMs) -> Timing {
    let delay = started.since(slot);
    if delay < -EARLY_MS {
        Timing::Early
    } else if delay < interval.grace_ms() {
        Timing::OnTime
    } else if delay < interval.ms() - EARLY_MS {
        Timing::Late
    } else {
        Timing::Outside
    }
}

/// The moment from which nobody may start the slot any more.
pub fn window_end(slot: UnixMs, interval: Interval) -> UnixMs {
    slot + (interval.ms() - EARLY_MS)
}

/// The stream numbers of a check with this many streams.
pub fn streams_of(check: CheckId, streams: u16) -> impl Iterator<Item = StreamId> {
    (0..streams).map(move |number| StreamId { check, number })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stream(seed: u8, number: u16) -> StreamId {
        StreamId { check: CheckId::from_bytes([seed; 16]), number }
    }

    fn interval(seconds: u32) -> Interval {
        Interval::from_seconds(seconds).unwrap()
    }

    #[test]
    fn phases_are_pinned() {
        let phases: Vec<i64> =
            (0..4).map(|number| Schedule::of(stream(1, number), interval(60), 4).phase_ms()).collect();
        assert_eq!(phases[0], (hash64(&[1; 16]) % 60_000) as i64);
        assert_eq!(
            phases.iter().map(|phase| (phase - phases[0]).rem_euclid(60_000)).collect::<Vec<_>>(),
            [0, 15_000, 30_000, 45_000]
        );
    }

    #[test]
    fn a_window_has_two_edges_and_one_grace() {
        let slot = UnixMs(1_000_000);
        let at = |delay: i64| timing(slot, interval(10), slot + delay);
        assert_eq!(at(-51), Timing::Early);
        assert_eq!(at(-50), Timing::OnTime);
        assert_eq!(at(1_999), Timing::OnTime);
        assert_eq!(at(2_000), Timing::Late);
        assert_eq!(at(9_949), Timing::Late);
        assert_eq!(at(9_950), Timing::Outside);
    }

    #[test]
    fn phases_of_many_checks_are_flat() {
        let mut per_tenth = [0_u32; 10];
        for n in 0..10_000_u32 {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&n.to_be_bytes());
            let check = CheckId::from_bytes(bytes);
            let schedule = Schedule::of(StreamId { check, number: 0 }, interval(10), 1);
            per_tenth[(schedule.phase_ms() / 1000) as usize] += 1;
        }
        assert!(per_tenth.iter().all(|count| (900..1100).contains(count)), "{per_tenth:?}");
    }

    proptest! {
        #[test]
        fn counting_agrees_with_listing(
            seed in any::<u8>(), number in 0..4_u16, from in 0..10_000_000_i64, length in 0..400_000_i64,
        ) {
            let schedule = Schedule::of(stream(seed, number), interval(15), 4);
            let (from, to) = (UnixMs(from), UnixMs(from + length));
            let brute = (from.0..to.0).filter(|ms| schedule.is_slot(UnixMs(*ms))).count() as u64;
            prop_assert_eq!(schedule.count_between(from, to), brute);
            prop_assert_eq!(schedule.slots_between(from, to).count() as u64, brute);
        }

        #[test]
        fn exactly_one_window_is_open_at_any_moment(seed in any::<u8>(), now in 1_000_000..10_000_000_i64) {
            let schedule = Schedule::of(stream(seed, 0), interval(10), 1);
            let now = UnixMs(now);
            let open = schedule.open_slot(now);
            prop_assert!(schedule.is_slot(open));
            prop_assert!(matches!(timing(open, interval(10), now), Timing::OnTime | Timing::Late));
            for other in [open + 10_000, open - 10_000] {
                prop_assert!(!matches!(timing(other, interval(10), now), Timing::OnTime | Timing::Late));
            }
        }
    }
}
