//! Fills an empty database from a backup, in one transaction: it is restored whole or not at all.
//!
//! The schema is first that of the backup; the migrations that came later run over its rows as they did elsewhere. What
//! hosts and leaders remember of the time after the backup is outdone: the era rises, and so does the epoch.

use std::collections::BTreeSet;

use farwatch_proto::fleet::View;
use farwatch_proto::time::{Stamp, UnixMs};
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor};

use super::columns::{Columns, document_of, stored};
use super::connect::{connect_options, within_limit};
use super::partitions::{self, PARTED, Parted};
use super::statements::tuples;
use super::tables::{self, Cell, Table};
use super::{DatabaseUrl, Engine, StoreError, migrations};

/// 2026-01-01, from when on eras and epochs of restored databases are counted.
const EPOCH_BEGAN: UnixMs = UnixMs(1_767_225_600_000);

/// What was done to a database beside filling it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The era it is in.
    pub era: u32,
    /// How many unsent deliveries wait for the operator's word.
    pub held: u64,
}

/// A database that is being filled.
#[derive(Debug)]
pub struct Restoring {
    connection: AnyConnection,
    engine: Engine,
    tables: Vec<Table>,
    /// Those of them that are in partitions.
    parted: Vec<Parted>,
}

impl Restoring {
    /// Lays out the schema of the backup in a database that must be empty, and takes back what its migrations wrote.
    pub(crate) async fn begin(url: &DatabaseUrl, versions: &[i64]) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let engine = url.engine();
        let mut connection = within_limit(AnyConnection::connect_with(&connect_options(url)?)).await?;
        match engine {
            Engine::Sqlite => {
                connection.execute("pragma journal_mode = wal").await?;
                connection.execute("pragma synchronous = full").await?;
                connection.execute("pragma foreign_keys = on").await?;
                connection.execute("begin exclusive").await?;
            }
            Engine::Postgres => {
                connection.execute("begin").await?;
            }
        }
        if !tables::is_blank(&mut connection, engine).await? {
            return Err(StoreError::NotBlank);
        }
        migrations::lay_out(&mut connection, engine, versions).await?;
        let tables = tables::all(&mut connection, engine).await?;
        let parted = parted(&mut connection, engine).await?;
        Ok(Self { connection, engine, tables, parted })
    }

    /// Empties a table of what migrations wrote into it: the backup has that row as it was.
    pub(crate) async fn empty(&mut self, table: &str) -> Result<(), StoreError> {
        let table = self.table(table)?.name.clone();
        sqlx::query(AssertSqlSafe(format!("delete from {table}"))).execute(&mut self.connection).await?;
        Ok(())
    }

    /// Inserts rows whose cells are in the order of these columns.
    pub(crate) async fn insert(&mut self, table: &Table, rows: Vec<Vec<Cell>>) -> Result<(), StoreError> {
        let known = self.table(&table.name)?;
        if let Some(column) = table.columns.iter().find(|column| !known.columns.contains(column)) {
            let message = format!("the backup has a column {}.{}, which its schema has not", table.name, column.name);
            return Err(StoreError::Corrupt(message));
        }
        if let Some(parted) = self.parted.iter().copied().find(|parted| parted.table() == table.name) {
            let numbers = numbers(parted, table, &rows);
            partitions::make_for(&mut self.connection, parted, numbers.into_iter()).await?;
        }
        let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        let own_numbers = match self.engine {
            Engine::Sqlite => "",
            Engine::Postgres => "overriding system value ",
        };
        let tuples = tuples(rows.len(), names.len());
        let statement = format!("insert into {} ({}) {own_numbers}values {tuples}", table.name, names.join(", "));
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for cell in rows.into_iter().flatten() {
            query = match cell {
                Cell::Int(number) => query.bind(number),
                Cell::Text(text) => query.bind(text),
                Cell::Bytes(bytes) => query.bind(bytes),
            };
        }
        query.execute(&mut self.connection).await?;
        Ok(())
    }

    /// Brings the schema up to date, begins a new era, and commits.
    pub(crate) async fn finish(mut self, now: UnixMs) -> Result<Restored, StoreError> {
        tables::count_on(&mut self.connection, self.engine).await?;
        migrations::complete(&mut self.connection, self.engine).await?;
        let era = self.raise_era(now).await?;
        self.raise_epoch(now).await?;
        self.begin_view(era, now).await?;
        let held = self.hold_deliveries().await?;
        self.fold_on().await?;
        self.connection.execute("commit").await?;
        self.connection.close().await?;
        Ok(Restored { era, held })
    }

    fn table(&self, name: &str) -> Result<&Table, StoreError> {
        let unknown = || StoreError::Corrupt(format!("the backup has a table {name}, which its schema has not"));
        self.tables.iter().find(|table| table.name == name).ok_or_else(unknown)
    }

    /// Hosts remember numbers of the time after the backup, and perhaps of an earlier restore of it. Minutes outrun
    /// restores, so the minute of the restore is an era that nobody has heard of.
    async fn raise_era(&mut self, now: UnixMs) -> Result<u32, StoreError> {
        let row = sqlx::query("select era from config_counter").fetch_one(&mut self.connection).await?;
        let before: u32 = row.number("era")?;
        let minute = u32::try_from(now.since(EPOCH_BEGAN) / 60_000).unwrap_or(0);
        let era = minute.max(before + 1);
        sqlx::query("update config_counter set era = $1").bind(i64::from(era)).execute(&mut self.connection).await?;
        Ok(era)
    }

    /// Assignments are numbered by the epoch of their leader. A leadership lasts for seconds at least, so the second of
    /// the restore is later than any epoch that was reached by counting.
    async fn raise_epoch(&mut self, now: UnixMs) -> Result<(), StoreError> {
        sqlx::query(
            "update lease set holder = null, address = '', counter = counter + 1, \
             epoch_n = case when epoch_n + 1 > $1 then epoch_n + 1 else $1 end",
        )
        .bind(now.since(EPOCH_BEGAN) / 1_000)
        .execute(&mut self.connection)
        .await?;
        Ok(())
    }

    /// The last view again, in force from now on under a number of the new era, so that hosts take it for newer than
    /// whatever they hold.
    async fn begin_view(&mut self, era: u32, now: UnixMs) -> Result<(), StoreError> {
        let last = sqlx::query("select max(n) as n from view").fetch_one(&mut self.connection).await?.maybe_int("n")?;
        let row = sqlx::query("select body from view where state = 'in_force' order by era desc, n desc limit 1")
            .fetch_optional(&mut self.connection)
            .await?;
        let (Some(last), Some(row)) = (last, row) else { return Ok(()) };
        let mut view: View = row.document("body")?;
        view.number = Stamp { era, n: u64::try_from(last).unwrap_or(0) + 1 };
        view.in_force_from = now;
        view.planned = false;
        sqlx::query(
            "insert into view (era, n, planned, state, in_force_from_ms, body, created_ms) \
             values ($1, $2, 0, 'in_force', $3, $4, $3)",
        )
        .bind(i64::from(era))
        .bind(stored(view.number.n))
        .bind(now.0)
        .bind(document_of(&view)?)
        .execute(&mut self.connection)
        .await?;
        Ok(())
    }

    /// What was not sent when the backup was made has most likely been sent since.
    async fn hold_deliveries(&mut self) -> Result<u64, StoreError> {
        let held = sqlx::query(
            "update delivery set state = 'held', claimed_until_ms = null, claim_id = null \
             where state in ('pending', 'claimed')",
        )
        .execute(&mut self.connection)
        .await?;
        Ok(held.rows_affected())
    }

    /// Without its history the journal begins anew, and nothing is on record of what was folded before.
    async fn fold_on(&mut self) -> Result<(), StoreError> {
        self.connection
            .execute(
                "update block_fold set seq = (select max(seq) from journal), from_ms = until_ms \
                 where seq > (select max(seq) from journal)",
            )
            .await?;
        Ok(())
    }
}

/// The tables that are in partitions, in the schema that was laid out.
async fn parted(connection: &mut AnyConnection, engine: Engine) -> Result<Vec<Parted>, StoreError> {
    let mut found = Vec::new();
    for parted in PARTED.into_iter().filter(|_| engine == Engine::Postgres) {
        if partitions::is_parted(connection, parted).await? {
            found.push(parted);
        }
    }
    Ok(found)
}

/// The numbers that say in which partitions these rows belong.
fn numbers(parted: Parted, table: &Table, rows: &[Vec<Cell>]) -> BTreeSet<i64> {
    let Some(column) = table.columns.iter().position(|column| column.name == parted.column()) else {
        return BTreeSet::new();
    };
    let number = |row: &Vec<Cell>| match row.get(column) {
        Some(Cell::Int(number)) => *number,
        _ => None,
    };
    rows.iter().filter_map(number).collect()
}
