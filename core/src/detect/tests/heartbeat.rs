//! Jobs that call us.

use super::*;
use crate::heartbeat::{Standing, Trouble};
use crate::incident::incident_id;

fn missed(since: i64, message: &str) -> Standing {
    Standing::Down(Trouble { since: UnixMs(since), code: "missed", message: message.to_owned() })
}

#[test]
fn a_job_is_down_by_its_own_word_and_nobody_is_asked() {
    let mut world = World::of(5);
    world.tell(Input::Heartbeat(&Standing::Good));
    assert_eq!(world.detector, Detector::default(), "what is well needs no row");
    world.tell(Input::Heartbeat(&missed(T0 - 500, "expected a signal")));
    world.tell(Input::Heartbeat(&missed(T0 - 500, "expected a signal")));
    assert!(world.orders.is_empty() && world.rounds.is_empty());
    assert_eq!(world.detector.verdict, Verdict::Down);
    let [IncidentEvent::Opened { incident, first_failed_slot, code, of, .. }] = &world.events[..] else {
        panic!("told {:?}", world.events)
    };
    assert_eq!((*first_failed_slot, code.as_str(), *of), (UnixMs(T0 - 500), "missed", 0));
    assert_eq!(*incident, incident_id(world.facts.check, UnixMs(T0 - 500)));
    world.tell(Input::Heartbeat(&Standing::Good));
    assert!(matches!(world.events[1], IncidentEvent::Resolved { ending: Ending::Recovered, .. }));
    assert!(world.detector.is_plain() && world.events.len() == 2);
}

#[test]
fn a_job_that_is_down_says_why_now_and_is_one_outage() {
    let mut world = World::of(5);
    world.tell(Input::Heartbeat(&missed(T0, "expected a signal")));
    let failed = Trouble { since: UnixMs(T0 + 50), code: "failed", message: "exit status 3".to_owned() };
    world.tell(Input::Heartbeat(&Standing::Down(failed)));
    assert_eq!((world.events.len(), world.detector.reason.as_str()), (1, "exit status 3"));
    let facts = world.facts;
    assert_eq!(world.detector.wakes_at(&CheckFacts { interval: Interval::from_seconds(60).unwrap(), ..facts }), None);
}
