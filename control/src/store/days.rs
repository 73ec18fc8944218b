//! Days of streams on record: the sums that are left of blocks which are too old.
//!
//! A day is made and its blocks are deleted in one transaction, so each slot is counted in exactly one of the two.
//! Whoever asks for old days gets the sums of both, and need not know which has happened yet.

use farwatch_core::block::{Outcomes, Totals};
use farwatch_core::ledger::Balance;
use farwatch_proto::id::CheckId;
use farwatch_proto::time::UnixMs;
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::columns::Columns;
use super::statements::placeholders;
use super::transaction::Tx;
use super::{Store, StoreError};

/// The length of what one row is about.
pub const DAY_MS: i64 = 86_400_000;
/// Checks whose blocks of a day become rows in one transaction: about a thousand blocks, as many as one deletion may
/// remove.
const CHECKS_AT_ONCE: i64 = 40;

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

    /// Makes days of blocks of the oldest day there is, if that ended at this moment or before, and returns of how
    /// many checks; of a limited number at once, so ask again until it is none.
    pub async fn make_before(self, moment: UnixMs) -> Result<u64, StoreError> {
        self.0.write(|tx| Box::pin(make_some(tx, moment))).await
    }
}

async fn make_some(tx: &mut Tx<'_>, moment: UnixMs) -> Result<u64, StoreError> {
    // Two processes that made days of the same blocks at once would count them twice, so they take turns.
    sqlx::query("update block_fold set from_ms = from_ms where id = 1").execute(&mut *tx.connection).await?;
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
    let make = format!(
        concat!(
            "insert into block_day (check_id, day_ms, stream, ",
            sums!(),
            ") select check_id, min(hour_ms - hour_ms % 86400000), stream, ",
            summed!(),
            "from block where {} group by check_id, stream on conflict (check_id, day_ms, stream) do update set \
             on_time = block_day.on_time + excluded.on_time, late = block_day.late + excluded.late, \
             missed = block_day.missed + excluded.missed, pending = block_day.pending + excluded.pending, \
             up = block_day.up + excluded.up, degraded = block_day.degraded + excluded.degraded, \
             down = block_day.down + excluded.down, unknown = block_day.unknown + excluded.unknown, \
             latency_sum_us = block_day.latency_sum_us + excluded.latency_sum_us, \
             latency_max_us = case when block_day.latency_max_us > excluded.latency_max_us \
             then block_day.latency_max_us else excluded.latency_max_us end"
        ),
        of_checks
    );
    for statement in [make, format!("delete from block where {of_checks}")] {
        let mut query = sqlx::query(AssertSqlSafe(statement)).bind(from).bind(to);
        for check in &checks {
            query = query.bind(check.as_bytes().as_slice());
        }
        query.execute(&mut *tx.connection).await?;
    }
    Ok(checks.len() as u64)
}

fn stored_day(row: &AnyRow) -> Result<StoredDay, StoreError> {
    let balance = Balance {
        on_time: row.number("on_time")?,
        late: row.number("late")?,
        missed: row.number("missed")?,
        pending: row.number("pending")?,
    };
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
            balance,
            outcomes,
            latency_sum_us: row.number("latency_sum_us")?,
            latency_max_us: row.number("latency_max_us")?,
        },
    })
}
