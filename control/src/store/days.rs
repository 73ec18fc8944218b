//! Days of streams on record: the sums that are left of blocks which are too old.
//!
//! A day is made and its blocks are deleted in one transaction, so each slot is counted in exactly one of the two. On
//! PostgreSQL a day that has its partition is made at once and the partition dropped; where that is too much for one
//! transaction, and on SQLite, some checks at a time are.
//! Whoever asks for old days gets the sums of both, and need not know which has happened yet.

use farwatch_core::block::{Outcomes, Totals};
use farwatch_core::ledger::Balance;
use farwatch_core::partition::{Range, outlived};
use farwatch_proto::id::CheckId;
use farwatch_proto::time::UnixMs;
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::columns::Columns;
use super::partitions::{self, Parted};
use super::statements::placeholders;
use super::transaction::Tx;
use super::{Store, StoreError};

/// The length of what one row is about.
pub const DAY_MS: i64 = 86_400_000;
/// Checks whose blocks of a day become rows in one transaction: about a thousand blocks, as many as one deletion may
/// remove.
const CHECKS_AT_ONCE: i64 = 40;
/// A partition of more rows than about a million and a half, without their details, is not made into days at once: it
/// must be over within the limit of a statement.
const WHOLE_DAY_MAX_BYTES: i64 = 256 * 1024 * 1024;
/// It gives way to whoever else wants the partition or the table, and takes no longer than an attempt may.
const MAKES_WHOLE_DAYS: &str = "set local lock_timeout = '200ms'; set local statement_timeout = '4s'";

/// Checks whose days are read by one question: a year of them is ten thousand rows.
const CHECKS_READ_AT_ONCE: usize = 25;

/// The slots of one day of one check, all its streams together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckDay {
    /// The check.
    pub check: CheckId,
    /// The first moment of the day.
    pub from: UnixMs,
    /// How its slots stand.
    pub balance: Balance,
}

/// The sums of one day of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredDay {
    /// Its first moment.
    pub from: UnixMs,
    /// The number of the stream.
    pub stream: u16,
    /// The sums.
    pub totals: Totals,
}

/// The days.
#[derive(Clone, Copy, Debug)]
pub struct Days<'s>(&'s Store);

impl Store {
    /// The days.
    pub const fn days(&self) -> Days<'_> {
        Days(self)
    }
}

/// The sums of either table, added up.
macro_rules! summed {
    () => {
        "cast(sum(on_time) as bigint) as on_time, cast(sum(late) as bigint) as late, \
         cast(sum(missed) as bigint) as missed, cast(sum(pending) as bigint) as pending, \
         cast(sum(up) as bigint) as up, cast(sum(degraded) as bigint) as degraded, \
         cast(sum(down) as bigint) as down, cast(sum(unknown) as bigint) as unknown, \
         cast(sum(latency_sum_us) as bigint) as latency_sum_us, max(latency_max_us) as latency_max_us "
    };
}

macro_rules! sums {
    () => {
        "on_time, late, missed, pending, up, degraded, down, unknown, latency_sum_us, latency_max_us "
    };
}

impl Days<'_> {
    /// The days of a check in [from, to), which should be whole, in order of day and stream.
    pub async fn of_check(self, check: CheckId, (from, to): (UnixMs, UnixMs)) -> Result<Vec<StoredDay>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(concat!(
                        "select day_ms, stream, ",
                        summed!(),
                        "from (select day_ms, stream, ",
                        sums!(),
                        "from block_day where check_id = $1 and day_ms >= $2 and day_ms < $3 union all \
                         select hour_ms - hour_ms % 86400000 as day_ms, stream, ",
                        sums!(),
                        "from block where check_id = $1 and hour_ms >= $2 and hour_ms < $3) as held \
                         group by day_ms, stream order by day_ms, stream"
                    ))
                    .bind(check.as_bytes().as_slice())
                    .bind(from.0)
                    .bind(to.0)
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    rows.iter().map(stored_day).collect()
                })
            })
            .await
    }

    /// Makes days of whole partitions of blocks that ended at this moment or before, and drops them; returns how many.
    /// What is too large for that is left to [`make_before`](Self::make_before), and so is all of it on SQLite.
    pub async fn make_whole_before(self, moment: UnixMs) -> Result<usize, StoreError> {
        let there = self.0.partitions().of_table(Parted::Blocks).await?;
        let mut made = 0;
        for range in outlived(&there, moment.0) {
            made += usize::from(self.0.write(|tx| Box::pin(make_whole(tx, range))).await?);
        }
        Ok(made)
    }

    /// The days of these checks in [from, to), which should be whole, in order of check and day where the checks are in
    /// order.
    pub async fn of_checks(
        self,
        checks: &[CheckId],
        (from, to): (UnixMs, UnixMs),
    ) -> Result<Vec<CheckDay>, StoreError> {
        let mut found = Vec::new();
        for some in checks.chunks(CHECKS_READ_AT_ONCE) {
            let of_checks = placeholders(2, some.len());
            let statement = format!(
                "select check_id, day_ms, cast(sum(on_time) as bigint) as on_time, cast(sum(late) as bigint) as late, \
                 cast(sum(missed) as bigint) as missed, cast(sum(pending) as bigint) as pending from \
                 (select check_id, day_ms, on_time, late, missed, pending from block_day \
                 where day_ms >= $1 and day_ms < $2 and check_id in ({of_checks}) union all \
                 select check_id, hour_ms - hour_ms % 86400000 as day_ms, on_time, late, missed, pending from block \
                 where hour_ms >= $1 and hour_ms < $2 and check_id in ({of_checks})) as held \
                 group by check_id, day_ms order by check_id, day_ms"
            );
            let rows = self.0.read(|reading| {
                let statement = statement.clone();
                Box::pin(async move {
                    let mut query = sqlx::query(AssertSqlSafe(statement)).bind(from.0).bind(to.0);
                    for check in some {
                        query = query.bind(check.as_bytes().as_slice());
                    }
                    let rows = query.fetch_all(&mut *reading.connection).await?;
                    rows.iter().map(check_day).collect::<Result<Vec<_>, _>>()
                })
            });
            found.extend(rows.await?);
        }
        Ok(found)
    }

    /// Makes days of blocks of the oldest day there is, if that ended at this moment or before, and returns of how
    /// many checks; of a limited number at once, so ask again until it is none.
    pub async fn make_before(self, moment: UnixMs) -> Result<u64, StoreError> {
        self.0.write(|tx| Box::pin(make_some(tx, moment))).await
    }
}

/// Two processes that made days of the same blocks at once would count them twice, so they take turns.
async fn take_turn(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    sqlx::query("update block_fold set from_ms = from_ms where id = 1").execute(&mut *tx.connection).await?;
    Ok(())
}

async fn make_whole(tx: &mut Tx<'_>, range: Range) -> Result<bool, StoreError> {
    let partition = Parted::Blocks.partition(range);
    sqlx::raw_sql(MAKES_WHOLE_DAYS).execute(&mut *tx.connection).await?;
    take_turn(tx).await?;
    let is_there: bool = sqlx::query_scalar("select to_regclass($1) is not null")
        .bind(partition.as_str())
        .fetch_one(&mut *tx.connection)
        .await?;
    if !is_there {
        // Another process was first, or an attempt of which the answer was lost.
        tx.leave_unchanged();
        return Ok(false);
    }
    let lock = format!("lock table {partition} in share row exclusive mode");
    sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut *tx.connection).await?;
    let question = format!("select pg_relation_size('{partition}') > $1 and exists (select 1 from {partition})");
    let is_too_large: bool =
        sqlx::query_scalar(AssertSqlSafe(question)).bind(WHOLE_DAY_MAX_BYTES).fetch_one(&mut *tx.connection).await?;
    if is_too_large {
        tx.leave_unchanged();
        return Ok(false);
    }
    sqlx::query(AssertSqlSafe(making_days(&partition, "true"))).execute(&mut *tx.connection).await?;
    partitions::drop_one(tx, Parted::Blocks, range).await?;
    Ok(true)
}

async fn make_some(tx: &mut Tx<'_>, moment: UnixMs) -> Result<u64, StoreError> {
    take_turn(tx).await?;
    let oldest = sqlx::query("select hour_ms from block order by hour_ms limit 1");
    let Some(oldest) = oldest.fetch_optional(&mut *tx.connection).await? else { return Ok(0) };
    let oldest = oldest.int("hour_ms")?;
    let (from, to) = (oldest - oldest.rem_euclid(DAY_MS), oldest - oldest.rem_euclid(DAY_MS) + DAY_MS);
    if to > moment.0 {
        return Ok(0);
    }
    let checks = sqlx::query("select distinct check_id from block where hour_ms >= $1 and hour_ms < $2 limit $3")
        .bind(from)
        .bind(to)
        .bind(CHECKS_AT_ONCE)
        .fetch_all(&mut *tx.connection)
        .await?;
    let checks = checks.iter().map(|row| row.id("check_id", CheckId::from_bytes)).collect::<Result<Vec<_>, _>>()?;
    let of_checks = format!("hour_ms >= $1 and hour_ms < $2 and check_id in ({})", placeholders(2, checks.len()));
    let make = making_days("block", &of_checks);
    for statement in [make, format!("delete from block where {of_checks}")] {
        let mut query = sqlx::query(AssertSqlSafe(statement)).bind(from).bind(to);
        for check in &checks {
            query = query.bind(check.as_bytes().as_slice());
        }
        query.execute(&mut *tx.connection).await?;
    }
    Ok(checks.len() as u64)
}

/// Adds the sums of these blocks to those of their days.
fn making_days(blocks: &str, which: &str) -> String {
    format!(
        concat!(
            "insert into block_day (check_id, day_ms, stream, ",
            sums!(),
            ") select check_id, hour_ms - hour_ms % 86400000, stream, ",
            summed!(),
            "from {} where {} group by check_id, hour_ms - hour_ms % 86400000, stream \
             on conflict (check_id, day_ms, stream) do update set \
             on_time = block_day.on_time + excluded.on_time, late = block_day.late + excluded.late, \
             missed = block_day.missed + excluded.missed, pending = block_day.pending + excluded.pending, \
             up = block_day.up + excluded.up, degraded = block_day.degraded + excluded.degraded, \
             down = block_day.down + excluded.down, unknown = block_day.unknown + excluded.unknown, \
             latency_sum_us = block_day.latency_sum_us + excluded.latency_sum_us, \
             latency_max_us = case when block_day.latency_max_us > excluded.latency_max_us \
             then block_day.latency_max_us else excluded.latency_max_us end"
        ),
        blocks, which
    )
}

fn check_day(row: &AnyRow) -> Result<CheckDay, StoreError> {
    let check = row.id("check_id", CheckId::from_bytes)?;
    Ok(CheckDay { check, from: row.moment("day_ms")?, balance: balance(row)? })
}

fn balance(row: &AnyRow) -> Result<Balance, StoreError> {
    Ok(Balance {
        on_time: row.number("on_time")?,
        late: row.number("late")?,
        missed: row.number("missed")?,
        pending: row.number("pending")?,
    })
}

fn stored_day(row: &AnyRow) -> Result<StoredDay, StoreError> {
    let outcomes = Outcomes {
        up: row.number("up")?,
        degraded: row.number("degraded")?,
        down: row.number("down")?,
        unknown: row.number("unknown")?,
    };
    Ok(StoredDay {
        from: row.moment("day_ms")?,
        stream: row.number("stream")?,
        totals: Totals {
            balance: balance(row)?,
            outcomes,
            latency_sum_us: row.number("latency_sum_us")?,
            latency_max_us: row.number("latency_max_us")?,
        },
    })
}
