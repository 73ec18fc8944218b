//! Secrets: versions, the checks that are run by them, and values that are gone once nobody is.

use farwatch_control::store::{Change, Enforcement, NewCheck, NewRevision, NewSecret, StoreError};
use farwatch_proto::check::Activity;
use farwatch_proto::id::CheckId;

use super::world::{Database, START, World, new_tenant, random};

on_both_engines!(
    a_new_value_makes_a_revision_of_every_check_that_names_it,
    a_value_is_gone_once_no_revision_is_run_by_it,
    a_secret_that_a_check_names_stays,
    a_version_is_given_once,
    another_tenants_secret_does_not_exist,
);

fn value(world: &World, name: &str, version: u32) -> NewSecret {
    NewSecret { tenant: world.tenant, name: name.to_owned(), version, sealed: vec![version as u8; 3] }
}

async fn check_with(world: &World, name: &str, secrets: &[&str]) -> CheckId {
    let id = CheckId::new(START, random());
    let secrets = secrets.iter().map(|&secret| secret.to_owned()).collect();
    let revision = NewRevision { secrets, ..world.wording(name) };
    world
        .store
        .checks()
        .create(&NewCheck { id, tenant: world.tenant, revision, heartbeat: None }, START)
        .await
        .unwrap();
    id
}

async fn a_new_value_makes_a_revision_of_every_check_that_names_it(database: Database) {
    let world = World::new(&database).await;
    let (secrets, checks) = (world.store.secrets(), world.store.checks());
    secrets.set(&value(&world, "mail", 1), START).await.unwrap();
    secrets.set(&value(&world, "other", 1), START).await.unwrap();
    let one = check_with(&world, "one", &["mail", "other"]).await;
    let two = check_with(&world, "two", &["other"]).await;
    let gone = check_with(&world, "gone", &["mail"]).await;
    let deletion = NewRevision { activity: Activity::Deleted, ..world.wording("gone") };
    checks.add_revision(world.tenant, gone, 1, &deletion, START).await.unwrap();

    let before = world.store.config_log().current_stamp().await.unwrap();
    secrets.set(&value(&world, "mail", 2), START + 5).await.unwrap();
    let latest = checks.latest_live(one).await.unwrap().unwrap();
    assert_eq!(latest.revision, 2);
    assert_eq!(latest.secrets, [("mail".to_owned(), 2), ("other".to_owned(), 1)]);
    assert_eq!((latest.spec, latest.created), (world.wording("one").spec, START + 5));
    assert_eq!(checks.latest_live(two).await.unwrap().unwrap().revision, 1);
    let after = world.store.config_log().current_stamp().await.unwrap();
    let changed = checks.definitions_changed(before, after).await.unwrap();
    assert_eq!(changed.iter().map(|revision| (revision.check, revision.revision)).collect::<Vec<_>>(), [(one, 2)]);
    let users = secrets.users(world.tenant).await.unwrap();
    assert_eq!((&users["mail"], &users["other"]), (&vec![one], &vec![one, two]));
}

async fn a_value_is_gone_once_no_revision_is_run_by_it(database: Database) {
    let world = World::new(&database).await;
    let leader = world.lead().await;
    let (secrets, checks) = (world.store.secrets(), world.store.checks());
    secrets.set(&value(&world, "mail", 1), START).await.unwrap();
    let check = check_with(&world, "shop", &["mail"]).await;
    let enforce = |revision| [Enforcement { check, revision, from: START + 60_000 * i64::from(revision) }];
    checks.put_in_force(leader.epoch, &enforce(1), START).await.unwrap();
    let versions = async || {
        let mut versions: Vec<u32> =
            secrets.values(world.tenant).await.unwrap().into_iter().map(|value| value.version).collect();
        versions.sort_unstable();
        versions
    };
    secrets.set(&value(&world, "mail", 2), START).await.unwrap();
    assert_eq!(versions().await, [1, 2], "revision 1 is in force");
    checks.put_in_force(leader.epoch, &enforce(2), START).await.unwrap();
    secrets.set(&value(&world, "mail", 3), START).await.unwrap();
    assert_eq!(versions().await, [2, 3]);
    let shown = secrets.list(world.tenant).await.unwrap();
    assert_eq!((shown.len(), shown[0].version), (1, 3));
}

async fn a_secret_that_a_check_names_stays(database: Database) {
    let world = World::new(&database).await;
    let secrets = world.store.secrets();
    secrets.set(&value(&world, "mail", 1), START).await.unwrap();
    let check = check_with(&world, "shop", &["mail"]).await;
    let refused = secrets.delete(world.tenant, "mail", START).await;
    assert!(matches!(refused, Err(StoreError::DanglingReference)), "{refused:?}");
    world.store.checks().add_revision(world.tenant, check, 1, &world.wording("shop"), START).await.unwrap();
    let refused = secrets.delete(world.tenant, "mail", START).await;
    assert!(matches!(refused, Err(StoreError::DanglingReference)), "the revision before may still come into force");

    let leader = world.lead().await;
    let enforcement = [Enforcement { check, revision: 2, from: START + 60_000 }];
    world.store.checks().put_in_force(leader.epoch, &enforcement, START).await.unwrap();
    assert!(matches!(secrets.delete(world.tenant, "mail", START).await.unwrap(), Change::Made(_)));
    assert_eq!(secrets.delete(world.tenant, "mail", START).await.unwrap(), Change::NotFound);
    assert!(secrets.values(world.tenant).await.unwrap().is_empty());
    let missing = NewRevision { secrets: vec!["mail".to_owned()], ..world.wording("shop") };
    let refused = world.store.checks().add_revision(world.tenant, check, 2, &missing, START).await;
    assert!(matches!(refused, Err(StoreError::DanglingReference)), "{refused:?}");
}

async fn a_version_is_given_once(database: Database) {
    let world = World::new(&database).await;
    let secrets = world.store.secrets();
    secrets.set(&value(&world, "mail", 1), START).await.unwrap();
    secrets.set(&value(&world, "mail", 1), START).await.expect("a lost answer");
    let other = NewSecret { sealed: vec![9; 3], ..value(&world, "mail", 1) };
    for refused in [other, value(&world, "mail", 3)] {
        let refused = secrets.set(&refused, START).await;
        assert!(matches!(refused, Err(StoreError::StaleRevision { latest: 1 })), "{refused:?}");
    }
}

async fn another_tenants_secret_does_not_exist(database: Database) {
    let world = World::new(&database).await;
    let other = new_tenant(&world.store, "umbrella").await;
    let secrets = world.store.secrets();
    secrets.set(&value(&world, "mail", 1), START).await.unwrap();
    assert!(secrets.list(other).await.unwrap().is_empty());
    assert!(secrets.values(other).await.unwrap().is_empty());
    assert_eq!(secrets.delete(other, "mail", START).await.unwrap(), Change::NotFound);
    let key = secrets.tenant_key(world.tenant, b"first", START).await.unwrap();
    assert_eq!(secrets.tenant_key(world.tenant, b"second", START).await.unwrap(), key);
    assert_eq!(secrets.any_tenant_key().await.unwrap(), Some((world.tenant, b"first".to_vec())));
}
