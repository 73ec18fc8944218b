//! Changes of what people keep: made only against the latest revision, and none is counted that changed nothing.

use farwatch_control::store::{Change, ChannelChange, ChannelKind, NewChannel, StoreError};
use farwatch_proto::fleet::HostFacts;
use farwatch_proto::id::ChannelId;

use super::world::{Database, START, World, facts, new_tenant, random};

on_both_engines!(
    a_tenant_is_renamed_against_its_latest_revision,
    a_contact_counts_its_own_changes_and_those_of_its_channels,
    a_channel_is_changed_against_its_latest_revision,
    a_host_that_is_retired_stays_what_it_was,
);

#[track_caller]
fn assert_stale(change: &Result<Change, StoreError>, latest_now: u32) {
    assert!(matches!(change, Err(StoreError::StaleRevision { latest }) if *latest == latest_now), "{change:?}");
}

async fn a_tenant_is_renamed_against_its_latest_revision(database: Database) {
    let world = World::new(&database).await;
    let tenants = world.store.tenants();
    assert!(matches!(tenants.rename(world.tenant, 1, "acme corp", START).await.unwrap(), Change::Made(_)));
    assert_eq!(tenants.rename(world.tenant, 1, "acme corp", START).await.unwrap(), Change::Already, "a lost answer");
    assert_stale(&tenants.rename(world.tenant, 1, "acme inc", START).await, 2);
    let found = tenants.get(world.tenant).await.unwrap().unwrap();
    assert_eq!((found.name.as_str(), found.revision), ("acme corp", 2));
    let nobody = farwatch_proto::id::TenantId::new(START, random());
    assert_eq!(tenants.rename(nobody, 1, "nobody", START).await.unwrap(), Change::NotFound);
}

fn mail(world_contact: farwatch_proto::id::ContactId) -> NewChannel {
    NewChannel {
        id: ChannelId::new(START, random()),
        contact: world_contact,
        kind: ChannelKind::Webhook,
        config: r#"{"url":"https://a.example"}"#.to_owned(),
        sealed_secret: Some(vec![7; 40]),
    }
}

async fn a_contact_counts_its_own_changes_and_those_of_its_channels(database: Database) {
    let world = World::new(&database).await;
    let contacts = world.store.contacts();
    let ops = world.contact("ops").await;
    let revision = async || contacts.get(world.tenant, ops).await.unwrap().unwrap().revision;
    assert_eq!(revision().await, 1);
    let hook = mail(ops);
    contacts.add_channel(world.tenant, &hook, START).await.unwrap();
    contacts.add_channel(world.tenant, &hook, START).await.unwrap();
    assert_eq!(revision().await, 2, "a lost answer counts once");
    assert_stale(&contacts.rename(world.tenant, ops, 1, "night", START).await, 2);
    assert!(matches!(contacts.rename(world.tenant, ops, 2, "night", START).await.unwrap(), Change::Made(_)));
    let stranger = new_tenant(&world.store, "stranger").await;
    assert_eq!(contacts.rename(stranger, ops, 3, "mine", START).await.unwrap(), Change::NotFound);
    contacts.delete_channel(world.tenant, hook.id, 1, START).await.unwrap();
    assert_eq!(revision().await, 4);
    assert_stale(&contacts.delete(world.tenant, ops, 3, START).await, 4);
    assert!(matches!(contacts.delete(world.tenant, ops, 4, START).await.unwrap(), Change::Made(_)));
    assert_eq!(contacts.rename(world.tenant, ops, 4, "ghost", START).await.unwrap(), Change::NotFound);
}

async fn a_channel_is_changed_against_its_latest_revision(database: Database) {
    let world = World::new(&database).await;
    let contacts = world.store.contacts();
    let hook = mail(world.contact("ops").await);
    contacts.add_channel(world.tenant, &hook, START).await.unwrap();
    let moved = ChannelChange { config: r#"{"url":"https://b.example"}"#.to_owned(), sealed_secret: None };
    let change =
        async |seen, new: &ChannelChange| contacts.change_channel(world.tenant, hook.id, seen, new, START).await;
    assert!(matches!(change(1, &moved).await.unwrap(), Change::Made(_)));
    assert_eq!(change(1, &moved).await.unwrap(), Change::Already);
    let resealed = ChannelChange { sealed_secret: Some(vec![8; 40]), ..moved.clone() };
    assert_stale(&change(1, &resealed).await, 2);
    let before = contacts.own_channel(world.tenant, hook.id).await.unwrap().unwrap();
    assert_eq!((before.config.as_str(), before.sealed_secret), (moved.config.as_str(), Some(vec![7; 40])));
    assert!(matches!(change(2, &resealed).await.unwrap(), Change::Made(_)));
    assert_eq!(contacts.channel(hook.id).await.unwrap().unwrap().sealed_secret, Some(vec![8; 40]));

    let stranger = new_tenant(&world.store, "stranger").await;
    assert_eq!(contacts.own_channel(stranger, hook.id).await.unwrap(), None);
    let theirs = contacts.change_channel(stranger, hook.id, 3, &moved, START).await;
    assert_eq!(theirs.unwrap(), Change::NotFound);
    assert_stale(&contacts.delete_channel(world.tenant, hook.id, 2, START).await, 3);
    contacts.delete_channel(world.tenant, hook.id, 3, START).await.unwrap();
    assert_eq!(contacts.own_channel(world.tenant, hook.id).await.unwrap(), None);
    assert_eq!(change(3, &moved).await.unwrap(), Change::NotFound);
}

async fn a_host_that_is_retired_stays_what_it_was(database: Database) {
    let world = World::new(&database).await;
    let hosts = world.store.hosts();
    let heavy = HostFacts { weight: 3, ..facts("alpha") };
    assert!(matches!(hosts.set_facts(world.host, 1, &heavy, START).await.unwrap(), Change::Made(_)));
    assert_eq!(hosts.set_facts(world.host, 1, &heavy, START).await.unwrap(), Change::Already);
    assert_stale(&hosts.set_facts(world.host, 1, &facts("beta"), START).await, 2);
    hosts.retire(world.host, START).await.unwrap();
    assert_eq!(hosts.get(world.host).await.unwrap().unwrap().revision, 3);
    assert_eq!(hosts.set_facts(world.host, 3, &facts("beta"), START).await.unwrap(), Change::NotFound);
}
