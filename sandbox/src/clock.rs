//! The one place of this crate that reads the clock.

use std::time::{Duration, Instant};

/// The present moment. It measures how long guests and compilations take; it decides no slot.
#[allow(clippy::disallowed_methods, reason = "this is the file that reads the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// What this thread has computed so far. A pause of the machine is no part of it.
pub(crate) fn of_thread() -> Duration {
    let read = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    // It counts up from zero.
    Duration::new(read.tv_sec.unsigned_abs(), u32::try_from(read.tv_nsec).unwrap_or(0))
}
