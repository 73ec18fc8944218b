//! A disk that is full: `/dev/full` takes no byte, and says so as a full disk does.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::*;

/// The segments of this boot that no disk has room for.
fn without_room(directory: &TempDir, n: u8) -> Vec<PathBuf> {
    let shelf = Shelf::open(directory.path().join("spool")).unwrap();
    let paths: Vec<PathBuf> = (0..40).map(|number| shelf.path_of(SegmentKey { boot: boot(n), number })).collect();
    paths.iter().for_each(|path| symlink("/dev/full", path).unwrap());
    paths
}

fn is_room_again(paths: &[PathBuf]) {
    paths.iter().for_each(|path| std::fs::remove_file(path).unwrap());
}

fn segment(spool: &Spool, numbers: std::ops::Range<u64>) {
    append(spool, numbers);
    spool.state().roll(BootMs(1));
}

#[test]
fn what_a_full_disk_does_not_take_is_sent_from_memory_and_written_once_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    let spool = open(&directory, 1);
    append(&spool, 0..3);
    assert!(spool.write_out(BootMs(2)) && !spool.is_degraded());
    let written = std::fs::read_dir(directory.path().join("spool")).unwrap().next().unwrap().unwrap().path();
    let kept = directory.path().join("kept");
    std::fs::rename(&written, &kept).unwrap();
    symlink("/dev/full", &written).unwrap();
    append(&spool, 3..9);
    assert!(!spool.write_out(BootMs(3)) && spool.is_degraded());
    assert_eq!(drain(&spool, &mut Feed::new(spool.clone()), false), expected(0..9));
    std::fs::rename(&kept, &written).unwrap();
    assert!(spool.write_out(BootMs(4)) && !spool.is_degraded());
    let reopened = open(&directory, 2);
    assert_eq!(drain(&reopened, &mut Feed::new(reopened.clone()), false), expected(0..9));
}

#[test]
fn memory_is_bounded_while_the_disk_is_full_and_the_oldest_results_go_first() {
    let directory = tempfile::tempdir().unwrap();
    let limits = SpoolLimits { disk_bytes: 1 << 20, memory_bytes: 100_000 };
    let spool = Spool::open(directory.path().join("spool"), boot(1), limits, BootMs(0)).unwrap();
    let paths = without_room(&directory, 1);
    let numbers = |n: u64| n * 1_000..(n + 1) * 1_000;
    for n in 0..30 {
        segment(&spool, numbers(n));
        assert!(!spool.write_out(BootMs(1)), "the disk is full");
        let in_memory: usize =
            spool.state().sealed.values().filter_map(|segment| segment.bytes.as_ref()).map(|bytes| bytes.len()).sum();
        assert!(in_memory <= limits.memory_bytes, "{in_memory} bytes");
    }
    let dropped = spool.dropped_results();
    assert!(dropped > 0 && dropped.is_multiple_of(1_000), "{dropped}");
    is_room_again(&paths);
    assert!(spool.write_out(BootMs(2)) && !spool.is_degraded());
    let reopened = open(&directory, 2);
    let mut found = drain(&reopened, &mut Feed::new(reopened.clone()), false);
    found.sort_by_key(|result| (result.slot, result.stream));
    assert_eq!(found.len() as u64, 30_000 - dropped);
    assert!(found.iter().all(|result| expected(dropped..30_000).contains(result)) || found.len() > 2_000);
    assert!(found.first().unwrap().slot >= result(dropped, 7).slot, "those that are left are the newest");
}

#[test]
fn a_full_disk_costs_details_before_slots() {
    let directory = tempfile::tempdir().unwrap();
    let limits = SpoolLimits { disk_bytes: 1 << 20, memory_bytes: 30_000 };
    let spool = Spool::open(directory.path().join("spool"), boot(1), limits, BootMs(0)).unwrap();
    without_room(&directory, 1);
    // Each of these is down, with a detail.
    for n in 0..3 {
        (n * 300..(n + 1) * 300).for_each(|number| spool.append(&result(97 * number, 7), BootMs(1)));
        spool.state().roll(BootMs(1));
        spool.write_out(BootMs(1));
    }
    let kept = drain(&spool, &mut Feed::new(spool.clone()), false);
    assert_eq!((kept.len(), spool.dropped_results()), (900, 0), "every slot is kept");
    assert!(kept.iter().any(|result| result.outcome.detail.is_none()));
}
