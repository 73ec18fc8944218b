//! What was in force when: the rows that the ledger counts due slots from.

use farwatch_control::store::{Enforcement, LedgerScope, NewRevision};
use farwatch_proto::check::{Activity, Repeat};
use farwatch_proto::id::CheckId;
use farwatch_proto::interval::Interval;

use super::world::{Database, Leader, START, World, new_tenant};

on_both_engines!(a_period_shows_what_counted_within_it, a_scope_shows_no_more_than_its_own);

/// A check that is active from the start, every 10 s from 100 s on, and paused from 200 s on.
async fn check_with_a_life(world: &World, leader: Leader) -> CheckId {
    let check = world.check("shop").await;
    let checks = world.store.checks();
    let faster =
        NewRevision { interval: Interval::from_seconds(10).unwrap(), timeout_ms: 3000, ..world.wording("shop") };
    let paused = NewRevision { activity: Activity::Paused, repeat: Repeat::Unsafe, ..faster.clone() };
    checks.add_revision(world.tenant, check, 1, &faster, START).await.unwrap();
    checks.add_revision(world.tenant, check, 2, &paused, START).await.unwrap();
    for (revision, after_ms) in [(1, 0), (2, 100_000), (3, 200_000)] {
        let enforcement = Enforcement { check, revision, from: START + after_ms };
        checks.put_in_force(leader.epoch, &[enforcement], START).await.unwrap();
    }
    check
}

async fn a_period_shows_what_counted_within_it(database: Database) {
    let world = World::new(&database).await;
    let leader = world.lead().await;
    let check = check_with_a_life(&world, leader).await;
    world.check("never in force").await;
    let counted = async |from_ms: i64, to_ms: i64| {
        let (from, to) = (START + from_ms, START + to_ms);
        let found = world.store.checks().revisions_in_force_between(LedgerScope::Fleet, from, to).await.unwrap();
        assert!(found.iter().all(|revision| revision.check == check && revision.tenant == world.tenant));
        found.iter().map(|revision| revision.revision).collect::<Vec<_>>()
    };
    assert_eq!(counted(-50_000, 0).await, [] as [u32; 0]);
    assert_eq!(counted(0, 1).await, [1]);
    assert_eq!(counted(50_000, 100_000).await, [1]);
    assert_eq!(counted(50_000, 100_001).await, [1, 2]);
    assert_eq!(counted(100_000, 150_000).await, [2]);
    assert_eq!(counted(0, 300_000).await, [1, 2, 3]);
    assert_eq!(counted(250_000, 300_000).await, [3]);
    let checks = world.store.checks();
    let placed = async |checks_named: &[CheckId], from_ms: i64, to_ms: i64| {
        let found = checks.specs_in_force_between(checks_named, START + from_ms, START + to_ms).await.unwrap();
        assert!(found.iter().all(|spec| spec.check == check && spec.tenant == world.tenant && !spec.spec.is_empty()));
        found.iter().map(|spec| spec.revision).collect::<Vec<_>>()
    };
    assert_eq!(placed(&[check], 50_000, 100_001).await, [1, 2]);
    assert_eq!(placed(&[check], 250_000, 300_000).await, [3]);
    assert_eq!(placed(&[CheckId::from_bytes([9; 16])], 0, 300_000).await, [] as [u32; 0]);
    assert_eq!(placed(&[], 0, 300_000).await, [] as [u32; 0]);
}

async fn a_scope_shows_no_more_than_its_own(database: Database) {
    let world = World::new(&database).await;
    let leader = world.lead().await;
    let check = check_with_a_life(&world, leader).await;
    let stranger = new_tenant(&world.store, "stranger").await;
    let theirs = world.check_of(stranger, "theirs").await;
    let checks = world.store.checks();
    checks.put_in_force(leader.epoch, &[Enforcement { check: theirs, revision: 1, from: START }], START).await.unwrap();

    let count = async |scope| checks.revisions_in_force_between(scope, START, START + 300_000).await.unwrap().len();
    assert_eq!(count(LedgerScope::Fleet).await, 4);
    assert_eq!(count(LedgerScope::Tenant(world.tenant)).await, 3);
    assert_eq!(count(LedgerScope::Check(world.tenant, check)).await, 3);
    assert_eq!(count(LedgerScope::Check(world.tenant, theirs)).await, 0);
    let last = checks
        .revisions_in_force_between(LedgerScope::Check(world.tenant, check), START + 250_000, START + 300_000)
        .await
        .unwrap()[0];
    assert_eq!((last.activity, last.repeat, last.streams), (Activity::Paused, Repeat::Unsafe, 1));
    assert_eq!((last.interval.seconds(), last.in_force_from), (10, START + 200_000));
}
