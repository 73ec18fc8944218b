mod away;
mod damaged;
mod full_disk;
mod reading;

use farwatch_proto::pack::Unpacker;
use farwatch_proto::run::RunResult;
use tempfile::TempDir;

use super::segment::tests::result;
use super::*;

const MINUTE: i64 = 60_000;

fn boot(n: u8) -> BootId {
    BootId::from_bytes([n; 16])
}

fn open(directory: &TempDir, n: u8) -> Spool {
    let limits = SpoolLimits { disk_bytes: 1 << 20, memory_bytes: 1 << 20 };
    Spool::open(directory.path().join("spool"), boot(n), limits, BootMs(0)).unwrap()
}

fn append(spool: &Spool, numbers: std::ops::Range<u64>) {
    numbers.for_each(|n| spool.append(&result(n, 7), BootMs(1)));
}

fn unpack(batch: &farwatch_proto::link::Batch) -> Vec<RunResult> {
    assert_eq!(batch.packed[0], farwatch_proto::pack::PACK_VERSION);
    Unpacker::default().read(&batch.packed[1..]).unwrap()
}

fn expected(numbers: std::ops::Range<u64>) -> Vec<RunResult> {
    numbers.map(|n| result(n, 7)).collect()
}

/// All batches there are, live before backlog; each is acknowledged when `commit` says so.
fn drain(spool: &Spool, feed: &mut Feed, commit: bool) -> Vec<RunResult> {
    let mut results = Vec::new();
    while let Some(batch) = feed.next_live().or_else(|| feed.next_backlog()) {
        assert!(batch.packed.len() <= farwatch_proto::link::PAYLOAD_MAX_BYTES);
        results.extend(unpack(&batch));
        if commit {
            spool.committed(batch.to(), BootMs(2));
        }
    }
    results
}

#[test]
fn what_is_appended_is_sent_once_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let spool = open(&directory, 1);
    let mut feed = Feed::new(spool.clone());
    assert!(feed.next_live().is_none());
    append(&spool, 0..5);
    assert_eq!(drain(&spool, &mut feed, true), expected(0..5));
    append(&spool, 5..30_000);
    assert_eq!(drain(&spool, &mut feed, true), expected(5..30_000));
    assert!(feed.next_live().is_none() && feed.next_backlog().is_none());
}

#[test]
fn a_new_connection_goes_on_from_what_the_database_holds_whatever_was_believed() {
    let directory = tempfile::tempdir().unwrap();
    let spool = open(&directory, 1);
    append(&spool, 0..3);
    let mut feed = Feed::new(spool.clone());
    let first = feed.next_live().unwrap();
    append(&spool, 3..9);
    drain(&spool, &mut feed, true);
    spool.welcomed(&[first.to()], BootMs(3));
    assert_eq!(drain(&spool, &mut Feed::new(spool.clone()), false), expected(3..9));
    spool.welcomed(&[], BootMs(3));
    assert_eq!(drain(&spool, &mut Feed::new(spool.clone()), false), expected(0..9));
}

#[test]
fn after_a_long_cut_what_is_live_does_not_wait_for_the_backlog() {
    let directory = tempfile::tempdir().unwrap();
    let spool = open(&directory, 1);
    append(&spool, 0..20_000);
    spool.welcomed(&[], BootMs(3));
    let mut feed = Feed::new(spool.clone());
    assert!(feed.next_live().is_none(), "all of it is backlog");
    append(&spool, 20_000..20_003);
    assert_eq!(unpack(&feed.next_live().unwrap()), expected(20_000..20_003));
    assert_eq!(drain(&spool, &mut feed, true), expected(0..20_000));
    assert!(feed.next_backlog().is_none());
}

#[test]
fn earlier_boots_are_sent_newest_first_and_deleted_an_hour_after_their_receipt() {
    let directory = tempfile::tempdir().unwrap();
    for (n, numbers) in [(1, 0..10), (2, 10..20)] {
        let spool = open(&directory, n);
        append(&spool, numbers);
        spool.write_out(BootMs(2));
    }
    let spool = open(&directory, 3);
    append(&spool, 20..25);
    let sent = drain(&spool, &mut Feed::new(spool.clone()), true);
    assert_eq!(sent, [expected(20..25), expected(10..20), expected(0..10)].concat());
    spool.write_out(BootMs(59 * MINUTE));
    assert_eq!(open(&directory, 4).shelf.find().unwrap().len(), 3, "kept for an hour");
    spool.write_out(BootMs(61 * MINUTE));
    assert_eq!(spool.shelf.find().unwrap().len(), 1, "only the growing one is left");
}

#[test]
fn a_restart_knows_what_the_database_held_and_believes_the_database_more() {
    let directory = tempfile::tempdir().unwrap();
    let old = open(&directory, 1);
    append(&old, 0..10);
    old.write_out(BootMs(2));
    let first = open(&directory, 2);
    let mut feed = Feed::new(first.clone());
    let batch = feed.next_backlog().unwrap();
    first.committed(batch.to(), BootMs(3));
    first.write_out(BootMs(3));
    let second = open(&directory, 3);
    assert!(Feed::new(second.clone()).next_backlog().is_none(), "its name says that it is held");
    second.welcomed(&[], BootMs(4));
    assert_eq!(drain(&second, &mut Feed::new(second.clone()), false), expected(0..10));
}

#[test]
fn what_the_database_holds_is_believed_segment_by_segment() {
    let directory = tempfile::tempdir().unwrap();
    for (n, numbers) in [(1, 0..10), (2, 10..20), (3, 20..30)] {
        let spool = open(&directory, n);
        append(&spool, numbers);
        spool.write_out(BootMs(2));
    }
    let spool = open(&directory, 4);
    append(&spool, 30..35);
    let mut feed = Feed::new(spool.clone());
    let marks: Vec<Mark> =
        std::iter::from_fn(|| feed.next_live().or_else(|| feed.next_backlog())).map(|batch| batch.to()).collect();
    let [growing, third, second, first] = marks[..] else { panic!("one batch per segment: {marks:?}") };
    let sent_after = |marks: &[Mark]| {
        spool.welcomed(marks, BootMs(3));
        drain(&spool, &mut Feed::new(spool.clone()), false)
    };
    // A hole in the middle is filled although a later segment is held.
    assert_eq!(sent_after(&[growing, third, first]), expected(10..20));
    assert_eq!(sent_after(&[growing, second]), [expected(20..30), expected(0..10)].concat());
    // What was held a moment ago is not, once the database says so, and the other way round.
    assert_eq!(sent_after(&[third, second, first]), expected(30..35));
    assert_eq!(sent_after(&[growing, third, second, first]), []);
    let beyond = Mark { offset: u64::MAX, ..second };
    let before = Mark { offset: 0, ..first };
    assert_eq!(sent_after(&[growing, third, beyond, before]), expected(0..10));
    let unknown = Mark { segment: 9, ..first };
    assert_eq!(sent_after(&[growing, third, second, unknown]), expected(0..10));
}

#[test]
fn a_torn_tail_is_cut() {
    let directory = tempfile::tempdir().unwrap();
    let spool = open(&directory, 1);
    append(&spool, 0..10);
    spool.write_out(BootMs(2));
    append(&spool, 10..20);
    spool.write_out(BootMs(2));
    let path = std::fs::read_dir(directory.path().join("spool")).unwrap().next().unwrap().unwrap().path();
    let length = std::fs::metadata(&path).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length - 1).unwrap();
    let reopened = open(&directory, 2);
    assert_eq!(drain(&reopened, &mut Feed::new(reopened.clone()), true), expected(0..10));
}

#[test]
fn control_may_ask_for_some_of_it_again() {
    let directory = tempfile::tempdir().unwrap();
    let spool = open(&directory, 1);
    let mut feed = Feed::new(spool.clone());
    append(&spool, 0..4);
    let first = feed.next_live().unwrap();
    append(&spool, 4..8);
    feed.next_live().unwrap();
    feed.resume_from(first.to());
    assert_eq!(drain(&spool, &mut feed, true), expected(4..8));
}

#[test]
fn a_disk_that_takes_nothing_degrades_the_spool_and_stops_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let spool = open(&directory, 1);
    // A file in the directory's place is as good as a full disk.
    std::fs::remove_dir(directory.path().join("spool")).unwrap();
    std::fs::write(directory.path().join("spool"), "").unwrap();
    append(&spool, 0..10);
    spool.write_out(BootMs(2));
    assert!(spool.is_degraded());
    assert_eq!(drain(&spool, &mut Feed::new(spool.clone()), true), expected(0..10), "sent from memory");
    std::fs::remove_file(directory.path().join("spool")).unwrap();
    std::fs::create_dir(directory.path().join("spool")).unwrap();
    spool.write_out(BootMs(3));
    assert!(!spool.is_degraded());
    let reopened = open(&directory, 2);
    assert_eq!(drain(&reopened, &mut Feed::new(reopened.clone()), false), expected(0..10));
}

#[test]
fn a_full_spool_gives_up_what_is_held_then_details_then_the_oldest() {
    let directory = tempfile::tempdir().unwrap();
    let limits = SpoolLimits { disk_bytes: 150_000, memory_bytes: 1 << 20 };
    let spool = Spool::open(directory.path().join("spool"), boot(1), limits, BootMs(0)).unwrap();
    let segment = |results: &mut dyn Iterator<Item = RunResult>| {
        results.for_each(|result| spool.append(&result, BootMs(1)));
        spool.state().roll(BootMs(1));
        spool.write_out(BootMs(1));
    };
    let kept = || drain(&spool, &mut Feed::new(spool.clone()), false);
    segment(&mut (0..4000).map(|n| result(n, 7)));
    let mut feed = Feed::new(spool.clone());
    while let Some(batch) = feed.next_backlog() {
        spool.committed(batch.to(), BootMs(1));
    }
    // Each of these is down, with a detail.
    segment(&mut (0..1000).map(|n| result(97 * n, 7)));
    assert_eq!(kept().len(), 1000, "what is held went first");
    segment(&mut (1000..2000).map(|n| result(97 * n, 7)));
    let thinned = kept();
    assert_eq!((thinned.len(), spool.dropped_results()), (2000, 0), "every slot is kept");
    assert_eq!(thinned.iter().filter(|result| result.outcome.detail.is_none()).count(), 1000);
    (0..8).for_each(|_| segment(&mut (0..4000).map(|n| result(n, 7))));
    assert!(spool.dropped_results() > 0);
}
