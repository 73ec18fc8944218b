//! The only place of this crate that asks what time it is, besides the limits of waiting.

use std::time::{SystemTime, UNIX_EPOCH};

use farwatch_proto::time::UnixMs;

/// Wall time.
#[allow(clippy::disallowed_methods, reason = "this is the file that reads the clock")]
pub fn now() -> UnixMs {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMs(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}
