//! The only place of this crate that asks what time it is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use farwatch_proto::time::{BootMs, UnixMs};
use rustix::time::{ClockId, clock_gettime};

/// Reads the clocks of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock;

impl Clock {
    /// Wall time.
    #[allow(clippy::disallowed_methods, reason = "this is the file that reads the clock")]
    pub fn wall(self) -> UnixMs {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        UnixMs(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX) + shift_ms())
    }

    /// Wall time for whoever wants it finer, in nanoseconds of Unix time.
    #[allow(clippy::disallowed_methods, reason = "this is the file that reads the clock")]
    pub fn wall_ns(self) -> u64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX).saturating_add_signed(shift_ms() * 1_000_000)
    }

    /// How long something took is the difference of two of these.
    pub fn precise(self) -> Duration {
        since_zero(ClockId::Monotonic)
    }

    /// Processor time of this process so far.
    pub fn processor(self) -> Duration {
        since_zero(ClockId::ProcessCPUTime)
    }

    /// CLOCK_BOOTTIME, for leases and silences: it counts on while a machine is suspended.
    pub fn boot(self) -> BootMs {
        let time = clock_gettime(ClockId::Boottime);
        BootMs(time.tv_sec * 1000 + time.tv_nsec / 1_000_000)
    }
}

/// What a test adds to the wall time of this process, by the file that `FARWATCH_CLOCK_SHIFT_FILE` names, so that hours
/// pass in seconds. Hosts have a like one: a fleet's time is that of most of its machines.
#[cfg(debug_assertions)]
fn shift_ms() -> i64 {
    static SHIFT_MS: std::sync::OnceLock<i64> = std::sync::OnceLock::new();
    let said = || std::fs::read_to_string(std::env::var_os("FARWATCH_CLOCK_SHIFT_FILE")?).ok()?.trim().parse().ok();
    *SHIFT_MS.get_or_init(|| said().unwrap_or(0))
}

/// Nothing.
#[cfg(not(debug_assertions))]
const fn shift_ms() -> i64 {
    0
}

fn since_zero(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let (seconds, nanoseconds) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or(0), nanoseconds.unwrap_or(0))
}
