//! What this host ran, as the batches that its neighbours keep for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use farwatch_proto::pack::{PACK_VERSION, Packer};
use farwatch_proto::run::RunResult;
use farwatch_proto::signed::SignedBatch;

use super::Peering;

/// A batch is closed when it has grown to this: with one more result of the largest detail it still fits a frame.
const PACK_BYTES: usize = 32 * 1024;

/// Numbers the batches of this start of the process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers(Arc<AtomicU64>);

impl Peering {
    /// Signed batches of these results, which are on disk.
    pub(super) fn signed(&self, results: &[Arc<RunResult>]) -> anyhow::Result<Vec<SignedBatch>> {
        let mut batches = Vec::new();
        let mut packer = Packer::default();
        for result in results {
            packer.push(result);
            if packer.len() >= PACK_BYTES {
                batches.push(self.sign(&mut packer)?);
            }
        }
        if !packer.is_empty() {
            batches.push(self.sign(&mut packer)?);
        }
        Ok(batches)
    }

    fn sign(&self, packer: &mut Packer) -> anyhow::Result<SignedBatch> {
        let packed = [&[PACK_VERSION], packer.take().as_slice()].concat();
        let number = self.numbers.0.fetch_add(1, Ordering::Relaxed);
        let before = self.shared.spool.end();
        let unsigned = SignedBatch { origin: self.shared.host, number, before, packed, signature: Vec::new() };
        let signature = self.identity.sign(&unsigned.signed())?;
        Ok(SignedBatch { signature, ..unsigned })
    }
}
