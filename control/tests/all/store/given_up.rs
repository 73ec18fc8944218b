//! What was given up is tried again in order, and what waits keeps nobody else waiting.

use std::collections::BTreeMap;

use farwatch_control::store::{
    ChannelChange, ChannelKind, ClaimId, ClaimRequest, Claimed, Delivery, DeliveryState, Flush, Incident, NewChannel,
    NewDelivery, Retried, Step, Store,
};
use farwatch_proto::id::{ChannelId, ContactId, TenantId};
use farwatch_proto::time::UnixMs;

use super::incidents::{delivery, incident, resolved};
use super::world::{Database, Leader, START, World, new_tenant, random_16};

on_both_engines!(
    what_was_given_up_is_tried_again_as_if_for_the_first_time,
    an_opening_is_not_tried_again_after_its_recovery,
    a_recovery_is_tried_again_with_its_opening,
    a_receiver_that_asks_for_nothing_more_disables_its_channel,
    a_recovery_takes_along_an_opening_that_waits_or_whose_worker_died,
    thousands_that_wait_keep_nobody_else_waiting,
);

const DUE: UnixMs = UnixMs(START.0 + 3000);

async fn claim_as_a_worker_does(store: &Store, now: UnixMs) -> Vec<Claimed> {
    let (limit, per_tenant, per_channel) = (64, 32, 4);
    let claim = ClaimId(random_16());
    let request = ClaimRequest { claim, now, until: now + 60_000, limit, per_tenant, per_channel };
    store.deliveries().claim_due(&request).await.unwrap()
}

fn to(incident: &Incident, step: Step, n: u8) -> NewDelivery {
    delivery(incident, step, ContactId::from_bytes([n; 16]), ChannelId::from_bytes([n; 16]))
}

async fn told(world: &World, leader: &mut Leader, incident: &Incident, deliveries: Vec<NewDelivery>) {
    let flush = Flush { incidents: vec![incident.clone()], deliveries, ..leader.flush() };
    leader.commit(&world.store, &flush).await;
}

/// An outage with its opening and, where it is over, its recovery, to one contact.
async fn outage(world: &World, leader: &mut Leader, is_over: bool) -> (NewDelivery, NewDelivery) {
    let check = world.check(&format!("site {}", leader.head.seq)).await;
    let open = incident(world, check, START);
    let (opening, recovery) = (to(&open, Step::Opened, 1), to(&open, Step::Resolved, 1));
    told(world, leader, &open, vec![opening.clone()]).await;
    if is_over {
        told(world, leader, &resolved(&open, START + 2_000), vec![recovery.clone()]).await;
    }
    (opening, recovery)
}

async fn state_of(store: &Store, made: &NewDelivery) -> Delivery {
    let all = store.deliveries().of_incident(made.tenant, made.incident).await.unwrap();
    all.into_iter().find(|delivery| delivery.id == made.id).unwrap()
}

async fn what_was_given_up_is_tried_again_as_if_for_the_first_time(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let (opening, _) = outage(&world, &mut leader, false).await;
    let deliveries = world.store.deliveries();
    let claimed = claim_as_a_worker_does(&world.store, DUE).await.remove(0);
    let early = deliveries.retry(world.tenant, opening.id, DUE).await.unwrap();
    assert_eq!(early, Retried::NotGivenUp(DeliveryState::Claimed));
    deliveries.record_dead(&claimed, "404", DUE + 5).await.unwrap();
    let backlog = world.store.backlog().await.unwrap();
    assert_eq!((backlog.open_incidents, backlog.waiting, backlog.due_since, backlog.dead), (1, 0, None, 1));
    assert!(world.store.pool_use().open > 0);
    let stranger = new_tenant(&world.store, "stranger").await;
    assert_eq!(deliveries.retry(stranger, opening.id, DUE + 10).await.unwrap(), Retried::NotFound);
    let Retried::Made(made) = deliveries.retry(world.tenant, opening.id, DUE + 10).await.unwrap() else {
        panic!("it was given up");
    };
    assert_eq!((made.state, made.due, made.attempt, made.finished), (DeliveryState::Pending, DUE + 10, 0, None));
    assert_eq!(made.last_answer.as_deref(), Some("404"), "what it was told before is still shown");
    let again = claim_as_a_worker_does(&world.store, DUE + 10).await.remove(0);
    assert_eq!((again.delivery.id, again.delivery.attempt), (opening.id, 1));
}

async fn an_opening_is_not_tried_again_after_its_recovery(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let check = world.check("shop").await;
    let open = incident(&world, check, START);
    let (opening, recovery) = (to(&open, Step::Opened, 1), to(&open, Step::Resolved, 1));
    told(&world, &mut leader, &open, vec![opening.clone()]).await;
    let deliveries = world.store.deliveries();
    let claimed = claim_as_a_worker_does(&world.store, DUE).await.remove(0);
    deliveries.record_dead(&claimed, "404", DUE).await.unwrap();
    told(&world, &mut leader, &resolved(&open, START + 2_000), vec![recovery.clone()]).await;
    let claimed = claim_as_a_worker_does(&world.store, DUE).await.remove(0);
    assert_eq!((claimed.delivery.id, claimed.merged.is_none()), (recovery.id, true));
    for finish in [true, false] {
        let refused = deliveries.retry(world.tenant, opening.id, DUE).await.unwrap();
        assert_eq!(refused, Retried::Overtaken(recovery.id));
        if finish {
            deliveries.record_sent(&claimed, "204", DUE).await.unwrap();
        }
    }
}

async fn a_recovery_is_tried_again_with_its_opening(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let (opening, recovery) = outage(&world, &mut leader, true).await;
    let deliveries = world.store.deliveries();
    let claimed = claim_as_a_worker_does(&world.store, DUE).await.remove(0);
    deliveries.record_dead(&claimed, "404", DUE).await.unwrap();
    let opening_alone = deliveries.retry(world.tenant, opening.id, DUE).await.unwrap();
    assert_eq!(opening_alone, Retried::Overtaken(recovery.id));
    assert!(matches!(deliveries.retry(world.tenant, recovery.id, DUE).await.unwrap(), Retried::Made(_)));
    let [again] = &claim_as_a_worker_does(&world.store, DUE).await[..] else { panic!("one message") };
    assert_eq!((again.delivery.id, again.merged.as_ref().unwrap().id), (recovery.id, opening.id));
}

async fn a_receiver_that_asks_for_nothing_more_disables_its_channel(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let contact = world.contact("ops").await;
    let id = ChannelId::from_bytes([1; 16]);
    let config = r#"{"url":"https://a.example"}"#.to_owned();
    let new = NewChannel { id, contact, kind: ChannelKind::Webhook, config: config.clone(), sealed_secret: None };
    world.store.contacts().add_channel(world.tenant, &new, START).await.unwrap();
    let (opening, _) = outage(&world, &mut leader, false).await;
    let claimed = claim_as_a_worker_does(&world.store, DUE).await.remove(0);
    world.store.deliveries().record_gone(&claimed, "410 Gone", DUE).await.unwrap();
    assert_eq!(state_of(&world.store, &opening).await.state, DeliveryState::Dead);
    let contacts = world.store.contacts();
    let disabled = contacts.channel(id).await.unwrap().unwrap();
    assert_eq!(disabled.disabled.as_ref().map(|why| (why.since, why.because.as_str())), Some((DUE, "410 Gone")));
    assert_eq!(contacts.channels_of(world.tenant, &[contact]).await.unwrap(), std::slice::from_ref(&disabled));
    let same = ChannelChange { config, sealed_secret: None };
    contacts.change_channel(world.tenant, id, disabled.revision, &same, DUE + 1).await.unwrap();
    let enabled = contacts.own_channel(world.tenant, id).await.unwrap().unwrap();
    assert_eq!((enabled.disabled, enabled.revision), (None, disabled.revision + 1));
}

async fn a_recovery_takes_along_an_opening_that_waits_or_whose_worker_died(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let check = world.check("shop").await;
    let open = incident(&world, check, START);
    let contacts = [1, 2];
    let openings = contacts.map(|n| to(&open, Step::Opened, n));
    told(&world, &mut leader, &open, openings.to_vec()).await;
    let tried = claim_as_a_worker_does(&world.store, DUE).await;
    let failed = tried.iter().find(|one| one.delivery.id == openings[0].id).unwrap();
    let hour = DUE + 3_600_000;
    world.store.deliveries().record_retry(failed, "503", hour).await.unwrap();
    let recoveries = contacts.map(|n| to(&open, Step::Resolved, n));
    told(&world, &mut leader, &resolved(&open, START + 2_000), recoveries.to_vec()).await;
    let claimed = claim_as_a_worker_does(&world.store, DUE + 1).await;
    let merged = |claimed: &[Claimed]| -> Vec<_> {
        claimed.iter().map(|one| (one.delivery.id, one.merged.as_ref().map(|merged| merged.id))).collect()
    };
    assert_eq!(merged(&claimed), [(recoveries[0].id, Some(openings[0].id))], "the wait of a try is not waited for");
    let claimed = claim_as_a_worker_does(&world.store, DUE + 60_000).await;
    assert_eq!(merged(&claimed), [(recoveries[1].id, Some(openings[1].id))], "what a dead worker held comes along");
}

/// So many messages of a tenant to one channel, all due before anybody else's.
async fn many(world: &World, leader: &mut Leader, tenant: TenantId, channel: u8, count: usize) {
    let check = world.check_of(tenant, "down and up").await;
    let mut deliveries = Vec::new();
    let mut incidents = Vec::new();
    for n in 0..count {
        let slot = START + n as i64;
        let over = resolved(&Incident { tenant, ..incident(world, check, slot) }, slot + 1);
        deliveries.push(NewDelivery { due: START, ..to(&over, Step::Opened, channel) });
        incidents.push(over);
    }
    leader.commit(&world.store, &Flush { incidents, deliveries, ..leader.flush() }).await;
}

async fn thousands_that_wait_keep_nobody_else_waiting(database: Database) {
    const THOUSANDS: usize = 2_500;
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let loud: [TenantId; 3] = [
        new_tenant(&world.store, "one").await,
        new_tenant(&world.store, "two").await,
        new_tenant(&world.store, "three").await,
    ];
    for (tenant, channel) in loud.iter().zip(1..) {
        many(&world, &mut leader, *tenant, channel, THOUSANDS).await;
    }
    let quiet = incident(&world, world.check("quiet").await, START);
    let other_check = world.check_of(loud[0], "other").await;
    let other_channel = Incident { tenant: loud[0], ..incident(&world, other_check, START) };
    told(&world, &mut leader, &quiet, vec![to(&quiet, Step::Opened, 50)]).await;
    told(&world, &mut leader, &other_channel, vec![to(&other_channel, Step::Opened, 51)]).await;
    let claimed = claim_as_a_worker_does(&world.store, DUE).await;
    let mut channels: BTreeMap<u8, usize> = BTreeMap::new();
    for one in &claimed {
        *channels.entry(one.delivery.channel.as_bytes()[0]).or_default() += 1;
    }
    assert_eq!(channels, [(1, 4), (2, 4), (3, 4), (50, 1), (51, 1)].into(), "one claim reaches everybody");
}
