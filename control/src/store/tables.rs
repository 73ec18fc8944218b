//! What tables a database has, as it says itself: so that a backup holds every table that any migration ever made.
//!
//! It knows three kinds of columns, those of our schema, and refuses any other rather than guess.

use sqlx::{AnyConnection, AssertSqlSafe};

use super::columns::Columns;
use super::{Engine, StoreError};

/// The tables that list migrations: a restored database has its own.
const OF_MIGRATIONS: [&str; 2] = ["schema_migration", "schema_least_known"];

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// A whole number.
    Int,
    /// A text.
    Text,
    /// Bytes.
    Bytes,
}

/// The words for them in a backup, and the types of both engines that they stand for.
pub(crate) const COLUMN_KINDS: [(ColumnKind, &str, &[&str]); 3] = [
    (ColumnKind::Int, "int", &["integer", "bigint", "smallint"]),
    (ColumnKind::Text, "text", &["text"]),
    (ColumnKind::Bytes, "bytes", &["blob", "bytea"]),
];

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: ColumnKind,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns, in order.
    pub columns: Vec<Column>,
}

/// What stands in one column of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// A whole number, or nothing.
    Int(Option<i64>),
    /// A text, or nothing.
    Text(Option<String>),
    /// Bytes, or nothing.
    Bytes(Option<Vec<u8>>),
}

/// Every table but those of the migrations, each after all that its rows refer to.
pub(super) async fn all(connection: &mut AnyConnection, engine: Engine) -> Result<Vec<Table>, StoreError> {
    let names = names(connection, engine).await?;
    let mut waiting = Vec::with_capacity(names.len());
    for name in &names {
        let table = Table { name: name.clone(), columns: columns(connection, engine, name).await? };
        waiting.push((table, referred(connection, engine, name).await?));
    }
    let mut ordered: Vec<Table> = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let is_ready = |name: &str, referred: &[String]| {
            referred.iter().all(|other| other == name || ordered.iter().any(|table| table.name == *other))
        };
        let Some(next) = waiting.iter().position(|(table, referred)| is_ready(&table.name, referred)) else {
            return Err(StoreError::Corrupt("the tables refer to each other in a circle".to_owned()));
        };
        ordered.push(waiting.remove(next).0);
    }
    Ok(ordered)
}

/// Whether there is any table at all.
pub(super) async fn is_blank(connection: &mut AnyConnection, engine: Engine) -> Result<bool, StoreError> {
    let statement = match engine {
        Engine::Sqlite => "select count(*) from sqlite_schema",
        Engine::Postgres => {
            "select count(*) from pg_class where relnamespace = current_schema()::text::regnamespace \
             and relkind in ('r', 'p')"
        }
    };
    let count: i64 = sqlx::query_scalar(statement).fetch_one(connection).await?;
    Ok(count == 0)
}

async fn names(connection: &mut AnyConnection, engine: Engine) -> Result<Vec<String>, StoreError> {
    let statement = match engine {
        Engine::Sqlite => {
            "select name from sqlite_schema where type = 'table' and name not like 'sqlite_%' order by name"
        }
        Engine::Postgres => {
            "select relname::text as name from pg_class where relnamespace = current_schema()::text::regnamespace \
             and relkind in ('r', 'p') and not relispartition order by 1"
        }
    };
    let rows = sqlx::query(statement).fetch_all(connection).await?;
    let names: Vec<String> = rows.iter().map(|row| row.text("name")).collect::<Result<_, _>>()?;
    Ok(names.into_iter().filter(|name| !OF_MIGRATIONS.contains(&name.as_str())).collect())
}

async fn columns(connection: &mut AnyConnection, engine: Engine, table: &str) -> Result<Vec<Column>, StoreError> {
    let statement = match engine {
        Engine::Sqlite => "select name, lower(type) as type from pragma_table_info($1) order by cid",
        Engine::Postgres => {
            "select attname::text as name, format_type(atttypid, null) as type from pg_attribute \
             where attrelid = to_regclass($1) and attnum > 0 and not attisdropped order by attnum"
        }
    };
    let rows = sqlx::query(statement).bind(table).fetch_all(connection).await?;
    let read = |row: &sqlx::any::AnyRow| {
        let (name, type_name) = (row.text("name")?, row.text("type")?);
        let kind =
            COLUMN_KINDS.iter().find(|(_, _, types)| types.contains(&type_name.as_str())).map(|(kind, _, _)| *kind);
        let unknown = || StoreError::Corrupt(format!("{table}.{name} is of the type {type_name}, which no schema has"));
        Ok(Column { kind: kind.ok_or_else(unknown)?, name })
    };
    rows.iter().map(read).collect()
}

/// The tables that the rows of one refer to.
async fn referred(connection: &mut AnyConnection, engine: Engine, table: &str) -> Result<Vec<String>, StoreError> {
    let statement = match engine {
        Engine::Sqlite => "select distinct \"table\" as name from pragma_foreign_key_list($1)",
        Engine::Postgres => {
            "select distinct c.relname::text as name from pg_constraint k join pg_class c on c.oid = k.confrelid \
             where k.contype = 'f' and k.conrelid = to_regclass($1)"
        }
    };
    let rows = sqlx::query(statement).bind(table).fetch_all(connection).await?;
    rows.iter().map(|row| row.text("name")).collect()
}

/// Lets PostgreSQL count on after the numbers that were inserted; SQLite does so by itself.
pub(super) async fn count_on(connection: &mut AnyConnection, engine: Engine) -> Result<(), StoreError> {
    if engine == Engine::Sqlite {
        return Ok(());
    }
    let rows = sqlx::query(
        "select c.relname::text as name, a.attname::text as type from pg_attribute a \
         join pg_class c on c.oid = a.attrelid \
         where c.relnamespace = current_schema()::text::regnamespace and a.attidentity <> ''",
    )
    .fetch_all(&mut *connection)
    .await?;
    for row in &rows {
        let (table, column) = (row.text("name")?, row.text("type")?);
        let statement = format!(
            "select setval(pg_get_serial_sequence('{table}', '{column}'), coalesce(max({column}), 0) + 1, false) \
             from {table}"
        );
        sqlx::query(AssertSqlSafe(statement)).execute(&mut *connection).await?;
    }
    Ok(())
}
