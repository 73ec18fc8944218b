//! Opening a database: new, shared, newer, broken, read-only, locked.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use farwatch_control::store::{DatabaseUrl, Engine, NewTenant, Store, StoreError};
use farwatch_proto::id::TenantId;
use farwatch_tests::postgres::Postgres;
use sqlx::Executor;
use tokio::task::JoinSet;

use super::world::{Database, START, new_tenant, random};

on_both_engines!(
    it_keeps_what_it_was_told,
    four_first_starts_at_once_make_one_schema,
    a_newer_schema_is_refused,
    a_changed_migration_is_refused,
    a_lock_is_waited_for_and_tried_again,
    a_lock_that_stays_is_reported_within_limits,
    a_caller_who_goes_away_leaves_nothing_locked,
);

async fn it_keeps_what_it_was_told(database: Database) {
    let store = database.open().await;
    let tenant = new_tenant(&store, "acme").await;
    store.close().await;
    let store = database.open().await;
    assert_eq!(store.tenants().get(tenant).await.unwrap().unwrap().name, "acme");
    assert_eq!(store.engine(), database.url.engine());
}

async fn four_first_starts_at_once_make_one_schema(database: Database) {
    let mut starts = JoinSet::new();
    for _ in 0..4 {
        let url = database.url.clone();
        starts.spawn(async move { Store::open(&url).await });
    }
    for started in starts.join_all().await {
        assert_eq!(started.unwrap().config_log().current_stamp().await.unwrap().n, 0);
    }
}

async fn a_newer_schema_is_refused(database: Database) {
    database.open().await.close().await;
    database.run("insert into schema_migration (version, digest) values (4711, 'of a newer version')").await;
    let refused = Store::open(&database.url).await.unwrap_err();
    assert!(matches!(refused, StoreError::NewerSchema { found: 4711, .. }), "{refused}");
    assert!(refused.to_string().contains("has schema 4711"), "{refused}");
}

async fn a_changed_migration_is_refused(database: Database) {
    database.open().await.close().await;
    database.run("update schema_migration set digest = 'of another script' where version = 1").await;
    let refused = Store::open(&database.url).await.unwrap_err();
    assert!(matches!(refused, StoreError::ForeignMigration { version: 1 }), "{refused}");
}

/// Longer than one attempt waits for a lock on either engine, shorter than all of them.
const LONGER_THAN_ONE_ATTEMPT: Duration = Duration::from_millis(2500);
/// Longer than all attempts together.
const LONGER_THAN_ALL_ATTEMPTS: Duration = Duration::from_secs(25);

/// Holds what every config write needs.
async fn hold_the_counter(database: &Database) -> sqlx::AnyConnection {
    let mut holder = database.connect().await;
    let begin = if database.url.engine() == Engine::Sqlite { "begin immediate" } else { "begin" };
    holder.execute(begin).await.unwrap();
    holder.execute("update config_counter set n = n").await.unwrap();
    holder
}

async fn a_lock_is_waited_for_and_tried_again(database: Database) {
    let store = database.open().await;
    let mut holder = hold_the_counter(&database).await;
    let new = NewTenant { id: TenantId::new(START, random()), name: "acme".to_owned() };
    let mut writing = Box::pin(store.tenants().create(&new, START));
    assert!(tokio::time::timeout(LONGER_THAN_ONE_ATTEMPT, &mut writing).await.is_err(), "the lock was not held");
    holder.execute("rollback").await.unwrap();
    assert_eq!(writing.await.unwrap().n, 1);
}

async fn a_lock_that_stays_is_reported_within_limits(database: Database) {
    let store = database.open().await;
    let mut holder = hold_the_counter(&database).await;
    let new = NewTenant { id: TenantId::new(START, random()), name: "acme".to_owned() };
    let writing = store.tenants().create(&new, START);
    let outcome = tokio::time::timeout(LONGER_THAN_ALL_ATTEMPTS, writing).await.unwrap();
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    holder.execute("rollback").await.unwrap();
    store.tenants().create(&new, START).await.unwrap();
}

/// Callers go away after every few microseconds of the work, so that some are caught in every step of it.
async fn a_caller_who_goes_away_leaves_nothing_locked(database: Database) {
    let store = database.open().await;
    let mut finished = 0;
    for step in 0..200 {
        let new = NewTenant { id: TenantId::new(START, random()), name: format!("tenant {step}") };
        let patience = Duration::from_micros(step * 20);
        let outcome = tokio::time::timeout(patience, store.tenants().create(&new, START)).await;
        finished += u64::from(outcome.is_ok_and(|done| done.is_ok()));
    }
    assert!(finished < 200, "nobody went away");
    new_tenant(&store, "here").await;
    // What was committed while its caller left is there whole: one number for each tenant.
    let tenants = store.tenants().list(None, 200).await.unwrap();
    let last = store.config_log().current_stamp().await.unwrap().n;
    assert!(!tenants.more && tenants.items.len() as u64 == last && last > finished, "{last} of {finished}");
}

#[tokio::test]
async fn a_file_is_ours_alone() {
    let database = Database::sqlite();
    database.open().await.close().await;
    let path = database.url.to_string().strip_prefix("sqlite:").unwrap().to_owned();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("letter.txt");
    std::fs::write(&path, "Dear operator, this is a letter and no database at all. ".repeat(100)).unwrap();
    let refused = Store::open(&DatabaseUrl::file(&path)).await.unwrap_err();
    assert!(matches!(refused, StoreError::Corrupt(_)), "{refused}");
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("Dear operator"), "the letter was touched");
}

#[tokio::test]
async fn a_file_with_a_broken_page_is_refused() {
    let database = Database::sqlite();
    database.open().await.close().await;
    let path = database.url.to_string().strip_prefix("sqlite:").unwrap().to_owned();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100..4096].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let refused = Store::open(&database.url).await.unwrap_err();
    assert!(matches!(refused, StoreError::Corrupt(_)), "{refused}");
}

#[tokio::test]
async fn a_place_without_a_file_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let nowhere = directory.path().join("missing").join("farwatch.db");
    for path in [nowhere.as_path(), directory.path()] {
        let refused = Store::open(&DatabaseUrl::file(path)).await.unwrap_err();
        assert!(matches!(refused, StoreError::Unreadable { .. }), "{refused}");
        assert!(refused.to_string().contains(path.to_str().unwrap()), "{refused}");
    }
}

#[tokio::test]
async fn a_server_that_only_reads_is_refused_at_start_and_later() {
    let database = Database::postgres();
    let store = database.open().await;
    new_tenant(&store, "before").await;
    let name = database.name();
    database.run(&format!("alter database {name} set default_transaction_read_only = on")).await;
    let refused = Store::open(&database.url).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");

    let server = Postgres::shared();
    let others = "datname = current_database() and pid <> pg_backend_pid()";
    server.sql(&name, &format!("select pg_terminate_backend(pid) from pg_stat_activity where {others}")).unwrap();
    let new = NewTenant { id: TenantId::new(START, random()), name: "during".to_owned() };
    let during = store.tenants().create(&new, START).await;
    assert!(matches!(during, Err(StoreError::Unavailable(_))), "{during:?}");

    server.sql("postgres", &format!("alter database {name} reset default_transaction_read_only")).unwrap();
    store.tenants().create(&new, START).await.unwrap();
}

#[tokio::test]
async fn a_server_that_ends_its_sessions_is_not_noticed() {
    let database = Database::postgres();
    let store = database.open().await;
    new_tenant(&store, "before").await;
    let name = database.name();
    let server = Postgres::shared();
    let others = "datname = current_database() and pid <> pg_backend_pid()";
    server.sql(&name, &format!("select pg_terminate_backend(pid) from pg_stat_activity where {others}")).unwrap();
    new_tenant(&store, "after").await;
}
