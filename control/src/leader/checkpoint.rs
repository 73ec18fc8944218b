//! What the leader remembers of the journal: the last slot of every stream in it.
//!
//! It follows from the journal alone. Reading two days of that at every takeover would take minutes in a large cell, so
//! the memory is written down about every two minutes, and a takeover reads it and the rows after it.

use std::collections::HashMap;
use std::io::{Read, Write};

use anyhow::{Context, ensure};
use farwatch_proto::check::StreamId;
use farwatch_proto::id::CheckId;
use farwatch_proto::run::Purpose;
use farwatch_proto::time::UnixMs;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use tracing::warn;

use super::journal_body;
use super::state::State;
use crate::store::{JournalRow, LeaderCheckpoint, Store, StoreError};

/// How a checkpoint's body is written: deflate (RFC 1951) of check, stream number and slot, in order of stream.
const VERSION: u8 = 1;
/// The bytes of one stream before they are compressed.
const ENTRY_BYTES: usize = 16 + 2 + 8;
/// No body unpacks to more: a cell of ten times the intended size.
const BODY_MAX_BYTES: u64 = 1_000_000 * ENTRY_BYTES as u64;
/// Journal rows read at once.
const ROWS_AT_ONCE: u32 = 64;

/// The last slot of each stream that the journal holds.
pub(super) type LastSlots = HashMap<StreamId, UnixMs>;

/// Writes down what this leader remembers. To be called with nothing drafted that is not committed.
pub(super) async fn save(store: &Store, state: &State) -> Result<(), StoreError> {
    let checkpoint = LeaderCheckpoint { seq: state.head.seq, version: VERSION, body: encode(&state.last_slots) };
    store.leader_checkpoint().write(state.epoch, &checkpoint).await
}

/// What the journal says, by the checkpoint and the rows after it.
pub(super) async fn load(store: &Store) -> anyhow::Result<LastSlots> {
    let checkpoint = store.leader_checkpoint().read().await?;
    // One that a newer version wrote says nothing here, and the journal says all.
    let known = checkpoint.filter(|checkpoint| checkpoint.version == VERSION);
    let (mut slots, mut after) = match known {
        Some(checkpoint) => (decode(&checkpoint.body).context("the leader's checkpoint")?, checkpoint.seq),
        None => (LastSlots::new(), 0),
    };
    loop {
        let rows = store.journal().read_after(after, ROWS_AT_ONCE).await?;
        let Some(last) = rows.last() else { return Ok(slots) };
        after = last.seq;
        for row in rows.iter().filter(|row| row.results > 0) {
            remember_row(&mut slots, row);
        }
    }
}

/// A row that cannot be read must not keep everybody from leading: what it held is on no record any more.
fn remember_row(slots: &mut LastSlots, row: &JournalRow) {
    let sections = journal_body::decode(&row.body).unwrap_or_else(|error| {
        warn!(seq = row.seq, error = format!("{error:#}"), "a journal row cannot be read");
        Vec::new()
    });
    for result in sections.iter().flat_map(|section| &section.results) {
        if result.purpose == Purpose::Slot {
            remember(slots, result.stream, result.slot);
        }
    }
}

/// Notes that the journal holds this slot.
pub(super) fn remember(slots: &mut LastSlots, stream: StreamId, slot: UnixMs) {
    let last = slots.entry(stream).or_insert(slot);
    *last = (*last).max(slot);
}

fn encode(slots: &LastSlots) -> Vec<u8> {
    let mut sorted: Vec<(&StreamId, &UnixMs)> = slots.iter().collect();
    sorted.sort_unstable();
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    for (stream, slot) in sorted {
        let mut entry = [0; ENTRY_BYTES];
        entry[..16].copy_from_slice(stream.check.as_bytes());
        entry[16..18].copy_from_slice(&stream.number.to_be_bytes());
        entry[18..].copy_from_slice(&slot.0.to_be_bytes());
        encoder.write_all(&entry).expect("writing to memory does not fail");
    }
    encoder.finish().expect("writing to memory does not fail")
}

fn decode(body: &[u8]) -> anyhow::Result<LastSlots> {
    let mut bytes = Vec::new();
    DeflateDecoder::new(body).take(BODY_MAX_BYTES).read_to_end(&mut bytes).context("it is damaged")?;
    let (entries, rest) = bytes.as_chunks::<ENTRY_BYTES>();
    ensure!(rest.is_empty(), "it ends within an entry");
    Ok(entries.iter().map(entry_of).collect())
}

fn entry_of(entry: &[u8; ENTRY_BYTES]) -> (StreamId, UnixMs) {
    let (check, rest) = entry.split_first_chunk::<16>().expect("an entry begins with a check");
    let (number, slot) = rest.split_first_chunk::<2>().expect("then comes the number of a stream");
    let slot = slot.try_into().expect("and then a slot");
    let stream = StreamId { check: CheckId::from_bytes(*check), number: u16::from_be_bytes(*number) };
    (stream, UnixMs(i64::from_be_bytes(slot)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_reads_back_and_a_damaged_one_is_an_error() {
        let stream = |n: u16| StreamId { check: CheckId::from_bytes([(n % 7) as u8; 16]), number: n };
        let slots: LastSlots =
            (0..500).map(|n| (stream(n), UnixMs(1_700_000_000_000 + i64::from(n) * 10_000))).collect();
        let body = encode(&slots);
        assert_eq!(decode(&body).unwrap(), slots);
        assert_eq!(decode(&encode(&LastSlots::new())).unwrap(), LastSlots::new());
        assert!(decode(&body[..body.len() - 9]).is_err());
    }

    #[test]
    fn an_earlier_slot_does_not_take_the_place_of_a_later_one() {
        let stream = StreamId { check: CheckId::from_bytes([1; 16]), number: 0 };
        let mut slots = LastSlots::new();
        for slot in [20_000, 30_000, 10_000] {
            remember(&mut slots, stream, UnixMs(slot));
        }
        assert_eq!(slots[&stream], UnixMs(30_000));
    }
}
