//! Checks and their revisions: names, changes against what was seen, pages, what is pending and in force.

use farwatch_control::store::{CheckFilter, Enforcement, Epoch, NewCheck, NewRevision, StoreError, Unique};
use farwatch_proto::check::Activity;
use farwatch_proto::id::{CheckId, ModuleHash};
use farwatch_proto::time::Stamp;

use super::world::{Database, START, World, new_tenant, random};

on_both_engines!(
    a_name_is_unique_until_its_check_is_deleted,
    a_change_is_made_only_against_the_latest,
    checks_come_in_pages_by_filter,
    another_tenants_check_does_not_exist,
    a_revision_is_pending_until_it_is_in_force,
    an_overtaken_revision_never_comes_into_force,
    only_the_leader_puts_in_force,
    whoever_follows_the_log_sees_every_definition,
    a_check_that_is_gone_is_not_loaded,
);

async fn a_name_is_unique_until_its_check_is_deleted(database: Database) {
    let world = World::new(&database).await;
    let checks = world.store.checks();
    let first = world.check("shop").await;
    let again = NewCheck {
        id: CheckId::new(START, random()),
        tenant: world.tenant,
        revision: world.wording("shop"),
        heartbeat: None,
    };
    let refused = checks.create(&again, START).await;
    assert!(matches!(refused, Err(StoreError::Conflict(Unique::CheckName))), "{refused:?}");

    let second = world.check("blog").await;
    let renamed = checks.add_revision(world.tenant, second, 1, &world.wording("shop"), START).await;
    assert!(matches!(renamed, Err(StoreError::Conflict(Unique::CheckName))), "{renamed:?}");

    assert_eq!(checks.latest_live(first).await.unwrap().unwrap().revision, 1);
    let deletion = NewRevision { activity: Activity::Deleted, ..world.wording("shop") };
    checks.add_revision(world.tenant, first, 1, &deletion, START + 5).await.unwrap().unwrap();
    checks.create(&again, START).await.unwrap();
    assert_eq!(checks.latest_live(first).await.unwrap(), None);
    let deleted = checks.get(world.tenant, first).await.unwrap().unwrap();
    assert_eq!(deleted.deleted, Some(START + 5));
    assert_eq!(checks.add_revision(world.tenant, first, 2, &world.wording("shop"), START).await.unwrap(), None);
}

async fn a_change_is_made_only_against_the_latest(database: Database) {
    let world = World::new(&database).await;
    let checks = world.store.checks();
    let check = world.check("shop").await;
    let (one, other) = (world.wording("shop one"), world.wording("shop two"));
    let (first, second) = tokio::join!(
        checks.add_revision(world.tenant, check, 1, &one, START + 1),
        checks.add_revision(world.tenant, check, 1, &other, START + 2)
    );
    let (winner, written, loser) = match (first, second) {
        (Ok(Some(stamp)), Err(lost)) => ((&one, START + 1), stamp, lost),
        (Err(lost), Ok(Some(stamp))) => ((&other, START + 2), stamp, lost),
        both => panic!("exactly one must win: {both:?}"),
    };
    assert!(matches!(loser, StoreError::StaleRevision { latest: 2 }), "{loser}");
    let again = checks.add_revision(world.tenant, check, 1, winner.0, winner.1).await.unwrap();
    assert_eq!(again, Some(written), "a lost answer");
    let now = checks.get(world.tenant, check).await.unwrap().unwrap();
    assert_eq!((now.latest.revision, &now.name), (2, &winner.0.name));

    let missing = NewRevision { module: ModuleHash([5; 32]), ..world.wording("shop") };
    let refused = checks.add_revision(world.tenant, check, 2, &missing, START).await;
    assert!(matches!(refused, Err(StoreError::DanglingReference)), "{refused:?}");
}

async fn checks_come_in_pages_by_filter(database: Database) {
    let world = World::new(&database).await;
    let checks = world.store.checks();
    for name in ["Shop_1", "blog", "shop 2", "SHOP 3"] {
        world.check(name).await;
    }
    let shops = CheckFilter { name_contains: Some("shop".to_owned()), ..CheckFilter::default() };
    let page = checks.list(world.tenant, &shops, None, 2).await.unwrap();
    assert_eq!(page.items.iter().map(|check| check.name.as_str()).collect::<Vec<_>>(), ["Shop_1", "shop 2"]);
    assert!(page.more);
    let after = page.items.last().map(|check| check.latest.check);
    let rest = checks.list(world.tenant, &shops, after, 2).await.unwrap();
    assert_eq!((rest.items[0].name.as_str(), rest.more), ("SHOP 3", false));

    let literal = CheckFilter { name_contains: Some("p_1".to_owned()), ..CheckFilter::default() };
    assert_eq!(checks.list(world.tenant, &literal, None, 9).await.unwrap().items.len(), 1);
    let paused = CheckFilter { activity: Some(Activity::Paused), ..CheckFilter::default() };
    assert_eq!(checks.list(world.tenant, &paused, None, 9).await.unwrap().items, []);
    let running = CheckFilter { module: Some(world.module), ..CheckFilter::default() };
    assert_eq!(checks.list(world.tenant, &running, None, 9).await.unwrap().items.len(), 4);
}

async fn another_tenants_check_does_not_exist(database: Database) {
    let world = World::new(&database).await;
    let checks = world.store.checks();
    let check = world.check("shop").await;
    let stranger = new_tenant(&world.store, "stranger").await;
    assert_eq!(checks.get(stranger, check).await.unwrap(), None);
    assert_eq!(checks.add_revision(stranger, check, 1, &world.wording("shop"), START).await.unwrap(), None);
    assert_eq!(checks.list(stranger, &CheckFilter::default(), None, 9).await.unwrap().items, []);
    world.check_of(stranger, "shop").await;
}

async fn a_revision_is_pending_until_it_is_in_force(database: Database) {
    let world = World::new(&database).await;
    let leader = world.lead().await;
    let checks = world.store.checks();
    let check = world.check("shop").await;
    let pending = checks.pending_revisions().await.unwrap();
    assert_eq!(pending.len(), 1);
    assert_eq!((pending[0].check, pending[0].revision, pending[0].in_force), (check, 1, None));
    assert_eq!(checks.get(world.tenant, check).await.unwrap().unwrap().in_force_revision, None);

    let enforcement = Enforcement { check, revision: 1, from: START + 60_000 };
    assert_eq!(checks.put_in_force(leader.epoch, &[enforcement], START).await.unwrap(), [enforcement]);
    let later = Enforcement { from: START + 90_000, ..enforcement };
    let again = checks.put_in_force(leader.epoch, &[later], START).await.unwrap();
    assert_eq!(again, [enforcement], "a border once given stays");
    assert_eq!(checks.pending_revisions().await.unwrap(), []);
    let found = checks.get(world.tenant, check).await.unwrap().unwrap();
    assert_eq!(found.in_force_revision, Some(1));
    assert_eq!(found.latest.in_force.unwrap().from, START + 60_000);
    assert_eq!(found.latest.in_force.unwrap().stamp, world.store.config_log().current_stamp().await.unwrap());
    assert_eq!(checks.revision(check, 1).await.unwrap(), Some(found.latest));
    assert_eq!(checks.revision(check, 2).await.unwrap(), None);
}

async fn an_overtaken_revision_never_comes_into_force(database: Database) {
    let world = World::new(&database).await;
    let leader = world.lead().await;
    let checks = world.store.checks();
    let check = world.check("shop").await;
    checks.add_revision(world.tenant, check, 1, &world.wording("shop"), START + 1).await.unwrap();
    let pending = checks.pending_revisions().await.unwrap();
    assert_eq!(pending.iter().map(|revision| revision.revision).collect::<Vec<_>>(), [2]);
    let enforce = |revision| Enforcement { check, revision, from: START + 60_000 };
    let nobody = Enforcement { check: CheckId::new(START, random()), ..enforce(1) };
    let done = checks.put_in_force(leader.epoch, &[enforce(2), enforce(1), nobody], START).await.unwrap();
    assert_eq!(done, [enforce(2)]);
}

async fn only_the_leader_puts_in_force(database: Database) {
    let world = World::new(&database).await;
    let former = world.lead().await;
    let leader = world.lead().await;
    let check = world.check("shop").await;
    let enforcement = [Enforcement { check, revision: 1, from: START + 60_000 }];
    for stale in [former.epoch, Epoch { random: 1, ..leader.epoch }, Epoch::default()] {
        let refused = world.store.checks().put_in_force(stale, &enforcement, START).await;
        assert!(matches!(refused, Err(StoreError::StaleLeader)), "{refused:?}");
    }
    world.store.checks().put_in_force(leader.epoch, &enforcement, START).await.unwrap();
}

async fn whoever_follows_the_log_sees_every_definition(database: Database) {
    let world = World::new(&database).await;
    let leader = world.lead().await;
    let checks = world.store.checks();
    let shop = world.check("shop").await;
    let before = world.store.config_log().current_stamp().await.unwrap();
    let blog = world.check("blog").await;
    checks.put_in_force(leader.epoch, &[Enforcement { check: shop, revision: 1, from: START }], START).await.unwrap();
    let between = world.store.config_log().current_stamp().await.unwrap();
    world.check("wiki").await;

    let changed = checks.definitions_changed(before, between).await.unwrap();
    let mut named: Vec<_> = changed.iter().map(|revision| (revision.check, revision.in_force.is_some())).collect();
    let mut expected = vec![(shop, true), (blog, false)];
    named.sort();
    expected.sort();
    assert_eq!(named, expected);
    let now = world.store.config_log().current_stamp().await.unwrap();
    assert_eq!(checks.definitions_changed(Stamp::default(), now).await.unwrap().len(), 3);
    assert_eq!(checks.definitions_changed(now, now).await.unwrap(), []);
}

async fn a_check_that_is_gone_is_not_loaded(database: Database) {
    let world = World::new(&database).await;
    let leader = world.lead().await;
    let checks = world.store.checks();
    let check = world.check("shop").await;
    let enforce = |revision| [Enforcement { check, revision, from: START + 60_000 }];
    let live_since = async |moment| {
        let live = checks.live_since(moment).await.unwrap();
        live.into_iter().map(|revision| (revision.revision, revision.activity)).collect::<Vec<_>>()
    };
    checks.put_in_force(leader.epoch, &enforce(1), START).await.unwrap();
    let paused = NewRevision { activity: Activity::Paused, ..world.wording("shop") };
    checks.add_revision(world.tenant, check, 1, &paused, START).await.unwrap();
    assert_eq!(live_since(START).await, [(1, Activity::Active), (2, Activity::Paused)]);
    let deleted = NewRevision { activity: Activity::Deleted, ..world.wording("shop") };
    checks.add_revision(world.tenant, check, 2, &deleted, START).await.unwrap();
    let both = [(1, Activity::Active), (3, Activity::Deleted)];
    assert_eq!(live_since(START).await, both, "what was overtaken while it was pending never counts");
    checks
        .put_in_force(leader.epoch, &[Enforcement { check, revision: 3, from: START + 90_000 }], START)
        .await
        .unwrap();
    assert_eq!(live_since(START + 89_999).await, both, "until it is gone, results may be of what was before");
    assert_eq!(live_since(START + 90_000).await, []);
}
