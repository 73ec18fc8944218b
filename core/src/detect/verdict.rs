//! The words for what is held of a check. How one becomes another stands in `detect.rs`.

use serde::{Deserialize, Serialize};

/// What is held of a check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It works.
    #[default]
    Up,
    /// It failed once, and others are being asked.
    Suspect,
    /// It fails, confirmed.
    Down,
    /// It was down and works from one place; others are being asked.
    Recovering,
    /// It works worse than wanted, or fails from one place only.
    Degraded,
    /// It failed and too few could say whether it does: a matter for the operator.
    Unconfirmed,
}

impl Verdict {
    /// Each of them, once.
    pub const ALL: [Self; 6] =
        [Self::Up, Self::Suspect, Self::Down, Self::Recovering, Self::Degraded, Self::Unconfirmed];

    /// The word people read.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Suspect => "suspect",
            Self::Down => "down",
            Self::Recovering => "recovering",
            Self::Degraded => "degraded",
            Self::Unconfirmed => "unconfirmed",
        }
    }

    /// Whether an outage has been confirmed and its recovery has not.
    pub const fn is_out(self) -> bool {
        matches!(self, Self::Down | Self::Recovering)
    }
}
