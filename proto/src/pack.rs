//! Results in few bytes: the one encoding of spool segments, link batches and journal rows.
//!
//! A pack is a run of records. Streams and terms are written once and named by number afterwards, so
//! a good result costs 13 to 20 bytes. The dictionaries live as long as the container: a segment, a
//! batch or a row. This file neither frames nor checks sums; containers do.

pub mod varint;

use std::collections::HashMap;

use crate::check::StreamId;
use crate::id::{CheckId, ModuleHash, OrderId};
use crate::outcome::{Detail, Outcome, Status};
use crate::run::{Purpose, RunCost, RunResult, Terms};
use crate::time::{Stamp, UnixMs};
use varint::Reader;

/// The version byte that every container writes before its first pack. Version 1 had no costs of runs.
pub const PACK_VERSION: u8 = 2;
/// The most bytes of detail one result may carry; the limits on codes, messages and attributes stay below.
pub const DETAIL_MAX_BYTES: usize = 48 * 1024;

const TAG_STREAM: u8 = 0x01;
const TAG_TERMS: u8 = 0x02;
/// A result's tag has this bit; the others of it say what follows.
const TAG_RESULT: u8 = 0x80;
const RESULT_STATUS: u8 = 0x07;
const RESULT_HAS_DETAIL: u8 = 0x08;
const RESULT_IS_VOTE: u8 = 0x10;
const RESULT_HAS_COST: u8 = 0x20;

/// Whether a pack of this version can be read.
pub const fn is_known(version: u8) -> bool {
    matches!(version, 1..=PACK_VERSION)
}

/// A pack that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// It ends within a record.
    #[error("the pack ends within a record")]
    Truncated,
    /// A record starts with a tag this version does not know.
    #[error("the pack holds a record with the unknown tag {0:#04x}")]
    UnknownTag(u8),
    /// A record names a stream or terms that were never written.
    #[error("the pack names entry {0} of a dictionary that is shorter")]
    UnknownEntry(u64),
    /// A field is outside its range.
    #[error("the pack holds a {0} outside its range")]
    OutOfRange(&'static str),
}

/// Writes results; one per container.
#[derive(Debug, Default)]
pub struct Packer {
    bytes: Vec<u8>,
    streams: HashMap<StreamId, (u64, UnixMs)>,
    terms: HashMap<Terms, u64>,
}

impl Packer {
    /// Appends one result, and before it whatever it names for the first time.
    pub fn push(&mut self, result: &RunResult) {
        let terms = self.terms_entry(result.terms);
        let (stream, previous_slot) = self.stream_entry(result.stream, result.slot);
        let detail = result.outcome.detail.as_ref().map(|detail| detail_bytes(detail));
        let mut tag = TAG_RESULT | result.outcome.status.code();
        if detail.is_some() {
            tag |= RESULT_HAS_DETAIL;
        }
        if matches!(result.purpose, Purpose::Vote(_)) {
            tag |= RESULT_IS_VOTE;
        }
        if !result.cost.is_nothing() {
            tag |= RESULT_HAS_COST;
        }
        self.bytes.push(tag);
        varint::put(&mut self.bytes, stream);
        varint::put(&mut self.bytes, terms);
        varint::put_signed(&mut self.bytes, result.slot.since(previous_slot));
        varint::put_signed(&mut self.bytes, result.started.since(result.slot));
        varint::put(&mut self.bytes, result.duration_us.into());
        let aside_us = i64::from(result.duration_us) - i64::from(result.outcome.latency_us);
        varint::put_signed(&mut self.bytes, aside_us);
        if !result.cost.is_nothing() {
            varint::put(&mut self.bytes, result.cost.cpu_us.into());
            varint::put(&mut self.bytes, result.cost.memory_pages.into());
        }
        if let Purpose::Vote(order) = result.purpose {
            self.bytes.extend_from_slice(order.as_bytes());
        }
        if let Some(detail) = detail {
            varint::put(&mut self.bytes, detail.len() as u64);
            self.bytes.extend_from_slice(&detail);
        }
    }

    /// Bytes written and not yet taken.
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing is waiting to be taken.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The bytes since the last take. The dictionaries stay, for the container goes on.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    fn terms_entry(&mut self, terms: Terms) -> u64 {
        if let Some(entry) = self.terms.get(&terms) {
            return *entry;
        }
        let entry = self.terms.len() as u64;
        self.terms.insert(terms, entry);
        self.bytes.push(TAG_TERMS);
        varint::put(&mut self.bytes, terms.revision.into());
        varint::put(&mut self.bytes, terms.view.era.into());
        varint::put(&mut self.bytes, terms.view.n);
        self.bytes.extend_from_slice(&terms.module.0);
        entry
    }

    /// The entry of a stream and the slot written before this one, which its delta counts from.
    fn stream_entry(&mut self, stream: StreamId, slot: UnixMs) -> (u64, UnixMs) {
        if let Some((entry, previous)) = self.streams.get_mut(&stream) {
            return (*entry, std::mem::replace(previous, slot));
        }
        let entry = self.streams.len() as u64;
        self.streams.insert(stream, (entry, slot));
        self.bytes.push(TAG_STREAM);
        self.bytes.extend_from_slice(stream.check.as_bytes());
        varint::put(&mut self.bytes, stream.number.into());
        (entry, UnixMs(0))
    }
}

fn detail_bytes(detail: &Detail) -> Vec<u8> {
    let bytes = serde_json::to_vec(detail).expect("a detail is plain data, so it always serialises");
    if bytes.len() <= DETAIL_MAX_BYTES {
        return bytes;
    }
    let kept = Detail { attributes: Vec::new(), shown: Vec::new(), ..detail.clone() };
    serde_json::to_vec(&kept).expect("a detail is plain data, so it always serialises")
}

/// Reads what one [`Packer`] wrote, in the order it was taken.
#[derive(Debug, Default)]
pub struct Unpacker {
    streams: Vec<(StreamId, UnixMs)>,
    terms: Vec<Terms>,
}

impl Unpacker {
    /// The results of the next bytes of the container.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Vec<RunResult>, PackError> {
        let mut reader = Reader::new(bytes);
        let mut results = Vec::new();
        while let Some(tag) = reader.next_byte() {
            match tag {
                TAG_STREAM => self.read_stream(&mut reader)?,
                TAG_TERMS => self.read_terms(&mut reader)?,
                tag if tag & TAG_RESULT != 0 => results.push(self.read_result(tag, &mut reader)?),
                tag => return Err(PackError::UnknownTag(tag)),
            }
        }
        Ok(results)
    }

    fn read_stream(&mut self, reader: &mut Reader<'_>) -> Result<(), PackError> {
        let check = CheckId::from_bytes(reader.array()?);
        let number = reader.narrow("stream number")?;
        self.streams.push((StreamId { check, number }, UnixMs(0)));
        Ok(())
    }

    fn read_terms(&mut self, reader: &mut Reader<'_>) -> Result<(), PackError> {
        let revision = reader.narrow("revision")?;
        let view = Stamp { era: reader.narrow("era")?, n: reader.varint()? };
        self.terms.push(Terms { revision, module: ModuleHash(reader.array()?), view });
        Ok(())
    }

    fn read_result(&mut self, tag: u8, reader: &mut Reader<'_>) -> Result<RunResult, PackError> {
        let status = Status::from_code(tag & RESULT_STATUS).ok_or(PackError::OutOfRange("status"))?;
        let stream_entry = reader.varint()?;
        let terms_entry = reader.varint()?;
        let (stream, previous_slot) = entry_mut(&mut self.streams, stream_entry)?;
        let slot = plausible(previous_slot.0.checked_add(reader.signed()?), "slot")?;
        *previous_slot = slot;
        let started = plausible(slot.0.checked_add(reader.signed()?), "start")?;
        let duration_us: u32 = reader.narrow("duration")?;
        let latency_us = i64::from(duration_us).checked_sub(reader.signed()?);
        let latency_us = latency_us.and_then(|us| u32::try_from(us).ok()).ok_or(PackError::OutOfRange("latency"))?;
        let stream = *stream;
        let cost = match tag & RESULT_HAS_COST {
            0 => RunCost::default(),
            _ => RunCost { cpu_us: reader.narrow("CPU time")?, memory_pages: reader.narrow("memory")? },
        };
        let terms = *entry_mut(&mut self.terms, terms_entry)?;
        let purpose = match tag & RESULT_IS_VOTE {
            0 => Purpose::Slot,
            _ => Purpose::Vote(OrderId::from_bytes(reader.array()?)),
        };
        let detail = match tag & RESULT_HAS_DETAIL {
            0 => None,
            _ => Some(Box::new(read_detail(reader)?)),
        };
        let outcome = Outcome { status, latency_us, detail };
        Ok(RunResult { stream, purpose, slot, terms, started, duration_us, cost, outcome })
    }
}

fn entry_mut<T>(dictionary: &mut [T], entry: u64) -> Result<&mut T, PackError> {
    let index = usize::try_from(entry).map_err(|_| PackError::UnknownEntry(entry))?;
    dictionary.get_mut(index).ok_or(PackError::UnknownEntry(entry))
}

/// Moments beyond this are hostile, and would overflow sums made of them: the year 5138.
const LATEST_MOMENT_MS: i64 = 100_000_000_000_000;

fn plausible(moment: Option<i64>, field: &'static str) -> Result<UnixMs, PackError> {
    match moment {
        Some(ms) if (0..LATEST_MOMENT_MS).contains(&ms) => Ok(UnixMs(ms)),
        _ => Err(PackError::OutOfRange(field)),
    }
}

fn read_detail(reader: &mut Reader<'_>) -> Result<Detail, PackError> {
    let length = reader.narrow::<u32>("detail length")? as usize;
    if length > DETAIL_MAX_BYTES {
        return Err(PackError::OutOfRange("detail length"));
    }
    serde_json::from_slice(reader.take(length)?).map_err(|_| PackError::OutOfRange("detail"))
}

#[cfg(test)]
mod tests;
