//! What a neighbour that has only now connected may have missed: words on open slots, and copies of what control does not
//! have yet.
//!
//! A copy goes out before the word that its slot is done, as always. Reads the spool, so it blocks on the disk.

use std::sync::Arc;

use farwatch_core::ownership::PEER_SILENCE_MS;
use farwatch_proto::id::HostId;
use farwatch_proto::peer::Statement;
use farwatch_proto::run::RunResult;
use farwatch_proto::time::{BootMs, UnixMs};

use super::Peering;

/// What was completed so long before a neighbour was last heard has reached it, and lies on its disk. Until then it may
/// have stood in a link that was broken already, or in the memory of a process that ended.
const COPIED_AGAIN_MS: i64 = 20_000;
/// Results that are copied again to one neighbour at most, in bytes of the spool: the newest. It keeps a megabyte of each
/// neighbour in memory.
const COPIED_AGAIN_MAX_BYTES: usize = 256 * 1024;

/// All of it.
pub(super) struct Recap {
    pub(super) statements: Vec<Statement>,
    pub(super) results: Vec<Arc<RunResult>>,
}

impl Peering {
    /// What this neighbour may have missed since it was last heard; since ever, where this process has not heard it.
    pub(super) fn recap(&self, host: HostId, last_heard: Option<BootMs>) -> Recap {
        let (wall, boot) = (self.shared.clock.wall(), self.shared.clock.boot());
        let since = last_heard.map_or(UnixMs(0), |heard| wall - (boot.since(heard) + COPIED_AGAIN_MS));
        let mut results = self.shared.spool.undelivered(since, COPIED_AGAIN_MAX_BYTES);
        results.retain(|result| {
            result.outcome.status.covers()
                && self.shared.desks.of(result.stream.check).is_owner(host, result.stream, result.slot, wall)
        });
        let statements = self.shared.desks.all().flat_map(|mut desk| desk.recap(host, wall)).collect();
        Recap { statements, results: results.into_iter().map(Arc::new).collect() }
    }

    /// When something last came from this neighbour, if that says anything.
    pub(super) fn last_heard(&self, host: HostId) -> Option<BootMs> {
        self.shared.peers().silent_from(host).map(|silent| BootMs(silent.0 - PEER_SILENCE_MS))
    }
}
