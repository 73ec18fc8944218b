//! The tables that PostgreSQL keeps in partitions, which are made before a row needs them and dropped whole.
//!
//! SQLite has none of this. Which partitions are wanted is decided by `core`. Their names tell their ranges. Where one
//! is missing its rows stand in the default partition and are deleted row by row, so that nobody who writes ever waits
//! for a partition or fails for want of one. Nothing here moves a row.

use farwatch_core::partition::{Range, missing, outlived};
use sqlx::{AnyConnection, AssertSqlSafe};

use super::columns::Columns;
use super::transaction::Tx;
use super::{DAY_MS, Engine, Store, StoreError};

/// Journal rows of one partition. At ten flushes a second it is full in 80 minutes, and two days make 35 of them; a
/// small house fills one in days, and its rows are deleted one by one. The migration that made the first has it, too.
const JOURNAL_ROWS: i64 = 50_000;
/// Partitions of the journal from that of its newest row on: 100,000 rows are there before whoever makes them comes
/// again, ten minutes later, which no cell writes.
const JOURNAL_AHEAD: u16 = 3;
/// The days before today that late results may write to, today, and the days to come.
const DAYS_AHEAD: u16 = 5;
/// Of those, how many lie before today: results come at most a day and an hour late, and slots that fail once a day are
/// fresh for two.
const DAYS_BEHIND: i64 = 2;
/// Whoever makes or drops a partition gives way sooner than anybody who waits behind it notices: a leader whose flush
/// waits for two seconds has lost half of its patience.
const GIVES_WAY: &str = "set local lock_timeout = '200ms'";

/// A table that is kept in partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parted {
    /// The journal, by number.
    Journal,
    /// The blocks, by day of the hour.
    Blocks,
    /// The evidence, by day of the slot.
    Evidence,
}

/// All of them.
pub(super) const PARTED: [Parted; 3] = [Parted::Journal, Parted::Blocks, Parted::Evidence];

impl Parted {
    pub(super) const fn table(self) -> &'static str {
        match self {
            Self::Journal => "journal",
            Self::Blocks => "block",
            Self::Evidence => "evidence",
        }
    }

    /// What its rows are parted by.
    pub(super) const fn column(self) -> &'static str {
        match self {
            Self::Journal => "seq",
            Self::Blocks => "hour_ms",
            Self::Evidence => "slot_ms",
        }
    }

    /// The length of the ranges that are made.
    const fn length(self) -> i64 {
        match self {
            Self::Journal => JOURNAL_ROWS,
            Self::Blocks | Self::Evidence => DAY_MS,
        }
    }

    /// The ranges to make where the newest row, or the moment, is this.
    fn wanted(self, newest: i64, there: &[Range]) -> Vec<Range> {
        match self {
            Self::Journal => missing(there, newest, JOURNAL_ROWS, JOURNAL_AHEAD),
            Self::Blocks | Self::Evidence => missing(there, newest - DAYS_BEHIND * DAY_MS, DAY_MS, DAYS_AHEAD),
        }
    }

    pub(super) fn partition(self, range: Range) -> String {
        format!("{}_p{}_{}", self.table(), range.from, range.to)
    }

    fn range_of(self, partition: &str) -> Option<Range> {
        let (from, to) = partition.strip_prefix(self.table())?.strip_prefix("_p")?.split_once('_')?;
        Some(Range { from: from.parse().ok()?, to: to.parse().ok()? })
    }
}

/// The partitions.
#[derive(Clone, Copy, Debug)]
pub struct Partitions<'s>(&'s Store);

impl Store {
    /// The partitions.
    pub const fn partitions(&self) -> Partitions<'_> {
        Partitions(self)
    }
}

impl Partitions<'_> {
    /// The ranges of a table that have a partition of their own, lowest first; none on SQLite.
    pub async fn of_table(self, parted: Parted) -> Result<Vec<Range>, StoreError> {
        if self.0.engine == Engine::Sqlite {
            return Ok(Vec::new());
        }
        self.0.read(|reading| Box::pin(ranges(&mut reading.connection, parted))).await
    }

    /// Makes the partitions that rows will need before anybody comes again, and returns how many; `newest` is the
    /// number of the newest row, or the moment. A range of which rows stand in the default partition already stays there.
    pub async fn make(self, parted: Parted, newest: i64) -> Result<usize, StoreError> {
        let mut made = 0;
        for range in parted.wanted(newest, &self.of_table(parted).await?) {
            if self.0.engine == Engine::Postgres {
                made += usize::from(self.0.write(|tx| Box::pin(make_one(tx, parted, range))).await?);
            }
        }
        Ok(made)
    }

    /// Drops the partitions whose rows all lie before this number, whatever is in them, and returns how many.
    pub(super) async fn drop_before(self, parted: Parted, before: i64) -> Result<u64, StoreError> {
        let outlived = outlived(&self.of_table(parted).await?, before);
        for range in &outlived {
            self.0.write(|tx| Box::pin(drop_one(tx, parted, *range))).await?;
        }
        Ok(outlived.len() as u64)
    }
}

pub(super) async fn ranges(connection: &mut AnyConnection, parted: Parted) -> Result<Vec<Range>, StoreError> {
    let rows = sqlx::query(
        "select c.relname::text as name from pg_inherits i join pg_class c on c.oid = i.inhrelid \
         where i.inhparent = to_regclass($1)",
    )
    .bind(parted.table())
    .fetch_all(connection)
    .await?;
    let names = rows.iter().map(|row| row.text("name")).collect::<Result<Vec<_>, _>>()?;
    let mut ranges: Vec<Range> = names.iter().filter_map(|name| parted.range_of(name)).collect();
    ranges.sort_unstable();
    Ok(ranges)
}

async fn make_one(tx: &mut Tx<'_>, parted: Parted, range: Range) -> Result<bool, StoreError> {
    sqlx::raw_sql(GIVES_WAY).execute(&mut *tx.connection).await?;
    // To attach locks the default partition in any case. Held from here on, it lets nobody else make the same one and
    // nobody write a row that belongs there.
    let lock = format!("lock table {}_default in access exclusive mode", parted.table());
    sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut *tx.connection).await?;
    if ranges(&mut tx.connection, parted).await?.contains(&range) || is_in_default(tx, parted, range).await? {
        tx.leave_unchanged();
        return Ok(false);
    }
    attach(&mut tx.connection, parted, range).await?;
    Ok(true)
}

async fn is_in_default(tx: &mut Tx<'_>, parted: Parted, range: Range) -> Result<bool, StoreError> {
    let (table, column) = (parted.table(), parted.column());
    let question = format!("select 1 from {table}_default where {column} >= $1 and {column} < $2 limit 1");
    let found = sqlx::query(AssertSqlSafe(question)).bind(range.from).bind(range.to);
    Ok(found.fetch_optional(&mut *tx.connection).await?.is_some())
}

/// Made aside and then attached, which locks the table for nobody who reads or writes rows.
async fn attach(connection: &mut AnyConnection, parted: Parted, range: Range) -> Result<(), StoreError> {
    let (table, name, Range { from, to }) = (parted.table(), parted.partition(range), range);
    let statements = format!(
        "create table {name} (like {table} including defaults including storage); \
         alter table {table} attach partition {name} for values from ({from}) to ({to})"
    );
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(connection).await?;
    Ok(())
}

pub(super) async fn drop_one(tx: &mut Tx<'_>, parted: Parted, range: Range) -> Result<(), StoreError> {
    let drop = format!("{GIVES_WAY}; drop table if exists {}", parted.partition(range));
    sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut *tx.connection).await?;
    Ok(())
}

/// Makes the partitions of rows that are about to be restored, while there is no other row: no later one would be made
/// as long as the default partition is full of them.
pub(super) async fn make_for(
    connection: &mut AnyConnection,
    parted: Parted,
    numbers: impl Iterator<Item = i64>,
) -> Result<(), StoreError> {
    let mut there = ranges(connection, parted).await?;
    for number in numbers {
        for range in missing(&there, number, parted.length(), 1) {
            attach(connection, parted, range).await?;
            there.push(range);
        }
    }
    Ok(())
}

/// Whether the table is parted in the schema that this connection sees; that of an old backup is not.
pub(super) async fn is_parted(connection: &mut AnyConnection, parted: Parted) -> Result<bool, StoreError> {
    let found = sqlx::query("select 1 from pg_partitioned_table where partrelid = to_regclass($1)")
        .bind(parted.table())
        .fetch_optional(connection)
        .await?;
    Ok(found.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_partition_tells_its_range() {
        let range = Range { from: 50_000, to: 100_000 };
        assert_eq!(Parted::Journal.partition(range), "journal_p50000_100000");
        assert_eq!(Parted::Journal.range_of("journal_p50000_100000"), Some(range));
        for other in ["journal_default", "block_p50000_100000", "journal_pkey", "journal_p5"] {
            assert_eq!(Parted::Journal.range_of(other), None, "{other}");
        }
    }

    #[test]
    fn days_are_made_for_late_rows_and_ahead() {
        let today = Range::around(1_700_000_000_000, DAY_MS);
        let wanted = Parted::Evidence.wanted(1_700_000_000_000, &[today]);
        assert_eq!(wanted.len(), 4);
        assert_eq!((wanted[0].from, wanted[3].to), (today.from - 2 * DAY_MS, today.to + 2 * DAY_MS));
    }
}
