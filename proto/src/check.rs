//! A check as hosts hold it.
//!
//! Whom to tell and what customers call it stay in the control plane; a host gets what it needs to
//! run a stream and no more.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{CheckId, ModuleHash, TenantId};
use crate::interval::Interval;
use crate::time::UnixMs;

/// The most vantage points a check may be watched from at once.
pub const STREAMS_MAX: u16 = 8;
/// The most a prepared config may weigh, so that a definition always fits a frame.
pub const PREPARED_MAX_BYTES: usize = 64 * 1024;

/// One schedule of a check: its `number`-th of `k`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StreamId {
    /// The check.
    pub check: CheckId,
    /// From 0 to k - 1.
    pub number: u16,
}

/// Whether running a check twice does harm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Repeat {
    /// It may be run twice; standbys and votes apply.
    #[default]
    Safe,
    /// It orders, logs in or sends: no standby and no votes, and it stands outside the promise.
    Unsafe,
}

/// Where a check wants to be run; an empty wish is the world.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Location {
    /// A region name of the fleet, such as `eu-central`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// An ISO 3166 code in capitals, such as `DE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// `AF`, `AN`, `AS`, `EU`, `NA`, `OC` or `SA`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continent: Option<String>,
}

/// What decides where the streams of a check may run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacementWish {
    /// Where the first owner should be.
    #[serde(default)]
    pub location: Location,
    /// Labels a host must carry, all of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// k: how many streams, from 1 to [`STREAMS_MAX`]; none where a job calls control and nobody runs anything.
    pub streams: u16,
}

/// A secret that the config of a check names, in one of its values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretVersion {
    /// Its name among the secrets of the tenant.
    pub name: String,
    /// Counts up with every value that it is given, from 1.
    pub version: u32,
    /// The value, for the one host that this is told to; empty wherever no host is meant. It says nothing about what the
    /// check is, so it counts for no digest.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "crate::link::base64_bytes")]
    pub sealed: Vec<u8>,
}

impl SecretVersion {
    /// What its value is bound to, so that no host can pass off one for another.
    pub fn belongs_to(&self, tenant: TenantId, check: CheckId) -> Vec<u8> {
        [tenant.as_bytes().as_slice(), check.as_bytes(), &self.version.to_be_bytes(), self.name.as_bytes()].concat()
    }
}

/// Whether a revision makes slots due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    /// Due at every slot.
    Active,
    /// Kept, not due.
    Paused,
    /// On its way out.
    Deleted,
}

/// One revision of a check as shipped to the hosts at its first places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// The check.
    pub check: CheckId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Counts up with every change, from 1.
    pub revision: u32,
    /// Whether it makes slots due.
    pub activity: Activity,
    /// The module that runs.
    pub module: ModuleHash,
    /// The config as the module itself prepared it, in base64.
    #[serde(with = "crate::link::base64_bytes")]
    pub prepared: Vec<u8>,
    /// How often it is due.
    pub interval: Interval,
    /// How long one run may take, in milliseconds.
    pub timeout_ms: u32,
    /// Where it runs.
    pub placement: PlacementWish,
    /// Whether it may be run twice.
    #[serde(default)]
    pub repeat: Repeat,
    /// The secrets that its config names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretVersion>,
    /// The slot border it counts from; absent while it is pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force_from: Option<UnixMs>,
}

impl Definition {
    /// Whether nobody runs it, because a job calls control instead.
    pub const fn is_heartbeat(&self) -> bool {
        self.placement.streams == 0
    }
}
