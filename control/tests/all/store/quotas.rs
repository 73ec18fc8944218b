//! Quotas: what was said is kept, and what would be too much is refused in the transaction that would add it.

use farwatch_control::store::{AuditEntry, Change, NewCheck, NewModule, NewRevision, SaidQuotas, Store, StoreError};
use farwatch_core::quota::{Modules, Quota, Quotas, TARGET_RUNS_PER_MINUTE_OF_TENANT};
use farwatch_proto::check::Activity;
use farwatch_proto::id::{CheckId, ModuleHash, TenantId};
use farwatch_proto::interval::Interval;

use super::world::{Database, START, World, new_tenant, random};

on_both_engines!(
    what_was_said_is_kept_and_the_rest_is_given,
    modules_beyond_the_quota_are_refused_and_nothing_is_kept_of_them,
    runs_beyond_the_quota_are_refused_and_fewer_always_pass,
    one_target_is_watched_so_closely_by_one_tenant,
    what_the_house_writes_is_not_judged,
);

/// The store in somebody's name, as the API has it.
fn signed(world: &World) -> Store {
    world.store.signed(AuditEntry::of_house("test", "test".to_owned(), START))
}

async fn say(world: &World, quotas: SaidQuotas) {
    let revision = world.store.tenants().get(world.tenant).await.unwrap().unwrap().revision;
    world.store.quotas().say(world.tenant, revision, &quotas, START).await.unwrap();
}

#[track_caller]
fn reached<T: std::fmt::Debug>(outcome: Result<T, StoreError>) -> (Quota, u64, u64, u64) {
    match outcome {
        Err(StoreError::Exceeded(it)) => (it.quota, it.most, it.used, it.wanted),
        other => panic!("no quota is reached: {other:?}"),
    }
}

async fn what_was_said_is_kept_and_the_rest_is_given(database: Database) {
    let world = World::new(&database).await;
    let quotas = world.store.quotas();
    assert_eq!(quotas.said(world.tenant).await.unwrap().in_force(), Quotas::default());
    let said = SaidQuotas { modules: Some(3), module_bytes: Some(1 << 40), ..SaidQuotas::default() };
    assert!(matches!(quotas.say(world.tenant, 1, &said, START).await.unwrap(), Change::Made(_)));
    assert_eq!(quotas.say(world.tenant, 1, &said, START).await.unwrap(), Change::Already);
    let other = SaidQuotas { modules: Some(4), ..said };
    let stale = quotas.say(world.tenant, 1, &other, START).await;
    assert!(matches!(stale, Err(StoreError::StaleRevision { latest: 2 })), "{stale:?}");
    assert_eq!(quotas.said(world.tenant).await.unwrap(), said);
    let in_force = Quotas { modules: 3, module_bytes: 1 << 40, ..Quotas::default() };
    assert_eq!(quotas.said(world.tenant).await.unwrap().in_force(), in_force);
    let nobody = quotas.say(TenantId::from_bytes([9; 16]), 1, &said, START).await.unwrap();
    assert_eq!(nobody, Change::NotFound);
    assert!(matches!(quotas.say(world.tenant, 2, &SaidQuotas::default(), START).await.unwrap(), Change::Made(_)));
    assert_eq!(quotas.said(world.tenant).await.unwrap(), SaidQuotas::default());
}

fn module(tenant: Option<TenantId>, version: &str, bytes: &[u8]) -> NewModule {
    let (name, version, description) = ("mine".to_owned(), version.to_owned(), "{}".to_owned());
    NewModule { tenant, name, version, description, bytes: bytes.to_vec() }
}

async fn modules_beyond_the_quota_are_refused_and_nothing_is_kept_of_them(database: Database) {
    let world = World::new(&database).await;
    let (store, own) = (signed(&world), Some(world.tenant));
    say(&world, SaidQuotas { modules: Some(2), module_bytes: Some(10), ..SaidQuotas::default() }).await;
    store.modules().put(&module(own, "1.0.0", b"six by"), START).await.unwrap();
    let too_large = store.modules().put(&module(own, "1.1.0", b"five!"), START).await;
    assert_eq!(reached(too_large), (Quota::ModuleBytes, 10, 6, 5));
    assert_eq!(store.modules().bytes(ModuleHash::of(b"five!")).await.unwrap(), None);
    store.modules().put(&module(own, "1.1.0", b"four"), START).await.unwrap();
    let too_many = store.modules().put(&module(own, "1.2.0", b""), START).await;
    assert_eq!(reached(too_many), (Quota::Modules, 2, 2, 1));
    assert_eq!(store.quotas().modules(world.tenant).await.unwrap(), Modules { count: 2, bytes: 10 });
    assert_eq!(store.modules().put(&module(own, "1.0.0", b"six by"), START).await.unwrap(), None, "it is there");
    let other = new_tenant(&world.store, "umbrella").await;
    store.modules().put(&module(Some(other), "1.0.0", b"eleven bytes"), START).await.unwrap();
    store.modules().put(&module(None, "1.0.0", b"built in, for everybody"), START).await.unwrap();
    assert_eq!(store.quotas().modules(world.tenant).await.unwrap(), Modules { count: 2, bytes: 10 });
}

fn check(tenant: TenantId, revision: NewRevision) -> NewCheck {
    NewCheck { id: CheckId::new(START, random()), tenant, revision, heartbeat: None }
}

fn every(seconds: u32, streams: u16, wording: NewRevision) -> NewRevision {
    NewRevision { interval: Interval::from_seconds(seconds).unwrap(), streams, timeout_ms: 1_000, ..wording }
}

async fn runs_beyond_the_quota_are_refused_and_fewer_always_pass(database: Database) {
    let world = World::new(&database).await;
    let store = signed(&world);
    say(&world, SaidQuotas { runs_per_minute: Some(12), ..SaidQuotas::default() }).await;
    let first = check(world.tenant, every(10, 1, world.wording("first")));
    store.checks().create(&first, START).await.unwrap();
    let second = check(world.tenant, every(20, 2, world.wording("second")));
    store.checks().create(&second, START).await.unwrap();
    assert_eq!(store.quotas().runs(world.tenant).await.unwrap().per_minute(), 12);
    let third = store.checks().create(&check(world.tenant, every(60, 1, world.wording("third"))), START).await;
    assert_eq!(reached(third), (Quota::RunsPerMinute, 12, 12, 1));

    let add = async |new: &NewCheck, seen: u32, wording: &NewRevision| {
        store.checks().add_revision(world.tenant, new.id, seen, wording, START + i64::from(seen)).await
    };
    assert_eq!(reached(add(&first, 1, &every(10, 2, world.wording("first"))).await), (Quota::RunsPerMinute, 12, 12, 6));
    let paused = NewRevision { activity: Activity::Paused, ..first.revision.clone() };
    add(&first, 1, &paused).await.unwrap();
    assert_eq!(store.quotas().runs(world.tenant).await.unwrap().per_minute(), 6);
    store.checks().create(&check(world.tenant, every(60, 1, world.wording("third"))), START).await.unwrap();
    let resumed = add(&first, 2, &first.revision).await;
    assert_eq!(reached(resumed), (Quota::RunsPerMinute, 12, 7, 6));

    say(&world, SaidQuotas { runs_per_minute: Some(1), ..SaidQuotas::default() }).await;
    add(&second, 1, &every(30, 2, world.wording("second"))).await.unwrap();
    add(&second, 2, &every(30, 2, world.wording("renamed"))).await.unwrap();
    let deleted = NewRevision { activity: Activity::Deleted, ..second.revision.clone() };
    add(&second, 3, &deleted).await.unwrap();
    assert_eq!(store.quotas().runs(world.tenant).await.unwrap().per_minute(), 1);
}

async fn one_target_is_watched_so_closely_by_one_tenant(database: Database) {
    let world = World::new(&database).await;
    let (store, other) = (signed(&world), new_tenant(&world.store, "umbrella").await);
    let at = |target: &str, name: String| {
        let wording = every(10, 8, world.wording(&name));
        NewRevision { target: Some(target.to_owned()), ..wording }
    };
    let most = TARGET_RUNS_PER_MINUTE_OF_TENANT / 48;
    let mut last = None;
    for number in 0..most {
        let new = check(world.tenant, at("shop.example.com", format!("shop {number}")));
        store.checks().create(&new, START).await.unwrap();
        last = Some(new);
    }
    let one_more = store.checks().create(&check(world.tenant, at("shop.example.com", "more".to_owned())), START).await;
    assert_eq!(reached(one_more), (Quota::TargetOfTenant, 1_200, 1_200, 48));
    store.checks().create(&check(world.tenant, at("b.example.com", "elsewhere".to_owned())), START).await.unwrap();
    store.checks().create(&check(other, at("shop.example.com", "theirs".to_owned())), START).await.unwrap();
    // A check that goes there may stay as it is, and one that went elsewhere may not come.
    let last = last.unwrap();
    let renamed = at("shop.example.com", "renamed".to_owned());
    store.checks().add_revision(world.tenant, last.id, 1, &renamed, START + 1).await.unwrap().unwrap();
    let moved = at("c.example.com", "moved".to_owned());
    store.checks().add_revision(world.tenant, last.id, 2, &moved, START + 2).await.unwrap().unwrap();
    store.checks().create(&check(world.tenant, at("shop.example.com", "more".to_owned())), START).await.unwrap();
    let back = store.checks().add_revision(world.tenant, last.id, 3, &renamed, START + 3).await;
    assert_eq!(reached(back), (Quota::TargetOfTenant, 1_200, 1_200, 48));
}

async fn what_the_house_writes_is_not_judged(database: Database) {
    let world = World::new(&database).await;
    say(&world, SaidQuotas { modules: Some(0), runs_per_minute: Some(0), ..SaidQuotas::default() }).await;
    world.check("shop").await;
    world.store.modules().put(&module(Some(world.tenant), "1.0.0", b"mine"), START).await.unwrap();
    let mine = NewRevision { module: ModuleHash::of(b"mine"), ..world.wording("own") };
    let own = check(world.tenant, mine);
    world.store.checks().create(&own, START).await.unwrap();
    let run_by_own = world.store.quotas().run_by_own(world.tenant).await.unwrap();
    assert_eq!(run_by_own, [(own.id, ModuleHash::of(b"mine"))]);
    assert_eq!(world.store.quotas().run_by(world.tenant, ModuleHash::of(b"mine")).await.unwrap(), [own.id]);
}
