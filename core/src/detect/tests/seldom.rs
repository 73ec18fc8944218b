//! What happens seldom: one place fails alone, hosts have no places for votes, intervals are long.

use super::*;

/// Three rounds that a failure of this host began are refuted, in slots from this one on.
fn refuted_from(world: &mut World, host: u8, from: i64) {
    for n in from..from + 3 {
        world.slot(host, n, Status::Down);
        world.all_vote(Status::Up);
    }
}

#[test]
fn an_outage_is_confirmed_at_once_though_rounds_have_backed_off_for_another_place() {
    let mut world = World::of(5);
    refuted_from(&mut world, 0, 0);
    world.slot(0, 3, Status::Down);
    assert_eq!(world.detector.verdict, Verdict::Degraded);
    world.slot(1, 4, Status::Down);
    world.all_vote(Status::Down);
    assert_eq!(world.detector.verdict, Verdict::Down, "only the place that fails alone is asked about seldom");
}

#[test]
fn a_refuted_round_elsewhere_does_not_clear_the_place_that_fails() {
    let mut world = World::of(5);
    refuted_from(&mut world, 0, 0);
    world.slot(1, 3, Status::Down);
    world.all_vote(Status::Up);
    assert_eq!(world.detector.verdict, Verdict::Degraded);
    assert_eq!(world.detector.failing_places(), [host_id(0)]);
    refuted_from(&mut world, 1, 4);
    assert!(world.detector.reason.contains(" and "), "{}", world.detector.reason);
    world.slot(0, 8, Status::Up);
    world.slot(1, 9, Status::Up);
    assert!(world.detector.is_plain());
}

#[test]
fn a_place_that_no_longer_runs_the_check_is_forgotten() {
    let mut world = World::of(5);
    refuted_from(&mut world, 0, 0);
    for n in 3..62 {
        world.slot(1, n, Status::Up);
        assert_eq!(world.detector.verdict, Verdict::Degraded, "slot {n}");
    }
    world.slot(1, 64, Status::Up);
    assert!(world.detector.is_plain());
}

#[test]
fn an_outage_that_too_few_could_confirm_is_known_by_its_first_failure() {
    let mut world = World::of(5);
    world.unreachable = vec![host_id(2), host_id(3), host_id(4)];
    for n in 0..3 {
        world.slot(0, n, Status::Down);
        assert_eq!(world.detector.verdict, Verdict::Suspect, "every failed slot asks again");
        world.all_vote(Status::Down);
        assert_eq!(world.detector.verdict, Verdict::Unconfirmed);
    }
    world.unreachable.clear();
    world.slot(1, 3, Status::Down);
    world.all_vote(Status::Down);
    let [IncidentEvent::Opened { first_failed_slot, voices, .. }] = &world.events[..] else { panic!("one opening") };
    assert_eq!((*first_failed_slot, voices[0].host), (UnixMs(T0), host_id(1)), "the votes are new ones");
}

#[test]
fn an_unconfirmed_check_is_asked_about_every_minute_however_long_its_interval() {
    let mut world = World::of(5);
    world.facts.interval = Interval::from_seconds(3600).unwrap();
    world.unreachable = vec![host_id(2), host_id(3), host_id(4)];
    world.slot(0, 0, Status::Down);
    world.all_vote(Status::Down);
    assert_eq!(world.detector.verdict, Verdict::Unconfirmed);
    assert_eq!(world.detector.wakes_at(&world.facts), Some(world.now + RECHECK_MS));
    world.unreachable.clear();
    world.now = world.now + RECHECK_MS;
    world.tell(Input::Tick);
    world.all_vote(Status::Down);
    assert_eq!(world.detector.verdict, Verdict::Suspect);
    world.all_vote(Status::Down);
    assert!(matches!(world.events[..], [IncidentEvent::Opened { first_failed_slot: UnixMs(T0), .. }]));
}

#[test]
fn a_place_that_fails_alone_is_asked_every_minute_and_a_good_run_clears_it() {
    let mut world = World::of(5);
    refuted_from(&mut world, 3, 0);
    world.facts.interval = Interval::from_seconds(3600).unwrap();
    for status in [Status::Down, Status::Up] {
        world.now = world.now + RECHECK_MS;
        world.tell(Input::Tick);
        assert_eq!(world.orders.iter().map(|(host, _)| *host).collect::<Vec<_>>(), [host_id(3)]);
        world.all_vote(status);
        assert!(world.orders.is_empty(), "a run by order begins no round where rounds have backed off");
    }
    assert!(world.detector.is_plain() && world.events.is_empty());
}

#[test]
fn neither_a_degraded_target_nor_one_that_may_not_be_repeated_is_run_more_often() {
    let mut world = World::of(5);
    world.facts.interval = Interval::from_seconds(3600).unwrap();
    world.slot(0, 0, Status::Degraded);
    assert_eq!((world.detector.verdict, world.detector.wakes_at(&world.facts)), (Verdict::Degraded, None));
    world.facts.repeat = Repeat::Unsafe;
    world.go_down();
    assert_eq!(world.detector.wakes_at(&world.facts), None);
    world.now = world.now + 10 * RECHECK_MS;
    world.tell(Input::Tick);
    assert!(world.orders.is_empty());
}

#[test]
fn a_failure_waits_for_places_and_its_newest_run_is_the_first_vote() {
    let mut world = World::of(5);
    world.facts.may_ask = false;
    world.slot(0, 0, Status::Down);
    world.slot(1, 1, Status::Down);
    assert!(world.orders.is_empty() && world.detector.verdict == Verdict::Suspect);
    assert!(world.detector.wakes_at(&world.facts).unwrap() <= world.now, "it looks for places whenever time passes");
    world.tell(Input::Tick);
    assert!(world.orders.is_empty());
    world.facts.may_ask = true;
    world.tell(Input::Tick);
    world.all_vote(Status::Down);
    let [IncidentEvent::Opened { first_failed_slot, voices, .. }] = &world.events[..] else { panic!("one opening") };
    assert_eq!((*first_failed_slot, voices[0].host), (UnixMs(T0), host_id(1)));
}

#[test]
fn what_works_again_before_anybody_was_asked_was_no_outage() {
    let mut world = World::of(5);
    world.facts.may_ask = false;
    world.slot(0, 0, Status::Down);
    world.slot(1, 1, Status::Up);
    assert_eq!(world.detector.verdict, Verdict::Suspect, "another place says nothing about this one");
    world.slot(0, 2, Status::Up);
    assert!(world.detector.is_plain() && world.detector.waiting.is_none());
}

#[test]
fn a_row_of_the_version_before_is_read() {
    let mut world = World::of(5);
    world.slot(0, 0, Status::Down);
    let mut row = serde_json::to_value(&world.detector).unwrap();
    row.as_object_mut().unwrap().retain(|field, _| field != "waiting" && field != "last_failed_at");
    for vote in row["round"]["votes"].as_array_mut().unwrap() {
        vote.as_object_mut().unwrap().remove("asked");
    }
    let read: Detector = serde_json::from_value(row).unwrap();
    let orders: Vec<_> = read.round.as_ref().unwrap().orders().collect();
    assert_eq!(orders, world.detector.round.as_ref().unwrap().orders().collect::<Vec<_>>());
}
