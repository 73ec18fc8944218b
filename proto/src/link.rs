//! What hosts and the control plane say to each other.
//!
//! JSON objects with a `kind`, one per WebSocket message. A receiver ignores fields it does not know
//! and drops kinds it does not know, counting them, so that old and new versions can talk.

pub mod base64_bytes;

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::check::{Definition, StreamId};
use crate::fleet::View;
use crate::id::{BootId, CheckId, HostId, OrderId, ReleaseHash};
use crate::panel::{PanelCount, PanelWord};
use crate::peer::PeerAddress;
use crate::signed::{SignedBatch, SignedBatchId};
use crate::time::{Stamp, UnixMs};
use crate::trying::{TryEnd, TryOrder};

/// The name in the certificate of every control process; hosts accept no other.
pub const CONTROL_NAME: &str = "control.farwatch.internal";
/// A host's certificate names it by this URI, with its id behind.
pub const HOST_URI_PREFIX: &str = "spiffe://farwatch/host/";
/// The largest message either side accepts.
pub const FRAME_MAX_BYTES: usize = 256 * 1024;
/// What a sender fills a message with at most, so that JSON and base64 around it still fit the frame.
pub const PAYLOAD_MAX_BYTES: usize = 128 * 1024;
/// A host says at least this often that it lives.
pub const HEARTBEAT_MS: u64 = 500;
/// The path of the WebSocket on control's link address.
pub const LINK_PATH: &str = "/link/v1";
/// The path under which a module is fetched by its hash, on the same address.
pub const MODULE_PATH: &str = "/link/v1/modules";
/// The path under which a release is fetched by its hash, on the same address.
pub const RELEASE_PATH: &str = "/link/v1/releases";
/// The largest release: twice our program with all that helps to debug it.
pub const RELEASE_MAX_BYTES: u64 = 512 << 20;
/// The feature of a host that takes releases and hands over to them.
pub const FEATURE_UPGRADE: &str = "upgrade";

/// The feature of a host that has given up what it does not need of the kernel.
pub const FEATURE_WALL: &str = "wall";

/// A place in a host's spool: all before it is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mark {
    /// The start of the host's process that wrote the segment.
    pub boot: BootId,
    /// The segment's number within the boot, from 0.
    pub segment: u32,
    /// Bytes from the segment's start.
    pub offset: u64,
}

/// Results of one host between two marks of one segment, packed with dictionaries of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Where it begins.
    pub from: Mark,
    /// Where it ends; what control acknowledges.
    pub to_offset: u64,
    /// A version byte, then one pack.
    #[serde(with = "base64_bytes")]
    pub packed: Vec<u8>,
}

impl Batch {
    /// The mark behind its last byte.
    pub const fn to(&self) -> Mark {
        Mark { boot: self.from.boot, segment: self.from.segment, offset: self.to_offset }
    }
}

/// An order to run a stream now, outside the schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Follows from check, round and host: a repeated order is the same order.
    pub id: OrderId,
    /// What to run.
    pub stream: StreamId,
    /// The revision to run it by.
    pub revision: u32,
    /// When control ordered it, by its own clock.
    pub ordered_at: UnixMs,
    /// How many attempts went before, for a check that is retried on one host.
    pub attempt: u32,
}

/// Why a host will not carry out an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Declined {
    /// It has no run place left.
    Full,
    /// It does not hold that revision.
    NotHeld,
}

/// Why a host turned a neighbour away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeerRefusal {
    /// Its certificate is not of the fleet, has run out, or names no host.
    ForeignCertificate,
    /// It says to be another than its certificate names.
    NamesAnother,
    /// The newest view does not name it: it was retired, or is not there yet.
    NotOfFleet,
    /// A reason this version does not know.
    #[serde(other)]
    Unknown,
}

/// What a host says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FromHost {
    /// First of all on every connection.
    Hello {
        /// Who it is; the certificate must say the same.
        host: HostId,
        /// This start of its process.
        boot: BootId,
        /// Its version.
        version: String,
        /// What it can do beyond the first version of this treaty.
        features: Vec<String>,
        /// The program it runs, by its bytes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        release: Option<ReleaseHash>,
        /// The key by which secrets are sealed for it alone (X25519); a host that cannot open any says none.
        #[serde(default, skip_serializing_if = "Vec::is_empty", with = "base64_bytes")]
        sealing_key: Vec<u8>,
        /// How many runs it has places for.
        run_places: u32,
        /// Where peers may dial it. An address that is not specified stands for the one it is linked from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peer_address: Option<SocketAddr>,
        /// The assignment it holds, if it holds one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        assignment: Option<Stamp>,
        /// What tells that assignment from any other by what is in it: the digest of all its definitions, as `core`
        /// makes it. A leader that computes the same need not send them again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        assignment_digest: Option<u64>,
        /// The newest view it holds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        view: Option<Stamp>,
    },
    /// It lives.
    Heartbeat {
        /// Its wall clock as it sends.
        wall: UnixMs,
        /// The largest lag of its own loop since the last one, in milliseconds.
        loop_lag_ms: u32,
        /// Runs in flight.
        running: u32,
        /// The peers it has heard within the silence limit.
        #[serde(default)]
        hears: Vec<HostId>,
        /// Frames of kinds it did not know, since it started.
        #[serde(default)]
        unknown_kinds: u64,
        /// Its disk takes no results: what it runs lies in its memory alone.
        #[serde(default)]
        disk_full: bool,
        /// Results that it gave up for want of room, since it started.
        #[serde(default)]
        dropped_results: u64,
        /// Probes that it did not make because their tenant had connected as often as it may, since it started.
        #[serde(default)]
        rate_capped: u64,
        /// How its panel of references was at the last reading, where it has one and has read it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        panel: Option<PanelWord>,
        /// It has lost its references while most of its neighbours have theirs: it runs no slots, and its failures are void.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        insane: bool,
    },
    /// Results, straight from the spool.
    Results(Batch),
    /// Results of another host, which this one kept for it and was asked for.
    Carries(SignedBatch),
    /// It holds everything up to here, modules included.
    Holds {
        /// The assignment it acted on last.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        assignment: Option<Stamp>,
        /// The plans and views it holds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        view: Option<Stamp>,
        /// Checks it cannot run, each with the reason: a module that would not load, say.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        unable: Vec<(CheckId, String)>,
    },
    /// An order it will not carry out.
    DeclinesOrder {
        /// Which.
        order: OrderId,
        /// Why.
        reason: Declined,
    },
    /// What became of a try.
    Tried {
        /// Which order.
        order: OrderId,
        /// That.
        end: TryEnd,
    },
    /// It could not take the release it was told to; it goes on with the one it runs.
    UpgradeFailed {
        /// Which order to take one.
        ordered_at: UnixMs,
        /// Why.
        reason: String,
    },
    /// Half of the life of its certificate is over; it asks for a new one by the same key.
    Renew {
        /// A certificate request (PKCS #10, DER). Only its key counts.
        #[serde(with = "base64_bytes")]
        request: Vec<u8>,
    },
    /// It turned a neighbour away. It says so for the audit log, and not each time.
    RefusedPeer {
        /// Where that came from.
        address: IpAddr,
        /// The host that its certificate names, where it was one of the fleet's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        certificate: Option<HostId>,
        /// Who it said to be, where that is another.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        claims: Option<HostId>,
        /// Why.
        reason: PeerRefusal,
    },
    /// A kind this version does not know.
    #[serde(other)]
    Unknown,
}

/// What control says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FromControl {
    /// Answers a hello that was accepted.
    Welcome {
        /// Control's version.
        version: String,
        /// Control's wall clock as it sends.
        wall: UnixMs,
        /// What its database holds of this host, segment by segment; of any other segment it holds nothing that it
        /// could name, and the host resends all of it.
        marks: Vec<Mark>,
        /// Addresses of the fleet itself, which no check may reach.
        fleet_listeners: Vec<SocketAddr>,
    },
    /// This process does not lead; the host should go there.
    NotLeader {
        /// The leader's link address, when one is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        leader: Option<String>,
    },
    /// A message was refused; the connection goes on.
    Refused {
        /// What was wrong with it.
        reason: String,
    },
    /// A view is in force.
    View {
        /// It.
        view: View,
    },
    /// A view is to be in force: whoever gains by it acts on it from its moment on, unless it is
    /// withdrawn; nobody loses by it.
    Plan {
        /// It.
        view: View,
    },
    /// A plan will not be.
    Withdraw {
        /// The plan's number.
        view: Stamp,
    },
    /// Changes to the definitions this host holds at the first places of its streams.
    Assign {
        /// The assignment these are changes to; absent when they are the whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<Stamp>,
        /// The assignment reached once the last part has come.
        to: Stamp,
        /// Whether this is the last part.
        last: bool,
        /// Definitions to hold, pending ones beside those in force.
        put: Vec<Definition>,
        /// Checks to forget.
        forget: Vec<CheckId>,
    },
    /// Where neighbours may be dialled; what was said of others before still holds.
    Peers {
        /// By host.
        peers: Vec<PeerAddress>,
    },
    /// The panel of references, and how it looks to the fleet. Said again every few seconds.
    Panel {
        /// Where to connect, `name:port` or `address:port`; none where no panel is configured.
        references: Vec<String>,
        /// How many hosts see them and do not.
        fleet: PanelCount,
    },
    /// Run these now.
    Run {
        /// The orders.
        orders: Vec<Order>,
    },
    /// These votes are no longer needed.
    Cancel {
        /// The orders.
        orders: Vec<OrderId>,
    },
    /// Run this now, which belongs to no check, and tell all of it. It ends with the link.
    Try {
        /// What.
        order: Box<TryOrder>,
    },
    /// Take this release, and hand over to it. Whoever runs it, or is at it, has nothing to do.
    Upgrade {
        /// Which.
        release: ReleaseHash,
        /// Its length.
        size_bytes: u64,
        /// When it was decided; the same order is said again until the host runs the release.
        ordered_at: UnixMs,
    },
    /// Results are committed up to here; they need not be sent again.
    Committed {
        /// The mark the database holds.
        mark: Mark,
    },
    /// Send what you keep of these hosts' results: nothing comes from them.
    HandOver {
        /// Who ran them.
        origins: Vec<HostId>,
    },
    /// The database holds this batch, and all that were kept of the same start of the same host before it.
    Received {
        /// Which.
        batch: SignedBatchId,
    },
    /// The certificate that was asked for.
    Certificate {
        /// It and what leads to the authority, in PEM.
        chain: String,
    },
    /// There is no new certificate; the host asks again later.
    NotRenewed {
        /// Why.
        reason: String,
    },
    /// A kind this version does not know.
    #[serde(other)]
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_version_may_say_more_and_may_say_what_nobody_knows() {
        let newer = r#"{"kind":"committed","mark":{"boot":"boo_00000000000000000000000000000001","segment":1,"offset":9},"extra":1}"#;
        assert!(matches!(serde_json::from_str(newer), Ok(FromControl::Committed { mark }) if mark.offset == 9));
        assert_eq!(serde_json::from_str::<FromHost>(r#"{"kind":"sings","song":[1]}"#).unwrap(), FromHost::Unknown);
    }

    #[test]
    fn a_batch_reads_back_from_its_json() {
        let from = Mark { boot: BootId::from_bytes([3; 16]), segment: 2, offset: 40 };
        let batch = FromHost::Results(Batch { from, to_offset: 90, packed: vec![1, 2, 250] });
        let text = serde_json::to_string(&batch).unwrap();
        assert!(text.contains(r#""kind":"results""#) && text.contains(r#""packed":"AQL6""#));
        assert_eq!(serde_json::from_str::<FromHost>(&text).unwrap(), batch);
    }
}
