//! One run and its result.

use crate::check::StreamId;
use crate::id::{ModuleHash, OrderId};
use crate::outcome::Outcome;
use crate::time::{Stamp, UnixMs};

/// Why a run happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Its slot was due.
    Slot,
    /// Control ordered it, to confirm an outage or a recovery.
    Vote(OrderId),
}

/// What was in force for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Terms {
    /// The revision of the check.
    pub revision: u32,
    /// The module that ran.
    pub module: ModuleHash,
    /// The newest view the host held when it ran.
    pub view: Stamp,
}

/// What a run took of its host besides time, as the sandbox measured it. Nothing where no guest ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunCost {
    /// The CPU time of the guest, without its probes, in microseconds.
    pub cpu_us: u32,
    /// The most memory that it had, in pages: a guest has no less.
    pub memory_pages: u16,
}

impl RunCost {
    /// A page of a guest's memory.
    const PAGE_BYTES: u64 = 64 << 10;

    /// Of a guest that took so much.
    pub fn of(cpu_us: u64, memory_bytes: usize) -> Self {
        let pages = (memory_bytes as u64).div_ceil(Self::PAGE_BYTES);
        Self {
            cpu_us: u32::try_from(cpu_us).unwrap_or(u32::MAX),
            memory_pages: u16::try_from(pages).unwrap_or(u16::MAX),
        }
    }

    /// The most memory that the guest had, in bytes.
    pub fn memory_bytes(self) -> u64 {
        u64::from(self.memory_pages) * Self::PAGE_BYTES
    }

    /// Whether nothing was measured.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

/// An outcome with its stream, slot and times. The host and boot stand on the batch that carries it.
#[derive(Clone, Debug, PartialEq)]
pub struct RunResult {
    /// The stream that was run.
    pub stream: StreamId,
    /// Why it was run.
    pub purpose: Purpose,
    /// The slot's T; for a vote the moment it was ordered, by control's clock.
    pub slot: UnixMs,
    /// What was in force.
    pub terms: Terms,
    /// When the run started, by the host's corrected wall clock.
    pub started: UnixMs,
    /// How long it took.
    pub duration_us: u32,
    /// What it took.
    pub cost: RunCost,
    /// What it found.
    pub outcome: Outcome,
}
