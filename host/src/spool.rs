//! Every result goes here first and is sent from here, so that none is lost to a cut link or a restart.
//!
//! Results are appended to the growing segment in memory, off any disk, and written and synced in groups
//! by whoever calls [`Spool::write_out`]. Segments that the database holds are kept an hour longer. When
//! the disk is full, running never stops: what cannot be written stays in memory, details are given up
//! before slots, and a flag says that the spool is degraded. Nothing here waits while it holds the lock.

mod feed;
mod reading;
mod retention;
mod segment;
mod shelf;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use farwatch_proto::id::BootId;
use farwatch_proto::link::Mark;
use farwatch_proto::run::RunResult;
use farwatch_proto::time::BootMs;
use tracing::{info, warn};

use segment::{Growing, HEADER_BYTES, SegmentKey};
use shelf::{Shelf, WriteJob};

pub use feed::Feed;
pub use retention::SpoolLimits;

/// A segment is closed at this size: large enough that its dictionary is paid for by many results, small
/// enough to be read and sent as one piece.
const SEGMENT_ROLL_BYTES: usize = 4 << 20;
/// A segment is closed at this age, so that what the database holds can be deleted by the file.
const SEGMENT_ROLL_MS: i64 = 3_600_000;
/// After a cut that left more than this unsent, what comes next goes into a segment of its own and is not
/// kept waiting by what came before.
const BACKLOG_SPLIT_BYTES: usize = 64 * 1024;

/// The spool of one boot, and what earlier boots left. Cheap to clone; all clones are one spool.
#[derive(Clone, Debug)]
pub struct Spool {
    state: Arc<Mutex<State>>,
    shelf: Shelf,
    limits: SpoolLimits,
}

/// What is known of a segment that no longer grows.
#[derive(Debug)]
struct Sealed {
    /// Where its last whole frame ends.
    end: usize,
    /// How far the database holds it.
    held_to: usize,
    /// Since when it holds all of it.
    held_since: Option<BootMs>,
    sealed_at: BootMs,
    /// Its bytes, while the disk does not have all of them.
    bytes: Option<Arc<Vec<u8>>>,
    /// Whether its name on disk says that it is held.
    is_named_held: bool,
}

impl Sealed {
    /// The database holds it up to there and no further.
    fn hold_to(&mut self, to: usize, now: BootMs) {
        self.held_to = to.clamp(HEADER_BYTES, self.end);
        self.held_since = (self.held_to >= self.end).then(|| self.held_since.unwrap_or(now));
    }
}

#[derive(Debug)]
struct State {
    growing: Growing,
    growing_held_to: usize,
    sealed: BTreeMap<SegmentKey, Sealed>,
    /// How far each unwritten segment of this boot is on disk.
    written: BTreeMap<SegmentKey, usize>,
    /// Segments that were sent whole on the present connection.
    sent: BTreeSet<SegmentKey>,
    is_degraded: bool,
    dropped_results: u64,
}

impl Spool {
    /// Opens the spool in this directory for a new boot, and finds what earlier boots left there.
    pub fn open(directory: PathBuf, boot: BootId, limits: SpoolLimits, now: BootMs) -> io::Result<Self> {
        let spool = Self::open_beside(directory, boot, limits, now)?;
        spool.adopt(&[], now)?;
        Ok(spool)
    }

    /// Opens the spool for a new boot beside another process that still writes there: what that one and earlier boots
    /// left is not looked at before [`Spool::adopt`].
    pub fn open_beside(directory: PathBuf, boot: BootId, limits: SpoolLimits, now: BootMs) -> io::Result<Self> {
        let shelf = Shelf::open(directory)?;
        let state = State {
            growing: Growing::new(SegmentKey { boot, number: 0 }, now),
            growing_held_to: HEADER_BYTES,
            sealed: BTreeMap::new(),
            written: BTreeMap::new(),
            sent: BTreeSet::new(),
            is_degraded: false,
            dropped_results: 0,
        };
        Ok(Self { state: Arc::new(Mutex::new(state)), shelf, limits })
    }

    /// Takes over what other boots left, of which the database holds what these marks say.
    pub fn adopt(&self, marks: &[Mark], now: BootMs) -> io::Result<()> {
        let found = self.shelf.find()?;
        let mut state = self.state();
        let own = state.growing.key.boot;
        for found in found.into_iter().filter(|found| found.key.boot != own) {
            let held_to = if found.is_held { found.end } else { HEADER_BYTES };
            let segment = Sealed {
                end: found.end,
                held_to,
                held_since: (held_to >= found.end).then_some(now),
                sealed_at: now,
                bytes: None,
                is_named_held: found.is_held,
            };
            state.sealed.insert(found.key, segment);
        }
        marks.iter().filter(|mark| mark.boot != own).for_each(|mark| state.hold(*mark, now));
        let others = state.sealed.iter().filter(|(key, _)| key.boot != own);
        let left: usize = others.map(|(_, segment)| segment.end.saturating_sub(segment.held_to)).sum();
        if left > 0 {
            info!(segments = state.sealed.len(), bytes = left, "the spool holds results of earlier boots");
        }
        Ok(())
    }

    /// How far the database holds each segment whose name on disk does not say that it holds it whole.
    pub fn marks(&self) -> Vec<Mark> {
        let state = self.state();
        let mark = |key: &SegmentKey, to: usize| Mark { boot: key.boot, segment: key.number, offset: to as u64 };
        let sealed = state.sealed.iter().filter(|(_, segment)| !segment.is_named_held);
        let sealed = sealed.map(|(key, segment)| mark(key, segment.held_to));
        sealed.chain([mark(&state.growing.key, state.growing_held_to)]).collect()
    }

    /// Whether the database holds everything.
    pub fn is_delivered(&self) -> bool {
        let mut state = self.state();
        state.growing.close_frame();
        let State { growing, growing_held_to, sealed, .. } = &*state;
        let is_held = |segment: &Sealed| segment.held_to >= segment.end;
        (growing.is_blank() || *growing_held_to >= growing.bytes().len()) && sealed.values().all(is_held)
    }

    /// Keeps a result. It touches no disk and never fails.
    pub fn append(&self, result: &RunResult, now: BootMs) {
        let mut state = self.state();
        state.growing.append(result);
        let is_large = state.growing.bytes().len() >= SEGMENT_ROLL_BYTES;
        if is_large || now.since(state.growing.opened) >= SEGMENT_ROLL_MS {
            state.roll(now);
        }
    }

    /// Whether results are kept in memory alone because the disk does not take them.
    pub fn is_degraded(&self) -> bool {
        self.state().is_degraded
    }

    /// Results that were given up for want of room, since this boot began.
    pub fn dropped_results(&self) -> u64 {
        self.state().dropped_results
    }

    /// Control says that its database holds everything of this segment before the mark.
    pub fn committed(&self, mark: Mark, now: BootMs) {
        self.state().hold(mark, now);
    }

    /// Control says what its database holds, segment by segment. A segment without a mark is held to nothing,
    /// whatever was committed to this process or an earlier one: a database may have lost what it said.
    pub fn welcomed(&self, marks: &[Mark], now: BootMs) {
        let of = |mark: &Mark| (SegmentKey { boot: mark.boot, number: mark.segment }, offset_of(mark));
        let held: HashMap<SegmentKey, usize> = marks.iter().map(of).collect();
        let held_to = |key: &SegmentKey| held.get(key).copied().unwrap_or(HEADER_BYTES);
        let mut state = self.state();
        let State { growing, growing_held_to, sealed, .. } = &mut *state;
        *growing_held_to = held_to(&growing.key).clamp(HEADER_BYTES, growing.bytes().len());
        for (key, segment) in sealed {
            segment.hold_to(held_to(key), now);
        }
        let unsent = state.growing.bytes().len().saturating_sub(state.growing_held_to);
        if unsent > BACKLOG_SPLIT_BYTES {
            state.roll(now);
        }
    }

    /// The place before which the database holds everything of this boot. While it lacks something of an earlier one that
    /// is nothing yet: neighbours may be keeping copies of that, which were signed in this one.
    pub fn held(&self) -> Mark {
        let state = self.state();
        let boot = state.growing.key.boot;
        let unheld = state.sealed.iter().find(|(_, segment)| segment.held_to < segment.end);
        let (number, to) = match unheld {
            Some((key, segment)) if key.boot == boot => (key.number, segment.held_to),
            Some(_) => (0, 0),
            None => (state.growing.key.number, state.growing_held_to),
        };
        Mark { boot, segment: number, offset: to as u64 }
    }

    /// The place before which everything lies that was kept and written.
    pub fn end(&self) -> Mark {
        let state = self.state();
        let SegmentKey { boot, number } = state.growing.key;
        Mark { boot, segment: number, offset: state.growing.bytes().len() as u64 }
    }

    /// Writes and syncs what is not on disk yet, and deletes what need not be kept. It blocks on the disk;
    /// the lock is not held meanwhile. Answers whether all that was kept is on disk.
    pub fn write_out(&self, now: BootMs) -> bool {
        let mut failure = None;
        for job in self.unwritten() {
            match self.shelf.write(&job) {
                Ok(()) => self.state().wrote(&job),
                Err(error) => failure = Some(error),
            }
        }
        self.note_health(failure.as_ref());
        retention::tidy(self, failure.is_some(), now);
        failure.is_none()
    }

    fn unwritten(&self) -> Vec<WriteJob> {
        let mut state = self.state();
        state.growing.close_frame();
        let State { growing, sealed, written, .. } = &*state;
        let sealed = sealed.iter().filter_map(|(key, segment)| Some((*key, segment.bytes.as_deref()?.as_slice())));
        let growing = (!growing.is_blank()).then(|| (growing.key, growing.bytes()));
        let jobs = sealed.chain(growing).filter_map(|(key, bytes)| {
            let offset = written.get(&key).copied().unwrap_or(0);
            (offset < bytes.len()).then(|| WriteJob { key, offset, bytes: bytes[offset..].to_vec() })
        });
        jobs.collect()
    }

    fn note_health(&self, failure: Option<&io::Error>) {
        let mut state = self.state();
        match failure {
            Some(error) if !state.is_degraded => {
                warn!(%error, "the spool cannot be written; results are kept in memory; free the disk");
            }
            None if state.is_degraded => info!("the spool can be written again"),
            _ => {}
        }
        state.is_degraded = failure.is_some();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

impl State {
    /// Seals the growing segment and starts the next.
    fn roll(&mut self, now: BootMs) {
        if self.growing.is_blank() {
            return;
        }
        let key = self.growing.key;
        let next = Growing::new(SegmentKey { number: key.number + 1, ..key }, now);
        let bytes = std::mem::replace(&mut self.growing, next).into_bytes();
        let held_to = std::mem::replace(&mut self.growing_held_to, HEADER_BYTES);
        let segment = Sealed {
            end: bytes.len(),
            held_to,
            held_since: (held_to >= bytes.len()).then_some(now),
            sealed_at: now,
            bytes: Some(Arc::new(bytes)),
            is_named_held: false,
        };
        self.sealed.insert(key, segment);
    }

    fn hold(&mut self, mark: Mark, now: BootMs) {
        let key = SegmentKey { boot: mark.boot, number: mark.segment };
        let to = offset_of(&mark);
        if key == self.growing.key {
            self.growing_held_to = self.growing_held_to.max(to.min(self.growing.bytes().len()));
        } else if let Some(segment) = self.sealed.get_mut(&key) {
            segment.hold_to(segment.held_to.max(to), now);
        }
    }

    /// The database lacks what lies behind this offset.
    fn lower_to(&mut self, key: SegmentKey, to: usize) {
        if key == self.growing.key {
            self.growing_held_to = self.growing_held_to.min(to.max(HEADER_BYTES));
        } else if let Some(segment) = self.sealed.get_mut(&key) {
            segment.held_to = segment.held_to.min(to.max(HEADER_BYTES));
            segment.held_since = segment.held_since.filter(|_| segment.held_to >= segment.end);
        }
    }

    fn wrote(&mut self, job: &WriteJob) {
        let end = job.offset + job.bytes.len();
        if let Some(segment) = self.sealed.get_mut(&job.key)
            && end >= segment.end
        {
            segment.bytes = None;
            self.written.remove(&job.key);
        } else {
            self.written.insert(job.key, end);
        }
    }
}

fn offset_of(mark: &Mark) -> usize {
    usize::try_from(mark.offset).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
