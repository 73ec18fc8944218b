//! The schema, as an append-only list of scripts, each written for both engines.
//!
//! Scripts run in one transaction under a lock, so that two processes may start at once on an empty database. An
//! applied script never changes: its digest is kept and compared. A schema newer than this list is refused.

use farwatch_proto::id::ModuleHash;
use sqlx::{AnyConnection, Connection};

use super::columns::Columns;
use super::{Engine, StoreError};

struct Migration {
    version: i64,
    sqlite: &'static str,
    postgres: &'static str,
}

/// A migration by its number and the name of its scripts.
macro_rules! migration {
    ($version:literal, $name:literal) => {
        Migration {
            version: $version,
            sqlite: include_str!(concat!("../../migrations/sqlite/", $name, ".sql")),
            postgres: include_str!(concat!("../../migrations/postgres/", $name, ".sql")),
        }
    };
}

const MIGRATIONS: [Migration; 9] = [
    migration!(1, "0001_first"),
    migration!(2, "0002_segment_marks"),
    migration!(3, "0003_judged_checks"),
    migration!(4, "0004_blocks"),
    migration!(5, "0005_revisions"),
    migration!(6, "0006_kept_answers"),
    migration!(7, "0007_late_failures"),
    migration!(8, "0008_channels_that_ask_for_nothing"),
    migration!(16, "0016_leader"),
];

/// The table that lists what was applied. It is made before any migration, so its shape is final.
const LIST_SQLITE: &str =
    "create table if not exists schema_migration (version integer primary key, digest text not null) strict";
const LIST_POSTGRES: &str =
    "create table if not exists schema_migration (version bigint primary key, digest text not null)";

/// Held for the transaction by whoever migrates. PostgreSQL has no other lock before the first table exists; the
/// number only has to be the same in every process.
const LOCK_POSTGRES: &str = "select pg_advisory_xact_lock(7310579649001)";

impl Migration {
    const fn script(&self, engine: Engine) -> &'static str {
        match engine {
            Engine::Sqlite => self.sqlite,
            Engine::Postgres => self.postgres,
        }
    }

    fn digest(&self, engine: Engine) -> String {
        ModuleHash::of(self.script(engine).as_bytes()).hex()
    }
}

/// Brings the schema up to date.
pub(super) async fn run(connection: &mut AnyConnection, engine: Engine) -> Result<(), StoreError> {
    let mut transaction = match engine {
        Engine::Sqlite => connection.begin_with("begin exclusive").await?,
        Engine::Postgres => connection.begin_with("begin").await?,
    };
    match engine {
        Engine::Sqlite => sqlx::raw_sql(LIST_SQLITE).execute(&mut *transaction).await?,
        Engine::Postgres => {
            sqlx::raw_sql(LOCK_POSTGRES).execute(&mut *transaction).await?;
            sqlx::raw_sql(LIST_POSTGRES).execute(&mut *transaction).await?
        }
    };
    let applied = applied(&mut transaction).await?;
    check(&applied, engine)?;
    for migration in MIGRATIONS.iter().skip(applied.len()) {
        sqlx::raw_sql(migration.script(engine)).execute(&mut *transaction).await?;
        sqlx::query("insert into schema_migration (version, digest) values ($1, $2)")
            .bind(migration.version)
            .bind(migration.digest(engine))
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(())
}

async fn applied(connection: &mut AnyConnection) -> Result<Vec<(i64, String)>, StoreError> {
    let rows =
        sqlx::query("select version, digest from schema_migration order by version").fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.int("version")?, row.text("digest")?))).collect()
}

/// The applied ones must be the first of ours, in order and unchanged.
fn check(applied: &[(i64, String)], engine: Engine) -> Result<(), StoreError> {
    let known = MIGRATIONS.last().map_or(0, |migration| migration.version);
    let found = applied.last().map_or(0, |(version, _)| *version);
    if found > known {
        return Err(StoreError::NewerSchema { found, known });
    }
    for ((version, digest), migration) in applied.iter().zip(&MIGRATIONS) {
        if *version != migration.version || *digest != migration.digest(engine) {
            return Err(StoreError::ForeignMigration { version: *version });
        }
    }
    Ok(())
}
