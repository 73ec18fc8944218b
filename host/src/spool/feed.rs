//! What one connection to control is sent, in which order.
//!
//! Live results come first: the growing segment from where the database has it, and whatever follows.
//! Older segments are backlog, the newest first. Within a segment everything goes in order, so that one
//! mark says how far the database has it. Batches are packed anew and stand for themselves.

use std::sync::Arc;

use farwatch_proto::link::{Batch, Mark, PAYLOAD_MAX_BYTES};
use farwatch_proto::pack::{PACK_VERSION, Packer};
use tracing::warn;

use super::Spool;
use super::segment::{FrameReader, HEADER_BYTES, SegmentKey};

/// What a result may weigh in a batch beyond its bytes in the segment: its stream and its terms, which the
/// batch names anew.
const RENAMING_BYTES: usize = 82;

/// What one connection is still to be sent.
#[derive(Debug)]
pub struct Feed {
    spool: Spool,
    live: Cursor,
    backlog: Option<Cursor>,
}

/// A place in one segment, with the dictionaries up to there.
#[derive(Debug)]
struct Cursor {
    key: SegmentKey,
    reader: FrameReader,
    /// Where the next batch starts.
    from: usize,
    /// The bytes of a segment that no longer grows, once they are read.
    bytes: Option<Arc<Vec<u8>>>,
}

/// What a segment has beyond an offset.
enum Rest {
    /// It still grows; these are its closed frames from the offset.
    Growing(Vec<u8>),
    /// It does not.
    Sealed(Arc<Vec<u8>>),
    /// It is no longer there, or cannot be read.
    Gone,
}

impl Cursor {
    fn at(key: SegmentKey, from: usize) -> Self {
        Self { key, reader: FrameReader::default(), from, bytes: None }
    }

    /// The next frames as one batch, and whether the segment has no more.
    fn next_batch(&mut self, spool: &Spool) -> (Option<Batch>, bool) {
        let (bytes, start, is_sealed) = match self.bytes.clone() {
            Some(bytes) => (bytes, 0, true),
            None => match spool.rest_of(self.key, self.reader.offset()) {
                Rest::Growing(bytes) => (Arc::new(bytes), self.reader.offset(), false),
                Rest::Sealed(bytes) => (self.bytes.insert(bytes).clone(), 0, true),
                Rest::Gone => return (None, true),
            },
        };
        let (packer, from) = (Packer::default(), self.from);
        let packed = self.pack(packer, &bytes, start);
        let batch = (self.from > from).then(|| Batch {
            from: self.mark(from),
            to_offset: self.from as u64,
            packed: [&[PACK_VERSION], packed.as_slice()].concat(),
        });
        (batch, is_sealed && self.reader.offset() >= bytes.len())
    }

    /// Packs frame after frame while the next one is sure to fit.
    fn pack(&mut self, mut packer: Packer, bytes: &[u8], start: usize) -> Vec<u8> {
        while let Some(frame) = self.reader.next(bytes, start) {
            let frame = match frame {
                Ok(frame) => frame,
                Err(error) => {
                    // Its checksum was right, so it was written so, and nothing behind it can be read.
                    warn!(%error, "a segment of the spool cannot be read further");
                    break;
                }
            };
            if frame.end <= self.from {
                continue;
            }
            frame.results.iter().for_each(|result| packer.push(result));
            self.from = frame.end;
            let room = PAYLOAD_MAX_BYTES.saturating_sub(packer.len());
            let likely = 2 * (frame.pack_bytes + frame.results.len() * RENAMING_BYTES);
            if likely > room {
                break;
            }
        }
        packer.take()
    }

    fn mark(&self, offset: usize) -> Mark {
        Mark { boot: self.key.boot, segment: self.key.number, offset: offset as u64 }
    }
}

impl Feed {
    /// Starts from what the database is known to hold.
    pub fn new(spool: Spool) -> Self {
        let live = spool.live_start();
        Self { live: Cursor::at(live.0, live.1), backlog: None, spool }
    }

    /// The next live results, if there are any.
    pub fn next_live(&mut self) -> Option<Batch> {
        loop {
            let (batch, is_over) = self.live.next_batch(&self.spool);
            if is_over {
                self.spool.sent_whole(self.live.key);
                let next = SegmentKey { number: self.live.key.number + 1, ..self.live.key };
                self.live = Cursor::at(next, HEADER_BYTES);
            }
            if batch.is_some() || !is_over {
                return batch;
            }
        }
    }

    /// The next results of the backlog, if there are any. It reads files.
    pub fn next_backlog(&mut self) -> Option<Batch> {
        loop {
            let mut cursor = match self.backlog.take() {
                Some(cursor) => cursor,
                None => {
                    let (key, from) = self.spool.newest_wanted_before(self.live.key)?;
                    Cursor::at(key, from)
                }
            };
            let (batch, is_over) = cursor.next_batch(&self.spool);
            if is_over {
                self.spool.sent_whole(cursor.key);
            } else {
                self.backlog = Some(cursor);
            }
            if batch.is_some() {
                return batch;
            }
        }
    }

    /// Control holds less or more of a segment than was sent: goes on from its mark.
    pub fn resume_from(&mut self, mark: Mark) {
        let key = SegmentKey { boot: mark.boot, number: mark.segment };
        let from = usize::try_from(mark.offset).unwrap_or(usize::MAX);
        if key == self.live.key {
            self.live = Cursor::at(key, from);
        } else if self.backlog.as_ref().is_some_and(|backlog| backlog.key == key) {
            self.backlog = Some(Cursor::at(key, from));
        } else {
            self.spool.wanted_again(key, from);
        }
    }
}

impl Spool {
    fn live_start(&self) -> (SegmentKey, usize) {
        let mut state = self.state();
        state.sent.clear();
        (state.growing.key, state.growing_held_to)
    }

    fn rest_of(&self, key: SegmentKey, offset: usize) -> Rest {
        let mut state = self.state();
        if key == state.growing.key {
            state.growing.close_frame();
            return Rest::Growing(state.growing.bytes().get(offset..).unwrap_or_default().to_vec());
        }
        drop(state);
        self.sealed_bytes(key).map_or(Rest::Gone, Rest::Sealed)
    }

    /// The frames of a segment, whether it still grows or not.
    pub(super) fn bytes_of(&self, key: SegmentKey) -> Option<Arc<Vec<u8>>> {
        match self.rest_of(key, 0) {
            Rest::Growing(bytes) => Some(Arc::new(bytes)),
            Rest::Sealed(bytes) => Some(bytes),
            Rest::Gone => None,
        }
    }

    fn sealed_bytes(&self, key: SegmentKey) -> Option<Arc<Vec<u8>>> {
        let (in_memory, end) = self.state().sealed.get(&key).map(|segment| (segment.bytes.clone(), segment.end))?;
        if in_memory.is_some() {
            return in_memory;
        }
        let read = self.shelf.read(key).inspect_err(|error| warn!(%error, "a segment of the spool cannot be read"));
        let mut bytes = read.ok()?;
        bytes.truncate(end);
        Some(Arc::new(bytes))
    }

    /// The newest segment that has something the database lacks and that was not sent on this connection.
    fn newest_wanted_before(&self, live: SegmentKey) -> Option<(SegmentKey, usize)> {
        let state = self.state();
        let mut newest_first = state.sealed.iter().rev().filter(|(key, segment)| {
            let is_before = key.boot != live.boot || key.number < live.number;
            is_before && segment.held_to < segment.end && !state.sent.contains(key)
        });
        newest_first.next().map(|(key, segment)| (*key, segment.held_to))
    }

    /// All of it was sent on this connection, and waits for its receipt.
    fn sent_whole(&self, key: SegmentKey) {
        self.state().sent.insert(key);
    }

    /// The database lacks some of what was sent.
    fn wanted_again(&self, key: SegmentKey, from: usize) {
        let mut state = self.state();
        state.sent.remove(&key);
        state.lower_to(key, from);
    }
}
