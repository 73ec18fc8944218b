//! The spool read back: what earlier processes of this host ran, and what control does not have yet.
//!
//! Reads files, the newest first, and as few as it can. Changes nothing.

use farwatch_core::ownership::{Ran, Remembered};
use farwatch_proto::run::{Purpose, RunResult};
use farwatch_proto::time::UnixMs;

use super::Spool;
use super::segment::{FrameReader, HEADER_BYTES, SegmentKey};

/// What is read at a start at most, so that a host with a long backlog starts as soon as any. It holds some millions of
/// runs; what lies behind is run again where its window is still open.
const REMEMBERED_MAX_BYTES: usize = 64 << 20;

impl Spool {
    /// Which slots earlier processes completed since this moment, and perhaps before. It blocks on the disk.
    pub(crate) fn remembered(&self, since: UnixMs) -> Remembered {
        let (mut remembered, mut bytes) = (Remembered::default(), 0);
        for (key, _) in self.newest_first(|key, own| key.boot != own.boot) {
            let results = self.results_of(key, HEADER_BYTES, &mut bytes);
            let runs = results.iter().flat_map(|(_, results)| results).filter_map(covering);
            let last_end = remembered.add_older(key.boot, runs);
            if bytes >= REMEMBERED_MAX_BYTES || last_end.is_some_and(|end| end < since) {
                break;
            }
        }
        remembered
    }

    /// Results of slots that the database is not known to hold, of runs that ended after this moment: the newest, as many
    /// as this many bytes hold, oldest first. It blocks on the disk.
    pub(crate) fn undelivered(&self, since: UnixMs, max_bytes: usize) -> Vec<RunResult> {
        let (mut newest_first, mut read, mut bytes) = (Vec::new(), 0, 0);
        for (key, held_to) in self.newest_first(|_, _| true) {
            let mut is_over = false;
            for (frame_bytes, results) in self.results_of(key, held_to, &mut read).into_iter().rev() {
                bytes += frame_bytes;
                is_over = bytes > max_bytes || results.iter().all(|result| ended(result) < since);
                if is_over {
                    break;
                }
                newest_first.extend(results.into_iter().rev());
            }
            if is_over {
                break;
            }
        }
        newest_first.retain(|result| result.purpose == Purpose::Slot && ended(result) >= since);
        newest_first.reverse();
        newest_first
    }

    /// The segments that are meant, with how far the database holds each. The growing one is the newest.
    fn newest_first(&self, is_meant: impl Fn(&SegmentKey, &SegmentKey) -> bool) -> Vec<(SegmentKey, usize)> {
        let state = self.state();
        let own = state.growing.key;
        let growing = (own, state.growing_held_to);
        let sealed = state.sealed.iter().rev().map(|(key, segment)| (*key, segment.held_to));
        [growing].into_iter().chain(sealed).filter(|(key, _)| is_meant(key, &own)).collect()
    }

    /// The results of each frame of a segment that ends behind this offset, and what it weighs. Adds up what was read.
    fn results_of(&self, key: SegmentKey, offset: usize, read: &mut usize) -> Vec<(usize, Vec<RunResult>)> {
        let Some(bytes) = self.bytes_of(key) else { return Vec::new() };
        *read += bytes.len();
        let (mut reader, mut frames) = (FrameReader::default(), Vec::new());
        while let Some(Ok(frame)) = reader.next(&bytes, 0) {
            if frame.end > offset {
                frames.push((frame.pack_bytes, frame.results));
            }
        }
        frames
    }
}

/// When the run was over.
fn ended(result: &RunResult) -> UnixMs {
    result.started + i64::from(result.duration_us / 1000)
}

fn covering(result: &RunResult) -> Option<Ran> {
    let covers = result.purpose == Purpose::Slot && result.outcome.status.covers();
    covers.then(|| Ran { stream: result.stream, slot: result.slot, ended: ended(result) })
}
