//! Segments that a crash or a disk has spoilt: everything before the damage is had, and nothing is made up.

use std::path::PathBuf;

use super::*;

/// A segment of an earlier boot whose last record begins at the offset that is answered.
fn spoilt(directory: &TempDir) -> (PathBuf, Vec<u8>, usize) {
    let spool = open(directory, 1);
    append(&spool, 0..10);
    spool.write_out(BootMs(2));
    let before = spool.end().offset as usize;
    append(&spool, 10..13);
    spool.write_out(BootMs(2));
    let path = std::fs::read_dir(directory.path().join("spool")).unwrap().next().unwrap().unwrap().path();
    let bytes = std::fs::read(&path).unwrap();
    assert!(before < bytes.len());
    (path, bytes, before)
}

/// What a later boot finds, and that it can go on.
fn found(directory: &TempDir) -> Vec<RunResult> {
    let reopened = open(directory, 2);
    let found = drain(&reopened, &mut Feed::new(reopened.clone()), true);
    assert!(reopened.is_delivered());
    append(&reopened, 50..52);
    assert_eq!(drain(&reopened, &mut Feed::new(reopened.clone()), true), expected(50..52));
    found
}

#[test]
fn a_last_record_that_is_torn_anywhere_costs_itself_alone() {
    let directory = tempfile::tempdir().unwrap();
    let (path, bytes, before) = spoilt(&directory);
    for end in before..bytes.len() {
        std::fs::write(&path, &bytes[..end]).unwrap();
        assert_eq!(found(&directory), expected(0..10), "cut at {end}");
    }
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(found(&directory), expected(0..13));
}

#[test]
fn a_last_record_in_which_any_bit_is_wrong_costs_itself_alone() {
    let directory = tempfile::tempdir().unwrap();
    let (path, bytes, before) = spoilt(&directory);
    for (at, bit) in (before..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut wrong = bytes.clone();
        wrong[at] ^= 1 << bit;
        std::fs::write(&path, &wrong).unwrap();
        assert_eq!(found(&directory), expected(0..10), "bit {bit} of byte {at}");
    }
}

#[test]
fn what_stands_behind_a_torn_record_does_not_count_and_a_spoilt_header_spoils_one_segment() {
    let directory = tempfile::tempdir().unwrap();
    let (path, bytes, before) = spoilt(&directory);
    let zeros = vec![0; 4096];
    std::fs::write(&path, [&bytes[..before + 3], &zeros].concat()).unwrap();
    assert_eq!(found(&directory), expected(0..10), "a hole that a filesystem left");
    let other = open(&directory, 3);
    append(&other, 20..25);
    other.write_out(BootMs(2));
    for at in 0..HEADER_BYTES {
        let mut wrong = bytes.clone();
        wrong[at] ^= 0x10;
        std::fs::write(&path, &wrong).unwrap();
        let reopened = open(&directory, 4);
        assert_eq!(drain(&reopened, &mut Feed::new(reopened.clone()), true), expected(20..25), "byte {at}");
    }
}
