//! The desks of all shards: what each knows of the slots of its streams.
//!
//! A desk is used by its shard's own thread, and now and then by a link that brings what another owner said; nobody holds
//! it for longer than one decision.

use std::sync::{Arc, Mutex, MutexGuard};

use farwatch_core::hash::hash64;
use farwatch_core::ownership::{Desk, Remembered, Tenure};
use farwatch_proto::id::{CheckId, HostId};
use farwatch_proto::time::UnixMs;

/// One desk for each shard.
#[derive(Clone)]
pub(crate) struct Desks {
    desks: Arc<[Mutex<Desk>]>,
}

impl Desks {
    /// Empty desks of this host for so many shards.
    pub(crate) fn new(host: HostId, shards: usize) -> Self {
        Self { desks: (0..shards.max(1)).map(|_| Mutex::new(Desk::new(host))).collect() }
    }

    /// The same, none of whose slots are this process's yet.
    #[must_use]
    pub(crate) fn of_a_successor(self, now: UnixMs) -> Self {
        self.all().for_each(|mut desk| desk.serve_in(Tenure::NOTHING_YET, now));
        self
    }

    /// Earlier processes of this host completed these slots.
    pub(crate) fn remember(&self, remembered: &Remembered) {
        for shard in 0..self.desks.len() {
            let of_shard = remembered.of(|stream| shard_of(stream.check, self.desks.len()) == shard);
            self.at(shard).remember(of_shard);
        }
    }

    /// The desk of this shard.
    pub(crate) fn at(&self, shard: usize) -> MutexGuard<'_, Desk> {
        self.desks[shard].lock().expect("no holder of this lock panics")
    }

    /// The desk that a check belongs to.
    pub(crate) fn of(&self, check: CheckId) -> MutexGuard<'_, Desk> {
        self.at(shard_of(check, self.desks.len()))
    }

    /// Each in turn.
    pub(crate) fn all(&self) -> impl Iterator<Item = MutexGuard<'_, Desk>> {
        (0..self.desks.len()).map(|shard| self.at(shard))
    }
}

/// Which of the shards a check belongs to.
pub(crate) fn shard_of(check: CheckId, shards: usize) -> usize {
    // The low bits decide the phase of the schedule; the high ones are free.
    (hash64(check.as_bytes()) >> 32) as usize % shards.max(1)
}
