//! Results that another host keeps for the one that ran them, until control has them.
//!
//! The origin signs them with the key of its certificate, so that whoever carries them can neither make nor change any.
//! They are packed like a [`crate::link::Batch`], but of those slots alone that the keeper owns as well; what the
//! database holds of the origin's own spool is not moved by them.

use serde::{Deserialize, Serialize};

use crate::id::{BootId, HostId};
use crate::link::{Mark, base64_bytes};

/// What is signed begins with this, so that no other signature of a host can pass for one of these.
const PURPOSE: &[u8] = b"farwatch results 1\0";

/// Results with the signature of the host that ran them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedBatch {
    /// Who ran them.
    pub origin: HostId,
    /// Counts the batches of this start of its process.
    pub number: u64,
    /// All of them lie before this place in its spool, which also says which start of its process it was.
    pub before: Mark,
    /// A version byte, then one pack.
    #[serde(with = "base64_bytes")]
    pub packed: Vec<u8>,
    /// ECDSA on P-256 with SHA-256 (FIPS 186-5), as ASN.1, of [`SignedBatch::signed`].
    #[serde(with = "base64_bytes")]
    pub signature: Vec<u8>,
}

/// Which batch: of whom, of which start of its process, and the how-manieth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SignedBatchId {
    /// Who ran what is in it.
    pub origin: HostId,
    /// The start of its process.
    pub boot: BootId,
    /// Its number.
    pub number: u64,
}

impl SignedBatch {
    /// Which it is.
    pub const fn id(&self) -> SignedBatchId {
        SignedBatchId { origin: self.origin, boot: self.before.boot, number: self.number }
    }

    /// The bytes that the signature is of.
    pub fn signed(&self) -> Vec<u8> {
        let Mark { boot, segment, offset } = self.before;
        let parts = [
            PURPOSE,
            self.origin.as_bytes(),
            boot.as_bytes(),
            &self.number.to_be_bytes(),
            &segment.to_be_bytes(),
            &offset.to_be_bytes(),
            &self.packed,
        ];
        parts.concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_changed_changes_what_is_signed() {
        let before = Mark { boot: BootId::from_bytes([2; 16]), segment: 3, offset: 4 };
        let batch = || SignedBatch {
            origin: HostId::from_bytes([1; 16]),
            number: 5,
            before,
            packed: vec![6, 7],
            signature: vec![8],
        };
        let changed = [
            SignedBatch { origin: HostId::from_bytes([9; 16]), ..batch() },
            SignedBatch { number: 6, ..batch() },
            SignedBatch { before: Mark { boot: BootId::from_bytes([9; 16]), ..before }, ..batch() },
            SignedBatch { before: Mark { segment: 4, ..before }, ..batch() },
            SignedBatch { before: Mark { offset: 5, ..before }, ..batch() },
            SignedBatch { packed: vec![6, 8], ..batch() },
        ];
        assert!(changed.iter().all(|other| other.signed() != batch().signed()));
        let text = serde_json::to_string(&batch()).unwrap();
        assert_eq!(serde_json::from_str::<SignedBatch>(&text).unwrap(), batch());
    }
}
