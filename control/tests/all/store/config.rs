//! The config log: gapless and in order, whoever writes at once.

use farwatch_control::store::{Change, Entity, NewTenant, StoreError, Unique};
use farwatch_proto::id::TenantId;
use farwatch_proto::time::Stamp;
use tokio::task::JoinSet;

use super::world::{Database, START, World, facts, random};

on_both_engines!(
    twenty_writers_leave_no_gap,
    a_write_that_fails_takes_no_number,
    a_write_that_changes_nothing_takes_no_number,
    a_write_whose_answer_was_lost_is_done_once,
    the_log_names_every_kind_of_entity,
);

async fn twenty_writers_leave_no_gap(database: Database) {
    let store = database.open().await;
    let mut writers = JoinSet::new();
    for writer in 0..20 {
        let store = store.clone();
        writers.spawn(async move {
            let mut stamps = Vec::new();
            for number in 0..5 {
                let name = format!("tenant {writer}.{number}");
                let new = NewTenant { id: TenantId::new(START, random()), name };
                stamps.push(store.tenants().create(&new, START).await.unwrap());
            }
            stamps
        });
    }
    let mut given: Vec<Stamp> = writers.join_all().await.into_iter().flatten().collect();
    given.sort();
    let log = store.config_log().changes_after(Stamp::default(), 1000).await.unwrap();
    let logged: Vec<Stamp> = log.iter().map(|change| change.stamp).collect();
    assert_eq!(logged, (1..=100).map(|n| Stamp { era: 1, n }).collect::<Vec<_>>());
    assert_eq!(given, logged);
    assert_eq!(store.config_log().current_stamp().await.unwrap(), Stamp { era: 1, n: 100 });

    let tail = store.config_log().changes_after(Stamp { era: 1, n: 97 }, 2).await.unwrap();
    assert_eq!(tail.iter().map(|change| change.stamp.n).collect::<Vec<_>>(), [98, 99]);
}

async fn a_write_that_fails_takes_no_number(database: Database) {
    let world = World::new(&database).await;
    let before = world.store.config_log().current_stamp().await.unwrap();
    let same = NewTenant { id: TenantId::new(START, random()), name: "acme".to_owned() };
    let refused = world.store.tenants().create(&same, START).await;
    assert!(matches!(refused, Err(StoreError::Conflict(Unique::TenantName))), "{refused:?}");
    assert_eq!(world.store.config_log().current_stamp().await.unwrap(), before);
}

async fn a_write_that_changes_nothing_takes_no_number(database: Database) {
    let world = World::new(&database).await;
    let before = world.store.config_log().current_stamp().await.unwrap();
    let hosts = world.store.hosts();
    assert_eq!(hosts.set_drained(world.host, false, START).await.unwrap(), Change::Already);
    assert_eq!(hosts.set_facts(world.host, 1, &facts("alpha"), START).await.unwrap(), Change::Already);
    assert_eq!(world.store.config_log().current_stamp().await.unwrap(), before);
}

async fn a_write_whose_answer_was_lost_is_done_once(database: Database) {
    let store = database.open().await;
    let new = NewTenant { id: TenantId::new(START, random()), name: "acme".to_owned() };
    let first = store.tenants().create(&new, START).await.unwrap();
    let again = store.tenants().create(&new, START).await.unwrap();
    assert_eq!(first, again);
    assert_eq!(store.config_log().current_stamp().await.unwrap(), first);
}

async fn the_log_names_every_kind_of_entity(database: Database) {
    let world = World::new(&database).await;
    let check = world.check("shop").await;
    let contact = world.contact("ops").await;
    let log = world.store.config_log().changes_after(Stamp::default(), 100).await.unwrap();
    let entities: Vec<Entity> = log.iter().map(|change| change.entity).collect();
    let expected = [
        Entity::Tenant(world.tenant),
        Entity::Module(world.module),
        Entity::Host(world.host),
        Entity::Check(check),
        Entity::Contact(contact),
    ];
    assert_eq!(entities, expected);
    assert!(log.iter().all(|change| change.at == START));
}
