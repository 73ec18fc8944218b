//! Moments and numbers that cross machines.
//!
//! Wall time is always Unix milliseconds, and a number a host must remember is always a [`Stamp`].
//! This file never asks what time it is.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A moment of wall time in Unix milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct UnixMs(pub i64);

impl UnixMs {
    /// Milliseconds from `earlier` to this moment; negative when it is not earlier.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }
}

impl Add<i64> for UnixMs {
    type Output = Self;

    fn add(self, milliseconds: i64) -> Self {
        Self(self.0 + milliseconds)
    }
}

impl Sub<i64> for UnixMs {
    type Output = Self;

    fn sub(self, milliseconds: i64) -> Self {
        Self(self.0 - milliseconds)
    }
}

impl fmt::Display for UnixMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A moment of one machine's CLOCK_BOOTTIME in milliseconds, for silences and leases.
///
/// It counts on through a suspended machine and means nothing on any other one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct BootMs(pub i64);

impl BootMs {
    /// Milliseconds from `earlier` to this moment.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }
}

impl Add<i64> for BootMs {
    type Output = Self;

    fn add(self, milliseconds: i64) -> Self {
        Self(self.0 + milliseconds)
    }
}

/// A number that hosts remember: the era first, then a count within it.
///
/// Restoring a backup raises the era, so that whatever a restored control plane says is newer than
/// anything a host heard before. Written as `era.n`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// Raised by every restore.
    pub era: u32,
    /// Counts up by one within the era.
    pub n: u64,
}

impl JsonSchema for Stamp {
    fn schema_name() -> Cow<'static, str> {
        "Stamp".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": r"^[0-9]+\.[0-9]+$", "examples": ["1.42"]})
    }
}

impl Stamp {
    /// The stamp after this one in the same era.
    #[must_use]
    pub const fn next(self) -> Self {
        Self { era: self.era, n: self.n + 1 }
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.era, self.n)
    }
}

/// A text that is not an `era.n`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a stamp of the form era.n, such as 1.42")]
pub struct NotAStamp;

impl FromStr for Stamp {
    type Err = NotAStamp;

    fn from_str(text: &str) -> Result<Self, NotAStamp> {
        let (era, n) = text.split_once('.').ok_or(NotAStamp)?;
        Ok(Self { era: era.parse().map_err(|_| NotAStamp)?, n: n.parse().map_err(|_| NotAStamp)? })
    }
}

impl Serialize for Stamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_reads_what_it_writes_and_orders_by_era_first() {
        let stamp = Stamp { era: 3, n: 17 };
        assert_eq!(stamp.to_string().parse(), Ok(stamp));
        assert_eq!("3".parse::<Stamp>(), Err(NotAStamp));
        assert!(Stamp { era: 2, n: 1 } > Stamp { era: 1, n: 900 });
    }
}
