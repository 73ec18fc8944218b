//! The streams of one shard and when each is due next.
//!
//! Rebuilt whole when anything changes: every stream starts again from the slot whose window is open, so
//! that what this host gained in the meantime is run while it can be. What was started is remembered and
//! not started again.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use farwatch_core::slot::{EARLY_MS, streams_of};
use farwatch_proto::check::{Repeat, StreamId};
use farwatch_proto::time::UnixMs;

use crate::holdings::{Held, Holdings};

/// The streams of one shard.
#[derive(Debug, Default)]
pub(super) struct Table {
    streams: Vec<(StreamId, Arc<Held>)>,
    due: BinaryHeap<Reverse<(UnixMs, u32)>>,
    started: HashMap<StreamId, UnixMs>,
}

impl Table {
    /// Takes in what is held now, of the streams that `is_mine` names.
    pub(super) fn rebuild(&mut self, holdings: &Holdings, is_mine: impl Fn(StreamId) -> bool, now: UnixMs) {
        self.streams.clear();
        self.due.clear();
        for (check, held) in holdings.checks.iter() {
            let mine = streams_of(*check, held.streams()).filter(|stream| is_mine(*stream));
            self.streams.extend(mine.map(|stream| (stream, held.clone())));
        }
        let streams = &self.streams;
        self.started.retain(|stream, _| holdings.checks.contains_key(&stream.check));
        for (index, (stream, held)) in (0..).zip(streams) {
            let from = open_since(held, now).max(self.started.get(stream).map_or(UnixMs(0), |slot| *slot + 1));
            if let Some(slot) = held.next_slot(*stream, from) {
                self.due.push(Reverse((slot, index)));
            }
        }
        self.due.shrink_to_fit();
    }

    /// When the next slot is due.
    pub(super) fn next_due(&self) -> Option<UnixMs> {
        self.due.peek().map(|Reverse((slot, _))| *slot)
    }

    /// The next slot that is due by now; its stream's next one takes its place.
    pub(super) fn pop_due(&mut self, now: UnixMs) -> Option<(StreamId, Arc<Held>, UnixMs)> {
        let Reverse((slot, index)) = *self.due.peek().filter(|Reverse((slot, _))| *slot <= now)?;
        self.due.pop();
        let (stream, held) = self.streams[index as usize].clone();
        if let Some(next) = held.next_slot(stream, slot + 1) {
            self.due.push(Reverse((next, index)));
        }
        Some((stream, held, slot))
    }

    /// The slot is being run, or was given up; it is not to be started again.
    pub(super) fn note_started(&mut self, stream: StreamId, slot: UnixMs) {
        self.started.insert(stream, slot);
    }

    /// Whether the slot or a later one was started.
    pub(super) fn was_started(&self, stream: StreamId, slot: UnixMs) -> bool {
        self.started.get(&stream).is_some_and(|started| slot <= *started)
    }
}

/// Slots from this moment on may still be run. A check that must not run twice is never run after its
/// moment: whether it was, before a restart, is not known.
fn open_since(held: &Held, now: UnixMs) -> UnixMs {
    let Some(revision) = held.in_force_at(now) else { return now };
    match revision.definition.repeat {
        Repeat::Unsafe => now,
        Repeat::Safe => now - (revision.definition.interval.ms() - EARLY_MS - 1),
    }
}
