//! The intervals a check may have and every duration that follows from one.
//!
//! Closed on purpose: the failover bounds are proven for these values and no others.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Every interval a check may have, in seconds.
pub const INTERVALS_S: [u32; 16] =
    [10, 15, 20, 30, 60, 120, 180, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200, 86_400];

/// What a take-over needs beyond the timeouts: the standby waits this long for a `done` that is under way.
pub const RECEIPT_ALLOWANCE_MS: u32 = 750;
/// No probe is useful with less.
pub const SHORTEST_TIMEOUT_MS: u32 = 100;
/// No probe needs more; it also bounds how long a run may hold its place.
pub const LONGEST_TIMEOUT_MS: u32 = 60_000;

/// How often a check is due. One of [`INTERVALS_S`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Interval {
    seconds: u32,
}

/// A number of seconds that is no interval.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is no interval; use one of 10, 15, 20, 30, 60, 120, 180, 300, 600, 900, 1800, 3600, 7200, 21600, 43200 or 86400 seconds"
)]
pub struct NotAnInterval(pub u32);

/// What a check has that names none: a minute.
impl Default for Interval {
    fn default() -> Self {
        Self { seconds: 60 }
    }
}

impl JsonSchema for Interval {
    fn schema_name() -> Cow<'static, str> {
        "Interval".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "enum": INTERVALS_S})
    }
}

impl Interval {
    /// The interval of this many seconds, if there is one.
    pub fn from_seconds(seconds: u32) -> Result<Self, NotAnInterval> {
        if INTERVALS_S.contains(&seconds) { Ok(Self { seconds }) } else { Err(NotAnInterval(seconds)) }
    }

    /// Its length in seconds.
    pub const fn seconds(self) -> u32 {
        self.seconds
    }

    /// Its length in milliseconds.
    pub const fn ms(self) -> i64 {
        self.seconds as i64 * 1000
    }

    /// G: a run that started this long after its slot, or sooner, is on time.
    pub const fn grace_ms(self) -> i64 {
        match self.seconds {
            ..30 => 2000,
            30..60 => 3000,
            _ => 5000,
        }
    }

    /// d: what each silent better rank costs a standby in waiting.
    pub const fn rank_delay_ms(self) -> i64 {
        match self.seconds {
            ..30 => 1500,
            30..60 => 2000,
            _ => 3000,
        }
    }

    /// The largest timeout with which a standby can still finish inside the slot's window:
    /// `2 * timeout + 0.75 s + d <= interval`.
    pub const fn largest_timeout_ms(self) -> u32 {
        let room = self.ms() - RECEIPT_ALLOWANCE_MS as i64 - self.rank_delay_ms();
        let half = (room / 2) as u32;
        if half < LONGEST_TIMEOUT_MS { half } else { LONGEST_TIMEOUT_MS }
    }

    /// What a check gets that names no timeout: 3 s below 30 s, 10 s below 60 s, else 20 s.
    pub const fn default_timeout_ms(self) -> u32 {
        match self.seconds {
            ..30 => 3000,
            30..60 => 10_000,
            _ => 20_000,
        }
    }
}

impl TryFrom<u32> for Interval {
    type Error = NotAnInterval;

    fn try_from(seconds: u32) -> Result<Self, NotAnInterval> {
        Self::from_seconds(seconds)
    }
}

impl From<Interval> for u32 {
    fn from(interval: Interval) -> Self {
        interval.seconds
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seconds {
            seconds if seconds.is_multiple_of(3600) => write!(f, "{} h", seconds / 3600),
            seconds if seconds.is_multiple_of(60) => write!(f, "{} min", seconds / 60),
            seconds => write!(f, "{seconds} s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(seconds: u32) -> Interval {
        Interval::from_seconds(seconds).unwrap()
    }

    #[test]
    fn only_the_listed_intervals_exist() {
        assert!(Interval::from_seconds(86_400).is_ok());
        let refused = Interval::from_seconds(11).unwrap_err();
        assert!(refused.to_string().starts_with("11 is no interval; use one of 10, 15"));
    }

    #[test]
    fn the_largest_timeouts_leave_room_for_two_runs_and_a_take_over() {
        assert_eq!(interval(10).largest_timeout_ms(), 3875);
        assert_eq!(interval(30).largest_timeout_ms(), 13_625);
        assert_eq!(interval(60).largest_timeout_ms(), 28_125);
        assert_eq!(interval(3600).largest_timeout_ms(), LONGEST_TIMEOUT_MS);
    }

    #[test]
    fn every_default_timeout_obeys_the_rule() {
        for seconds in INTERVALS_S {
            assert!(interval(seconds).default_timeout_ms() <= interval(seconds).largest_timeout_ms());
        }
    }

    #[test]
    fn an_interval_is_shown_in_its_largest_whole_unit() {
        assert_eq!(interval(15).to_string(), "15 s");
        assert_eq!(interval(300).to_string(), "5 min");
        assert_eq!(interval(7200).to_string(), "2 h");
    }
}
