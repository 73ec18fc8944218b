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
        UnixMs(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }

    /// CLOCK_BOOTTIME, for leases and silences: it counts on while a machine is suspended.
    pub fn boot(self) -> BootMs {
        let time = clock_gettime(ClockId::Boottime);
        BootMs(time.tv_sec * 1000 + time.tv_nsec / 1_000_000)
    }
}
