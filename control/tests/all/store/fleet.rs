//! Hosts, views and the lease.

use farwatch_control::store::{Change, Epoch, Lease, Store, StoreError, Unique, ViewState};
use farwatch_proto::fleet::{FLEET_MAX_HOSTS, HostFacts, PLACEMENT_VERSION, View};
use farwatch_proto::id::{HostId, ProcessId};
use farwatch_proto::time::{Stamp, UnixMs};
use tokio::task::JoinSet;

use super::world::{Database, START, World, facts, random};

on_both_engines!(
    a_host_lives_from_registration_to_retirement,
    a_full_fleet_takes_no_more,
    numbers_of_views_only_grow,
    an_unplanned_view_withdraws_plans,
    a_plan_is_settled_once,
    views_are_found_by_the_slots_they_count_for,
    only_the_leader_writes_views,
    one_of_many_followers_takes_the_lease,
    a_lease_is_renewed_until_it_is_taken_or_released,
    an_acquisition_whose_answer_was_lost_is_found_again,
);

async fn a_host_lives_from_registration_to_retirement(database: Database) {
    let world = World::new(&database).await;
    let hosts = world.store.hosts();
    let twin = HostId::new(START, random());
    let refused = hosts.register(twin, &facts("alpha"), START).await;
    assert!(matches!(refused, Err(StoreError::Conflict(Unique::HostName))), "{refused:?}");

    assert!(matches!(hosts.set_drained(world.host, true, START).await.unwrap(), Change::Made(_)));
    let moved = HostFacts { region: "eu-west".to_owned(), ..facts("alpha") };
    assert!(matches!(hosts.set_facts(world.host, 2, &moved, START).await.unwrap(), Change::Made(_)));
    let found = hosts.get(world.host).await.unwrap().unwrap();
    assert_eq!((found.drained, found.facts, found.retired), (true, moved, None));

    assert!(matches!(hosts.retire(world.host, START + 9).await.unwrap(), Change::Made(_)));
    assert_eq!(hosts.retire(world.host, START + 10).await.unwrap(), Change::Already);
    assert_eq!(hosts.retire(twin, START).await.unwrap(), Change::NotFound);
    hosts.register(twin, &facts("alpha"), START).await.unwrap();
    let listed: Vec<_> = hosts.list().await.unwrap().into_iter().map(|host| (host.id, host.retired)).collect();
    assert_eq!(listed, [(world.host, Some(START + 9)), (twin, None)]);
    assert_eq!(hosts.get(HostId::new(START, random())).await.unwrap(), None);
}

async fn a_full_fleet_takes_no_more(database: Database) {
    let store = database.open().await;
    let mut ids = Vec::new();
    for number in 0..FLEET_MAX_HOSTS {
        ids.push(HostId::new(START, random()));
        store.hosts().register(ids[number], &facts(&format!("host {number}")), START).await.unwrap();
    }
    let one_more = HostId::new(START, random());
    let refused = store.hosts().register(one_more, &facts("one more"), START).await;
    assert!(matches!(refused, Err(StoreError::FleetFull { .. })), "{refused:?}");
    store.hosts().retire(ids[0], START).await.unwrap();
    store.hosts().register(one_more, &facts("one more"), START).await.unwrap();
}

fn view(n: u64, in_force_from: UnixMs) -> View {
    let number = Stamp { era: 1, n };
    View { number, in_force_from, planned: false, placement_version: PLACEMENT_VERSION, hosts: Vec::new() }
}

async fn numbers_of_views_only_grow(database: Database) {
    let world = World::new(&database).await;
    let leader = world.lead().await.epoch;
    let views = world.store.views();
    assert_eq!(views.last_number().await.unwrap(), None);
    assert_eq!(views.latest_in_force().await.unwrap(), None);
    let first = views.put_in_force(leader, &view(1, START), START).await.unwrap();
    assert_eq!(views.put_in_force(leader, &view(1, START), START).await.unwrap(), first, "a lost answer");
    for wrong in [view(1, START + 1), view(0, START), View { number: Stamp { era: 2, n: 2 }, ..view(2, START) }] {
        let refused = views.put_in_force(leader, &wrong, START).await;
        let least = Stamp { era: 1, n: 2 };
        assert!(matches!(refused, Err(StoreError::ViewOutOfOrder { next }) if next == least), "{refused:?}");
    }
    views.plan(leader, &view(1_002, START + 10), START).await.unwrap();
    assert_eq!(views.last_number().await.unwrap(), Some(Stamp { era: 1, n: 1_002 }), "lost numbers are passed over");
    assert_eq!(views.latest_in_force().await.unwrap().unwrap().view, view(1, START));
    assert_eq!(views.after(Stamp { era: 1, n: 1 }).await.unwrap()[0].view, view(1_002, START + 10));
}

async fn an_unplanned_view_withdraws_plans(database: Database) {
    let world = World::new(&database).await;
    let leader = world.lead().await.epoch;
    let views = world.store.views();
    views.put_in_force(leader, &view(1, START), START).await.unwrap();
    views.plan(leader, &view(2, START + 10_000), START).await.unwrap();
    assert_eq!(views.pending_plans().await.unwrap().len(), 1);
    views.put_in_force(leader, &view(3, START + 1), START).await.unwrap();
    assert_eq!(views.pending_plans().await.unwrap(), []);
    let states: Vec<_> = views.after(Stamp::default()).await.unwrap().iter().map(|view| view.state).collect();
    assert_eq!(states, [ViewState::InForce, ViewState::Withdrawn, ViewState::InForce]);
    let log = world.store.config_log().changes_after(Stamp::default(), 100).await.unwrap();
    let numbers: Vec<u64> = log.iter().map(|change| change.stamp.n).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
}

async fn a_plan_is_settled_once(database: Database) {
    let world = World::new(&database).await;
    let leader = world.lead().await.epoch;
    let views = world.store.views();
    let (one, other) = (view(1, START + 10_000), view(2, START + 20_000));
    views.plan(leader, &one, START).await.unwrap();
    assert!(matches!(views.confirm_plan(leader, one.number, START).await.unwrap(), Change::Made(_)));
    assert_eq!(views.confirm_plan(leader, one.number, START).await.unwrap(), Change::Already);
    assert_eq!(views.withdraw_plan(leader, one.number, START).await.unwrap(), Change::NotFound);
    assert_eq!(views.latest_in_force().await.unwrap().unwrap().view, one);
    views.plan(leader, &other, START).await.unwrap();
    assert!(matches!(views.withdraw_plan(leader, other.number, START).await.unwrap(), Change::Made(_)));
    assert_eq!(views.confirm_plan(leader, other.number, START).await.unwrap(), Change::NotFound);
}

async fn views_are_found_by_the_slots_they_count_for(database: Database) {
    let world = World::new(&database).await;
    let leader = world.lead().await.epoch;
    let views = world.store.views();
    for (n, from) in [(1, 0), (2, 100), (3, 300), (4, 200)] {
        // View 4 overtakes view 3, which was to be in force later.
        views.put_in_force(leader, &view(n, START + from), START).await.unwrap();
    }
    let during = async |from: i64, to: i64| {
        let found = views.in_force_during(START + from, START + to).await.unwrap();
        found.iter().map(|view| view.view.number.n).collect::<Vec<_>>()
    };
    assert_eq!(during(0, 100).await, [1]);
    assert_eq!(during(50, 101).await, [1, 2]);
    assert_eq!(during(150, 250).await, [2, 4]);
    assert_eq!(during(150, 400).await, [2, 3, 4]);
    assert_eq!(during(300, 400).await, [4]);
    assert_eq!(during(-10, 0).await, [] as [u64; 0]);
}

async fn only_the_leader_writes_views(database: Database) {
    let world = World::new(&database).await;
    let former = world.lead().await.epoch;
    let leader = world.lead().await.epoch;
    let views = world.store.views();
    let refused = views.put_in_force(former, &view(1, START), START).await;
    assert!(matches!(refused, Err(StoreError::StaleLeader)), "{refused:?}");
    views.plan(leader, &view(1, START), START).await.unwrap();
    let refused = views.confirm_plan(former, view(1, START).number, START).await;
    assert!(matches!(refused, Err(StoreError::StaleLeader)), "{refused:?}");
}

async fn acquire(store: &Store, seen: &Lease, random_part: u64) -> Option<Epoch> {
    let holder = ProcessId::new(START, random());
    let held = store.lease().acquire(seen, holder, "10.0.0.1:7400", random_part).await.unwrap();
    held.map(|held| held.epoch)
}

async fn one_of_many_followers_takes_the_lease(database: Database) {
    let store = database.open().await;
    let seen = store.lease().read().await.unwrap();
    assert_eq!((seen.holder, seen.epoch), (None, Epoch::default()));
    let mut followers = JoinSet::new();
    for number in 0..8 {
        let (store, seen) = (store.clone(), seen.clone());
        followers.spawn(async move { acquire(&store, &seen, u64::MAX - number).await });
    }
    let won: Vec<Epoch> = followers.join_all().await.into_iter().flatten().collect();
    assert_eq!(won.len(), 1);
    let lease = store.lease().read().await.unwrap();
    assert_eq!((lease.epoch, lease.counter, lease.address.as_str()), (won[0], 1, "10.0.0.1:7400"));
    assert_eq!(lease.epoch.n, 1);
}

async fn a_lease_is_renewed_until_it_is_taken_or_released(database: Database) {
    let store = database.open().await;
    let free = store.lease().read().await.unwrap();
    let first = acquire(&store, &free, 11).await.unwrap();
    assert_eq!(store.lease().renew(first).await.unwrap(), 2);
    let watched = store.lease().read().await.unwrap();
    assert_eq!(store.lease().renew(first).await.unwrap(), 3);
    assert_eq!(acquire(&store, &watched, 12).await, None, "the counter moved");

    let watched = store.lease().read().await.unwrap();
    let second = acquire(&store, &watched, 13).await.unwrap();
    assert_eq!(second, Epoch { n: 2, random: 13 });
    let refused = store.lease().renew(first).await;
    assert!(matches!(refused, Err(StoreError::StaleLeader)), "{refused:?}");
    store.lease().release(first).await.unwrap();
    assert!(store.lease().read().await.unwrap().holder.is_some(), "a former holder releases nothing");
    store.lease().release(second).await.unwrap();
    assert_eq!(store.lease().read().await.unwrap().holder, None);
    let refused = store.lease().renew(second).await;
    assert!(matches!(refused, Err(StoreError::StaleLeader)), "{refused:?}");
}

async fn an_acquisition_whose_answer_was_lost_is_found_again(database: Database) {
    let store = database.open().await;
    let free = store.lease().read().await.unwrap();
    let first = acquire(&store, &free, 11).await.unwrap();
    assert_eq!(acquire(&store, &free, 11).await, Some(first));
    assert_eq!(acquire(&store, &free, 12).await, None);
}
