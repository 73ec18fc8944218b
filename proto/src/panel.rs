//! What hosts and control say to each other of the panel of references: places of the operator's choice that every host
//! should reach, by which one that has lost the world is told from a world that is down.
//!
//! Words only. What follows from them is decided in `core`.

use serde::{Deserialize, Serialize};

/// References a panel may have: every host dials each of them every few seconds.
pub const REFERENCES_MAX: usize = 16;

/// How a host's panel was at its last reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PanelWord {
    /// Half of the references answered, or more.
    Passes,
    /// Fewer did.
    Fails,
    /// A word this version does not know.
    #[serde(other)]
    Unknown,
}

/// How many hosts said each of the two words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PanelCount {
    /// Hosts whose panel passes.
    pub passing: u32,
    /// Hosts whose panel fails.
    pub failing: u32,
}
