//! The period that a question is about: so long ago until now, or from one moment to another.

use std::time::Duration;

use clap::Args;

use crate::duration::seconds;
use crate::exit::{Failure, USAGE};

/// From when to when.
#[derive(Args, Debug)]
pub(super) struct PeriodArgs {
    /// From so long ago until now
    #[arg(long, default_value = "1h", value_parser = seconds, value_name = "TIME")]
    since: Duration,
    /// From this moment, in Unix milliseconds; needs --to
    #[arg(long, requires = "to", conflicts_with = "since", value_name = "MS")]
    from: Option<i64>,
    /// Up to this moment, in Unix milliseconds
    #[arg(long, requires = "from", value_name = "MS")]
    to: Option<i64>,
}

impl PeriodArgs {
    /// Its first moment, and the first behind it.
    pub(super) fn at(&self, now: i64) -> Result<(i64, i64), Failure> {
        if let (Some(from), Some(to)) = (self.from, self.to) {
            return Ok((from, to));
        }
        let since_ms = i64::try_from(self.since.as_millis()).ok().filter(|since_ms| *since_ms <= now);
        let since_ms = since_ms.ok_or_else(|| Failure::new(USAGE, "--since lies before all time; ask for less"))?;
        Ok((now - since_ms, now))
    }
}
