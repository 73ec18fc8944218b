//! What it takes to keep the record: the open hours in memory, and an hour made into blocks.
//!
//! A tenth of the fleet that a cell is built for is measured and the rest reckoned, for neither memory nor work depends
//! on how many others there are. Nothing here touches a database.

use anyhow::Context;
use farwatch_core::block::{Block, BlockKey, HOUR_MS, Hour, Latency, OpenHours, OpenRun, Rank};
use farwatch_core::ledger::{DueSlot, InForce, due_slots};
use farwatch_core::revision::Cadence;
use farwatch_proto::check::{Activity, StreamId};
use farwatch_proto::id::{CheckId, HostId};
use farwatch_proto::interval::Interval;
use farwatch_proto::outcome::Status;
use farwatch_proto::time::{Stamp, UnixMs};

use crate::cpu;

/// Streams of a cell.
const CELL: f64 = 100_000.0;
/// Streams that are measured.
const STREAMS: u32 = 10_000;
/// How far the open hours go back at most: an hour, and the quarter of one after which it is folded.
const OPEN_MS: i64 = HOUR_MS + HOUR_MS / 4;
/// The first open hour.
const HOUR: Hour = Hour::of(UnixMs(1_700_000_000_000));

/// What was measured.
pub(crate) struct Record {
    /// Resident memory of the open hours of a cell at 10 s, in MiB.
    pub(crate) open_mib: f64,
    /// Of one good run of them, by their own reckoning.
    pub(crate) open_bytes: f64,
    /// CPU of entering a run, in microseconds.
    pub(crate) enter_us: f64,
    /// CPU of making, settling and encoding the blocks of an hour of a cell, in seconds.
    pub(crate) fold_s: f64,
    /// Bytes of one good result in a block, without its row.
    pub(crate) block_bytes: f64,
}

/// Measures.
pub(crate) fn record() -> anyhow::Result<Record> {
    let me = std::process::id();
    let interval = Interval::from_seconds(10).context("an interval of 10 s")?;
    let cadence = Cadence { activity: Activity::Active, interval, streams: 1 };
    let history = [InForce { from: UnixMs(0), cadence }];
    let streams: Vec<StreamId> = (0..STREAMS).map(stream).collect();

    let (cpu_us, memory_mib) = (cpu::used_us(me)?, cpu::resident_mib(me)?);
    let mut open = OpenHours::default();
    // In order of time, as results come: streams grow side by side.
    for step in 0..OPEN_MS / interval.ms() {
        for (stream, n) in streams.iter().zip(0..) {
            let slot = HOUR.start() + step * interval.ms() + n % interval.ms();
            open.enter(*stream, &run(slot, n + step));
        }
    }
    let enter_us = (cpu::used_us(me)? - cpu_us) / open.len() as f64;
    let scale = CELL / f64::from(STREAMS);
    let open_mib = (cpu::resident_mib(me)? - memory_mib) * scale;

    let cpu_us = cpu::used_us(me)?;
    let (mut bytes, mut results) = (0, 0);
    for (stream, n) in streams.iter().zip(0..) {
        let key = BlockKey { stream: *stream, hour: HOUR };
        let mut due = due_slots(*stream, &history, HOUR.start(), HOUR.end());
        // The runs above are of a schedule of their own.
        for (due, step) in due.iter_mut().zip(0..) {
            *due = DueSlot { slot: HOUR.start() + step * interval.ms() + n % interval.ms(), interval };
        }
        let mut block = open.block(key, &due, |_, _| Rank(0)).context("a block without slots")?;
        block.settle(HOUR.folds_at(), |_| false);
        results += block.totals().outcomes.up;
        bytes += Block::encode(&block).len();
    }
    let fold_s = (cpu::used_us(me)? - cpu_us) / 1_000_000.0 * scale;
    let open_bytes = open.bytes() as f64 / open.len() as f64;
    Ok(Record { open_mib, open_bytes, enter_us, fold_s, block_bytes: bytes as f64 / results as f64 })
}

fn stream(n: u32) -> StreamId {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    StreamId { check: CheckId::from_bytes(bytes), number: 0 }
}

/// A good run, as late and as fast as runs are.
const fn run(slot: UnixMs, n: i64) -> OpenRun<'static> {
    OpenRun {
        slot,
        host: HostId::from_bytes([3; 16]),
        view: Stamp { era: 1, n: 42 },
        started: UnixMs(slot.0 + n * 37 % 120),
        latency: Latency::of_us(20_000 + (n * 7919 % 60_000) as u32),
        status: Status::Up,
        code: "",
    }
}
