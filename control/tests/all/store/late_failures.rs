//! Failures that came too late: where they lie, and what was found of them, once.

use farwatch_control::store::{
    Flush, Incident, IncidentEvent, LateFailure, LookBack, NewDelivery, PastOutages, SlotRange, Step, StoreError,
};
use farwatch_proto::id::{ChannelId, CheckId, ContactId};
use farwatch_proto::time::UnixMs;

use super::incidents::{delivery, incident, resolved};
use super::world::{Database, Leader, START, World};

on_both_engines!(
    late_failures_of_a_check_are_one_row_that_grows,
    a_check_is_due_when_nothing_more_comes_or_it_has_waited,
    what_was_found_is_written_once_and_only_by_who_leads,
    a_row_that_grew_meanwhile_stays,
    an_earlier_failure_amends_an_incident_for_good,
);

const SOON: LookBack = LookBack { quiet_since: UnixMs(i64::MAX), waits_since: UnixMs(0) };

async fn late(world: &World, leader: &mut Leader, check: CheckId, (first, last): (i64, i64), received: i64) {
    let slots = SlotRange { first: START + first, last: START + last };
    let flush = Flush { late: [(check, slots)].into(), committed: START + received, ..leader.flush() };
    leader.commit(&world.store, &flush).await;
}

async fn all(world: &World) -> Vec<LateFailure> {
    world.store.late_failures().due(SOON, 10).await.unwrap()
}

async fn late_failures_of_a_check_are_one_row_that_grows(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let check = world.check("shop").await;
    late(&world, &mut leader, check, (20, 30), 100).await;
    late(&world, &mut leader, check, (10, 25), 200).await;
    let slots = SlotRange { first: START + 10, last: START + 30 };
    let expected = LateFailure { check, slots, first_received: START + 100, last_received: START + 200 };
    assert_eq!(all(&world).await, [expected]);
    late(&world, &mut leader, check, (10, 25), 200).await;
    assert!(all(&world).await[0].last_received > expected.last_received, "something came again");
    assert_eq!(world.store.late_failures().delete_before(START + 200).await.unwrap(), 0);
    assert_eq!(world.store.late_failures().delete_before(START + 202).await.unwrap(), 1);
}

async fn a_check_is_due_when_nothing_more_comes_or_it_has_waited(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let (quiet, growing) = (world.check("quiet").await, world.check("growing").await);
    late(&world, &mut leader, growing, (0, 1), 50).await;
    late(&world, &mut leader, growing, (0, 1), 300).await;
    late(&world, &mut leader, quiet, (0, 1), 100).await;
    let due = async |quiet_since: i64, waits_since: i64| -> Vec<CheckId> {
        let when = LookBack { quiet_since: START + quiet_since, waits_since: START + waits_since };
        let due = world.store.late_failures().due(when, 10).await.unwrap();
        due.into_iter().map(|late| late.check).collect()
    };
    assert_eq!(due(99, 0).await, []);
    assert_eq!(due(100, 0).await, [quiet]);
    assert_eq!(due(100, 50).await, [growing, quiet]);
    assert_eq!(due(300, 0).await, [growing, quiet]);
}

fn found(incident: &Incident) -> PastOutages {
    let event = |n: u32, kind: &str| IncidentEvent {
        incident: incident.id,
        n,
        at: START + 90_000,
        kind: kind.to_owned(),
        body: "{}".to_owned(),
    };
    let told: NewDelivery =
        delivery(incident, Step::Resolved, ContactId::from_bytes([1; 16]), ChannelId::from_bytes([2; 16]));
    PastOutages {
        outages: vec![(incident.clone(), vec![event(0, "opened"), event(1, "resolved")], vec![told])],
        seen_since: Vec::new(),
    }
}

async fn what_was_found_is_written_once_and_only_by_who_leads(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let check = world.check("shop").await;
    late(&world, &mut leader, check, (0, 10), 100).await;
    let row = all(&world).await.remove(0);
    let past = resolved(&incident(&world, check, START), START + 60_000);
    let before = leader.epoch;
    let leader = world.lead().await;
    let late_failures = world.store.late_failures();
    let stale = late_failures.looked_back(before, &row, &found(&past)).await;
    assert!(matches!(stale, Err(StoreError::StaleLeader)), "{stale:?}");
    for _ in 0..2 {
        late_failures.looked_back(leader.epoch, &row, &found(&past)).await.unwrap();
    }
    let (written, events) = world.store.incidents().get(world.tenant, past.id).await.unwrap().unwrap();
    assert_eq!((&written, events.len()), (&past, 2));
    assert_eq!(world.store.deliveries().of_incident(world.tenant, past.id).await.unwrap().len(), 1);
    assert_eq!(all(&world).await, []);

    let other = Incident { summary: "another one".to_owned(), ..past.clone() };
    let told_anew = PastOutages { outages: vec![(other, Vec::new(), Vec::new())], seen_since: Vec::new() };
    late_failures.looked_back(leader.epoch, &row, &told_anew).await.unwrap();
    assert_eq!(world.store.incidents().get(world.tenant, past.id).await.unwrap().unwrap().0, past);
}

async fn a_row_that_grew_meanwhile_stays(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let check = world.check("shop").await;
    late(&world, &mut leader, check, (0, 10), 100).await;
    let row = all(&world).await.remove(0);
    late(&world, &mut leader, check, (0, 20), 100).await;
    world.store.late_failures().looked_back(leader.epoch, &row, &PastOutages::default()).await.unwrap();
    assert_eq!(all(&world).await.len(), 1);
}

async fn an_earlier_failure_amends_an_incident_for_good(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let check = world.check("shop").await;
    let live = incident(&world, check, START);
    leader.commit(&world.store, &Flush { incidents: vec![live.clone()], ..leader.flush() }).await;
    late(&world, &mut leader, check, (-20_000, -10_000), 100).await;
    let row = all(&world).await.remove(0);
    for seen_since in [START - 20_000, START - 10_000] {
        let found = PastOutages { outages: Vec::new(), seen_since: vec![(live.id, seen_since)] };
        world.store.late_failures().looked_back(leader.epoch, &row, &found).await.unwrap();
    }
    let over = resolved(&live, START + 60_000);
    leader.commit(&world.store, &Flush { incidents: vec![over], ..leader.flush() }).await;
    let (shown, _) = world.store.incidents().get(world.tenant, live.id).await.unwrap().unwrap();
    assert_eq!((shown.seen_since, shown.first_failed_slot), (START - 20_000, START), "its end does not forget it");
}
