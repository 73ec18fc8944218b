//! Incidents, their events, and the deliveries made with them.

use farwatch_control::store::{
    DeliveryState, Flush, Incident, IncidentEvent, IncidentFilter, IncidentPosition, IncidentState, NewDelivery, Step,
    StoreError, Unique,
};
use farwatch_proto::id::{ChannelId, CheckId, ContactId, DeliveryId, IncidentId};
use farwatch_proto::time::UnixMs;

use super::world::{Database, START, World, new_tenant};

on_both_engines!(
    an_incident_lives_from_opening_to_recovery,
    a_replay_changes_nothing,
    a_resolved_incident_never_opens_again,
    one_incident_is_open_per_check,
    an_outage_may_end_and_begin_anew_in_one_flush,
    incidents_come_in_pages_newest_first,
    incidents_are_found_by_time,
);

pub(super) fn incident(world: &World, check: CheckId, first_failed_slot: UnixMs) -> Incident {
    Incident {
        id: IncidentId::of_key(&[check.as_bytes(), &first_failed_slot.0.to_be_bytes()]),
        tenant: world.tenant,
        check,
        state: IncidentState::Open,
        first_failed_slot,
        seen_since: first_failed_slot,
        opened: first_failed_slot + 3000,
        summary: r#"{"code":"connection-refused"}"#.to_owned(),
    }
}

pub(super) fn resolved(incident: &Incident, at: UnixMs) -> Incident {
    Incident { state: IncidentState::Resolved { at, reason: "recovered".to_owned() }, ..incident.clone() }
}

pub(super) fn delivery(incident: &Incident, step: Step, contact: ContactId, channel: ChannelId) -> NewDelivery {
    let word: &[u8] = if step == Step::Opened { b"opened" } else { b"resolved" };
    NewDelivery {
        id: DeliveryId::of_key(&[incident.id.as_bytes(), word, contact.as_bytes(), channel.as_bytes()]),
        tenant: incident.tenant,
        incident: incident.id,
        step,
        contact,
        channel,
        due: incident.opened,
        created: incident.opened,
        event: r#"{"text":"down"}"#.to_owned(),
    }
}

fn event(incident: &Incident, n: u32, kind: &str) -> IncidentEvent {
    IncidentEvent {
        incident: incident.id,
        n,
        at: incident.opened + i64::from(n),
        kind: kind.to_owned(),
        body: "{}".to_owned(),
    }
}

async fn an_incident_lives_from_opening_to_recovery(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let check = world.check("shop").await;
    let opened = incident(&world, check, START);
    let (contact, channel) = (ContactId::from_bytes([1; 16]), ChannelId::from_bytes([2; 16]));
    let flush = Flush {
        incidents: vec![opened.clone()],
        events: vec![event(&opened, 0, "opened")],
        deliveries: vec![delivery(&opened, Step::Opened, contact, channel)],
        ..leader.flush()
    };
    leader.commit(&world.store, &flush).await;
    let incidents = world.store.incidents();
    assert_eq!(incidents.open_for(check).await.unwrap(), Some(opened.clone()));
    let strange = IncidentId::from_bytes([9; 16]);
    assert_eq!(incidents.openings(&[opened.id, strange]).await.unwrap(), [event(&opened, 0, "opened")]);

    let amended = Incident { seen_since: START - 60_000, ..opened.clone() };
    leader.commit(&world.store, &Flush { incidents: vec![amended.clone()], ..leader.flush() }).await;
    assert_eq!(incidents.open_for(check).await.unwrap(), Some(amended.clone()));

    let over = resolved(&amended, START + 90_000);
    let flush = Flush {
        incidents: vec![over.clone()],
        events: vec![event(&opened, 1, "resolved")],
        deliveries: vec![delivery(&opened, Step::Resolved, contact, channel)],
        ..leader.flush()
    };
    leader.commit(&world.store, &flush).await;
    assert_eq!(incidents.open_for(check).await.unwrap(), None);
    let (found, events) = incidents.get(world.tenant, opened.id).await.unwrap().unwrap();
    assert_eq!((found, events), (over, vec![event(&opened, 0, "opened"), event(&opened, 1, "resolved")]));
    let told = world.store.deliveries().of_incident(world.tenant, opened.id).await.unwrap();
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|delivery| delivery.state == DeliveryState::Pending && delivery.attempt == 0));

    let stranger = new_tenant(&world.store, "stranger").await;
    assert_eq!(incidents.get(stranger, opened.id).await.unwrap(), None);
    assert_eq!(world.store.deliveries().of_incident(stranger, opened.id).await.unwrap(), []);
    assert_eq!(incidents.list(stranger, IncidentFilter::default(), None, 9).await.unwrap().items, []);
}

async fn a_replay_changes_nothing(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let check = world.check("shop").await;
    let opened = incident(&world, check, START);
    let made = delivery(&opened, Step::Opened, ContactId::from_bytes([1; 16]), ChannelId::from_bytes([2; 16]));
    let flush = Flush {
        incidents: vec![opened.clone()],
        events: vec![event(&opened, 0, "opened")],
        deliveries: vec![made.clone()],
        ..leader.flush()
    };
    leader.commit(&world.store, &flush).await;
    let incidents = world.store.incidents();
    let before = incidents.get(world.tenant, opened.id).await.unwrap();

    // A new leader judges the same results again: the same ids, perhaps other words.
    let mut leader = world.lead().await;
    let again = Flush {
        incidents: vec![opened.clone()],
        events: vec![event(&opened, 0, "opened again")],
        deliveries: vec![NewDelivery { event: "other words".to_owned(), ..made }],
        ..leader.flush()
    };
    leader.commit(&world.store, &again).await;
    assert_eq!(incidents.get(world.tenant, opened.id).await.unwrap(), before);
    let told = world.store.deliveries().of_incident(world.tenant, opened.id).await.unwrap();
    assert_eq!(told.iter().map(|delivery| delivery.event.as_str()).collect::<Vec<_>>(), [r#"{"text":"down"}"#]);
}

async fn a_resolved_incident_never_opens_again(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let check = world.check("shop").await;
    let opened = incident(&world, check, START);
    let over = resolved(&opened, START + 5000);
    for state in [&opened, &over, &opened] {
        leader.commit(&world.store, &Flush { incidents: vec![state.clone()], ..leader.flush() }).await;
    }
    assert_eq!(world.store.incidents().get(world.tenant, opened.id).await.unwrap().unwrap().0, over);
}

async fn one_incident_is_open_per_check(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let check = world.check("shop").await;
    let first = incident(&world, check, START);
    leader.commit(&world.store, &Flush { incidents: vec![first], ..leader.flush() }).await;
    let second = incident(&world, check, START + 60_000);
    let flush = Flush { incidents: vec![second], ..leader.flush() };
    let refused = world.store.journal().commit_flush(&flush).await;
    assert!(matches!(refused, Err(StoreError::Conflict(Unique::OpenIncident))), "{refused:?}");
}

async fn an_outage_may_end_and_begin_anew_in_one_flush(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let check = world.check("shop").await;
    let first = incident(&world, check, START);
    leader.commit(&world.store, &Flush { incidents: vec![first.clone()], ..leader.flush() }).await;
    let second = incident(&world, check, START + 60_000);
    let both = vec![second.clone(), resolved(&first, START + 30_000)];
    leader.commit(&world.store, &Flush { incidents: both, ..leader.flush() }).await;
    assert_eq!(world.store.incidents().open_for(check).await.unwrap(), Some(second));
}

async fn incidents_come_in_pages_newest_first(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let (shop, blog) = (world.check("shop").await, world.check("blog").await);
    let past: Vec<Incident> =
        (0..4).map(|n| resolved(&incident(&world, shop, START + n * 60_000), START + n * 60_000 + 9000)).collect();
    let open = incident(&world, blog, START);
    let all = past.iter().cloned().chain([open.clone()]).collect();
    leader.commit(&world.store, &Flush { incidents: all, ..leader.flush() }).await;

    let incidents = world.store.incidents();
    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let page = incidents.list(world.tenant, IncidentFilter::default(), before, 2).await.unwrap();
        before = page.items.last().map(|last| IncidentPosition { opened: last.opened, id: last.id });
        seen.extend(page.items);
        if !page.more {
            break;
        }
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.is_sorted_by(|one, next| (one.opened, one.id) > (next.opened, next.id)));
    let list = async |filter| incidents.list(world.tenant, filter, None, 9).await.unwrap().items;
    assert_eq!(list(IncidentFilter { open: Some(true), check: None }).await, [open]);
    assert_eq!(list(IncidentFilter { open: Some(false), check: Some(shop) }).await.len(), 4);
    assert_eq!(list(IncidentFilter { open: Some(false), check: Some(blog) }).await, []);
}

async fn incidents_are_found_by_time(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let check = world.check("shop").await;
    let past = resolved(&incident(&world, check, START), START + 10_000);
    let open = incident(&world, check, START + 60_000);
    leader.commit(&world.store, &Flush { incidents: vec![past, open], ..leader.flush() }).await;
    let during = async |from: i64, to: i64| {
        let found = world.store.incidents().overlapping(check, START + from, START + to).await.unwrap();
        found.iter().map(|incident| incident.first_failed_slot.since(START)).collect::<Vec<_>>()
    };
    assert_eq!(during(-100, 0).await, [] as [i64; 0]);
    assert_eq!(during(0, 1).await, [0]);
    assert_eq!(during(9999, 60_001).await, [0, 60_000]);
    assert_eq!(during(10_000, 60_000).await, [] as [i64; 0]);
    assert_eq!(during(999_000, 999_001).await, [60_000]);
}
