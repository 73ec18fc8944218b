//! The one place of this crate that reads the clock.

use std::time::Instant;

/// The present moment. It measures how long guests and compilations take; it decides no slot.
#[allow(clippy::disallowed_methods, reason = "this is the file that reads the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
