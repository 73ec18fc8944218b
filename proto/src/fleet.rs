//! The fleet as everybody sees it: hosts, their standing, and numbered views.
//!
//! A view carries all that placement reads, so that whoever holds it computes the same owners.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{HostId, TenantId};
use crate::time::{Stamp, UnixMs};

/// The placement rule this build computes; a view names the one in force.
pub const PLACEMENT_VERSION: u16 = 1;
/// The most tickets a host may hold: rendezvous hashing draws once per ticket.
pub const WEIGHT_MAX: u16 = 16;
/// The most hosts a fleet may register, so that a view fits a frame.
pub const FLEET_MAX_HOSTS: usize = 400;

/// What a host is and where it stands; changed only by an operator.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct HostFacts {
    /// What people call it.
    pub name: String,
    /// Whose machine it is, such as `hetzner`.
    pub provider: String,
    /// The autonomous system its addresses belong to.
    pub asn: u32,
    /// ISO 3166 code in capitals.
    pub country: String,
    /// `AF`, `AN`, `AS`, `EU`, `NA`, `OC` or `SA`.
    pub continent: String,
    /// The operator's name for the place, such as `eu-central`.
    pub region: String,
    /// Free labels that checks may demand.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Whole tickets in the draw, from 1 to [`WEIGHT_MAX`].
    pub weight: u16,
    /// The one tenant it serves; absent when it serves all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    /// The machine it shares with others of the fleet, where it is known to share one: votes of such
    /// hosts are shown as not independent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_machine: Option<String>,
}

/// Whether a host owns streams under a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It owns.
    Active,
    /// It has come or come back and proves itself; it owns only where nobody else can.
    Warming,
    /// It was silent, or an operator drained it. Its place in every list is kept.
    Away,
}

impl Standing {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Warming => "warming",
            Self::Away => "away",
        }
    }
}

/// One host in a view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewHost {
    /// The host.
    pub id: HostId,
    /// Whether it owns.
    pub standing: Standing,
    /// What placement reads of it.
    #[serde(flatten)]
    pub facts: HostFacts,
}

/// A numbered snapshot of the fleet with the moment from which it is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Its number.
    pub number: Stamp,
    /// Slots from this moment on are owed under it.
    pub in_force_from: UnixMs,
    /// Whether it was announced before it came into force, so that nobody has to catch up.
    pub planned: bool,
    /// The placement rule it is read by.
    pub placement_version: u16,
    /// Every registered host that is not retired, ordered by id.
    pub hosts: Vec<ViewHost>,
}

impl View {
    /// The host of this id, if the view has it.
    pub fn host(&self, id: HostId) -> Option<&ViewHost> {
        self.hosts.binary_search_by_key(&id, |host| host.id).ok().map(|index| &self.hosts[index])
    }

    /// The standing of this host; `None` when the view does not have it.
    pub fn standing(&self, id: HostId) -> Option<Standing> {
        self.host(id).map(|host| host.standing)
    }
}
