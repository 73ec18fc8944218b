//! Modules: the releases of a name, who is run by them, and bytes that are gone once nothing names them.

use farwatch_control::store::{Change, Enforcement, Module, ModuleHold, NewCheck, NewModule, NewRevision, StoreError};
use farwatch_proto::check::{Activity, Repeat};
use farwatch_proto::id::{CheckId, ModuleHash, TenantId};

use super::world::{Database, START, World, new_tenant, random};

on_both_engines!(
    a_release_that_a_revision_is_run_by_stays,
    bytes_stay_while_anything_names_them,
    releases_of_a_name_are_ones_own_first,
    checks_are_behind_a_newer_release_of_the_same_owner,
    a_version_is_held_back_for_one_tenant_until_it_is_released_or_taken_back,
);

fn new(tenant: Option<TenantId>, name: &str, version: &str, bytes: &[u8]) -> NewModule {
    let description = format!(r#"{{"name":"{name}"}}"#);
    NewModule { tenant, name: name.to_owned(), version: version.to_owned(), description, bytes: bytes.to_vec() }
}

async fn released(world: &World, tenant: TenantId, version: &str, bytes: &[u8]) -> Module {
    world.store.modules().put(&new(Some(tenant), "mine", version, bytes), START).await.unwrap();
    let named = world.store.modules().named(tenant, "mine").await.unwrap();
    named.into_iter().find(|module| module.version == version).unwrap()
}

async fn a_release_that_a_revision_is_run_by_stays(database: Database) {
    let world = World::new(&database).await;
    let (modules, checks) = (world.store.modules(), world.store.checks());
    let mine = released(&world, world.tenant, "1.0.0", b"mine").await;
    let id = CheckId::new(START, random());
    let revision = NewRevision { module: mine.hash, ..world.wording("shop") };
    checks.create(&NewCheck { id, tenant: world.tenant, revision, heartbeat: None }, START).await.unwrap();
    assert_eq!(modules.users(world.tenant, mine.hash, 5).await.unwrap(), ["shop"]);
    let refused = modules.take_back(&mine, world.tenant, START).await;
    assert!(matches!(refused, Err(StoreError::DanglingReference)), "{refused:?}");
    checks.add_revision(world.tenant, id, 1, &world.wording("shop"), START).await.unwrap();
    let refused = modules.take_back(&mine, world.tenant, START).await;
    assert!(matches!(refused, Err(StoreError::DanglingReference)), "the revision before may still come into force");

    let leader = world.lead().await;
    let enforcement = [Enforcement { check: id, revision: 2, from: START + 60_000 }];
    checks.put_in_force(leader.epoch, &enforcement, START).await.unwrap();
    assert_eq!(modules.users(world.tenant, mine.hash, 5).await.unwrap(), Vec::<String>::new());
    assert!(matches!(modules.take_back(&mine, world.tenant, START).await.unwrap(), Change::Made(_)));
    assert_eq!(modules.take_back(&mine, world.tenant, START).await.unwrap(), Change::NotFound);
    assert_eq!(modules.named(world.tenant, "mine").await.unwrap(), []);
    assert_eq!(modules.bytes(mine.hash).await.unwrap().unwrap(), b"mine", "revision 1 names them");
}

async fn bytes_stay_while_anything_names_them(database: Database) {
    let world = World::new(&database).await;
    let other = new_tenant(&world.store, "umbrella").await;
    let modules = world.store.modules();
    let mine = released(&world, world.tenant, "1.0.0", b"same").await;
    let theirs = released(&world, other, "1.0.0", b"same").await;
    assert!(matches!(modules.take_back(&theirs, other, START).await.unwrap(), Change::Made(_)));
    assert!(modules.bytes(mine.hash).await.unwrap().is_some(), "the other release names them");
    assert_eq!(modules.named(other, "mine").await.unwrap(), []);
    assert_eq!(modules.take_back(&theirs, other, START).await.unwrap(), Change::NotFound);
    assert!(matches!(modules.take_back(&mine, world.tenant, START).await.unwrap(), Change::Made(_)));
    assert_eq!(modules.bytes(mine.hash).await.unwrap(), None);
    assert_eq!(modules.description(mine.hash).await.unwrap(), None);
}

async fn releases_of_a_name_are_ones_own_first(database: Database) {
    let world = World::new(&database).await;
    let other = new_tenant(&world.store, "umbrella").await;
    let modules = world.store.modules();
    for (tenant, version, bytes) in [
        (Some(world.tenant), "1.0.0", "a"),
        (None, "2.0.0", "b"),
        (Some(world.tenant), "0.9.0", "c"),
        (Some(other), "3.0.0", "d"),
    ] {
        modules.put(&new(tenant, "tcp", version, bytes.as_bytes()), START).await.unwrap();
    }
    let named = modules.named(world.tenant, "tcp").await.unwrap();
    let versions: Vec<_> = named.iter().map(|module| module.version.as_str()).collect();
    assert_eq!(versions, ["0.9.0", "1.0.0", "2.0.0"]);
    assert_eq!(named[2].hash, ModuleHash::of(b"b"));
    assert_eq!(modules.named(world.tenant, "udp").await.unwrap(), []);
}

/// A check of this tenant that is run by this module.
async fn run_by(world: &World, name: &str, module: ModuleHash) -> CheckId {
    let id = CheckId::new(START, random());
    let revision = NewRevision { module, ..world.wording(name) };
    let new = NewCheck { id, tenant: world.tenant, revision, heartbeat: None };
    world.store.checks().create(&new, START).await.unwrap();
    id
}

/// The checks that a newer release is there for.
async fn behind(world: &World, after: Option<CheckId>, limit: u32) -> Vec<CheckId> {
    let behind = world.store.rollouts().behind(after, limit).await.unwrap();
    behind.into_iter().map(|revision| revision.check).collect()
}

async fn checks_are_behind_a_newer_release_of_the_same_owner(database: Database) {
    let world = World::new(&database).await;
    let other = new_tenant(&world.store, "umbrella").await;
    let first = released(&world, world.tenant, "1.0.0", b"first").await;
    let mut checks = [run_by(&world, "shop", first.hash).await, run_by(&world, "mail", first.hash).await];
    checks.sort_unstable();
    world.store.modules().put(&new(None, "mine", "9.0.0", b"built in"), START).await.unwrap();
    released(&world, other, "2.0.0", b"theirs").await;
    assert_eq!(behind(&world, None, 10).await, [], "others have released what is newer");
    let second = released(&world, world.tenant, "1.1.0", b"second").await;
    assert_eq!(behind(&world, None, 10).await, checks);
    assert_eq!(behind(&world, None, 1).await, checks[..1]);
    assert_eq!(behind(&world, Some(checks[0]), 10).await, checks[1..]);

    let wording = NewRevision { module: second.hash, ..world.wording("moved") };
    world.store.checks().add_revision(world.tenant, checks[0], 1, &wording, START).await.unwrap();
    let once = NewRevision { module: first.hash, repeat: Repeat::Unsafe, ..world.wording("once") };
    world.store.checks().add_revision(world.tenant, checks[1], 1, &once, START).await.unwrap();
    assert_eq!(behind(&world, None, 10).await, [], "no canary runs it twice");
    let pause = NewRevision { module: first.hash, activity: Activity::Paused, ..world.wording("paused") };
    world.store.checks().add_revision(world.tenant, checks[1], 2, &pause, START).await.unwrap();
    assert_eq!(behind(&world, None, 10).await, []);
}

async fn a_version_is_held_back_for_one_tenant_until_it_is_released_or_taken_back(database: Database) {
    let world = World::new(&database).await;
    let other = new_tenant(&world.store, "umbrella").await;
    let mine = released(&world, world.tenant, "1.0.0", b"mine").await;
    let rollouts = world.store.rollouts();
    assert!(matches!(rollouts.hold(world.tenant, mine.hash, "it trapped", START).await.unwrap(), Change::Made(_)));
    assert_eq!(rollouts.hold(world.tenant, mine.hash, "again", START + 1).await.unwrap(), Change::Already);
    let held = rollouts.held(world.tenant).await.unwrap();
    assert_eq!(held.get(&mine.hash), Some(&ModuleHold { why: "it trapped".to_owned(), held: START }));
    assert!(rollouts.held(other).await.unwrap().is_empty());
    assert!(matches!(rollouts.release(world.tenant, mine.hash, START).await.unwrap(), Change::Made(_)));
    assert_eq!(rollouts.release(world.tenant, mine.hash, START).await.unwrap(), Change::NotFound);
    rollouts.hold(world.tenant, mine.hash, "it trapped", START).await.unwrap();
    world.store.modules().take_back(&mine, world.tenant, START).await.unwrap();
    assert!(rollouts.held(world.tenant).await.unwrap().is_empty(), "its hold goes with it");
}
