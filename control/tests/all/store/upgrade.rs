//! Databases that an earlier version made, with rows in them.

use farwatch_control::store::{Engine, Store, StoreError};
use farwatch_proto::id::{BootId, CheckId, HostId, ModuleHash, TenantId};
use farwatch_proto::link::Mark;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor};

use super::world::{Database, START, new_tenant, random};

on_both_engines!(
    this_version_runs_on_a_newer_schema_that_allows_it,
    a_newer_schema_that_does_not_allow_it_is_refused,
    what_a_binary_must_know_is_kept_for_every_migration,
    the_marks_of_the_first_schema_are_kept,
    checks_that_were_in_force_before_judgements_were_kept_count_as_judged,
);

/// The first schema, as its version left it.
pub(super) async fn first_schema(database: &Database) -> AnyConnection {
    let (script, number) = match database.url.engine() {
        Engine::Sqlite => (include_str!("../../../migrations/sqlite/0001_first.sql"), "integer"),
        Engine::Postgres => (include_str!("../../../migrations/postgres/0001_first.sql"), "bigint"),
    };
    let digest = ModuleHash::of(script.as_bytes()).hex();
    let list = format!(
        "create table schema_migration (version {number} primary key, digest text not null); \
         insert into schema_migration (version, digest) values (1, '{digest}')"
    );
    let mut connection = database.connect().await;
    connection.execute(AssertSqlSafe(list)).await.unwrap();
    connection.execute(script).await.unwrap();
    connection
}

async fn the_marks_of_the_first_schema_are_kept(database: Database) {
    let mut connection = first_schema(&database).await;
    let host = HostId::new(START, random());
    sqlx::query("insert into host (id, name, facts, registered_ms, drained) values ($1, 'alpha', '{}', 0, 0)")
        .bind(host.as_bytes().as_slice())
        .execute(&mut connection)
        .await
        .unwrap();
    let marks = [(1, 4, 50), (0, 9, 70)].map(|(later_ms, segment, offset)| Mark {
        boot: BootId::new(START + later_ms, random()),
        segment,
        offset,
    });
    let insert = "insert into host_mark (host_id, boot_id, segment, segment_offset, updated_ms) \
                  values ($1, $2, $3, $4, $5)";
    for (age_ms, mark) in marks.iter().enumerate() {
        sqlx::query(insert)
            .bind(host.as_bytes().as_slice())
            .bind(mark.boot.as_bytes().as_slice())
            .bind(i64::from(mark.segment))
            .bind(mark.offset as i64)
            .bind(START.0 - age_ms as i64)
            .execute(&mut connection)
            .await
            .unwrap();
    }
    let store = database.open().await;
    assert_eq!(store.host_marks().of_host(host).await.unwrap(), marks);
    // A process of the version before writes on beside this one.
    sqlx::query(insert)
        .bind(host.as_bytes().as_slice())
        .bind(BootId::new(START + 2, random()).as_bytes().as_slice())
        .bind(0_i64)
        .bind(1_i64)
        .bind(START.0)
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}

async fn checks_that_were_in_force_before_judgements_were_kept_count_as_judged(database: Database) {
    let mut connection = first_schema(&database).await;
    let tenant = TenantId::new(START, random());
    sqlx::query("insert into tenant (id, name, created_ms) values ($1, 'acme', 0)")
        .bind(tenant.as_bytes().as_slice())
        .execute(&mut connection)
        .await
        .unwrap();
    let checks = [("shop", "1"), ("blog", "null")].map(|(name, in_force)| {
        let statement = format!(
            "insert into checks (id, tenant_id, name, created_ms, latest_revision, in_force_revision) \
             values ($1, $2, '{name}', 0, 1, {in_force})"
        );
        (CheckId::new(START, random()), statement)
    });
    for (check, statement) in &checks {
        sqlx::query(AssertSqlSafe(statement.clone()))
            .bind(check.as_bytes().as_slice())
            .bind(tenant.as_bytes().as_slice())
            .execute(&mut connection)
            .await
            .unwrap();
    }
    connection.close().await.unwrap();
    let store = database.open().await;
    let [(shop, _), (blog, _)] = checks;
    assert_eq!(store.judged_checks().among(&[shop, blog]).await.unwrap(), [shop].into());
    assert_eq!(store.judged_checks().missing().await.unwrap(), [blog]);
}

/// The newest migration that this version knows.
async fn known(database: &Database) -> i64 {
    let mut connection = database.connect().await;
    sqlx::query_scalar("select max(version) from schema_migration").fetch_one(&mut connection).await.unwrap()
}

/// Does to the database what a newer version would: adds a table and a column, and says who may run with that.
async fn upgrade_beyond(database: &Database, least_known: i64) {
    let blob = if database.url.engine() == Engine::Sqlite { "blob" } else { "bytea" };
    for statement in [
        format!("create table of_tomorrow (id {blob} primary key, note text not null)"),
        "alter table tenant add column colour text not null default 'blue'".to_owned(),
        "insert into schema_migration (version, digest) values (4711, 'of a newer version')".to_owned(),
        format!("insert into schema_least_known (version, least_known) values (4711, {least_known})"),
    ] {
        let mut connection = database.connect().await;
        connection.execute(AssertSqlSafe(statement)).await.unwrap();
    }
}

async fn this_version_runs_on_a_newer_schema_that_allows_it(database: Database) {
    let store = database.open().await;
    let acme = new_tenant(&store, "acme").await;
    upgrade_beyond(&database, known(&database).await).await;
    // The process that runs goes on, and one that starts now reads and writes as well.
    new_tenant(&store, "during").await;
    store.close().await;
    let store = database.open().await;
    assert_eq!(store.tenants().get(acme).await.unwrap().unwrap().name, "acme");
    new_tenant(&store, "after").await;
    let mut connection = database.connect().await;
    let blue: i64 = sqlx::query_scalar("select count(*) from tenant where colour = 'blue'")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(blue, 3);
}

async fn a_newer_schema_that_does_not_allow_it_is_refused(database: Database) {
    database.open().await.close().await;
    let known = known(&database).await;
    upgrade_beyond(&database, known + 1).await;
    let refused = Store::open(&database.url).await.unwrap_err();
    assert!(matches!(refused, StoreError::NewerSchema { found: 4711, known: told } if told == known), "{refused}");
}

async fn what_a_binary_must_know_is_kept_for_every_migration(database: Database) {
    // Also for those that were applied before it was kept.
    first_schema(&database).await.close().await.unwrap();
    database.open().await.close().await;
    let mut connection = database.connect().await;
    let missing: i64 = sqlx::query_scalar(
        "select count(*) from schema_migration where version not in (select version from schema_least_known)",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(missing, 0);
}
