//! The hours that are not folded yet, in memory: every run of a slot that is on record, packed by stream and hour.
//!
//! A plainly good run of a stream that keeps its pace takes four or five bytes, so that the open hour of a large fleet
//! fits into the memory of every process that answers questions. Ranks are not held: they follow from the views, and
//! whoever asks computes them. Nothing here decides which hours are open.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use farwatch_proto::check::StreamId;
use farwatch_proto::id::HostId;
use farwatch_proto::outcome::Status;
use farwatch_proto::pack::varint::{Reader, put, put_signed};
use farwatch_proto::run::RunResult;
use farwatch_proto::time::{Stamp, UnixMs};

use super::{Block, BlockKey, Hour, Latency, Rank, Runner, SlotRun};
use crate::ledger::DueSlot;

const STATUS: u8 = 0x07;
/// The slot does not follow the one before at the same distance as that followed its own, and its distance follows.
const OTHER_STEP: u8 = 0x08;
/// The runner is not that of the run before, and its number follows.
const OTHER_RUNNER: u8 = 0x10;
/// The run has something to say, and the number of its code follows.
const HAS_CODE: u8 = 0x20;
/// No run takes more: a tag, and five numbers of at most ten bytes.
const RUN_MAX_BYTES: usize = 51;
/// A stream's bytes grow by this part of what they are. Doubling would leave a third of the memory empty.
const GROWTH_PART: usize = 8;

/// One run of a slot, without the rank of its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenRun<'a> {
    /// The slot.
    pub slot: UnixMs,
    /// Who ran it.
    pub host: HostId,
    /// The newest view that host held.
    pub view: Stamp,
    /// When it started.
    pub started: UnixMs,
    /// The latency it found.
    pub latency: Latency,
    /// What it found.
    pub status: Status,
    /// The short name of what was wrong; empty when nothing was.
    pub code: &'a str,
}

impl<'a> OpenRun<'a> {
    /// What this result of this host says of its slot.
    pub fn of(host: HostId, result: &'a RunResult) -> Self {
        Self {
            slot: result.slot,
            host,
            view: result.terms.view,
            started: result.started,
            latency: Latency::of_us(result.outcome.latency_us),
            status: result.outcome.status,
            code: result.outcome.code(),
        }
    }

    /// The same with the rank of its host.
    pub const fn ranked(self, rank: Rank) -> SlotRun<'a> {
        let Self { host, view, started, latency, status, code, .. } = self;
        SlotRun { runner: Runner { host, view, rank }, started, latency, status, code }
    }
}

/// Entries by number. Few are told apart within an hour: hosts, views, codes.
#[derive(Clone, Debug)]
struct Numbered<T> {
    entries: Vec<T>,
    numbers: HashMap<T, u32>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), numbers: HashMap::new() }
    }
}

impl<T: Clone + Eq + Hash> Numbered<T> {
    fn number_of<Q>(&mut self, entry: &Q) -> u32
    where
        T: std::borrow::Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = T> + ?Sized,
    {
        if let Some(number) = self.numbers.get(entry) {
            return *number;
        }
        let number = self.entries.len() as u32;
        self.entries.push(entry.to_owned());
        self.numbers.insert(entry.to_owned(), number);
        number
    }
}

/// The runs of one stream in one hour, and what the next is written in relation to.
#[derive(Clone, Debug)]
struct PackedRuns {
    bytes: Vec<u8>,
    last: Last,
}

/// What stands before a run.
#[derive(Clone, Copy, Debug)]
struct Last {
    slot: UnixMs,
    step_ms: i64,
    runner: u32,
}

impl Last {
    const fn before(hour: Hour) -> Self {
        Self { slot: hour.start(), step_ms: 0, runner: 0 }
    }

    fn follow(&mut self, slot: UnixMs, runner: u32) {
        let step_ms = slot.since(self.slot);
        // A late run says nothing about the pace.
        self.step_ms = if step_ms > 0 { step_ms } else { self.step_ms };
        self.slot = slot;
        self.runner = runner;
    }
}

/// One hour of all streams.
#[derive(Clone, Debug, Default)]
struct OpenHour {
    streams: HashMap<StreamId, PackedRuns>,
    runners: Numbered<(HostId, Stamp)>,
    codes: Numbered<String>,
    bytes: usize,
    runs: u64,
}

/// See the file's documentation.
#[derive(Clone, Debug, Default)]
pub struct OpenHours {
    hours: BTreeMap<Hour, OpenHour>,
}

impl OpenHours {
    /// Notes a run of the slot it names.
    pub fn enter(&mut self, stream: StreamId, run: &OpenRun<'_>) {
        let hour = Hour::of(run.slot);
        self.hours.entry(hour).or_default().enter(stream, hour, run);
    }

    /// The runs of this stream in this hour, in the order they came.
    pub fn runs(&self, stream: StreamId, hour: Hour) -> impl Iterator<Item = OpenRun<'_>> {
        let held = self.hours.get(&hour).and_then(|held| Some((held, held.streams.get(&stream)?)));
        held.into_iter().flat_map(move |(held, packed)| Unpacked {
            hour: held,
            reader: Reader::new(&packed.bytes),
            last: Last::before(hour),
        })
    }

    /// The block of what was due in the hour as it stands now; `None` when nothing was due.
    pub fn block(&self, key: BlockKey, due: &[DueSlot], mut rank: impl FnMut(UnixMs, HostId) -> Rank) -> Option<Block> {
        let mut block = Block::open(key, due)?;
        for run in self.runs(key.stream, key.hour) {
            block.enter(run.slot, run.ranked(rank(run.slot, run.host)));
        }
        Some(block)
    }

    /// Forgets the hours that ended at this moment or before.
    pub fn forget_before(&mut self, moment: UnixMs) {
        self.hours.retain(|hour, _| hour.end() > moment);
    }

    /// The oldest hour with a run.
    pub fn first(&self) -> Option<Hour> {
        self.hours.keys().next().copied()
    }

    /// The newest hour with a run.
    pub fn last(&self) -> Option<Hour> {
        self.hours.keys().next_back().copied()
    }

    /// How many runs it holds.
    pub fn len(&self) -> u64 {
        self.hours.values().map(|hour| hour.runs).sum()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.hours.is_empty()
    }

    /// About how much memory it takes.
    pub fn bytes(&self) -> usize {
        // What a table of this kind takes beside what it holds: an eighth stays free, and a byte tells each place.
        let per_stream = (size_of::<(StreamId, PackedRuns)>() + 1) * 8 / 7;
        self.hours.values().map(|hour| hour.bytes + hour.streams.capacity() * per_stream).sum()
    }
}

impl OpenHour {
    fn enter(&mut self, stream: StreamId, hour: Hour, run: &OpenRun<'_>) {
        let runner = self.runners.number_of(&(run.host, run.view));
        let code = (!run.code.is_empty()).then(|| self.codes.number_of(run.code));
        let empty = || PackedRuns { bytes: Vec::new(), last: Last::before(hour) };
        let packed = self.streams.entry(stream).or_insert_with(empty);
        let before = packed.bytes.capacity();
        packed.push(run, runner, code);
        self.bytes += packed.bytes.capacity() - before;
        self.runs += 1;
    }
}

impl PackedRuns {
    fn push(&mut self, run: &OpenRun<'_>, runner: u32, code: Option<u32>) {
        let Self { bytes, last } = self;
        if bytes.capacity() - bytes.len() < RUN_MAX_BYTES {
            bytes.reserve_exact(RUN_MAX_BYTES.max(bytes.len() / GROWTH_PART));
        }
        let step_ms = run.slot.since(last.slot);
        let mut tag = run.status.code();
        tag |= if step_ms == last.step_ms { 0 } else { OTHER_STEP };
        tag |= if runner == last.runner { 0 } else { OTHER_RUNNER };
        tag |= if code.is_none() { 0 } else { HAS_CODE };
        bytes.push(tag);
        if tag & OTHER_STEP != 0 {
            put_signed(bytes, step_ms);
        }
        if tag & OTHER_RUNNER != 0 {
            put(bytes, runner.into());
        }
        put_signed(bytes, run.started.since(run.slot).clamp(i32::MIN.into(), i32::MAX.into()));
        put(bytes, run.latency.code().into());
        if let Some(code) = code {
            put(bytes, code.into());
        }
        last.follow(run.slot, runner);
    }
}

/// Reads what was packed, in the same order.
struct Unpacked<'a> {
    hour: &'a OpenHour,
    reader: Reader<'a>,
    last: Last,
}

impl<'a> Iterator for Unpacked<'a> {
    type Item = OpenRun<'a>;

    fn next(&mut self) -> Option<OpenRun<'a>> {
        let tag = self.reader.next_byte()?;
        let status = Status::from_code(tag & STATUS)?;
        let step_ms = if tag & OTHER_STEP == 0 { self.last.step_ms } else { self.reader.signed().ok()? };
        let runner = if tag & OTHER_RUNNER == 0 { self.last.runner } else { self.reader.narrow("runner").ok()? };
        let slot = self.last.slot + step_ms;
        let started = slot + self.reader.signed().ok()?;
        let latency = Latency::from_code(self.reader.narrow("latency").ok()?)?;
        let code = if tag & HAS_CODE == 0 { "" } else { self.code()? };
        self.last.follow(slot, runner);
        let (host, view) = *self.hour.runners.entries.get(runner as usize)?;
        Some(OpenRun { slot, host, view, started, latency, status, code })
    }
}

impl<'a> Unpacked<'a> {
    fn code(&mut self) -> Option<&'a str> {
        let number: u32 = self.reader.narrow("code").ok()?;
        self.hour.codes.entries.get(number as usize).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use farwatch_proto::id::CheckId;
    use proptest::prelude::*;

    use super::*;
    use crate::block::HOUR_MS;

    const HOUR: Hour = Hour::of(UnixMs(1_700_000_000_000));

    fn stream(n: u8) -> StreamId {
        StreamId { check: CheckId::from_bytes([n; 16]), number: 0 }
    }

    fn run(slot: UnixMs, by: u8, delay_ms: i64) -> OpenRun<'static> {
        OpenRun {
            slot,
            host: HostId::from_bytes([by; 16]),
            view: Stamp { era: 1, n: 7 },
            started: slot + delay_ms,
            latency: Latency::of_us(30_000),
            status: Status::Up,
            code: "",
        }
    }

    proptest! {
        #[test]
        fn whatever_was_entered_reads_back_in_order(
            told in prop::collection::vec(
                (0..3_u8, 0..2 * HOUR_MS, 0..4_u8, -50..70_000_i64, 0..5_u8, any::<u32>(), 0..3_usize), 0..200),
        ) {
            let mut open = OpenHours::default();
            let runs: Vec<(StreamId, OpenRun<'_>)> = told
                .into_iter()
                .map(|(of, after_ms, by, delay_ms, status, us, code)| {
                    let status = Status::from_code(status).unwrap();
                    let code = ["", "timeout", "connection-refused"][code];
                    let run = run(HOUR.start() + after_ms, by, delay_ms);
                    (stream(of), OpenRun { status, code, latency: Latency::of_us(us), ..run })
                })
                .collect();
            runs.iter().for_each(|(stream, run)| open.enter(*stream, run));
            prop_assert_eq!(open.len(), runs.len() as u64);
            for of in 0..3 {
                for hour in [HOUR, HOUR.next()] {
                    let own = runs.iter().filter(|(held, run)| *held == stream(of) && hour.holds(run.slot));
                    let own: Vec<OpenRun<'_>> = own.map(|(_, run)| *run).collect();
                    prop_assert_eq!(open.runs(stream(of), hour).collect::<Vec<_>>(), own);
                }
            }
        }
    }

    #[test]
    fn a_good_run_of_a_steady_stream_takes_five_bytes_and_little_stays_empty() {
        let mut open = OpenHours::default();
        for n in 0..100 {
            for slot in 0..360_i64 {
                open.enter(stream(n), &run(HOUR.start() + 1_234 + slot * 10_000, 1, slot * 37 % 120));
            }
        }
        let each = open.bytes() as f64 / open.len() as f64;
        assert!(each < 6.0, "{each:.2} bytes a good run");
    }

    #[test]
    fn an_hour_is_forgotten_whole_and_others_stay() {
        let mut open = OpenHours::default();
        open.enter(stream(1), &run(HOUR.start(), 1, 0));
        open.enter(stream(1), &run(HOUR.end(), 1, 0));
        open.forget_before(HOUR.end() - 1);
        assert_eq!(open.first(), Some(HOUR));
        open.forget_before(HOUR.end());
        assert_eq!((open.first(), open.len()), (Some(HOUR.next()), 1));
        open.forget_before(HOUR.next().end());
        assert!(open.is_empty() && open.bytes() == 0);
    }
}
