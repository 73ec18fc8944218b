mod heartbeat;
mod seldom;

use farwatch_proto::fleet::View;
use farwatch_proto::outcome::Blame;
use proptest::prelude::*;

use super::*;
use crate::confirm::Candidate;
use crate::placement::tests::{fleet, host_id};

const T0: i64 = 1_000_000;

/// A check watched by a fleet of this many hosts, of which some cannot be reached.
struct World {
    detector: Detector,
    view: View,
    unreachable: Vec<HostId>,
    facts: CheckFacts,
    now: UnixMs,
    events: Vec<IncidentEvent>,
    orders: Vec<(HostId, OrderId)>,
    rounds: Vec<(HostId, bool)>,
}

impl World {
    fn of(hosts: u8) -> Self {
        let facts = CheckFacts {
            check: CheckId::from_bytes([4; 16]),
            revision: 1,
            interval: Interval::from_seconds(10).unwrap(),
            timeout_ms: 3_000,
            repeat: Repeat::Safe,
            need: None,
            may_ask: true,
        };
        Self {
            detector: Detector::default(),
            view: fleet(hosts),
            unreachable: Vec::new(),
            facts,
            now: UnixMs(T0),
            events: Vec::new(),
            orders: Vec::new(),
            rounds: Vec::new(),
        }
    }

    fn tell(&mut self, input: Input<'_>) {
        let candidates = self.view.hosts.iter().enumerate().map(|(place, host)| Candidate {
            host,
            place,
            reachable: !self.unreachable.contains(&host.id),
        });
        let panel = Panel { candidates: candidates.collect() };
        for effect in step(&mut self.detector, input, &self.facts, &panel, self.now) {
            match effect {
                Effect::Order(host, order) => self.orders.push((host, order.id)),
                Effect::Cancel(host, order) => self.orders.retain(|open| *open != (host, order)),
                Effect::Incident(event) => self.events.push(event),
                Effect::RoundOver { began_by, refuted } => self.rounds.push((began_by, refuted)),
            }
        }
    }

    fn slot(&mut self, host: u8, n: i64, status: Status) {
        self.now = UnixMs(T0 + n * 10_000 + 40);
        let outcome = Outcome::told(status, 40_000, "status-unexpected", "expected 200, got 503");
        let stream = StreamId { check: self.facts.check, number: 0 };
        let slot = UnixMs(T0 + n * 10_000);
        self.tell(Input::Slot(Sighting { stream, slot, host: host_id(host), outcome: &outcome }));
    }

    /// Everybody who was asked answers with this status.
    fn all_vote(&mut self, status: Status) {
        for (host, order) in std::mem::take(&mut self.orders) {
            let outcome = Outcome::told(status, 40_000, "code", "message");
            self.tell(Input::Vote { order, host, outcome: &outcome });
        }
    }

    fn go_down(&mut self) {
        self.slot(0, 0, Status::Down);
        self.all_vote(Status::Down);
        assert_eq!(self.detector.verdict, Verdict::Down);
    }
}

#[test]
fn an_outage_is_confirmed_told_once_and_its_recovery_too() {
    let mut world = World::of(5);
    world.slot(0, 0, Status::Down);
    assert_eq!(world.detector.verdict, Verdict::Suspect);
    assert_eq!(world.orders.len(), 4);
    world.all_vote(Status::Down);
    assert_eq!(world.detector.verdict, Verdict::Down);
    assert!(world.orders.is_empty(), "the vote that was not needed was cancelled");
    world.slot(0, 1, Status::Down);
    world.slot(0, 2, Status::Up);
    assert_eq!(world.detector.verdict, Verdict::Recovering);
    world.all_vote(Status::Up);
    assert_eq!(world.detector.verdict, Verdict::Recovering, "one good slot is not enough");
    world.slot(0, 3, Status::Up);
    assert!(world.detector.is_plain());
    let [IncidentEvent::Opened { incident, first_failed_slot, need: 4, of: 5, voices, .. }, resolved] =
        &world.events[..]
    else {
        panic!("{:?}", world.events);
    };
    assert_eq!((*first_failed_slot, voices.len()), (UnixMs(T0), 4));
    assert!(matches!(resolved, IncidentEvent::Resolved { incident: id, ending: Ending::Recovered, voices, .. }
        if id == incident && voices.len() == 4));
}

#[test]
fn a_failure_from_one_place_opens_nothing_and_is_shown_after_three_rounds() {
    let mut world = World::of(5);
    for n in 0..3 {
        world.slot(0, n, Status::Down);
        world.all_vote(Status::Up);
    }
    assert_eq!(world.detector.verdict, Verdict::Degraded);
    let facts = &world.view.host(host_id(0)).unwrap().facts;
    let place = format!("{} ({}, {}, {})", facts.name, facts.provider, facts.region, facts.country);
    assert_eq!(world.detector.reason, format!("fails from {place} only"));
    assert_eq!(world.rounds, [(host_id(0), true); 3]);
    world.slot(0, 3, Status::Down);
    assert!(world.orders.is_empty(), "rounds have backed off");
    world.slot(1, 4, Status::Up);
    assert_eq!(world.detector.verdict, Verdict::Degraded, "another place says nothing about this one");
    world.slot(0, 5, Status::Up);
    assert!(world.detector.is_plain());
    assert!(world.events.is_empty());
}

#[test]
fn backed_off_rounds_begin_again_after_ten_minutes() {
    let mut world = World::of(5);
    for n in 0..3 {
        world.slot(0, n, Status::Down);
        world.all_vote(Status::Up);
    }
    world.slot(0, 3 + ROUND_BACKOFF_MS / 10_000, Status::Down);
    assert_eq!(world.detector.verdict, Verdict::Suspect);
}

#[test]
fn too_few_votes_are_neither_up_nor_down() {
    let mut world = World::of(5);
    world.unreachable = vec![host_id(2), host_id(3), host_id(4)];
    world.slot(0, 0, Status::Down);
    world.all_vote(Status::Down);
    assert_eq!(world.detector.verdict, Verdict::Unconfirmed);
    assert!(world.events.is_empty());
    world.unreachable.clear();
    world.slot(0, 1, Status::Down);
    world.all_vote(Status::Down);
    assert_eq!(world.detector.verdict, Verdict::Down);
}

#[test]
fn a_voter_that_falls_silent_is_replaced() {
    let mut world = World::of(8);
    world.slot(0, 0, Status::Down);
    let (silent, _) = world.orders[0];
    world.unreachable = vec![silent];
    world.tell(Input::Silent(silent));
    assert_eq!(world.orders.len(), 5);
    world.orders.remove(0);
    world.all_vote(Status::Down);
    assert_eq!(world.detector.verdict, Verdict::Down);
}

#[test]
fn a_voter_that_declines_or_cannot_tell_is_replaced() {
    let mut world = World::of(8);
    world.slot(0, 0, Status::Down);
    let (_, declined) = world.orders.remove(0);
    world.tell(Input::Declined(declined));
    let (host, order) = world.orders.remove(0);
    let unknown = Outcome::told(Status::Unknown(Blame::Host), 0, "no-run-place", "");
    world.tell(Input::Vote { order, host, outcome: &unknown });
    assert_eq!(world.orders.len(), 4);
    world.all_vote(Status::Down);
    assert_eq!(world.detector.verdict, Verdict::Down);
}

#[test]
fn a_round_that_nobody_answers_ends_by_itself() {
    let mut world = World::of(5);
    world.slot(0, 0, Status::Down);
    world.now = world.now + 4_500;
    world.tell(Input::Tick);
    assert_eq!(world.detector.verdict, Verdict::Unconfirmed, "everybody has been asked once");
}

#[test]
fn a_relapse_while_recovering_is_the_same_outage() {
    let mut world = World::of(5);
    world.go_down();
    world.slot(0, 1, Status::Up);
    world.slot(0, 2, Status::Down);
    assert_eq!(world.detector.verdict, Verdict::Down);
    assert!(world.orders.is_empty(), "the round was cancelled");
    assert_eq!(world.events.len(), 1);
    world.slot(0, 3, Status::Up);
    world.all_vote(Status::Up);
    world.slot(0, 4, Status::Up);
    assert_eq!(world.events.len(), 2);
}

#[test]
fn a_recovery_that_others_do_not_see_is_none() {
    let mut world = World::of(5);
    world.go_down();
    world.slot(0, 1, Status::Up);
    world.all_vote(Status::Down);
    assert_eq!((world.detector.verdict, world.detector.good_slots), (Verdict::Down, 0));
    world.slot(0, 2, Status::Up);
    world.all_vote(Status::Up);
    assert_eq!(world.detector.verdict, Verdict::Recovering);
    world.slot(0, 3, Status::Up);
    assert!(world.detector.is_plain());
}

#[test]
fn a_good_run_of_an_older_slot_is_no_recovery() {
    let mut world = World::of(5);
    world.slot(0, 1, Status::Down);
    world.all_vote(Status::Down);
    world.slot(1, 0, Status::Up);
    assert_eq!(world.detector.verdict, Verdict::Down);
}

#[test]
fn a_long_interval_is_rechecked_every_minute_while_it_is_out() {
    let mut world = World::of(5);
    world.facts.interval = Interval::from_seconds(3600).unwrap();
    world.go_down();
    world.now = world.now + RECHECK_MS;
    world.tell(Input::Tick);
    assert_eq!(world.orders.len(), 1);
    world.all_vote(Status::Up);
    assert_eq!(world.detector.verdict, Verdict::Recovering);
    world.all_vote(Status::Up);
    world.now = world.now + RECHECK_MS;
    world.tell(Input::Tick);
    world.all_vote(Status::Up);
    assert!(world.detector.is_plain());
}

#[test]
fn a_check_that_may_not_be_repeated_asks_nobody_else() {
    let mut world = World::of(5);
    world.facts.repeat = Repeat::Unsafe;
    world.slot(0, 0, Status::Down);
    assert!(world.orders.iter().all(|(host, _)| *host == host_id(0)));
    world.all_vote(Status::Down);
    assert_eq!(world.detector.verdict, Verdict::Down);
}

#[test]
fn pausing_ends_an_open_incident_with_that_reason() {
    let mut world = World::of(5);
    world.go_down();
    world.tell(Input::Ended(Ending::Paused));
    assert!(world.detector.is_plain());
    assert!(matches!(world.events[1], IncidentEvent::Resolved { ending: Ending::Paused, .. }));
}

#[test]
fn a_degraded_run_is_shown_and_opens_nothing() {
    let mut world = World::of(5);
    world.slot(0, 0, Status::Degraded);
    assert_eq!(world.detector.verdict, Verdict::Degraded);
    world.slot(0, 1, Status::Up);
    assert!(world.detector.is_plain() && world.events.is_empty());
}

#[test]
fn what_is_late_or_already_judged_is_history() {
    let interval = Interval::from_seconds(10).unwrap();
    let slot = UnixMs(T0);
    assert!(is_fresh(slot, interval, None, slot + 20_000));
    assert!(!is_fresh(slot, interval, None, slot + 20_001));
    assert!(!is_fresh(slot, interval, Some(slot), slot));
    assert!(is_fresh(slot, interval, Some(slot - 10_000), slot));
}

#[test]
fn a_detector_reads_back_from_its_row() {
    let mut world = World::of(5);
    world.slot(0, 0, Status::Down);
    let row = serde_json::to_string(&world.detector).unwrap();
    assert_eq!(serde_json::from_str::<Detector>(&row).unwrap(), world.detector);
}

#[derive(Clone, Debug)]
enum Act {
    Slot(u8, usize),
    Vote(usize, usize),
    Decline(usize),
    Silent(u8),
    Tick(i64),
    MayAsk(bool),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (0..5_u8, 0..4_usize).prop_map(|(host, status)| Act::Slot(host, status)),
        (0..6_usize, 0..4_usize).prop_map(|(order, status)| Act::Vote(order, status)),
        (0..6_usize).prop_map(Act::Decline),
        (0..5_u8).prop_map(Act::Silent),
        (0..20_000_i64).prop_map(Act::Tick),
        any::<bool>().prop_map(Act::MayAsk),
    ]
}

proptest! {
    /// Whatever happens in whatever order, openings and resolutions alternate and belong together,
    /// and no outage is confirmed by fewer than four of five fresh bad votes.
    #[test]
    fn incidents_open_and_resolve_in_turn(acts in prop::collection::vec(act(), 0..80)) {
        let statuses = [Status::Up, Status::Down, Status::Degraded, Status::Unknown(Blame::Host)];
        let mut world = World::of(5);
        let mut n = 0;
        for act in acts {
            match act {
                Act::Slot(host, status) => {
                    n += 1;
                    let later = world.now.max(UnixMs(T0 + n * 10_000));
                    n = later.since(UnixMs(T0)) / 10_000;
                    world.slot(host, n, statuses[status]);
                }
                Act::Vote(index, status) if index < world.orders.len() => {
                    let (host, order) = world.orders.remove(index);
                    let outcome = Outcome::told(statuses[status], 1, "", "");
                    world.tell(Input::Vote { order, host, outcome: &outcome });
                }
                Act::Decline(index) if index < world.orders.len() => {
                    let (_, order) = world.orders.remove(index);
                    world.tell(Input::Declined(order));
                }
                Act::Silent(host) => world.tell(Input::Silent(host_id(host))),
                Act::Tick(ms) => {
                    world.now = world.now + ms;
                    world.tell(Input::Tick);
                }
                Act::MayAsk(may_ask) => world.facts.may_ask = may_ask,
                Act::Vote(..) | Act::Decline(_) => {}
            }
            let detector = &world.detector;
            prop_assert_eq!(detector.verdict.is_out(), detector.incident.is_some());
            prop_assert!(detector.verdict != Verdict::Suspect || detector.round.is_some() || detector.waiting.is_some());
        }
        for (index, event) in world.events.iter().enumerate() {
            match event {
                IncidentEvent::Opened { voices, .. } => {
                    prop_assert_eq!(index % 2, 0);
                    prop_assert!(voices.iter().filter(|voice| voice.answer == Answer::Bad).count() >= 4);
                }
                IncidentEvent::Resolved { incident, .. } => {
                    prop_assert_eq!(index % 2, 1);
                    prop_assert_eq!(*incident, world.events[index - 1].incident());
                }
            }
        }
    }
}
