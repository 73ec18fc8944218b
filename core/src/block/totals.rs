//! The sums of a block, which answer most questions without a look at its slots.
//!
//! They follow from the slots and are never counted beside them.

use std::iter::Sum;
use std::ops::Add;

use farwatch_proto::outcome::Status;

use super::{Block, SlotRun};
use crate::ledger::Balance;

/// What the runs that speak for slots found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// As wanted.
    pub up: u64,
    /// Worse than wanted.
    pub degraded: u64,
    /// Not what it should be.
    pub down: u64,
    /// Could not tell.
    pub unknown: u64,
}

impl Outcomes {
    /// Runs that found a target that answers: those whose latency counts.
    pub const fn answered(&self) -> u64 {
        self.up + self.degraded
    }

    pub(super) const fn count(&mut self, status: Status) {
        match status {
            Status::Up => self.up += 1,
            Status::Degraded => self.degraded += 1,
            Status::Down => self.down += 1,
            Status::Unknown(_) => self.unknown += 1,
        }
    }
}

impl Add for Outcomes {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            up: self.up + other.up,
            degraded: self.degraded + other.degraded,
            down: self.down + other.down,
            unknown: self.unknown + other.unknown,
        }
    }
}

/// The sums of some slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// How they stand.
    pub balance: Balance,
    /// What was found.
    pub outcomes: Outcomes,
    /// The latencies of [`Outcomes::answered`] together.
    pub latency_sum_us: u64,
    /// The largest of them.
    pub latency_max_us: u32,
}

impl Totals {
    fn count(&mut self, run: &SlotRun<'_>) {
        self.outcomes.count(run.status);
        if matches!(run.status, Status::Up | Status::Degraded) {
            self.latency_sum_us += u64::from(run.latency.us());
            self.latency_max_us = self.latency_max_us.max(run.latency.us());
        }
    }
}

impl Add for Totals {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            balance: self.balance + other.balance,
            outcomes: self.outcomes + other.outcomes,
            latency_sum_us: self.latency_sum_us + other.latency_sum_us,
            latency_max_us: self.latency_max_us.max(other.latency_max_us),
        }
    }
}

impl Sum for Totals {
    fn sum<I: Iterator<Item = Self>>(totals: I) -> Self {
        totals.fold(Self::default(), Add::add)
    }
}

impl Block {
    /// Its sums.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for slot in self.slots() {
            totals.balance.count(slot.state);
            if let Some(run) = &slot.run {
                totals.count(run);
            }
        }
        totals
    }
}
