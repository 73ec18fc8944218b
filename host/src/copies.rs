//! What the neighbours of this host ran, kept for them until control has it.
//!
//! A standby that heard `done` does not run the slot, so the result must not die with the host that ran it. Copies lie in
//! memory for some seconds, in which control takes up nearly all of them, and then on disk. They go when their origin says
//! that the database holds them, when control says so itself, by age, and by the size of what an origin has here: they
//! are the second copy, and never in the way of the first. Decides nothing about slots.

mod shelf;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

use farwatch_proto::id::HostId;
use farwatch_proto::link::Mark;
use farwatch_proto::signed::{SignedBatch, SignedBatchId};
use farwatch_proto::time::BootMs;

use shelf::{Shelf, Stored, Tail};

/// Copies lie in memory for so long: control acknowledges results within a second.
pub(crate) const MEMORY_MS: i64 = 10_000;
/// Copies are kept for as long as the ledger takes in late results, and an hour.
const KEEP_MS: i64 = 25 * 3_600_000;
/// What one origin has here on disk at most: some hours of a busy host that is cut off, which has it all itself as well.
const ORIGIN_MAX_BYTES: u64 = 32 << 20;
/// And in memory: a host runs some hundred slots a second, of some thirty bytes each.
const ORIGIN_MEMORY_MAX_BYTES: usize = 1 << 20;
/// Origins whose copies are kept: all neighbours a host has.
const ORIGINS_MAX: usize = 512;
/// What is handed over when asked once; control asks again every second.
const HAND_OVER_MAX_BYTES: usize = 512 * 1024;

/// What is kept of one origin, oldest first.
#[derive(Debug, Default)]
struct Origin {
    stored: VecDeque<Stored>,
    recent: VecDeque<(BootMs, SignedBatch)>,
    recent_bytes: usize,
}

/// All copies.
#[derive(Debug)]
pub(crate) struct Copies {
    shelf: Shelf,
    origins: Mutex<BTreeMap<HostId, Origin>>,
    /// Whether no other process writes in the directory.
    is_sole: AtomicBool,
}

impl Copies {
    /// Copies in this directory, with those that an earlier process kept.
    pub(crate) fn open(directory: PathBuf, now: BootMs) -> io::Result<Self> {
        let copies = Self::open_beside(directory)?;
        copies.adopt(now)?;
        Ok(copies)
    }

    /// Copies beside another process that still writes in the directory: they stay in memory until [`Copies::adopt`].
    pub(crate) fn open_beside(directory: PathBuf) -> io::Result<Self> {
        Ok(Self { shelf: Shelf::open(directory)?, origins: Mutex::default(), is_sole: AtomicBool::new(false) })
    }

    /// Takes over those that an earlier process kept. From now on the directory is this process's.
    pub(crate) fn adopt(&self, now: BootMs) -> io::Result<()> {
        let found = self.shelf.find(now)?;
        let mut origins = self.origins();
        for (origin, stored) in found {
            origins.entry(origin).or_default().stored.push_back(stored);
        }
        self.is_sole.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn origins(&self) -> MutexGuard<'_, BTreeMap<HostId, Origin>> {
        self.origins.lock().expect("no holder of this lock panics")
    }

    /// Keeps a batch that its origin sent.
    pub(crate) fn keep(&self, batch: SignedBatch, now: BootMs) {
        let mut origins = self.origins();
        if origins.len() >= ORIGINS_MAX && !origins.contains_key(&batch.origin) {
            return;
        }
        let origin = origins.entry(batch.origin).or_default();
        origin.recent_bytes += batch.packed.len();
        origin.recent.push_back((now, batch));
        while origin.recent_bytes > ORIGIN_MEMORY_MAX_BYTES {
            origin.drop_oldest_recent();
        }
    }

    /// Its origin says that the database holds everything of this start of its process before the mark.
    pub(crate) fn held(&self, origin: HostId, mark: Mark) {
        self.release(origin, |_, before| before.boot == mark.boot && before <= mark);
    }

    /// Control has this batch.
    pub(crate) fn received(&self, batch: SignedBatchId) {
        self.release(batch.origin, |number, before| before.boot == batch.boot && number == batch.number);
    }

    fn release(&self, origin: HostId, is_over: impl Fn(u64, Mark) -> bool) {
        let mut origins = self.origins();
        let Some(kept) = origins.get_mut(&origin) else { return };
        let Origin { stored, recent, recent_bytes } = kept;
        recent.retain(|(_, batch)| {
            let is_over = is_over(batch.number, batch.before);
            *recent_bytes -= if is_over { batch.packed.len() } else { 0 };
            !is_over
        });
        for file in stored {
            file.entries.retain(|(_, number), before| !is_over(*number, *before));
        }
    }

    /// What is kept of this origin, oldest first, as much as is handed over at once. It reads the disk.
    pub(crate) fn of(&self, origin: HostId) -> io::Result<Vec<SignedBatch>> {
        let (stored, recent) = {
            let origins = self.origins();
            let Some(kept) = origins.get(&origin) else { return Ok(Vec::new()) };
            let recent: Vec<SignedBatch> = kept.recent.iter().map(|(_, batch)| batch.clone()).collect();
            (kept.stored.iter().cloned().collect::<Vec<_>>(), recent)
        };
        let (mut batches, mut bytes) = (Vec::new(), 0);
        for file in &stored {
            for batch in self.shelf.read(file)? {
                bytes += batch.packed.len();
                batches.push(batch);
            }
            if bytes >= HAND_OVER_MAX_BYTES {
                return Ok(batches);
            }
        }
        let fits = |batch: &SignedBatch| {
            bytes += batch.packed.len();
            bytes <= HAND_OVER_MAX_BYTES || batch.packed.len() == bytes
        };
        batches.extend(recent.into_iter().take_while(fits));
        Ok(batches)
    }

    /// Writes what has lain in memory for long enough, and deletes what is too old, too much or no longer wanted. It
    /// blocks on the disk, with the lock free meanwhile. Only one may do so at a time.
    pub(crate) fn write_out(&self, now: BootMs) -> io::Result<()> {
        if !self.is_sole.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut written = Ok(());
        for (origin, tail, batches) in self.take_old(now) {
            let (files, ended) = self.shelf.append(origin, tail, &batches, now);
            self.origins().entry(origin).or_default().put(files);
            written = ended.and(written);
        }
        let over: Vec<Stored> = self.origins().values_mut().flat_map(|origin| origin.take_over(now)).collect();
        over.iter().for_each(|file| self.shelf.remove(file));
        self.origins().retain(|_, origin| !origin.stored.is_empty() || !origin.recent.is_empty());
        written
    }

    /// What has lain in memory for long enough, with where it goes.
    fn take_old(&self, now: BootMs) -> Vec<(HostId, Tail, Vec<SignedBatch>)> {
        let mut origins = self.origins();
        let taken = origins.iter_mut().map(|(id, origin)| (*id, origin.tail(), origin.take_old(now)));
        taken.filter(|(.., batches)| !batches.is_empty()).collect()
    }
}

impl Origin {
    fn drop_oldest_recent(&mut self) {
        if let Some((_, batch)) = self.recent.pop_front() {
            self.recent_bytes -= batch.packed.len();
        }
    }

    fn take_old(&mut self, now: BootMs) -> Vec<SignedBatch> {
        let old = self.recent.partition_point(|(since, _)| now.since(*since) >= MEMORY_MS);
        let batches: Vec<SignedBatch> = self.recent.drain(..old).map(|(_, batch)| batch).collect();
        self.recent_bytes -= batches.iter().map(|batch| batch.packed.len()).sum::<usize>();
        batches
    }

    /// Where the next batch is appended.
    fn tail(&self) -> Tail {
        match self.stored.back() {
            Some(newest) if newest.is_ours => Tail { number: newest.number, bytes: newest.bytes },
            Some(newest) => Tail { number: newest.number + 1, bytes: 0 },
            None => Tail::default(),
        }
    }

    /// Takes up what was appended: to the newest file, and to new ones.
    fn put(&mut self, files: Vec<Stored>) {
        for file in files {
            match self.stored.back_mut() {
                Some(newest) if newest.number == file.number => newest.grow(file),
                _ => self.stored.push_back(file),
            }
        }
    }

    /// Forgets the files that are too old, too much or no longer wanted.
    fn take_over(&mut self, now: BootMs) -> Vec<Stored> {
        let mut bytes: u64 = self.stored.iter().map(|file| file.bytes).sum();
        let (over, kept) = std::mem::take(&mut self.stored).into_iter().partition(|file| {
            let is_over = bytes > ORIGIN_MAX_BYTES || file.entries.is_empty() || now.since(file.last_at) >= KEEP_MS;
            bytes -= if is_over { file.bytes } else { 0 };
            is_over
        });
        self.stored = kept;
        over.into()
    }
}

#[cfg(test)]
mod tests {
    use farwatch_proto::id::BootId;

    use super::*;

    const ORIGIN: HostId = HostId::from_bytes([7; 16]);

    fn batch(number: u64, offset: u64, bytes: usize) -> SignedBatch {
        let before = Mark { boot: BootId::from_bytes([3; 16]), segment: 0, offset };
        SignedBatch { origin: ORIGIN, number, before, packed: vec![1; bytes], signature: vec![2; 70] }
    }

    fn copies() -> (Copies, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        (Copies::open(directory.path().join("copies"), BootMs(0)).unwrap(), directory)
    }

    fn numbers(copies: &Copies) -> Vec<u64> {
        copies.of(ORIGIN).unwrap().iter().map(|batch| batch.number).collect()
    }

    #[test]
    fn copies_are_kept_in_order_until_the_database_holds_them() {
        let (copies, _directory) = copies();
        (1..=3).for_each(|number| copies.keep(batch(number, number * 100, 10), BootMs(0)));
        copies.write_out(BootMs(MEMORY_MS)).unwrap();
        copies.keep(batch(4, 400, 10), BootMs(MEMORY_MS));
        assert_eq!(numbers(&copies), [1, 2, 3, 4]);
        let of_another_start = Mark { boot: BootId::from_bytes([4; 16]), segment: 9, offset: 0 };
        copies.held(ORIGIN, of_another_start);
        copies.held(ORIGIN, batch(0, 200, 0).before);
        assert_eq!(numbers(&copies), [3, 4]);
        copies.received(batch(4, 0, 0).id());
        assert_eq!(numbers(&copies), [3]);
        copies.received(batch(3, 0, 0).id());
        copies.write_out(BootMs(MEMORY_MS)).unwrap();
        assert!(numbers(&copies).is_empty() && copies.origins().is_empty());
    }

    #[test]
    fn copies_on_disk_outlive_the_process_and_a_torn_end_costs_that_alone() {
        let (copies, directory) = copies();
        (1..=3).for_each(|number| copies.keep(batch(number, number * 100, 10), BootMs(0)));
        copies.write_out(BootMs(MEMORY_MS)).unwrap();
        let folder = directory.path().join("copies");
        let again = Copies::open(folder.clone(), BootMs(0)).unwrap();
        assert_eq!(again.of(ORIGIN).unwrap(), [1, 2, 3].map(|number| batch(number, number * 100, 10)));
        let file = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
        let bytes = std::fs::read(&file).unwrap();
        std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
        let torn = Copies::open(directory.path().join("copies"), BootMs(0)).unwrap();
        assert_eq!(numbers(&torn), [1, 2]);
        torn.keep(batch(4, 400, 10), BootMs(0));
        torn.write_out(BootMs(MEMORY_MS)).unwrap();
        assert_eq!(numbers(&torn), [1, 2, 4]);
    }

    #[test]
    fn copies_beside_a_predecessor_stay_in_memory_until_it_has_left_and_come_after_its_own() {
        let (predecessor, directory) = copies();
        let folder = directory.path().join("copies");
        let files = || std::fs::read_dir(&folder).unwrap().count();
        (1..=2).for_each(|number| predecessor.keep(batch(number, number * 100, 10), BootMs(0)));
        let successor = Copies::open_beside(folder.clone()).unwrap();
        (4..=5).for_each(|number| successor.keep(batch(number, number * 100, 10), BootMs(0)));
        successor.write_out(BootMs(2 * MEMORY_MS)).unwrap();
        assert_eq!((numbers(&successor), files()), (vec![4, 5], 0), "the directory is not its own yet");
        predecessor.keep(batch(3, 300, 10), BootMs(0));
        predecessor.write_out(BootMs(2 * MEMORY_MS)).unwrap();
        drop(predecessor);
        successor.adopt(BootMs(2 * MEMORY_MS)).unwrap();
        assert_eq!(numbers(&successor), [1, 2, 3, 4, 5]);
        successor.write_out(BootMs(2 * MEMORY_MS)).unwrap();
        assert_eq!((numbers(&successor), files()), (vec![1, 2, 3, 4, 5], 2), "its own go into a file of their own");
        successor.held(ORIGIN, batch(0, 400, 0).before);
        successor.write_out(BootMs(2 * MEMORY_MS)).unwrap();
        assert_eq!((numbers(&successor), files()), (vec![5], 1));
        assert_eq!(numbers(&Copies::open(folder, BootMs(0)).unwrap()), [4, 5], "a restart forgets what was released");
    }

    #[test]
    fn what_is_too_much_or_too_old_goes_oldest_first() {
        let (copies, directory) = copies();
        for number in 0..300 {
            copies.keep(batch(number, number, 128 << 10), BootMs(0));
            copies.write_out(BootMs(MEMORY_MS)).unwrap();
        }
        let kept: u64 = copies.origins()[&ORIGIN].stored.iter().map(|file| file.bytes).sum();
        assert!(kept <= ORIGIN_MAX_BYTES && kept > ORIGIN_MAX_BYTES / 2, "{kept}");
        assert!((1..10).contains(&copies.of(ORIGIN).unwrap().len()), "no more than a part is handed over at once");
        copies.write_out(BootMs(MEMORY_MS + KEEP_MS)).unwrap();
        assert!(numbers(&copies).is_empty());
        assert_eq!(std::fs::read_dir(directory.path().join("copies")).unwrap().count(), 0);
        (0..5).for_each(|number| copies.keep(batch(number, number, ORIGIN_MEMORY_MAX_BYTES / 2), BootMs(0)));
        assert_eq!(numbers(&copies), [3], "memory is bounded, and half a megabyte is handed over at once");
    }
}
