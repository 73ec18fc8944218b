//! What must be known of what was kept to decide about the next piece. It follows from the pieces alone.

use std::collections::{BTreeMap, HashMap};

use farwatch_proto::id::{CheckId, TenantId};
use farwatch_proto::time::UnixMs;

use super::{THINNED_MS, Used};

const DAY_MS: i64 = 86_400_000;
/// Days before today of which it is known what was kept: the slot of a fresh result is two intervals old at most, and
/// the longest interval is a day.
const DAYS_BEFORE: i64 = 2;

/// When a piece with this code was kept last, for the codes of one check.
pub type Codes = BTreeMap<String, UnixMs>;

/// A UTC day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i64);

impl Day {
    /// The day of this moment.
    pub const fn of(moment: UnixMs) -> Self {
        Self(moment.0.div_euclid(DAY_MS))
    }

    /// The earliest day of which it is known at `now` what was kept.
    pub const fn first_remembered(now: UnixMs) -> Self {
        Self(Self::of(now).0 - DAYS_BEFORE)
    }

    /// Its first moment.
    pub const fn start(self) -> UnixMs {
        UnixMs(self.0 * DAY_MS)
    }

    /// The day before it.
    #[must_use]
    pub const fn before(self) -> Self {
        Self(self.0 - 1)
    }
}

/// What was kept of late.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// By check.
    pub codes: HashMap<CheckId, Codes>,
    /// By tenant and day of the slot.
    pub used: HashMap<(TenantId, Day), Used>,
}

impl Memory {
    /// Takes over what another one, which began with what this one holds, has for the same checks and tenants.
    pub fn take_over(&mut self, newer: Self) {
        self.codes.extend(newer.codes);
        self.used.extend(newer.used);
    }

    /// Forgets what decides nothing any more.
    pub fn forget_old(&mut self, now: UnixMs) {
        self.codes.retain(|_, codes| {
            codes.retain(|_, kept| now.since(*kept) < THINNED_MS);
            !codes.is_empty()
        });
        self.used.retain(|(_, day), _| *day >= Day::first_remembered(now));
    }
}
