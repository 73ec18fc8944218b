//! Databases that an earlier version made, with rows in them.

use farwatch_control::store::Engine;
use farwatch_proto::id::{BootId, CheckId, HostId, ModuleHash, TenantId};
use farwatch_proto::link::Mark;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor};

use super::world::{Database, START, random};

on_both_engines!(
    the_marks_of_the_first_schema_are_kept,
    checks_that_were_in_force_before_judgements_were_kept_count_as_judged,
);

/// The first schema, as its version left it.
async fn first_schema(database: &Database) -> AnyConnection {
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
