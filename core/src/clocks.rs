//! What time it is for a host: that of most of the fleet.
//!
//! A host counts on by CLOCK_BOOTTIME, which nobody sets, and steers towards the median of its own wall clock, control's
//! and its neighbours'. One clock that is wrong, its own included, moves nothing; a wall clock that is set by an hour
//! is one that is wrong. Small corrections are slewed, so that no slot is skipped or met twice. Reads no clock.

use std::collections::BTreeMap;

use farwatch_proto::id::HostId;
use farwatch_proto::time::{BootMs, UnixMs};
use serde::{Deserialize, Serialize};

/// A correction moves by one millisecond in this many, so that no schedule notices.
const SLEW_ONE_IN: i64 = 20;
/// What is further off than this is set at once: slewing it would leave the host wrong for minutes.
const STEP_FROM_MS: i64 = 5_000;
/// Clocks that agree to within this are not corrected: the measure is no better.
const TOLERANCE_MS: i64 = 20;
/// Readings are gathered for so long; those of the period before count as well. Whoever says nothing for longer has no say.
const PERIOD_MS: i64 = 30_000;
/// With fewer clocks than this two wrong ones could have their way; then control's counts, and without it what was known
/// before.
const MAJORITY_OF: usize = 5;
/// A process that has heard no majority waits for it so long before it goes by its machine's clock: neighbours are heard
/// within a heartbeat where they are to be heard at all.
const PATIENCE_MS: i64 = 2_000;
/// Sources remembered: all neighbours a host has, and control.
const SOURCES_MAX: usize = 512;

/// Whose clock was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The leader's.
    Control,
    /// A neighbour's.
    Peer(HostId),
}

/// The best readings of one source: how far it is ahead of this host's count.
///
/// A reading is late by its way, so the largest of a period is the nearest to the truth.
#[derive(Clone, Copy, Debug)]
struct Readings {
    best_ms: i64,
    period: i64,
    before_ms: Option<i64>,
}

/// How far the fleet's wall time is ahead of a machine's CLOCK_BOOTTIME, in milliseconds. It outlives the process and not
/// the machine's next start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AheadMs(pub i64);

/// The wall clock by which a host runs slots.
#[derive(Clone, Debug)]
pub struct FleetClock {
    /// The wall clock less CLOCK_BOOTTIME as the process began.
    base_ms: i64,
    is_remembered: bool,
    /// Whether it was ever steered by what was heard.
    is_steered: bool,
    began: BootMs,
    applied_ms: i64,
    wanted_ms: i64,
    moved_at: BootMs,
    steps: u64,
    readings: BTreeMap<Source, Readings>,
}

impl FleetClock {
    /// The clock of a process that begins now: by what an earlier process on this start of the machine knew of the
    /// fleet's time, else by the machine's own wall clock.
    pub fn new(machine: UnixMs, remembered: Option<AheadMs>, now: BootMs) -> Self {
        let base_ms = remembered.map_or(machine.0 - now.0, |ahead| ahead.0);
        let is_remembered = remembered.is_some();
        Self {
            base_ms,
            is_remembered,
            is_steered: false,
            began: now,
            applied_ms: 0,
            wanted_ms: 0,
            moved_at: now,
            steps: 0,
            readings: BTreeMap::new(),
        }
    }

    /// Wall time by the fleet's reckoning.
    pub fn wall(&mut self, now: BootMs) -> UnixMs {
        let missing = self.wanted_ms - self.applied_ms;
        let reach = now.since(self.moved_at) / SLEW_ONE_IN;
        if missing == 0 {
            self.moved_at = now;
        } else if reach > 0 {
            self.applied_ms += missing.clamp(-reach, reach);
            self.moved_at = now;
        }
        UnixMs(self.count(now) + self.applied_ms)
    }

    /// Whether slots may be run by it: it was steered by what was heard, or nothing more will come. That enough was heard
    /// is not enough: until the next steering it shows what the machine does.
    pub const fn is_trusted(&self, now: BootMs) -> bool {
        self.is_remembered || self.is_steered || now.since(self.began) >= PATIENCE_MS
    }

    /// How often the clock was set rather than slewed: what was planned by it before means nothing any more.
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    /// What a later process on this start of the machine should know.
    pub const fn ahead(&self) -> AheadMs {
        AheadMs(self.base_ms + self.applied_ms)
    }

    /// How far the clock is corrected against the machine's own as the process began, in milliseconds.
    pub const fn correction_ms(&self) -> i64 {
        self.applied_ms
    }

    /// Somebody's clock showed this, and the message took so long at least.
    pub fn hear(&mut self, source: Source, theirs: UnixMs, on_its_way_ms: i64, now: BootMs) {
        let ahead_ms = theirs.0 + on_its_way_ms - self.count(now);
        let period = now.0.div_euclid(PERIOD_MS);
        if self.readings.len() >= SOURCES_MAX && !self.readings.contains_key(&source) {
            return;
        }
        let readings = self.readings.entry(source).or_insert(Readings { best_ms: ahead_ms, period, before_ms: None });
        if readings.period != period {
            readings.before_ms = (readings.period + 1 == period).then_some(readings.best_ms);
            (readings.best_ms, readings.period) = (ahead_ms, period);
        }
        readings.best_ms = readings.best_ms.max(ahead_ms);
    }

    /// Steers towards the fleet's time, given what the machine's own wall clock shows.
    pub fn steer(&mut self, machine: UnixMs, now: BootMs) {
        let Some(fleet_ms) = self.fleet_ahead_ms(machine.0 - self.count(now), now) else { return };
        self.is_steered = true;
        let is_off = (fleet_ms - self.wanted_ms).abs() > TOLERANCE_MS;
        if !is_off {
            return;
        }
        self.wall(now);
        self.wanted_ms = fleet_ms;
        if (fleet_ms - self.applied_ms).abs() > STEP_FROM_MS {
            self.applied_ms = fleet_ms;
            self.steps += 1;
        }
    }

    /// How far the fleet is ahead of this host's count: the median of all clocks that are heard.
    fn fleet_ahead_ms(&mut self, machine_ms: i64, now: BootMs) -> Option<i64> {
        let period = now.0.div_euclid(PERIOD_MS);
        self.readings.retain(|_, readings| readings.period + 1 >= period);
        let best =
            |readings: &Readings| readings.before_ms.map_or(readings.best_ms, |before| readings.best_ms.max(before));
        let mut all: Vec<i64> = self.readings.values().map(best).collect();
        all.push(machine_ms);
        if all.len() < MAJORITY_OF {
            return self.readings.get(&Source::Control).map(best);
        }
        all.sort_unstable();
        Some(all[all.len() / 2])
    }

    const fn count(&self, now: BootMs) -> i64 {
        self.base_ms + now.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::placement::tests::host_id;

    const BEGIN: i64 = 1_700_000_000_000;
    const HOUR: i64 = 3_600_000;

    /// A clock that begins right, at boot time 0.
    fn clock() -> FleetClock {
        FleetClock::new(UnixMs(BEGIN), None, BootMs(0))
    }

    fn hear(clock: &mut FleetClock, n: u8, off_ms: i64, now: i64) {
        clock.hear(Source::Peer(host_id(n)), UnixMs(BEGIN + now + off_ms), 0, BootMs(now));
    }

    #[test]
    fn a_small_correction_is_slewed_and_reached() {
        let mut clock = clock();
        clock.hear(Source::Control, UnixMs(BEGIN + 30), 0, BootMs(0));
        clock.steer(UnixMs(BEGIN), BootMs(0));
        let off = |clock: &mut FleetClock, now: i64| clock.wall(BootMs(now)).0 - BEGIN - now;
        assert_eq!([0, 200, 210, 9_000].map(|now| off(&mut clock, now)), [0, 10, 10, 30]);
        assert_eq!(clock.steps(), 0);
    }

    #[test]
    fn a_host_that_begins_an_hour_off_is_set_at_once_by_most_of_the_others() {
        let mut clock = clock();
        (1..=4).for_each(|n| hear(&mut clock, n, -HOUR, 1_000));
        clock.steer(UnixMs(BEGIN + 1_000), BootMs(1_000));
        assert_eq!((clock.wall(BootMs(1_000)).0, clock.steps()), (BEGIN + 1_000 - HOUR, 1));
    }

    #[test]
    fn a_wall_clock_that_somebody_sets_moves_nothing_while_others_are_heard() {
        let mut clock = clock();
        (1..=4).for_each(|n| hear(&mut clock, n, 0, 1_000));
        clock.steer(UnixMs(BEGIN + 1_000 + HOUR), BootMs(1_000));
        assert_eq!((clock.wall(BootMs(1_000)).0, clock.steps()), (BEGIN + 1_000, 0));
    }

    #[test]
    fn of_few_clocks_controls_counts_and_alone_a_host_counts_on() {
        let mut clock = clock();
        clock.steer(UnixMs(BEGIN + HOUR), BootMs(0));
        assert_eq!(clock.wall(BootMs(5)).0, BEGIN + 5, "it counts on, whatever its wall clock is set to");
        hear(&mut clock, 1, HOUR, 10);
        clock.steer(UnixMs(BEGIN + 10), BootMs(10));
        assert_eq!(clock.wall(BootMs(10)).0, BEGIN + 10);
        let mut linked = FleetClock::new(UnixMs(BEGIN), None, BootMs(0));
        linked.hear(Source::Control, UnixMs(BEGIN + HOUR), 40, BootMs(20));
        linked.steer(UnixMs(BEGIN + 20), BootMs(20));
        assert_eq!(linked.wall(BootMs(20)).0, BEGIN + HOUR + 40);
    }

    #[test]
    fn a_new_process_waits_for_the_fleet_but_not_for_long() {
        let mut waiting = clock();
        assert!(!waiting.is_trusted(BootMs(PATIENCE_MS - 1)) && waiting.is_trusted(BootMs(PATIENCE_MS)));
        (1..=3).for_each(|n| hear(&mut waiting, n, HOUR, 300));
        waiting.steer(UnixMs(BEGIN + 300), BootMs(300));
        assert!(!waiting.is_trusted(BootMs(300)));
        hear(&mut waiting, 4, HOUR, 400);
        assert!(!waiting.is_trusted(BootMs(400)), "it still shows what the machine does");
        waiting.steer(UnixMs(BEGIN + 500), BootMs(500));
        assert!(waiting.is_trusted(BootMs(500)) && waiting.wall(BootMs(500)).0 == BEGIN + 500 + HOUR);
    }

    #[test]
    fn what_an_earlier_process_knew_counts_more_than_a_wall_clock_that_was_set_meanwhile() {
        let mut first = clock();
        (1..=4).for_each(|n| hear(&mut first, n, -HOUR, 1_000));
        first.steer(UnixMs(BEGIN + 1_000), BootMs(1_000));
        let mut second = FleetClock::new(UnixMs(BEGIN + 2_000 + HOUR), Some(first.ahead()), BootMs(2_000));
        assert!(second.is_trusted(BootMs(2_000)));
        second.steer(UnixMs(BEGIN + 2_000 + HOUR), BootMs(2_000));
        assert_eq!(second.wall(BootMs(2_000)).0, BEGIN + 2_000 - HOUR);
    }

    #[test]
    fn whoever_has_been_silent_for_long_has_no_say() {
        let mut clock = clock();
        (1..=5).for_each(|n| hear(&mut clock, n, HOUR, 1_000));
        clock.steer(UnixMs(BEGIN + 100_000), BootMs(100_000));
        assert_eq!(clock.wall(BootMs(100_000)).0, BEGIN + 100_000);
    }

    proptest! {
        #[test]
        fn a_minority_of_wrong_clocks_moves_the_time_by_no_more_than_the_right_ones_differ(
            right in prop::collection::vec(-40..40_i64, 4..9),
            wrong in prop::collection::vec(-HOUR..HOUR, 0..3),
            delays in prop::collection::vec(0..300_i64, 20..21),
        ) {
            let mut clock = clock();
            for (n, off_ms) in (0_u8..).zip(right.iter().chain(&wrong)) {
                for (beat, delay) in (0_i64..).zip(&delays) {
                    let sent = beat * 500;
                    let theirs = UnixMs(BEGIN + sent + off_ms);
                    clock.hear(Source::Peer(host_id(n)), theirs, 0, BootMs(sent + delay));
                }
            }
            let now = BootMs(10_300);
            clock.steer(UnixMs(BEGIN + 10_300), now);
            let later = BootMs(20_000);
            let off_ms = clock.wall(later).0 - BEGIN - later.0;
            let best = delays.iter().min().expect("there are some");
            prop_assert!((-40 - best..=40).contains(&off_ms), "{off_ms}");
        }
    }
}
