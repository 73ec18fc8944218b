//! What of the spool is kept, and what is given up first.
//!
//! In this order: segments the database holds, an hour after it said so and sooner when room is needed;
//! then details of results nobody has yet, whose slots are kept; then the oldest results.

use std::sync::Arc;

use farwatch_proto::run::RunResult;
use farwatch_proto::time::BootMs;
use tracing::warn;

use super::segment::{FrameReader, HEADER_BYTES, SegmentKey};
use super::{Sealed, Spool, State};

/// A segment is kept this long after the database said that it holds it: as long as a failover of the
/// database may take back what it said, and a neighbour may ask for it.
const KEEP_HELD_MS: i64 = 3_600_000;
/// Details are given up first where they are at least this part of a segment. Where they are less, giving them
/// up would win nothing but another turn.
const DETAILS_WORTH_ONE_IN: usize = 4;
/// Segments given up in one go, so that tidying ends.
const GIVEN_UP_AT_ONCE: usize = 16;
/// What a disk does not take is kept in memory this long.
const MEMORY_KEEP_MS: i64 = 15 * 60_000;

/// How much room the spool may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpoolLimits {
    /// On disk. Two days of a large host fit the default.
    pub disk_bytes: usize,
    /// In memory, for what the disk does not take.
    pub memory_bytes: usize,
}

impl SpoolLimits {
    /// For every host whose operator says nothing else: 16 bytes a result leave room for 60 million.
    pub const USUAL: Self = Self { disk_bytes: 1 << 30, memory_bytes: 32 << 20 };
}

/// Renames, thins and deletes.
pub(super) fn tidy(spool: &Spool, is_disk_full: bool, now: BootMs) {
    name_held(spool);
    let outlived =
        |_: &SegmentKey, segment: &Sealed| segment.held_since.is_some_and(|since| now.since(since) >= KEEP_HELD_MS);
    delete_where(spool, outlived);
    if is_disk_full || is_over(spool) {
        delete_where(spool, |_, segment| segment.held_since.is_some());
    }
    let mut given_up = 0;
    while is_over(spool) && given_up < GIVEN_UP_AT_ONCE && give_up_oldest(spool, now) {
        given_up += 1;
    }
    bound_memory(spool, now);
}

fn is_over(spool: &Spool) -> bool {
    disk_bytes(&spool.state()) > spool.limits.disk_bytes
}

fn disk_bytes(state: &State) -> usize {
    state.sealed.values().filter(|segment| segment.bytes.is_none()).map(|segment| segment.end).sum()
}

/// The name of a segment on disk follows what the database holds.
fn name_held(spool: &Spool) {
    let renames: Vec<(SegmentKey, bool)> = {
        let state = spool.state();
        let differs = state.sealed.iter().filter(|(_, segment)| segment.bytes.is_none());
        differs
            .map(|(key, segment)| (*key, segment.held_since.is_some(), segment.is_named_held))
            .filter(|(_, is_held, is_named_held)| is_held != is_named_held)
            .map(|(key, is_held, _)| (key, is_held))
            .collect()
    };
    for (key, is_held) in renames {
        match spool.shelf.mark_held(key, is_held) {
            Ok(()) => {
                if let Some(segment) = spool.state().sealed.get_mut(&key) {
                    segment.is_named_held = is_held;
                }
            }
            Err(error) => warn!(%error, "a segment of the spool cannot be renamed"),
        }
    }
}

/// Deletes from disk and memory, and says how many.
fn delete_where(spool: &Spool, mut is_meant: impl FnMut(&SegmentKey, &Sealed) -> bool) -> usize {
    let state = spool.state();
    let meant: Vec<SegmentKey> =
        state.sealed.iter().filter(|(key, segment)| is_meant(key, segment)).map(|(key, _)| *key).collect();
    drop(state);
    for key in &meant {
        delete(spool, *key);
    }
    meant.len()
}

fn delete(spool: &Spool, key: SegmentKey) {
    if let Err(error) = spool.shelf.delete(key) {
        warn!(%error, "a segment of the spool cannot be deleted");
    }
    let mut state = spool.state();
    state.sealed.remove(&key);
    state.written.remove(&key);
}

/// Takes the oldest segment that is still wanted, keeps its results without their details where that wins
/// room, and deletes it. Otherwise its results are lost and counted. Whether there was one.
fn give_up_oldest(spool: &Spool, now: BootMs) -> bool {
    let oldest = {
        let state = spool.state();
        let wanted = state.sealed.iter().find(|(_, segment)| segment.bytes.is_none() && segment.held_since.is_none());
        wanted.map(|(key, segment)| (*key, segment.held_to))
    };
    let Some((key, held_to)) = oldest else { return false };
    let bytes = spool.shelf.read(key).unwrap_or_default();
    let results = results_after(&bytes, held_to);
    delete(spool, key);
    give_up(spool, results, bytes.len(), now);
    true
}

/// Keeps these results of a segment of so many bytes without their details, where that wins room. Otherwise they are lost,
/// and counted.
fn give_up(spool: &Spool, results: Vec<RunResult>, bytes: usize, now: BootMs) {
    if details_bytes(&results) * DETAILS_WORTH_ONE_IN >= bytes {
        warn!(results = results.len(), "the spool is full; details are given up, slots are kept");
        for mut result in results {
            result.outcome.detail = None;
            spool.append(&result, now);
        }
    } else {
        warn!(results = results.len(), "the spool is full; the oldest results are given up");
        spool.state().dropped_results += results.len() as u64;
    }
}

/// What the details of these results weigh, leaving out what only gives them their form.
fn details_bytes(results: &[RunResult]) -> usize {
    let details = results.iter().filter_map(|result| result.outcome.detail.as_ref());
    details.map(|detail| detail.code.len() + detail.message.len() + 40 * detail.attributes.len()).sum()
}

fn results_after(bytes: &[u8], offset: usize) -> Vec<RunResult> {
    let mut reader = FrameReader::default();
    let mut results = Vec::new();
    while let Some(Ok(frame)) = reader.next(bytes, 0) {
        if frame.end > offset.max(HEADER_BYTES) {
            results.extend(frame.results);
        }
    }
    results
}

/// What the disk does not take is bounded by age and by size; the oldest goes first, and details before slots.
fn bound_memory(spool: &Spool, now: BootMs) {
    for (bytes, held_to) in take_from_memory(spool, now) {
        give_up(spool, results_after(&bytes, held_to), bytes.len(), now);
    }
}

/// The segments in memory that are too old or too much, with how far the database holds each.
fn take_from_memory(spool: &Spool, now: BootMs) -> Vec<(Arc<Vec<u8>>, usize)> {
    let mut state = spool.state();
    let in_memory = |(key, segment): (&SegmentKey, &Sealed)| Some((*key, segment.bytes.clone()?, segment.sealed_at));
    let oldest_first: Vec<(SegmentKey, Arc<Vec<u8>>, BootMs)> = state.sealed.iter().filter_map(in_memory).collect();
    let mut total: usize = oldest_first.iter().map(|(_, bytes, _)| bytes.len()).sum();
    let mut taken = Vec::new();
    for (key, bytes, sealed_at) in oldest_first {
        if now.since(sealed_at) < MEMORY_KEEP_MS && total <= spool.limits.memory_bytes {
            break;
        }
        total -= bytes.len();
        state.written.remove(&key);
        taken.extend(state.sealed.remove(&key).map(|segment| (bytes, segment.held_to)));
    }
    taken
}
