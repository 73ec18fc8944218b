//! When a job is to call: after a period, or by the fields of cron in a time zone.

use std::str::FromStr;

use croner::Cron;
use farwatch_proto::time::UnixMs;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::EARLY_MS;

/// A cron expression whose next moment lies further away than anybody looks is due here: in effect never.
const NEVER_MS: i64 = 100 * 365 * 86_400_000;

/// When a job is to call.
#[derive(Clone, Debug)]
pub(super) enum Rhythm {
    /// At least so often.
    Period { ms: i64 },
    /// At these moments of the clocks there.
    Cron { cron: Box<Cron>, zone: TimeZone },
}

impl Rhythm {
    /// The moments of an expression of five fields.
    pub(super) fn of_cron(expression: &str, zone: TimeZone) -> Result<Self, String> {
        let cron = Cron::from_str(expression).map_err(|error| error.to_string())?;
        Ok(Self::Cron { cron: Box::new(cron), zone })
    }

    /// When the next call is due after one at this moment.
    pub(super) fn next_after(&self, called: UnixMs) -> UnixMs {
        match self {
            Self::Period { ms } => called + *ms,
            Self::Cron { cron, zone } => next_of_cron(cron, zone, called + EARLY_MS).unwrap_or(called + NEVER_MS),
        }
    }

    /// Whether it ever comes.
    pub(super) fn ever_comes(&self, now: UnixMs) -> bool {
        match self {
            Self::Period { .. } => true,
            Self::Cron { cron, zone } => next_of_cron(cron, zone, now).is_some(),
        }
    }
}

fn next_of_cron(cron: &Cron, zone: &TimeZone, after: UnixMs) -> Option<UnixMs> {
    let after = Timestamp::from_millisecond(after.0).ok()?.to_zoned(zone.clone());
    let next = cron.find_next_occurrence(&after, false).ok()?;
    Some(UnixMs(next.timestamp().as_millisecond()))
}

/// A moment for people, in UTC and to the second.
pub fn words_of_moment(moment: UnixMs) -> String {
    match Timestamp::from_millisecond(moment.0) {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => format!("{moment} ms"),
    }
}
