//! Much failing at once, rounds by the place that began them, and failures that come too late to be judged.

use farwatch_core::mass_failure::STREAMS_MIN;

use super::*;
use crate::store::SlotRange;

/// The others answer what they were ordered.
fn all_vote(world: &mut World, status: Status) {
    for host in (1..=5).map(host_id) {
        for order in world.ordered(host) {
            let vote = RunResult { purpose: Purpose::Vote(order), slot: world.now.wall, ..world.result(status) };
            world.receive(host, &vote).unwrap();
        }
    }
    world.commit();
}

#[test]
fn rounds_are_counted_for_the_host_whose_failure_began_them() {
    let mut world = World::new();
    let owner = world.owner(0);
    for status in [Status::Up, Status::Up, Status::Down] {
        world.now.wall = world.now.wall + 10_000;
        world.receive(owner, &world.result(Status::Down)).unwrap();
        world.commit();
        all_vote(&mut world, status);
    }
    let count = world.state.outages.rounds_of(owner);
    assert_eq!((count.confirmed, count.refuted), (1, 2));
    assert!(count.refuted_share().unwrap() > 0.6);
    assert_eq!(world.state.outages.rounds_of(host_id(9)).refuted_share(), None);
}

#[test]
fn a_round_waits_while_the_hosts_have_no_places_for_votes() {
    let mut world = World::new();
    let owner = world.owner(0);
    for session in world.state.sessions.values_mut() {
        session.run_places = 1;
    }
    let other = CheckId::from_bytes([8; 16]);
    let mut entry = entry();
    entry.definition.check = other;
    world.put(other, vec![entry]);
    world.receive(owner, &world.result(Status::Down)).unwrap();
    let stream = StreamId { check: other, number: 0 };
    let slot = Schedule::of(stream, ten_seconds(), 1).open_slot(world.now.wall);
    let runner = world.state.book.page(other).unwrap().owners_of(stream, &world.state.newest)[0];
    let fails = RunResult { stream, slot, started: slot + 5, ..world.result(Status::Down) };
    world.receive(runner, &fails).unwrap();
    world.commit();
    assert!(world.state.detectors[&CHECK].round.is_some(), "one round may always begin");
    assert!(world.state.detectors[&other].waiting.is_some(), "the places are taken");
    let now = world.now;
    world.draft.pass_time(&world.state, &BTreeSet::new(), now);
    assert!(world.draft.detectors.is_empty(), "and nobody is troubled in vain");
    all_vote(&mut world, Status::Down);
    world.draft.pass_time(&world.state, &BTreeSet::new(), now);
    assert!(world.draft.detectors[&other].round.is_some());
}

#[test]
fn a_mass_failure_and_its_end_are_noticed() {
    let mut world = World::new();
    let streams: Vec<StreamId> = (0..STREAMS_MIN as u16).map(|number| StreamId { number, ..STREAM }).collect();
    world.state.count_outages(&[], &streams, world.now);
    world.state.watch_for_mass_failure(world.now.wall);
    assert_eq!(world.state.outages.mass_failure(), Some((world.now.wall, STREAMS_MIN)));
    world.state.watch_for_mass_failure(world.now.wall + 60_000);
    assert_eq!(world.state.outages.mass_failure(), None);
}

#[test]
fn a_check_that_began_to_fail_counts_once_however_often_it_fails() {
    let mut world = World::new();
    let owner = world.owner(0);
    world.receive(owner, &world.result(Status::Down)).unwrap();
    assert_eq!(world.draft.failing, [STREAM]);
    world.commit();
    world.now.wall = world.now.wall + 10_000;
    world.receive(owner, &world.result(Status::Down)).unwrap();
    assert!(world.draft.failing.is_empty());
}

#[test]
fn late_failures_are_noted_and_what_was_judged_in_time_is_not() {
    let mut world = World::new();
    let (owner, standby) = (world.owner(0), world.owner(1));
    let slots: Vec<RunResult> = (0..4)
        .map(|_| {
            let result = world.result(Status::Down);
            world.now.wall = world.now.wall + 10_000;
            result
        })
        .collect();
    let good = world.result(Status::Up);
    world.receive(owner, &good).unwrap();
    for late in &slots[..2] {
        world.receive(owner, late).unwrap();
        world.receive(standby, late).unwrap();
    }
    let second_opinion = RunResult { outcome: Outcome::told(Status::Down, 1, "code", ""), ..good };
    world.receive(standby, &second_opinion).unwrap();
    assert_eq!(world.draft.late, [(CHECK, SlotRange { first: slots[0].slot, last: slots[1].slot })].into());
    assert!(world.draft.detectors.is_empty(), "nothing late is judged");
}

#[test]
fn late_failures_within_an_outage_that_is_known_are_nothing_new() {
    let mut world = World::new();
    let (owner, standby) = (world.owner(0), world.owner(1));
    let first = world.result(Status::Down);
    world.receive(owner, &first).unwrap();
    world.commit();
    all_vote(&mut world, Status::Down);
    assert_eq!(world.state.detectors[&CHECK].verdict, Verdict::Down);
    let within = RunResult { slot: first.slot + 10_000, started: first.slot + 10_005, ..first };
    world.now.wall = world.now.wall + 60_000;
    world.receive(standby, &within).unwrap();
    assert_eq!(world.draft.results(), 1);
    assert!(world.draft.late.is_empty());
}

#[test]
fn what_comes_for_a_paused_check_is_no_first_verdict() {
    let mut world = World::new();
    let owner = world.owner(0);
    let mut paused = entry();
    paused.definition.revision = 2;
    paused.definition.activity = Activity::Paused;
    paused.definition.in_force_from = None;
    world.put(CHECK, vec![entry(), paused]);
    world.receive(owner, &world.result(Status::Up)).unwrap();
    assert_eq!(world.draft.results(), 1);
    assert!(world.draft.first_judged.is_empty(), "it would be held of the check when it is resumed");
}
