//! What is read back: for the desks of the next process, and for neighbours that come back.

use farwatch_proto::time::UnixMs;

use super::*;

/// Streams of these tests, by the results of one round of them.
fn last_slots(spool: &Spool, since: UnixMs) -> Vec<Option<UnixMs>> {
    let remembered = spool.remembered(since);
    (0..7).map(|n| remembered.last_of(result(n, 7).stream)).collect()
}

#[test]
fn the_next_process_remembers_what_was_written_and_covered_its_slot() {
    let directory = tempfile::tempdir().unwrap();
    let first = open(&directory, 1);
    append(&first, 1..15);
    first.write_out(BootMs(2));
    append(&first, 15..22);
    assert_eq!(last_slots(&first, UnixMs(0)), [None; 7], "what it ran itself it knows");
    let second = open(&directory, 2);
    assert_eq!(
        last_slots(&second, UnixMs(0)),
        [7, 8, 9, 10, 11, 12, 13].map(|n| Some(result(n + u64::from(n < 8) * 7, 7).slot))
    );
    let mut disturbed = result(21, 7);
    disturbed.outcome.status = farwatch_proto::outcome::Status::Unknown(farwatch_proto::outcome::Blame::Host);
    second.append(&disturbed, BootMs(3));
    second.write_out(BootMs(3));
    let third = open(&directory, 3);
    assert_eq!(last_slots(&third, UnixMs(0))[0], Some(result(14, 7).slot), "a disturbed run covers nothing");
}

#[test]
fn no_older_segment_is_read_than_open_windows_ask_for() {
    let directory = tempfile::tempdir().unwrap();
    for (n, numbers) in [(1, 0..7), (2, 70..74), (3, 141..147)] {
        let spool = open(&directory, n);
        append(&spool, numbers);
        spool.write_out(BootMs(2));
    }
    let spool = open(&directory, 4);
    let all = last_slots(&spool, UnixMs(0));
    assert_eq!([all[0], all[1], all[6]], [70, 141, 146].map(|n| Some(result(n, 7).slot)));
    let recent = last_slots(&spool, result(140, 7).slot);
    assert_eq!([recent[0], recent[1]], [Some(result(70, 7).slot), Some(result(141, 7).slot)]);
    let newest = last_slots(&spool, result(147, 7).slot + MINUTE);
    assert_eq!([newest[0], newest[1]], [None, Some(result(141, 7).slot)], "the newest is always read");
}

#[test]
fn a_neighbour_is_told_again_what_the_database_lacks_the_newest_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let old = open(&directory, 1);
    append(&old, 0..10);
    old.write_out(BootMs(2));
    let spool = open(&directory, 2);
    append(&spool, 10..20);
    let undelivered = |since: UnixMs, max_bytes| spool.undelivered(since, max_bytes);
    assert_eq!(undelivered(UnixMs(0), 1 << 20), expected(0..20));
    assert_eq!(undelivered(result(13, 7).slot + 1_000, 1 << 20).first(), Some(&result(14, 7)));
    assert!(undelivered(result(21, 7).slot, 1 << 20).is_empty());
    let mut by_room: Vec<Vec<RunResult>> = (0..2_000).map(|max_bytes| undelivered(UnixMs(0), max_bytes)).collect();
    by_room.dedup();
    assert_eq!(by_room, [vec![], expected(10..20), expected(0..20)], "what there is room for, the newest first");
    let nothing_yet = Mark { boot: boot(2), segment: 0, offset: 0 };
    assert_eq!(spool.held(), nothing_yet, "something of an earlier boot is not delivered");
    let mut feed = Feed::new(spool.clone());
    assert_eq!(drain(&spool, &mut feed, true).len(), 20);
    assert!(undelivered(UnixMs(0), 1 << 20).is_empty());
    assert_eq!(spool.held(), spool.end());
}
