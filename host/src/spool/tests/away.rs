//! A day away from control: what a host with a hundred checks at ten seconds keeps, and what of it control gets.

use std::collections::BTreeMap;

use farwatch_proto::link::Batch;

use super::*;

const DAY_MS: i64 = 24 * 60 * MINUTE;
const STREAMS: u64 = 100;
/// Of a day.
const RESULTS: u64 = STREAMS * 24 * 360;
/// Results are written in groups; a real host does so five times a second.
const A_MINUTE: u64 = STREAMS * 6;
/// When the first result of these tests is due.
const FIRST_SLOT: i64 = 1_790_000_000_000;

/// Which result of a day it is. One that is not as it was made is none.
fn number_of(found: &RunResult) -> u64 {
    let n = (found.slot.0 - FIRST_SLOT).unsigned_abs() * STREAMS / 10_000;
    let made = result(n, STREAMS);
    assert_eq!(*found, RunResult { outcome: found.outcome.clone(), ..made });
    n
}

/// The whole minutes of these results, at their times, written at the end of each. The spool's own weight in memory never
/// exceeds one segment and a little.
fn fill(spool: &Spool, numbers: std::ops::Range<u64>) {
    for first in numbers.step_by(A_MINUTE as usize) {
        let now = BootMs(first as i64 * DAY_MS / RESULTS as i64);
        (first..first + A_MINUTE).for_each(|n| spool.append(&result(n, STREAMS), now));
        assert!(bytes_in_memory(spool) < SEGMENT_ROLL_BYTES + (1 << 17), "after {first} results");
        assert!(spool.write_out(now));
    }
}

fn bytes_in_memory(spool: &Spool) -> usize {
    let state = spool.state();
    let unwritten = state.sealed.values().filter_map(|segment| segment.bytes.as_ref());
    unwritten.map(|bytes| bytes.len()).sum::<usize>() + state.growing.bytes().len()
}

fn bytes_on_disk(directory: &TempDir) -> u64 {
    let files = std::fs::read_dir(directory.path().join("spool")).unwrap();
    files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
}

/// Control's database: how far it holds each segment, and which results it took in from each, in order.
#[derive(Default)]
struct Database {
    held: BTreeMap<(BootId, u32), u64>,
    taken: BTreeMap<(BootId, u32), Vec<u64>>,
    /// The segments in the order in which the first of each came.
    order: Vec<(BootId, u32)>,
}

impl Database {
    /// It takes a batch only where the one before it ended.
    fn take(&mut self, batch: &Batch) {
        let key = (batch.from.boot, batch.from.segment);
        let held = self.held.get(&key).copied().unwrap_or(HEADER_BYTES as u64);
        assert_eq!(batch.from.offset, held, "{key:?}");
        self.held.insert(key, batch.to_offset);
        if !self.order.contains(&key) {
            self.order.push(key);
        }
        self.taken.entry(key).or_default().extend(unpack(batch).iter().map(number_of));
    }

    fn marks(&self) -> Vec<Mark> {
        self.held
            .iter()
            .map(|((boot, segment), offset)| Mark { boot: *boot, segment: *segment, offset: *offset })
            .collect()
    }

    /// Everything, by segments as they were written.
    fn all(&self) -> Vec<u64> {
        self.taken.values().flatten().copied().collect()
    }
}

#[test]
fn a_day_is_kept_over_a_restart_and_delivered_whole_though_the_link_breaks() {
    let directory = tempfile::tempdir().unwrap();
    let started = |n: u8| Spool::open(directory.path().join("spool"), boot(n), SpoolLimits::USUAL, BootMs(0)).unwrap();
    fill(&started(1), 0..RESULTS / 2);
    let spool = started(2);
    fill(&spool, RESULTS / 2..RESULTS);
    assert!(bytes_on_disk(&directory) < RESULTS * 24, "{} bytes", bytes_on_disk(&directory));
    let mut database = Database::default();
    let mut links = 0;
    while !spool.is_delivered() {
        spool.welcomed(&database.marks(), BootMs(DAY_MS));
        let mut feed = Feed::new(spool.clone());
        links += 1;
        // Each link lasts for so many batches, the last of which control takes in and cannot acknowledge any more.
        for last in (0..40).rev() {
            let Some(batch) = feed.next_live().or_else(|| feed.next_backlog()) else { break };
            database.take(&batch);
            if last > 0 {
                spool.committed(batch.to(), BootMs(DAY_MS));
            }
        }
        assert!(links < 100, "it comes to an end");
    }
    assert!(links > 3 && database.order.len() > 20, "{links} links, {:?}", database.order);
    assert!(database.order.is_sorted_by(|one, next| one > next), "newest first: {:?}", database.order);
    assert!(database.all().into_iter().eq(0..RESULTS), "every result, once, in order");
}

#[test]
fn of_a_day_that_does_not_fit_the_newest_part_is_kept_without_a_hole() {
    let directory = tempfile::tempdir().unwrap();
    let limits = SpoolLimits { disk_bytes: 3 << 20, memory_bytes: 1 << 20 };
    let spool = Spool::open(directory.path().join("spool"), boot(1), limits, BootMs(0)).unwrap();
    fill(&spool, 0..RESULTS);
    let on_disk = bytes_on_disk(&directory) as usize;
    assert!(on_disk < limits.disk_bytes + SEGMENT_ROLL_BYTES, "{on_disk} bytes");
    let dropped = spool.dropped_results();
    assert!(dropped > 0 && dropped < RESULTS);
    spool.welcomed(&[], BootMs(DAY_MS));
    let (mut feed, mut database) = (Feed::new(spool.clone()), Database::default());
    while let Some(batch) = feed.next_live().or_else(|| feed.next_backlog()) {
        database.take(&batch);
    }
    assert!(database.all().into_iter().eq(dropped..RESULTS), "the oldest were given up, and were counted");
}
