//! A block as bytes: what the row keeps beside its sums.
//!
//! A version byte; the spans of due slots; dictionaries of runners and codes; the extra runs; then the slots in
//! order. A slot is one byte that says how it stands and what follows, and for a run its delay and its latency. So a
//! plainly good result costs four or five bytes. Equal blocks have equal bytes: dictionaries are in order of first use.

use std::collections::BTreeSet;

use farwatch_proto::id::HostId;
use farwatch_proto::interval::Interval;
use farwatch_proto::outcome::Status;
use farwatch_proto::pack::PackError;
use farwatch_proto::pack::varint::{Reader, put, put_signed};
use farwatch_proto::time::Stamp;

use super::{Block, BlockKey, EXTRA_MAX, HOUR_MS, HeldRun, Latency, Rank, Record, Runner, SlotState, Span};

/// The version byte of a block.
pub const BLOCK_VERSION: u8 = 1;
/// Slots that a damaged block may claim before it is refused. A stream at 10 s has 360; only a check that is changed
/// every few seconds has more.
const SLOTS_MAX: u32 = 4096;

const STATE: u8 = 0x03;
const STATUS_SHIFT: u8 = 2;
const STATUS: u8 = 0x1c;
/// The runner is not that of the run before, and its number follows.
const OTHER_RUNNER: u8 = 0x20;
/// The run has something to say, and the number of its code follows.
const HAS_CODE: u8 = 0x40;
const UNUSED: u8 = 0x80;

/// A block that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// It was written by a version that this one does not know.
    #[error("the block has version {0}, this build reads {BLOCK_VERSION}")]
    Version(u8),
    /// It is damaged.
    #[error("the block is damaged: {0}")]
    Damaged(#[from] PackError),
}

const fn state_bits(state: SlotState) -> u8 {
    match state {
        SlotState::OnTime => 0,
        SlotState::Late => 1,
        SlotState::Missed => 2,
        SlotState::Pending => 3,
    }
}

const fn state_of(tag: u8) -> SlotState {
    match tag & STATE {
        0 => SlotState::OnTime,
        1 => SlotState::Late,
        2 => SlotState::Missed,
        _ => SlotState::Pending,
    }
}

impl Block {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let used = Used::of(self);
        let mut bytes = vec![BLOCK_VERSION];
        self.put_spans(&mut bytes);
        put(&mut bytes, used.runners.len() as u64);
        used.runners.iter().for_each(|entry| put_runner(&mut bytes, &self.runners[*entry as usize]));
        put(&mut bytes, used.codes.len() as u64);
        for entry in &used.codes {
            let code = self.codes[*entry as usize].as_bytes();
            put(&mut bytes, code.len() as u64);
            bytes.extend_from_slice(code);
        }
        self.put_extra(&mut bytes);
        let mut last_runner = 0;
        for record in &self.records {
            last_runner = put_record(&mut bytes, record, &used, last_runner);
        }
        bytes
    }

    fn put_spans(&self, bytes: &mut Vec<u8>) {
        put(bytes, self.spans.len() as u64);
        for span in &self.spans {
            put(bytes, span.first.since(self.key.hour.start()) as u64);
            put(bytes, span.interval.seconds().into());
            put(bytes, span.count.into());
        }
    }

    fn put_extra(&self, bytes: &mut Vec<u8>) {
        put(bytes, self.extra.len() as u64);
        for (slot, host) in &self.extra {
            put(bytes, slot.since(self.key.hour.start()) as u64);
            bytes.extend_from_slice(host.as_bytes());
        }
    }

    /// The block of these bytes.
    pub fn decode(key: BlockKey, bytes: &[u8]) -> Result<Self, BlockError> {
        let mut reader = Reader::new(bytes);
        let [version] = reader.array()?;
        if version != BLOCK_VERSION {
            return Err(BlockError::Version(version));
        }
        let spans = read_spans(&mut reader, key)?;
        let runners = read_many(&mut reader, SLOTS_MAX, read_runner)?;
        let codes = read_many(&mut reader, SLOTS_MAX, read_code)?;
        let extra = read_many(&mut reader, EXTRA_MAX as u32, |reader| {
            let slot = key.hour.start() + read_offset(reader)?;
            Ok((slot, HostId::from_bytes(reader.array()?)))
        })?;
        let extra: BTreeSet<_> = extra.into_iter().collect();
        let slots = spans.iter().map(|span| span.count as usize).sum();
        let mut block = Self { key, spans, records: Vec::with_capacity(slots), runners, codes, extra };
        let mut last_runner = 0;
        for _ in 0..slots {
            let record = block.read_record(&mut reader, last_runner)?;
            last_runner = record.run.map_or(last_runner, |run| run.runner);
            block.records.push(record);
        }
        if reader.next_byte().is_some() {
            return Err(PackError::OutOfRange("end").into());
        }
        Ok(block)
    }

    fn read_record(&mut self, reader: &mut Reader<'_>, last_runner: u32) -> Result<Record, PackError> {
        let [tag] = reader.array()?;
        let state = state_of(tag);
        let status = (tag & STATUS) >> STATUS_SHIFT;
        if tag & UNUSED != 0 || (status == 0 && tag & (OTHER_RUNNER | HAS_CODE) != 0) {
            return Err(PackError::UnknownTag(tag));
        }
        let Some(status) = status.checked_sub(1) else { return Ok(Record { state, run: None }) };
        let status = Status::from_code(status).ok_or(PackError::OutOfRange("status"))?;
        let runner = if tag & OTHER_RUNNER == 0 { last_runner } else { reader.narrow("runner")? };
        let delay_ms = i32::try_from(reader.signed()?).map_err(|_| PackError::OutOfRange("delay"))?;
        let latency = Latency::from_code(reader.narrow("latency")?).ok_or(PackError::OutOfRange("latency"))?;
        let code = if tag & HAS_CODE == 0 { self.no_code() } else { reader.narrow("code")? };
        known(&self.runners, runner)?;
        known(&self.codes, code)?;
        Ok(Record { state, run: Some(HeldRun { delay_ms, runner, code, latency, status }) })
    }

    /// The number of the empty code, which the bytes do not name.
    fn no_code(&mut self) -> u32 {
        super::entry_of(&mut self.codes, String::is_empty, String::new)
    }
}

/// The entries of the dictionaries that slots name, in order of first use. An entry whose slots found a better run
/// is not among them; nor is the empty code, for a tag says as much.
struct Used {
    runners: Vec<u32>,
    codes: Vec<u32>,
    empty_code: Option<u32>,
}

impl Used {
    fn of(block: &Block) -> Self {
        let empty = block.codes.iter().position(String::is_empty).map(|entry| entry as u32);
        let mut used = Self { runners: Vec::new(), codes: Vec::new(), empty_code: empty };
        for run in block.records.iter().filter_map(|record| record.run) {
            if !used.runners.contains(&run.runner) {
                used.runners.push(run.runner);
            }
            if Some(run.code) != empty && !used.codes.contains(&run.code) {
                used.codes.push(run.code);
            }
        }
        used
    }
}

/// Writes one slot and says which runner was named last.
fn put_record(bytes: &mut Vec<u8>, record: &Record, used: &Used, last_runner: u64) -> u64 {
    let state = state_bits(record.state);
    let Some(run) = record.run else {
        bytes.push(state);
        return last_runner;
    };
    let place = |entries: &[u32], entry: u32| entries.iter().position(|used| *used == entry).unwrap_or(0) as u64;
    let runner = place(&used.runners, run.runner);
    let has_code = used.empty_code != Some(run.code);
    let mut tag = state | ((run.status.code() + 1) << STATUS_SHIFT);
    if runner != last_runner {
        tag |= OTHER_RUNNER;
    }
    if has_code {
        tag |= HAS_CODE;
    }
    bytes.push(tag);
    if runner != last_runner {
        put(bytes, runner);
    }
    put_signed(bytes, run.delay_ms.into());
    put(bytes, run.latency.code().into());
    if has_code {
        put(bytes, place(&used.codes, run.code));
    }
    runner
}

fn put_runner(bytes: &mut Vec<u8>, runner: &Runner) {
    bytes.extend_from_slice(runner.host.as_bytes());
    put(bytes, runner.view.era.into());
    put(bytes, runner.view.n);
    bytes.push(runner.rank.0);
}

fn read_runner(reader: &mut Reader<'_>) -> Result<Runner, PackError> {
    let host = HostId::from_bytes(reader.array()?);
    let view = Stamp { era: reader.narrow("era")?, n: reader.varint()? };
    let [rank] = reader.array()?;
    Ok(Runner { host, view, rank: Rank(rank) })
}

fn read_code(reader: &mut Reader<'_>) -> Result<String, PackError> {
    let length = reader.narrow::<u32>("code length")? as usize;
    let text = str::from_utf8(reader.take(length)?).map_err(|_| PackError::OutOfRange("code"))?;
    Ok(text.to_owned())
}

/// The spans, which must lie in the hour and follow one another.
fn read_spans(reader: &mut Reader<'_>, key: BlockKey) -> Result<Vec<Span>, PackError> {
    let spans = read_many(reader, SLOTS_MAX, |reader| {
        let first = key.hour.start() + read_offset(reader)?;
        let seconds = reader.narrow("interval")?;
        let interval = Interval::from_seconds(seconds).map_err(|_| PackError::OutOfRange("interval"))?;
        let count: u32 = reader.narrow("count")?;
        Ok(Span { first, interval, count })
    })?;
    let mut slots = 0;
    let mut next = key.hour.start();
    for span in &spans {
        let last = span.slot(span.count.saturating_sub(1));
        if span.count == 0 || span.first < next || !key.hour.holds(last) {
            return Err(PackError::OutOfRange("span"));
        }
        next = last + 1;
        slots += span.count;
    }
    if slots == 0 || slots > SLOTS_MAX { Err(PackError::OutOfRange("slots")) } else { Ok(spans) }
}

fn read_offset(reader: &mut Reader<'_>) -> Result<i64, PackError> {
    let offset: u32 = reader.narrow("offset")?;
    if i64::from(offset) < HOUR_MS { Ok(offset.into()) } else { Err(PackError::OutOfRange("offset")) }
}

fn read_many<T>(
    reader: &mut Reader<'_>,
    most: u32,
    read: impl Fn(&mut Reader<'_>) -> Result<T, PackError>,
) -> Result<Vec<T>, PackError> {
    let count: u32 = reader.narrow("count")?;
    if count > most {
        return Err(PackError::OutOfRange("count"));
    }
    (0..count).map(|_| read(reader)).collect()
}

fn known<T>(dictionary: &[T], entry: u32) -> Result<(), PackError> {
    if (entry as usize) < dictionary.len() { Ok(()) } else { Err(PackError::UnknownEntry(entry.into())) }
}
