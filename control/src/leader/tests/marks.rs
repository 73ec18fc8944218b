//! What the leader makes of segments and their marks, in whatever order they come.

use farwatch_proto::link::PAYLOAD_MAX_BYTES;

use super::*;
use crate::store::MARKS_PER_HOST_MAX;

fn of_segment(batch: &Batch, segment: u32) -> Batch {
    Batch { from: Mark { segment, ..batch.from }, ..batch.clone() }
}

#[test]
fn older_segments_are_taken_in_after_newer_ones() {
    let mut world = World::new();
    let owner = world.owner(0);
    let good = world.result(Status::Up);
    let batch = world.batch(owner, &good);
    for segment in [2, 0, 1] {
        let batch = of_segment(&batch, segment);
        world.draft.receive(&mut world.state, owner, &batch, world.now).unwrap();
    }
    world.commit();
    let acknowledged = world.sent(owner).into_iter().map(|message| match message {
        FromControl::Committed { mark } => mark.segment,
        other => panic!("{other:?}"),
    });
    assert_eq!(acknowledged.collect::<Vec<_>>(), [2, 0, 1]);
    for segment in 0..3 {
        let again = world.draft.receive(&mut world.state, owner, &of_segment(&batch, segment), world.now);
        assert!(again.unwrap_err().starts_with("a replay"));
    }
}

#[test]
fn what_comes_again_after_its_mark_was_lost_is_kept_and_judged_by_nobody() {
    let mut world = World::new();
    let owner = world.owner(0);
    let bad = world.result(Status::Down);
    let batch = world.batch(owner, &bad);
    world.draft.receive(&mut world.state, owner, &batch, world.now).unwrap();
    world.commit();
    let suspect = world.state.detectors[&CHECK].clone();
    assert_eq!(suspect.verdict, Verdict::Suspect);
    world.state.take_marks(owner, &[]);
    world.draft.receive(&mut world.state, owner, &batch, world.now).unwrap();
    assert_eq!((world.draft.results(), world.draft.orders.len()), (1, 0));
    world.commit();
    assert_eq!(world.state.detectors[&CHECK], suspect);
    assert_eq!(world.state.refused.values().sum::<u64>(), 0);
}

#[test]
fn what_the_database_says_of_one_host_replaces_what_was_held_of_it() {
    let mut world = World::new();
    let mark = |segment, offset| Mark { boot: boot_id(), segment, offset };
    world.state.take_marks(host_id(1), &[mark(0, 50), mark(1, 50)]);
    world.state.take_marks(host_id(2), &[mark(0, 70)]);
    world.state.take_marks(host_id(1), &[mark(1, 40)]);
    let held: Vec<_> =
        world.state.marks.iter().map(|((host, _, segment), offset)| (*host, *segment, *offset)).collect();
    assert_eq!(held, [(host_id(1), 1, 40), (host_id(2), 0, 70)]);
}

#[test]
fn marks_in_memory_are_bounded_per_host_and_the_newest_stay() {
    let mut world = World::new();
    let marks = |count: usize| -> Vec<Mark> {
        (0..count as u32).map(|segment| Mark { boot: boot_id(), segment, offset: 26 }).collect()
    };
    world.state.take_marks(host_id(1), &marks(MARKS_PER_HOST_MAX + 3));
    world.state.take_marks(host_id(2), &marks(2));
    world.state.tidy(world.now.wall);
    assert_eq!(world.state.marks.len(), MARKS_PER_HOST_MAX + 2);
    let oldest = world.state.marks.keys().next().unwrap();
    assert_eq!((oldest.0, oldest.2), (host_id(1), 3));
}

#[test]
fn all_marks_of_a_host_fit_one_message() {
    let mark = Mark { boot: boot_id(), segment: u32::MAX, offset: u64::from(u32::MAX) };
    let welcome = FromControl::Welcome {
        version: "0.0.0".to_owned(),
        wall: UnixMs(i64::MAX),
        marks: vec![mark; MARKS_PER_HOST_MAX],
        fleet_listeners: Vec::new(),
    };
    let bytes = serde_json::to_string(&welcome).unwrap().len();
    assert!(bytes <= PAYLOAD_MAX_BYTES, "{bytes}");
}
