//! The schema, as an append-only list of scripts, each written for both engines.
//!
//! Scripts run in one transaction under a lock, so that two processes may start at once on an empty database. An
//! applied script never changes: its digest is kept and compared. Beside each stands the least that a binary must know
//! to run with it, so that a binary of the version before goes on beside a newer schema; any other newer schema is
//! refused.

use farwatch_proto::id::ModuleHash;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Connection};
use tracing::warn;

use super::columns::Columns;
use super::{Engine, StoreError};

struct Migration {
    version: i64,
    /// A binary that knows the migration of this number, or a later one, runs with this migration applied.
    least_known: i64,
    sqlite: &'static str,
    postgres: &'static str,
}

/// What a binary must know at least to run beside a migration that only adds: any that follows this rule does.
const ADDS_ONLY: i64 = 1;

/// A migration by its number and the name of its scripts. One that does more than add tables, indexes and columns with
/// defaults says which migration a binary must know to run with it: that is how something is dropped, a version later.
macro_rules! migration {
    ($version:literal, $name:literal) => {
        migration!($version, $name, ADDS_ONLY)
    };
    ($version:literal, $name:literal, $least_known:expr) => {
        Migration {
            version: $version,
            least_known: $least_known,
            sqlite: include_str!(concat!("../../migrations/sqlite/", $name, ".sql")),
            postgres: include_str!(concat!("../../migrations/postgres/", $name, ".sql")),
        }
    };
}

const MIGRATIONS: [Migration; 21] = [
    migration!(1, "0001_first"),
    migration!(2, "0002_segment_marks"),
    migration!(3, "0003_judged_checks"),
    migration!(4, "0004_blocks"),
    migration!(5, "0005_revisions"),
    migration!(6, "0006_kept_answers"),
    migration!(7, "0007_late_failures"),
    migration!(8, "0008_channels_that_ask_for_nothing"),
    migration!(9, "0009_days"),
    migration!(16, "0016_leader"),
    migration!(17, "0017_leader_questions"),
    migration!(18, "0018_evidence"),
    migration!(19, "0019_partitions"),
    migration!(20, "0020_join"),
    migration!(21, "0021_releases"),
    migration!(22, "0022_own_incidents"),
    migration!(23, "0023_secrets"),
    migration!(24, "0024_heartbeats"),
    migration!(25, "0025_module_users"),
    migration!(26, "0026_quotas"),
    migration!(27, "0027_module_holds"),
];

/// The table that lists what was applied. It is made before any migration, so its shape is final.
const LIST_SQLITE: &str =
    "create table if not exists schema_migration (version integer primary key, digest text not null) strict";
const LIST_POSTGRES: &str =
    "create table if not exists schema_migration (version bigint primary key, digest text not null)";

/// The table that says what a binary must know to run with each of them. It is made beside the list, so its shape is
/// final, too.
const LEAST_SQLITE: &str =
    "create table if not exists schema_least_known (version integer primary key, least_known integer not null) strict";
const LEAST_POSTGRES: &str =
    "create table if not exists schema_least_known (version bigint primary key, least_known bigint not null)";

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
    let found = complete(&mut transaction, engine).await?;
    transaction.commit().await?;
    if found > known() {
        warn!(schema = found, known = known(), "the database has a newer schema, which this version may run with");
    }
    Ok(())
}

/// Makes the schema that these migrations and no others lead to, within the caller's transaction.
pub(super) async fn lay_out(
    connection: &mut AnyConnection,
    engine: Engine,
    versions: &[i64],
) -> Result<(), StoreError> {
    let found = versions.iter().copied().max().unwrap_or(0);
    if versions.iter().any(|version| !MIGRATIONS.iter().any(|migration| migration.version == *version)) {
        return Err(StoreError::NewerSchema { found, known: known() });
    }
    make_lists(connection, engine).await?;
    for migration in MIGRATIONS.iter().filter(|migration| versions.contains(&migration.version)) {
        apply(connection, migration, engine).await?;
    }
    Ok(())
}

/// Applies what is missing within the caller's transaction, and returns the newest migration that the database had.
pub(super) async fn complete(connection: &mut AnyConnection, engine: Engine) -> Result<i64, StoreError> {
    make_lists(connection, engine).await?;
    let applied = applied(connection).await?;
    let found = check(&applied, engine)?;
    for migration in &MIGRATIONS {
        if !applied.iter().any(|applied| applied.version == migration.version) {
            apply(connection, migration, engine).await?;
        }
        sqlx::query("insert into schema_least_known (version, least_known) values ($1, $2) on conflict do nothing")
            .bind(migration.version)
            .bind(migration.least_known)
            .execute(&mut *connection)
            .await?;
    }
    Ok(found)
}

async fn make_lists(connection: &mut AnyConnection, engine: Engine) -> Result<(), StoreError> {
    let statements = match engine {
        Engine::Sqlite => [LIST_SQLITE, LEAST_SQLITE].as_slice(),
        Engine::Postgres => &[LOCK_POSTGRES, LIST_POSTGRES, LEAST_POSTGRES],
    };
    for statement in statements {
        sqlx::raw_sql(*statement).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn apply(connection: &mut AnyConnection, migration: &Migration, engine: Engine) -> Result<(), StoreError> {
    sqlx::raw_sql(migration.script(engine)).execute(&mut *connection).await?;
    sqlx::query("insert into schema_migration (version, digest) values ($1, $2)")
        .bind(migration.version)
        .bind(migration.digest(engine))
        .execute(connection)
        .await?;
    Ok(())
}

/// A migration that the database holds.
struct Applied {
    version: i64,
    digest: String,
    /// Unknown of those that were applied before this was kept.
    least_known: Option<i64>,
}

async fn applied(connection: &mut AnyConnection) -> Result<Vec<Applied>, StoreError> {
    let rows = sqlx::query(
        "select m.version, m.digest, l.least_known from schema_migration m \
         left join schema_least_known l on l.version = m.version order by m.version",
    )
    .fetch_all(connection)
    .await?;
    let read = |row: &AnyRow| {
        Ok(Applied {
            version: row.int("version")?,
            digest: row.text("digest")?,
            least_known: row.maybe_int("least_known")?,
        })
    };
    rows.iter().map(read).collect()
}

/// The newest migration that this version knows.
fn known() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// Those that this version knows must be unchanged, and the others must allow it to run with them. Returns the newest.
fn check(applied: &[Applied], engine: Engine) -> Result<i64, StoreError> {
    let found = applied.last().map_or(0, |applied| applied.version);
    for applied in applied {
        match MIGRATIONS.iter().find(|migration| migration.version == applied.version) {
            Some(ours) if ours.digest(engine) == applied.digest => {}
            Some(_) => return Err(StoreError::ForeignMigration { version: applied.version }),
            None if applied.least_known.is_some_and(|least| least <= known()) => {}
            None => return Err(StoreError::NewerSchema { found, known: known() }),
        }
    }
    Ok(found)
}
