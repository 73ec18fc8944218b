//! The only place of this crate that asks what time it is.
//!
//! Everybody else is given a [`Clock`]. It reads three clocks: `Instant` for how long things take,
//! CLOCK_BOOTTIME for silences (it counts on while a machine is suspended), and wall time, corrected
//! by what control says. The correction is slewed, so that no slot is skipped or met twice, unless it
//! is so large that slewing would take longer than it is worth.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use farwatch_proto::time::{BootMs, UnixMs};
use rustix::time::{ClockId, clock_gettime};

/// A correction moves by one millisecond in this many, so that no schedule notices.
const SLEW_ONE_IN: i64 = 20;
/// What is further off than this is set at once: slewing it would leave the host wrong for minutes.
const STEP_FROM_MS: i64 = 5_000;

/// Reads the clocks. Cloning it is cheap, and all clones share one correction.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    correction: Arc<Mutex<Correction>>,
}

/// How far the wall clock is from the time of the fleet.
#[derive(Debug, Default)]
struct Correction {
    applied_ms: i64,
    wanted_ms: i64,
    moved_at: BootMs,
}

impl Correction {
    /// The correction at this moment, after moving it as far as slewing allows.
    fn at(&mut self, now: BootMs) -> i64 {
        let missing = self.wanted_ms - self.applied_ms;
        if missing == 0 {
            self.moved_at = now;
            return self.applied_ms;
        }
        let reach = now.since(self.moved_at) / SLEW_ONE_IN;
        if reach > 0 {
            self.applied_ms += missing.clamp(-reach, reach);
            self.moved_at = now;
        }
        self.applied_ms
    }

    fn want(&mut self, offset_ms: i64, now: BootMs) {
        self.at(now);
        self.wanted_ms = offset_ms;
        if (offset_ms - self.applied_ms).abs() > STEP_FROM_MS {
            self.applied_ms = offset_ms;
        }
    }
}

impl Clock {
    /// A moment to measure durations from.
    #[allow(clippy::disallowed_methods, reason = "this is the file that reads the clock")]
    pub fn instant(&self) -> Instant {
        Instant::now()
    }

    /// CLOCK_BOOTTIME, for silences and leases.
    pub fn boot(&self) -> BootMs {
        let time = clock_gettime(ClockId::Boottime);
        BootMs(time.tv_sec * 1000 + time.tv_nsec / 1_000_000)
    }

    /// Wall time by the fleet's reckoning: this machine's, corrected.
    pub fn wall(&self) -> UnixMs {
        let correction = self.correction.lock().expect("no holder of this lock panics").at(self.boot());
        self.uncorrected_wall() + correction
    }

    /// Wall time by this machine alone, which certificates are judged by.
    #[allow(clippy::disallowed_methods, reason = "this is the file that reads the clock")]
    pub fn uncorrected_wall(&self) -> UnixMs {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        UnixMs(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }

    /// Corrects wall time towards this distance from the machine's own.
    pub fn correct_towards(&self, offset_ms: i64) {
        let now = self.boot();
        self.correction.lock().expect("no holder of this lock panics").want(offset_ms, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_correction_is_slewed_and_reached() {
        let mut correction = Correction::default();
        correction.want(30, BootMs(1_000));
        assert_eq!(correction.at(BootMs(1_000)), 0);
        assert_eq!(correction.at(BootMs(1_200)), 10);
        assert_eq!(correction.at(BootMs(1_210)), 10);
        assert_eq!(correction.at(BootMs(9_000)), 30);
        correction.want(0, BootMs(9_000));
        assert_eq!(correction.at(BootMs(9_100)), 25);
    }

    #[test]
    fn a_clock_that_is_hours_off_is_set_at_once() {
        let mut correction = Correction::default();
        correction.want(-7_200_000, BootMs(1_000));
        assert_eq!(correction.at(BootMs(1_000)), -7_200_000);
    }
}
