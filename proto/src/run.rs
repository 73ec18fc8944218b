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
    /// What it found.
    pub outcome: Outcome,
}
