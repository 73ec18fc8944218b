//! Claiming and settling deliveries: once at a time, in order, fairly.

use std::collections::BTreeSet;

use farwatch_control::store::{
    ClaimId, ClaimRequest, Claimed, Delivery, DeliveryState, Flush, Incident, NewDelivery, Step, Store,
};
use farwatch_proto::id::{ChannelId, ContactId, DeliveryId};
use farwatch_proto::time::UnixMs;
use farwatch_tests::postgres::Postgres;
use sqlx::{AssertSqlSafe, Executor};
use tokio::task::JoinSet;

use super::incidents::{delivery, incident, resolved};
use super::world::{Database, Leader, START, World, new_tenant, random_16};

on_both_engines!(
    eight_workers_never_claim_the_same,
    a_claim_that_ran_out_comes_back,
    a_claim_whose_answer_was_lost_is_found_again,
    what_was_sent_is_never_claimed_again,
    what_failed_waits_until_it_is_due,
    what_was_given_up_is_shown,
    a_worker_who_lost_its_claim_settles_nothing_but_success,
    a_recovery_merges_with_an_unsent_opening,
    a_merged_recovery_that_fails_stays_merged,
    a_recovery_waits_for_an_opening_in_other_hands,
    a_recovery_goes_alone_once_its_opening_is_settled,
    eight_workers_keep_the_order,
    no_tenant_and_no_channel_takes_all,
);

/// When the deliveries of these tests are due.
const DUE: UnixMs = UnixMs(START.0 + 3000);
const CLAIM_MS: i64 = 60_000;

fn request(now: UnixMs) -> ClaimRequest {
    let (limit, per_tenant, per_channel) = (100, 100, 100);
    ClaimRequest { claim: ClaimId(random_16()), now, until: now + CLAIM_MS, limit, per_tenant, per_channel }
}

async fn claim(store: &Store, now: UnixMs) -> Vec<Claimed> {
    store.deliveries().claim_due(&request(now)).await.unwrap()
}

/// One incident with an opening for each of so many contacts, each with a channel of its own.
async fn opened(world: &World, leader: &mut Leader, contacts: u8) -> (Incident, Vec<NewDelivery>) {
    let check = world.check(&format!("site {}", leader.head.seq)).await;
    let incident = incident(world, check, START);
    let deliveries: Vec<_> = (0..contacts).map(|n| to(&incident, Step::Opened, n)).collect();
    let flush = Flush { incidents: vec![incident.clone()], deliveries: deliveries.clone(), ..leader.flush() };
    leader.commit(&world.store, &flush).await;
    (incident, deliveries)
}

/// Ends it, with a recovery for each of so many contacts.
async fn recovered(world: &World, leader: &mut Leader, incident: &Incident, contacts: u8) -> Vec<NewDelivery> {
    let over = resolved(incident, START + 9000);
    let deliveries: Vec<_> = (0..contacts).map(|n| to(&over, Step::Resolved, n)).collect();
    let flush = Flush { incidents: vec![over], deliveries: deliveries.clone(), ..leader.flush() };
    leader.commit(&world.store, &flush).await;
    deliveries
}

fn to(incident: &Incident, step: Step, n: u8) -> NewDelivery {
    delivery(incident, step, ContactId::from_bytes([n; 16]), ChannelId::from_bytes([n; 16]))
}

async fn state_of(store: &Store, made: &NewDelivery) -> Delivery {
    let all = store.deliveries().of_incident(made.tenant, made.incident).await.unwrap();
    all.into_iter().find(|delivery| delivery.id == made.id).unwrap()
}

async fn eight_workers_never_claim_the_same(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let (_, made) = opened(&world, &mut leader, 200).await;
    let mut workers = JoinSet::new();
    for _ in 0..8 {
        let store = world.store.clone();
        workers.spawn(async move {
            let mut got: Vec<DeliveryId> = Vec::new();
            loop {
                let few = ClaimRequest { limit: 7, ..request(DUE) };
                let claimed = store.deliveries().claim_due(&few).await.unwrap();
                assert!(claimed.len() <= 7);
                if claimed.is_empty() {
                    return got;
                }
                got.extend(claimed.iter().map(|claimed| claimed.delivery.id));
            }
        });
    }
    let got: Vec<DeliveryId> = workers.join_all().await.into_iter().flatten().collect();
    assert_eq!(got.len(), got.iter().collect::<BTreeSet<_>>().len(), "one was claimed twice");
    // A worker may find nothing because others were just looking; what is left comes with the next claim.
    let left = claim(&world.store, DUE).await.len();
    assert_eq!(got.len() + left, made.len());
}

async fn a_claim_that_ran_out_comes_back(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    opened(&world, &mut leader, 3).await;
    assert_eq!(claim(&world.store, DUE - 1).await, []);
    let first = claim(&world.store, DUE).await;
    assert_eq!(first.len(), 3);
    assert!(first.iter().all(|claimed| claimed.delivery.attempt == 1 && claimed.merged.is_none()));
    assert_eq!(claim(&world.store, DUE + CLAIM_MS - 1).await, []);
    let second = claim(&world.store, DUE + CLAIM_MS).await;
    assert_eq!(second.len(), 3);
    assert!(second.iter().all(|claimed| claimed.delivery.attempt == 2));
}

async fn a_claim_whose_answer_was_lost_is_found_again(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    opened(&world, &mut leader, 3).await;
    let request = ClaimRequest { limit: 2, ..request(DUE) };
    let first = world.store.deliveries().claim_due(&request).await.unwrap();
    assert_eq!(first.len(), 2);
    assert_eq!(world.store.deliveries().claim_due(&request).await.unwrap(), first);
}

async fn what_was_sent_is_never_claimed_again(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let (_, made) = opened(&world, &mut leader, 1).await;
    let claimed = claim(&world.store, DUE).await.remove(0);
    assert_eq!((claimed.delivery.event.as_str(), claimed.delivery.step), (r#"{"text":"down"}"#, Step::Opened));
    world.store.deliveries().record_sent(&claimed, "250 ok", DUE + 40).await.unwrap();
    world.store.deliveries().record_sent(&claimed, "250 ok", DUE + 40).await.unwrap();
    assert_eq!(claim(&world.store, DUE + CLAIM_MS).await, []);
    let sent = state_of(&world.store, &made[0]).await;
    assert_eq!(
        (sent.state, sent.finished, sent.last_answer.as_deref()),
        (DeliveryState::Sent, Some(DUE + 40), Some("250 ok"))
    );
}

async fn what_failed_waits_until_it_is_due(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let (_, made) = opened(&world, &mut leader, 1).await;
    let claimed = claim(&world.store, DUE).await.remove(0);
    world.store.deliveries().record_retry(&claimed, "503", DUE + 5000).await.unwrap();
    assert_eq!(state_of(&world.store, &made[0]).await.last_answer.as_deref(), Some("503"));
    assert_eq!(claim(&world.store, DUE + 4999).await, []);
    assert_eq!(claim(&world.store, DUE + 5000).await[0].delivery.attempt, 2);
}

async fn what_was_given_up_is_shown(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    opened(&world, &mut leader, 3).await;
    let deliveries = world.store.deliveries();
    for (number, claimed) in claim(&world.store, DUE).await.iter().enumerate() {
        deliveries.record_dead(claimed, "410", DUE + number as i64).await.unwrap();
    }
    let newest = deliveries.list_dead(world.tenant, None, 2).await.unwrap();
    assert_eq!((newest.items.len(), newest.more), (2, true));
    let last = &newest.items[1];
    let rest = deliveries.list_dead(world.tenant, last.finished.map(|at| (at, last.id)), 2).await.unwrap();
    assert_eq!((rest.items.len(), rest.items[0].finished), (1, Some(DUE)));
    let stranger = new_tenant(&world.store, "stranger").await;
    assert_eq!(deliveries.list_dead(stranger, None, 9).await.unwrap().items, []);
    assert_eq!(claim(&world.store, DUE + CLAIM_MS).await, []);
}

async fn a_worker_who_lost_its_claim_settles_nothing_but_success(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let (_, made) = opened(&world, &mut leader, 1).await;
    let slow = claim(&world.store, DUE).await.remove(0);
    claim(&world.store, DUE + CLAIM_MS).await;
    let deliveries = world.store.deliveries();
    deliveries.record_retry(&slow, "timeout", DUE).await.unwrap();
    deliveries.record_dead(&slow, "timeout", DUE).await.unwrap();
    assert_eq!(state_of(&world.store, &made[0]).await.state, DeliveryState::Claimed);
    deliveries.record_sent(&slow, "250 late", DUE + CLAIM_MS + 1).await.unwrap();
    assert_eq!(state_of(&world.store, &made[0]).await.state, DeliveryState::Sent);
}

async fn a_recovery_merges_with_an_unsent_opening(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let (incident, openings) = opened(&world, &mut leader, 2).await;
    let recoveries = recovered(&world, &mut leader, &incident, 2).await;
    let claimed = claim(&world.store, DUE).await;
    assert_eq!(claimed.len(), 2);
    for one in &claimed {
        assert_eq!(one.delivery.step, Step::Resolved);
        let merged = one.merged.as_ref().unwrap();
        assert_eq!((merged.step, merged.contact), (Step::Opened, one.delivery.contact));
        world.store.deliveries().record_sent(one, "250 ok", DUE + 1).await.unwrap();
    }
    for opening in &openings {
        assert_eq!(state_of(&world.store, opening).await.state, DeliveryState::Merged);
    }
    for recovery in &recoveries {
        assert_eq!(state_of(&world.store, recovery).await.state, DeliveryState::Sent);
    }
    assert_eq!(claim(&world.store, DUE + CLAIM_MS).await, []);
}

async fn a_merged_recovery_that_fails_stays_merged(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let (incident, openings) = opened(&world, &mut leader, 1).await;
    recovered(&world, &mut leader, &incident, 1).await;
    let claimed = claim(&world.store, DUE).await.remove(0);
    world.store.deliveries().record_retry(&claimed, "503", DUE + 5000).await.unwrap();
    let again = claim(&world.store, DUE + 5000).await;
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].merged.as_ref().unwrap().id, openings[0].id);
    world.store.deliveries().record_dead(&again[0], "410", DUE + 6000).await.unwrap();
    assert_eq!(world.store.deliveries().list_dead(world.tenant, None, 9).await.unwrap().items.len(), 2);
}

async fn a_recovery_waits_for_an_opening_in_other_hands(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let (incident, _) = opened(&world, &mut leader, 1).await;
    let opening = claim(&world.store, DUE).await.remove(0);
    recovered(&world, &mut leader, &incident, 1).await;
    assert_eq!(claim(&world.store, DUE + 1).await, [], "its opening is being sent");
    world.store.deliveries().record_retry(&opening, "503", DUE + 5000).await.unwrap();
    let merged = claim(&world.store, DUE + 1).await;
    assert_eq!(merged[0].merged.as_ref().unwrap().id, opening.delivery.id);
}

async fn a_recovery_goes_alone_once_its_opening_is_settled(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let (incident, _) = opened(&world, &mut leader, 2).await;
    let openings = claim(&world.store, DUE).await;
    recovered(&world, &mut leader, &incident, 2).await;
    world.store.deliveries().record_sent(&openings[0], "250 ok", DUE).await.unwrap();
    world.store.deliveries().record_dead(&openings[1], "410", DUE).await.unwrap();
    let recoveries = claim(&world.store, DUE + 1).await;
    assert_eq!(recoveries.len(), 2);
    assert!(recoveries.iter().all(|claimed| claimed.delivery.step == Step::Resolved && claimed.merged.is_none()));
}

/// Openings and recoveries appear while workers claim and settle: no recovery may ever be held while its opening
/// is unsettled in other hands.
async fn eight_workers_keep_the_order(database: Database) {
    const INCIDENTS: usize = 12;
    const CONTACTS: u8 = 5;
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let settled = std::sync::Arc::new(std::sync::Mutex::new(Vec::<(DeliveryId, Step, Option<DeliveryId>)>::new()));
    let mut workers = JoinSet::new();
    for _ in 0..8 {
        let (store, settled) = (world.store.clone(), std::sync::Arc::clone(&settled));
        workers.spawn(async move {
            let all = INCIDENTS * usize::from(CONTACTS) * 2;
            let told = || {
                settled.lock().unwrap().iter().map(|(_, _, merged)| 1 + usize::from(merged.is_some())).sum::<usize>()
            };
            while told() < all {
                let few = ClaimRequest { limit: 3, ..request(DUE) };
                for claimed in store.deliveries().claim_due(&few).await.unwrap() {
                    let merged = claimed.merged.as_ref().map(|merged| merged.id);
                    settled.lock().unwrap().push((claimed.delivery.id, claimed.delivery.step, merged));
                    store.deliveries().record_sent(&claimed, "250 ok", DUE).await.unwrap();
                }
            }
        });
    }
    let mut pairs = Vec::new();
    for _ in 0..INCIDENTS {
        let (incident, openings) = opened(&world, &mut leader, CONTACTS).await;
        let recoveries = recovered(&world, &mut leader, &incident, CONTACTS).await;
        pairs.extend(openings.into_iter().zip(recoveries));
    }
    workers.join_all().await;
    let settled = settled.lock().unwrap();
    for (opening, recovery) in pairs {
        let place = |id| settled.iter().position(|(told, ..)| *told == id);
        let recovered = place(recovery.id).unwrap();
        match place(opening.id) {
            Some(opened) => assert!(opened < recovered, "a recovery overtook its opening"),
            None => assert_eq!(settled[recovered].2, Some(opening.id), "an opening was lost"),
        }
    }
}

/// The narrowest race: another worker has taken the opening and not yet committed, so this one still sees it free
/// when it takes the recovery.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_is_given_back_when_its_opening_was_just_taken() {
    let database = Database::postgres();
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let (incident, _) = opened(&world, &mut leader, 1).await;
    let recoveries = recovered(&world, &mut leader, &incident, 1).await;
    let mut other = database.connect().await;
    other.execute("begin").await.unwrap();
    let take = format!("update delivery set state = 'claimed', claimed_until_ms = {}, claim_id = 'x'", i64::MAX);
    other.execute(AssertSqlSafe(take + " where step = 'opened'")).await.unwrap();

    let store = world.store.clone();
    let mut worker = JoinSet::new();
    worker.spawn(async move { claim(&store, DUE).await });
    let waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
    let asked = (0..1000).find(|_| Postgres::shared().sql(&database.name(), waits).unwrap() == "1");
    assert!(asked.is_some(), "the worker never met the other one's lock");
    other.execute("commit").await.unwrap();
    assert_eq!(worker.join_next().await.unwrap().unwrap(), []);
    let recovery = state_of(&world.store, &recoveries[0]).await;
    assert_eq!((recovery.state, recovery.attempt), (DeliveryState::Pending, 0));
}

async fn no_tenant_and_no_channel_takes_all(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    opened(&world, &mut leader, 20).await;
    let stranger = World { tenant: new_tenant(&world.store, "stranger").await, ..world };
    let (_, theirs) = opened(&stranger, &mut leader, 2).await;
    let fair = ClaimRequest { per_tenant: 5, ..request(DUE) };
    let claimed = stranger.store.deliveries().claim_due(&fair).await.unwrap();
    assert_eq!(claimed.len(), 7);
    let of_stranger = claimed.iter().filter(|claimed| claimed.delivery.tenant == theirs[0].tenant).count();
    assert_eq!(of_stranger, 2);

    // Of the 20, the 5 first are claimed; each of the rest has a channel of its own but shares it with later ones.
    opened(&stranger, &mut leader, 20).await;
    let fair = ClaimRequest { per_channel: 1, ..request(DUE) };
    let claimed = stranger.store.deliveries().claim_due(&fair).await.unwrap();
    let channels: BTreeSet<ChannelId> = claimed.iter().map(|claimed| claimed.delivery.channel).collect();
    assert_eq!((claimed.len(), channels.len()), (20, 20));
}
