//! The only place of this crate that asks what time it is.
//!
//! Everybody else is given a [`Clock`]. It reads three clocks: `Instant` for how long things take, CLOCK_BOOTTIME for
//! silences (it counts on while a machine is suspended), and wall time. What wall time is for the fleet is decided in
//! `core`.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use farwatch_core::clocks::{AheadMs, FleetClock, Source};
use farwatch_proto::time::{BootMs, UnixMs};
use rustix::time::{ClockId, clock_gettime};
use tracing::warn;

/// A correction that grew by this much is told.
const TELL_FROM_MS: i64 = 100;

/// Reads the clocks. Cloning it is cheap, and all clones share one correction.
#[derive(Clone, Debug)]
pub struct Clock {
    fleet: Arc<Mutex<FleetClock>>,
}

impl Default for Clock {
    fn default() -> Self {
        Self::new(None)
    }
}

impl Clock {
    /// Clocks that begin with what an earlier process knew.
    pub fn new(remembered: Option<AheadMs>) -> Self {
        Self { fleet: Arc::new(Mutex::new(FleetClock::new(machine(), remembered, boot()))) }
    }

    fn fleet(&self) -> MutexGuard<'_, FleetClock> {
        self.fleet.lock().expect("no holder of this lock panics")
    }

    /// A moment to measure durations from.
    #[allow(clippy::disallowed_methods, reason = "this is the file that reads the clock")]
    pub fn instant(&self) -> Instant {
        Instant::now()
    }

    /// CLOCK_BOOTTIME, for silences and leases.
    pub fn boot(&self) -> BootMs {
        boot()
    }

    /// Wall time by the fleet's reckoning.
    pub fn wall(&self) -> UnixMs {
        self.fleet().wall(boot())
    }

    /// Wall time by this machine alone, which certificates are judged by and neighbours are told.
    pub fn uncorrected_wall(&self) -> UnixMs {
        machine()
    }

    /// The same as [`Clock::wall`], in microseconds, for who measures other clocks by it.
    pub fn wall_us(&self) -> u64 {
        let corrected = machine_us() + self.fleet().correction_ms() * 1_000;
        u64::try_from(corrected).unwrap_or(0)
    }

    /// Whether slots may be run by [`Clock::wall`].
    pub fn is_trusted(&self) -> bool {
        self.fleet().is_trusted(boot())
    }

    /// How often wall time was set rather than slewed.
    pub fn steps(&self) -> u64 {
        self.fleet().steps()
    }

    /// Somebody's clock showed this, in a message that took so long at least.
    pub fn hear(&self, source: Source, theirs: UnixMs, on_its_way_ms: i64) {
        self.fleet().hear(source, theirs, on_its_way_ms, boot());
    }

    /// What a later process should know.
    pub fn ahead(&self) -> AheadMs {
        self.fleet().ahead()
    }

    /// Steers wall time towards that of the fleet.
    pub fn steer(&self) {
        let mut fleet = self.fleet();
        let before_ms = fleet.correction_ms();
        fleet.steer(machine(), boot());
        let correction_ms = fleet.correction_ms();
        if (correction_ms - before_ms).abs() > TELL_FROM_MS {
            warn!(correction_ms, "this machine's clock is not the fleet's; slots go by the fleet's");
        }
    }
}

fn boot() -> BootMs {
    let time = clock_gettime(ClockId::Boottime);
    BootMs(time.tv_sec * 1000 + time.tv_nsec / 1_000_000)
}

fn machine() -> UnixMs {
    UnixMs(machine_us() / 1_000)
}

#[allow(clippy::disallowed_methods, reason = "this is the file that reads the clock")]
fn machine_us() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX) + shift_ms() * 1_000
}

/// What a test adds to the wall time of this machine, by the file that `FARWATCH_CLOCK_SHIFT_FILE` names. It is read anew
/// each time, since a test lets hours pass under a running host.
#[cfg(debug_assertions)]
fn shift_ms() -> i64 {
    let said = || std::fs::read_to_string(std::env::var_os("FARWATCH_CLOCK_SHIFT_FILE")?).ok()?.trim().parse().ok();
    said().unwrap_or(0)
}

/// Nothing.
#[cfg(not(debug_assertions))]
const fn shift_ms() -> i64 {
    0
}
