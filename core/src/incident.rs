//! One outage of one check, as it is told.
//!
//! Ids follow from natural keys, so that a replay after a failover makes the same incident and the
//! same deliveries. Whom to tell, and how, is decided elsewhere.

use farwatch_proto::id::{ChannelId, CheckId, ContactId, DeliveryId, HostId, IncidentId};
use farwatch_proto::time::UnixMs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The incident that opens with this failed slot of the check.
pub fn incident_id(check: CheckId, first_failed_slot: UnixMs) -> IncidentId {
    IncidentId::of_key(&[check.as_bytes(), &first_failed_slot.0.to_be_bytes()])
}

/// A step of an incident that people are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The outage was confirmed.
    Opened,
    /// It is over.
    Resolved,
}

impl Step {
    /// The stored word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Resolved => "resolved",
        }
    }
}

/// The one delivery of this step to this contact over this channel.
pub fn delivery_id(incident: IncidentId, step: Step, contact: ContactId, channel: ChannelId) -> DeliveryId {
    DeliveryId::of_key(&[incident.as_bytes(), step.word().as_bytes(), contact.as_bytes(), channel.as_bytes()])
}

/// What one vantage point said in the round that decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voice {
    /// The host.
    pub host: HostId,
    /// `bad`, `good` or `void`.
    pub answer: crate::confirm::Answer,
    /// The module's code, if it gave one.
    pub code: String,
    /// The module's sentence, if it gave one.
    pub message: String,
}

/// Why an incident ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The recovery was confirmed.
    Recovered,
    /// The check was paused while it was down.
    Paused,
    /// The check was deleted while it was down.
    Deleted,
}

/// What happened to an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum IncidentEvent {
    /// The outage was confirmed.
    Opened {
        /// The incident.
        incident: IncidentId,
        /// The first failed slot, which names it.
        first_failed_slot: UnixMs,
        /// When it was confirmed.
        at: UnixMs,
        /// The code of the first failure.
        code: String,
        /// The sentence of the first failure.
        message: String,
        /// How many bad votes were needed, of how many.
        need: u8,
        /// How many were asked.
        of: u8,
        /// What each said, the first failing one first.
        voices: Vec<Voice>,
        /// Whether it was over before anybody could judge it: the results came late.
        #[serde(default)]
        seen_afterwards: bool,
    },
    /// It is over.
    Resolved {
        /// The incident.
        incident: IncidentId,
        /// The first failed slot, which names it.
        first_failed_slot: UnixMs,
        /// When that was known.
        at: UnixMs,
        /// Why.
        ending: Ending,
        /// What each vantage point said of the recovery; empty when there was no round.
        voices: Vec<Voice>,
    },
}

impl IncidentEvent {
    /// The incident it happened to.
    pub const fn incident(&self) -> IncidentId {
        match self {
            Self::Opened { incident, .. } | Self::Resolved { incident, .. } => *incident,
        }
    }

    /// The step people are told of.
    pub const fn step(&self) -> Step {
        match self {
            Self::Opened { .. } => Step::Opened,
            Self::Resolved { .. } => Step::Resolved,
        }
    }

    /// When it happened.
    pub const fn at(&self) -> UnixMs {
        match self {
            Self::Opened { at, .. } | Self::Resolved { at, .. } => *at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_makes_the_same_ids() {
        let check = CheckId::from_bytes([1; 16]);
        let incident = incident_id(check, UnixMs(5));
        assert_eq!(incident, incident_id(check, UnixMs(5)));
        assert_ne!(incident, incident_id(check, UnixMs(6)));
        let (contact, channel) = (ContactId::from_bytes([2; 16]), ChannelId::from_bytes([3; 16]));
        let opened = delivery_id(incident, Step::Opened, contact, channel);
        assert_ne!(opened, delivery_id(incident, Step::Resolved, contact, channel));
    }
}
