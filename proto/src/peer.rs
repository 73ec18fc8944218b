//! What hosts say to each other.
//!
//! The same framing as the link to control: JSON objects with a `kind`, one per WebSocket message, over mutual TLS; fields
//! and kinds that are not known are passed over, so that old and new versions can talk. Results come here as copies, lest they
//! die with the host that ran them.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::check::StreamId;
use crate::id::{BootId, HostId};
use crate::link::Mark;
use crate::panel::PanelWord;
use crate::signed::SignedBatch;
use crate::time::UnixMs;

/// The path of the WebSocket on a host's peer address.
pub const PEER_PATH: &str = "/peer/v1";
/// A host says at least this often that it lives.
pub const PEER_HEARTBEAT_MS: u64 = 500;
/// Statements in one message at most, so that it fits a frame.
pub const SAYS_MAX: usize = 1024;

/// The DNS name in a host's certificate; whoever dials it accepts no other.
pub fn peer_name(host: HostId) -> String {
    let hex: String = host.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{hex}.host.farwatch.internal")
}

/// What one owner says to the others of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// It has begun to run it.
    Started,
    /// It has run it, and the run covers the slot.
    Done,
    /// It cannot: it has no place or no module, or its run was disturbed. The next may go at once.
    Yields,
}

/// One statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Of which stream.
    pub stream: StreamId,
    /// Of which slot.
    pub slot: UnixMs,
    /// What.
    pub said: Said,
}

/// What a host says to a neighbour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FromPeer {
    /// First of all, from either side.
    Hello {
        /// Who it is; the certificate must say the same.
        host: HostId,
        /// This start of its process.
        boot: BootId,
        /// Its version.
        version: String,
    },
    /// It lives.
    Heartbeat {
        /// Its machine's own wall clock as it sends. Not the corrected one: hosts that followed each other's corrections
        /// would wander off together.
        wall: UnixMs,
        /// Control's database holds everything of this start of its process before this place in its spool.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        held: Option<Mark>,
        /// How its panel of references was at the last reading, where it has one and has read it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        panel: Option<PanelWord>,
    },
    /// What it ran of slots that both own, to be kept until control has it. It comes before the word that they are done.
    Results(SignedBatch),
    /// What it says of slots that both own.
    Says {
        /// At most [`SAYS_MAX`].
        statements: Vec<Statement>,
    },
    /// A kind this version does not know.
    #[serde(other)]
    Unknown,
}

/// Where a host may be dialled by the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerAddress {
    /// Who.
    pub host: HostId,
    /// Where.
    pub address: SocketAddr,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::CheckId;

    #[test]
    fn a_name_is_one_label_of_hex_before_the_domain() {
        let name = peer_name(HostId::from_bytes([0xab; 16]));
        assert_eq!(name, format!("{}.host.farwatch.internal", "ab".repeat(16)));
    }

    #[test]
    fn versions_that_know_no_panel_are_read_and_read_what_is_said_of_it() {
        let before = r#"{"kind":"heartbeat","wall":7}"#;
        let heard = FromPeer::Heartbeat { wall: UnixMs(7), held: None, panel: None };
        assert_eq!(serde_json::from_str::<FromPeer>(before).unwrap(), heard);
        assert_eq!(serde_json::to_string(&heard).unwrap(), before, "where there is nothing to say, nothing is said");
        let later = r#"{"kind":"heartbeat","wall":7,"panel":"sings"}"#;
        let FromPeer::Heartbeat { panel, .. } = serde_json::from_str(later).unwrap() else { panic!("no heartbeat") };
        assert_eq!(panel, Some(PanelWord::Unknown));
    }

    #[test]
    fn the_largest_message_fits_a_frame_and_reads_back() {
        let stream = StreamId { check: CheckId::from_bytes([255; 16]), number: u16::MAX };
        let statement = Statement { stream, slot: UnixMs(i64::MAX), said: Said::Started };
        let says = FromPeer::Says { statements: vec![statement; SAYS_MAX] };
        let text = serde_json::to_string(&says).unwrap();
        assert!(text.len() <= crate::link::FRAME_MAX_BYTES, "{}", text.len());
        assert_eq!(serde_json::from_str::<FromPeer>(&text).unwrap(), says);
        assert_eq!(serde_json::from_str::<FromPeer>(r#"{"kind":"sings"}"#).unwrap(), FromPeer::Unknown);
    }
}
