//! What a raw host sends next: the results of the slots that it owes, in the order of time, packed as hosts pack them.
//!
//! It remembers what is committed and what is on the way, so that after a lost link it goes on from there. Nothing
//! here speaks to anybody.

use std::collections::VecDeque;
use std::sync::Arc;

use farwatch_proto::check::StreamId;
use farwatch_proto::id::{BootId, ModuleHash, OrderId};
use farwatch_proto::link::{Batch, Mark, Order};
use farwatch_proto::outcome::{Outcome, Status};
use farwatch_proto::pack::{PACK_VERSION, Packer};
use farwatch_proto::run::{Purpose, RunCost, RunResult, Terms};
use farwatch_proto::time::{Stamp, UnixMs};

use super::fleet::INTERVAL_MS;

/// A batch is full from here on; what of one millisecond follows still fits the frame.
const BATCH_BYTES: usize = 96 * 1024;
/// Bytes on the way at most, as hosts have it.
const IN_FLIGHT_MAX_BYTES: usize = 1 << 20;
/// A run begins this long behind its slot and ends that long behind it.
const STARTS_AFTER_MS: i64 = 3;
const ENDS_AFTER_MS: i64 = 35;
/// What a run takes, and what of it is the target's, in microseconds.
const RUN_US: u32 = 31_000;
const LATENCY_US: u32 = 29_000;
/// What it takes of the host, as the `http` module does.
const COST: RunCost = RunCost { cpu_us: 90, memory_pages: 18 };

/// A stream that the host runs, and how far into each interval it is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Owed {
    pub(super) phase_ms: i64,
    pub(super) stream: StreamId,
    /// Whether it fails while the mass failure lasts.
    pub(super) may_fail: bool,
}

/// What every result says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sameness {
    pub(super) module: ModuleHash,
    pub(super) view: Stamp,
    /// Whether the streams that may fail do.
    pub(super) failing: bool,
}

/// A batch that was sent and is not committed.
struct Sent {
    to: Mark,
    /// All slots before this are in it or were sent before it; votes say nothing of slots.
    until: Option<UnixMs>,
    results: u64,
    bytes: usize,
}

/// What one host has sent and is still to send.
pub(super) struct Feed {
    at: Mark,
    /// All slots before this were sent.
    cursor: UnixMs,
    /// All slots before this are committed.
    committed: UnixMs,
    sent: VecDeque<Sent>,
}

impl Feed {
    pub(super) const fn new(boot: BootId) -> Self {
        let at = Mark { boot, segment: 0, offset: 0 };
        Self { at, cursor: UnixMs(0), committed: UnixMs(0), sent: VecDeque::new() }
    }

    /// A new link: what was not committed is sent again, in a segment of its own, but nothing from before `from`.
    pub(super) fn begin(&mut self, from: UnixMs) {
        self.at = Mark { segment: self.at.segment + 1, offset: 0, ..self.at };
        self.sent.clear();
        self.committed = self.committed.max(from);
        self.cursor = self.committed;
    }

    /// Since when nothing was sent of what has become due, in milliseconds.
    pub(super) const fn behind_ms(&self, now: UnixMs) -> i64 {
        now.0 - ENDS_AFTER_MS - self.cursor.0
    }

    /// The next batch of what has been run by now, unless too much is on the way.
    pub(super) fn next(&mut self, owed: &Arc<Vec<Owed>>, sameness: Sameness, now: UnixMs) -> Option<Batch> {
        let on_the_way: usize = self.sent.iter().map(|sent| sent.bytes).sum();
        if owed.is_empty() || on_the_way >= IN_FLIGHT_MAX_BYTES {
            return None;
        }
        let run = now - ENDS_AFTER_MS;
        let (mut packer, mut results) = (Packer::default(), 0);
        let mut round = self.cursor.0.div_euclid(INTERVAL_MS);
        let mut index = owed.partition_point(|owed| owed.phase_ms < self.cursor.0.rem_euclid(INTERVAL_MS));
        loop {
            if index == owed.len() {
                (index, round) = (0, round + 1);
            }
            let slot = UnixMs(round * INTERVAL_MS + owed[index].phase_ms);
            if slot >= run {
                self.cursor = self.cursor.max(run);
                break;
            }
            if slot > self.cursor && packer.len() >= BATCH_BYTES {
                self.cursor = slot;
                break;
            }
            self.cursor = self.cursor.max(slot);
            packer.push(&result(&owed[index], slot, sameness));
            (index, results) = (index + 1, results + 1);
        }
        let until = Some(self.cursor);
        (results > 0).then(|| self.batch(packer, results, until))
    }

    /// The answers to these orders.
    pub(super) fn votes(&mut self, orders: &[(Order, bool)], sameness: Sameness, now: UnixMs) -> Batch {
        let mut packer = Packer::default();
        for (order, may_fail) in orders {
            packer.push(&vote(order, *may_fail, sameness, now));
        }
        self.batch(packer, orders.len() as u64, None)
    }

    fn batch(&mut self, mut packer: Packer, results: u64, until: Option<UnixMs>) -> Batch {
        let packed = [&[PACK_VERSION], packer.take().as_slice()].concat();
        let from = self.at;
        self.at.offset += packed.len() as u64;
        self.sent.push_back(Sent { to: self.at, until, results, bytes: packed.len() });
        Batch { from, to_offset: self.at.offset, packed }
    }

    /// Control holds everything up to this mark. Returns how many results that are.
    pub(super) fn committed(&mut self, mark: Mark) -> u64 {
        let mut results = 0;
        while let Some(sent) = self.sent.pop_front_if(|sent| sent.to <= mark) {
            results += sent.results;
            self.committed = self.committed.max(sent.until.unwrap_or(self.committed));
        }
        results
    }
}

/// The result of this slot.
pub(super) fn result(owed: &Owed, slot: UnixMs, sameness: Sameness) -> RunResult {
    RunResult {
        stream: owed.stream,
        purpose: Purpose::Slot,
        slot,
        terms: terms(1, sameness),
        started: slot + STARTS_AFTER_MS,
        duration_us: RUN_US,
        cost: COST,
        outcome: outcome(owed.may_fail && sameness.failing),
    }
}

fn vote(order: &Order, may_fail: bool, sameness: Sameness, now: UnixMs) -> RunResult {
    let id: OrderId = order.id;
    RunResult {
        stream: order.stream,
        purpose: Purpose::Vote(id),
        slot: order.ordered_at,
        terms: terms(order.revision, sameness),
        started: now,
        duration_us: RUN_US,
        cost: COST,
        outcome: outcome(may_fail && sameness.failing),
    }
}

const fn terms(revision: u32, sameness: Sameness) -> Terms {
    Terms { revision, module: sameness.module, view: sameness.view }
}

fn outcome(fails: bool) -> Outcome {
    if fails {
        let message = "expected an answer on port 443; the connection was refused";
        return Outcome::told(Status::Down, 0, "connection-refused", message);
    }
    Outcome::up(LATENCY_US)
}
