//! One hour of one stream on record: every slot that was due, how it stands, and the result that speaks for it.
//!
//! What was due is given from outside, by revisions and intervals; a block never concludes it from results. Results
//! may come in any order, late and more than once: what wins is decided by what a result says and never by when it
//! came, so entering and merging are commutative and idempotent. Nothing here reads the time; how an uncovered slot
//! stands is settled by the caller's `now`.

mod latency;
mod layout;
mod merge;
mod open;
mod series;
mod totals;

use std::cmp::Reverse;
use std::collections::BTreeSet;

use farwatch_proto::check::StreamId;
use farwatch_proto::id::HostId;
use farwatch_proto::interval::Interval;
use farwatch_proto::outcome::Status;
use farwatch_proto::time::{Stamp, UnixMs};

use crate::ledger::{DueSlot, PENDING_MAX_MS, RunOnRecord, SlotState, settled_at, slot_state};

pub use latency::Latency;
pub use layout::{BLOCK_VERSION, BlockError};
pub use merge::OtherBlock;
pub use open::{OpenHours, OpenRun};
pub use series::{Bucket, Series};
pub use totals::{Outcomes, Totals};

/// The length of what one block is about.
pub const HOUR_MS: i64 = 3_600_000;
/// An hour is folded this long after its end: by then whatever nobody brings any more is decided, but for slots of
/// its last moments, which are settled later.
pub const FOLD_AFTER_MS: i64 = PENDING_MAX_MS;
/// Runs of slots that were not due which one block keeps, the first by slot and host. A few tell the story; a host
/// that runs what it should not must not make rows large.
pub const EXTRA_MAX: usize = 64;

/// One UTC hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(UnixMs);

impl Hour {
    /// The hour in which this moment lies.
    pub const fn of(moment: UnixMs) -> Self {
        Self(UnixMs(moment.0 - moment.0.rem_euclid(HOUR_MS)))
    }

    /// Its first moment.
    pub const fn start(self) -> UnixMs {
        self.0
    }

    /// The first moment after it.
    pub const fn end(self) -> UnixMs {
        UnixMs(self.0.0 + HOUR_MS)
    }

    /// The hour after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.end())
    }

    /// From when on it is folded.
    pub const fn folds_at(self) -> UnixMs {
        UnixMs(self.end().0 + FOLD_AFTER_MS)
    }

    /// Whether this moment lies in it.
    pub fn holds(self, moment: UnixMs) -> bool {
        self.start() <= moment && moment < self.end()
    }
}

/// What a block is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockKey {
    /// The stream.
    pub stream: StreamId,
    /// The hour.
    pub hour: Hour,
}

/// The place of a host among the owners of a slot, under the view in force at T. Smaller speaks first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rank(pub u8);

impl Rank {
    /// Of a host that did not own the slot.
    pub const STRANGER: Self = Self(u8::MAX);

    /// The rank of this host among these owners.
    pub fn among(owners: &[HostId], host: HostId) -> Self {
        let place = owners.iter().position(|owner| *owner == host).and_then(|place| u8::try_from(place).ok());
        place.map_or(Self::STRANGER, Self)
    }
}

/// Who ran a slot, and by what its word counts against that of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Runner {
    /// The host.
    pub host: HostId,
    /// The newest view that it held.
    pub view: Stamp,
    /// Its place among the owners of the slot.
    pub rank: Rank,
}

/// One run of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotRun<'a> {
    /// Who ran it.
    pub runner: Runner,
    /// When it started.
    pub started: UnixMs,
    /// The latency it found.
    pub latency: Latency,
    /// What it found.
    pub status: Status,
    /// The short name of what was wrong; empty when nothing was.
    pub code: &'a str,
}

impl<'a> SlotRun<'a> {
    /// By what runs of one slot are ordered: the least speaks for it. The first four are the rule of
    /// [`canonical`](crate::ledger::canonical); the rest removes chance between runs of one host.
    fn precedence(&self) -> impl Ord + use<'a> {
        let Runner { host, view, rank } = self.runner;
        let told = (self.started, self.status.code(), self.latency, self.code);
        (!self.status.covers(), rank, Reverse(view), host, told)
    }

    /// The same with its start as a block can hold it.
    fn holdable(self, slot: UnixMs) -> Self {
        let delay = self.started.since(slot).clamp(i32::MIN.into(), i32::MAX.into());
        Self { started: slot + delay, ..self }
    }
}

/// One due slot of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotOnRecord<'a> {
    /// The slot.
    pub due: DueSlot,
    /// How it stands.
    pub state: SlotState,
    /// The run that speaks for it.
    pub run: Option<SlotRun<'a>>,
}

/// Due slots at even distances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    first: UnixMs,
    interval: Interval,
    count: u32,
}

impl Span {
    fn slot(&self, index: u32) -> UnixMs {
        self.first + i64::from(index) * self.interval.ms()
    }

    fn index_of(&self, slot: UnixMs) -> Option<u32> {
        let after_ms = slot.since(self.first);
        let index = u32::try_from(after_ms.div_euclid(self.interval.ms())).ok()?;
        (after_ms.rem_euclid(self.interval.ms()) == 0 && index < self.count).then_some(index)
    }
}

/// One due slot as it is held, with its runner and code by number: 20 bytes, for an hour of a large fleet has
/// millions of them.
#[derive(Clone, Copy, Debug)]
struct Record {
    state: SlotState,
    run: Option<HeldRun>,
}

#[derive(Clone, Copy, Debug)]
struct HeldRun {
    delay_ms: i32,
    runner: u32,
    code: u32,
    latency: Latency,
    status: Status,
}

/// One hour of one stream. See the file's documentation.
#[derive(Clone, Debug)]
pub struct Block {
    key: BlockKey,
    spans: Vec<Span>,
    records: Vec<Record>,
    runners: Vec<Runner>,
    codes: Vec<String>,
    extra: BTreeSet<(UnixMs, HostId)>,
}

impl Block {
    /// The block of what was due in its hour, in order, with nothing on record; `None` when nothing was.
    pub fn open(key: BlockKey, due: &[DueSlot]) -> Option<Self> {
        let spans = spans_of(due.iter().filter(|due| key.hour.holds(due.slot)));
        let slots = spans.iter().map(|span| span.count as usize).sum();
        let records = vec![Record { state: SlotState::Pending, run: None }; slots];
        let block = Self { key, spans, records, runners: Vec::new(), codes: Vec::new(), extra: BTreeSet::new() };
        (slots > 0).then_some(block)
    }

    /// What it is about.
    pub const fn key(&self) -> BlockKey {
        self.key
    }

    /// Enters a run of this slot. A run of a slot that was not due is noted as extra; one of another hour is not
    /// this block's business.
    pub fn enter(&mut self, slot: UnixMs, run: SlotRun<'_>) {
        if !self.key.hour.holds(slot) {
            return;
        }
        let Some((index, due)) = self.find(slot) else {
            self.note_extra(slot, run.runner.host);
            return;
        };
        if let Some(state) = covering_state(due, &run) {
            self.raise(index, state);
        }
        self.offer(index, slot, run.holdable(slot));
    }

    /// Decides how uncovered slots stand at `now`, by the rule of [`slot_state`]. What is missed stays so until a
    /// result comes.
    pub fn settle(&mut self, now: UnixMs, undelivered: impl Fn(UnixMs) -> bool) {
        let due: Vec<DueSlot> = self.due().collect();
        for (record, due) in self.records.iter_mut().zip(due) {
            if record.state == SlotState::Pending {
                record.state = slot_state(due, &[], now, undelivered(due.slot));
            }
        }
    }

    /// The next moment after `now` at which [`settle`](Self::settle) may decide something; `None` when all is decided.
    pub fn settles_at(&self, now: UnixMs) -> Option<UnixMs> {
        let pending = self.slots().filter(|slot| slot.state == SlotState::Pending);
        let moments = pending.map(|slot| {
            let settled_at = settled_at(slot.due);
            if now < settled_at { settled_at } else { settled_at + PENDING_MAX_MS }
        });
        moments.min()
    }

    /// Its due slots in order.
    pub fn slots(&self) -> impl Iterator<Item = SlotOnRecord<'_>> {
        self.due().zip(&self.records).map(|(due, record)| {
            let run = record.run.map(|held| self.run_of(due.slot, held));
            SlotOnRecord { due, state: record.state, run }
        })
    }

    /// Runs on record of slots that were not due, at most [`EXTRA_MAX`].
    pub const fn extra(&self) -> &BTreeSet<(UnixMs, HostId)> {
        &self.extra
    }

    fn due(&self) -> impl Iterator<Item = DueSlot> {
        let of_span = |span: &Span| {
            let span = *span;
            (0..span.count).map(move |index| DueSlot { slot: span.slot(index), interval: span.interval })
        };
        self.spans.iter().flat_map(of_span)
    }

    fn find(&self, slot: UnixMs) -> Option<(usize, DueSlot)> {
        let mut before = 0;
        for span in &self.spans {
            if let Some(index) = span.index_of(slot) {
                return Some((before + index as usize, DueSlot { slot, interval: span.interval }));
            }
            before += span.count as usize;
        }
        None
    }

    fn run_of(&self, slot: UnixMs, held: HeldRun) -> SlotRun<'_> {
        SlotRun {
            runner: self.runners[held.runner as usize],
            started: slot + i64::from(held.delay_ms),
            latency: held.latency,
            status: held.status,
            code: &self.codes[held.code as usize],
        }
    }

    /// Takes the better of two states, which is what makes the order of coming irrelevant.
    fn raise(&mut self, index: usize, state: SlotState) {
        let held = &mut self.records[index].state;
        if standing(state) > standing(*held) {
            *held = state;
        }
    }

    /// Takes the run if it speaks before the one that is held.
    fn offer(&mut self, index: usize, slot: UnixMs, run: SlotRun<'_>) {
        let speaks = match self.records[index].run {
            None => true,
            Some(held) => run.precedence() < self.run_of(slot, held).precedence(),
        };
        if speaks {
            let held = HeldRun {
                delay_ms: run.started.since(slot) as i32,
                runner: entry_of(&mut self.runners, |runner| *runner == run.runner, || run.runner),
                code: entry_of(&mut self.codes, |code| code == run.code, || run.code.to_owned()),
                latency: run.latency,
                status: run.status,
            };
            self.records[index].run = Some(held);
        }
    }

    fn note_extra(&mut self, slot: UnixMs, host: HostId) {
        self.extra.insert((slot, host));
        while self.extra.len() > EXTRA_MAX {
            self.extra.pop_last();
        }
    }
}

/// How a run covers the slot, if it does. Time plays no part: it is on time or late whenever one looks.
fn covering_state(due: DueSlot, run: &SlotRun<'_>) -> Option<SlotState> {
    let SlotRun { runner: Runner { host, view, .. }, started, status, .. } = *run;
    let on_record = RunOnRecord { host, view, started, status };
    match slot_state(due, &[on_record], UnixMs(i64::MAX), false) {
        state @ (SlotState::OnTime | SlotState::Late) => Some(state),
        SlotState::Missed | SlotState::Pending => None,
    }
}

/// How much is known of a slot that stands so. Knowledge only grows: a decision replaces none, and a covering run
/// a decision.
const fn standing(state: SlotState) -> u8 {
    match state {
        SlotState::Pending => 0,
        SlotState::Missed => 1,
        SlotState::Late => 2,
        SlotState::OnTime => 3,
    }
}

fn spans_of<'d>(due: impl Iterator<Item = &'d DueSlot>) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for DueSlot { slot, interval } in due.copied() {
        match spans.last_mut() {
            Some(span) if span.interval == interval && span.slot(span.count) == slot => span.count += 1,
            _ => spans.push(Span { first: slot, interval, count: 1 }),
        }
    }
    spans
}

/// The number of an entry in a dictionary, which gets it if it has none. Dictionaries hold a handful of entries.
fn entry_of<T>(dictionary: &mut Vec<T>, is_it: impl Fn(&T) -> bool, make: impl FnOnce() -> T) -> u32 {
    let found = dictionary.iter().position(is_it);
    found.unwrap_or_else(|| {
        dictionary.push(make());
        dictionary.len() - 1
    }) as u32
}

#[cfg(test)]
mod tests;
