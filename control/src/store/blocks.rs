//! Hours of streams on record, and how far folding has come. Only the leader writes them.
//!
//! A row is written whole and over whatever stood there, so writing one again is harmless. What a row should say is
//! decided by `core`; the sums stand in columns of their own so that most questions need no detail.

use farwatch_core::block::{Block, BlockError, BlockKey, Hour, Outcomes, Totals};
use farwatch_core::ledger::Balance;
use farwatch_proto::check::StreamId;
use farwatch_proto::id::CheckId;
use farwatch_proto::time::UnixMs;
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::columns::{Columns, stored};
use super::statements::{placeholders, tuples};
use super::transaction::Tx;
use super::{Epoch, Store, StoreError};

/// Blocks of one statement and of one transaction: half a megabyte. While it lasts the lease cannot be renewed on
/// PostgreSQL, nor a flush be written on SQLite, so it must be over in a fraction of what those may take.
pub const BLOCKS_AT_ONCE: usize = 250;
/// The most blocks one question returns: about a megabyte.
const READ_MAX: u32 = 500;
/// A block as the database holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBlock {
    /// What it is about.
    pub key: BlockKey,
    /// Its sums.
    pub totals: Totals,
    /// From when on the next of its pending slots may be decided; `None` when none is pending.
    pub settles: Option<UnixMs>,
    /// Its bytes.
    pub detail: Vec<u8>,
}

impl StoredBlock {
    /// The row of a block that was settled at `now`.
    pub fn of(block: &Block, now: UnixMs) -> Self {
        Self { key: block.key(), totals: block.totals(), settles: block.settles_at(now), detail: block.encode() }
    }

    /// The block of a row.
    pub fn read(&self) -> Result<Block, BlockError> {
        Block::decode(self.key, &self.detail)
    }
}

/// How far folding has come. It never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FoldMark {
    /// Every hour before this moment is folded; 0 before the first fold.
    pub until: UnixMs,
    /// Every journal row up to this one was searched for late results of folded hours.
    pub seq: u64,
}

/// The blocks.
#[derive(Clone, Copy, Debug)]
pub struct Blocks<'s>(&'s Store);

impl Store {
    /// The blocks.
    pub const fn blocks(&self) -> Blocks<'_> {
        Blocks(self)
    }
}

macro_rules! select_blocks {
    () => {
        "select check_id, hour_ms, stream, on_time, late, missed, pending, up, degraded, down, unknown, \
         latency_sum_us, latency_max_us, settles_ms, detail from block "
    };
}

impl Blocks<'_> {
    /// Writes blocks over what stood there, [`BLOCKS_AT_ONCE`] in one transaction.
    pub async fn put(self, leader: Epoch, blocks: &[StoredBlock]) -> Result<(), StoreError> {
        for some in blocks.chunks(BLOCKS_AT_ONCE) {
            self.0
                .write(|tx| {
                    Box::pin(async move {
                        tx.demand_leader(leader).await?;
                        put_some(tx, some).await
                    })
                })
                .await?;
        }
        Ok(())
    }

    /// The blocks of a check for the hours in [from, to), in order of hour and stream, that come after `after`; at
    /// most `limit`, so ask again behind the last of them.
    pub async fn of_check(
        self,
        check: CheckId,
        (from, to): (UnixMs, UnixMs),
        after: Option<(Hour, u16)>,
        limit: u32,
    ) -> Result<Vec<StoredBlock>, StoreError> {
        let (after_ms, after_stream) = after.map_or((-1, -1), |(hour, stream)| (hour.start().0, i64::from(stream)));
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(concat!(
                        select_blocks!(),
                        "where check_id = $1 and hour_ms >= $2 and hour_ms < $3 and (hour_ms, stream) > ($4, $5) \
                         order by hour_ms, stream limit $6"
                    ))
                    .bind(check.as_bytes().as_slice())
                    .bind(from.0)
                    .bind(to.0)
                    .bind(after_ms)
                    .bind(after_stream)
                    .bind(i64::from(limit.min(READ_MAX)))
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    rows.iter().map(stored_block).collect()
                })
            })
            .await
    }

    /// The blocks of one hour of all streams of these checks, in order of check and stream.
    pub async fn of_hour(self, hour: Hour, checks: &[CheckId]) -> Result<Vec<StoredBlock>, StoreError> {
        let mut found = Vec::new();
        // A check has at most eight streams, so that each piece stays well within a megabyte.
        for some in checks.chunks(BLOCKS_AT_ONCE / 4) {
            let statement = format!(
                concat!(select_blocks!(), "where hour_ms = $1 and check_id in ({}) order by check_id, stream"),
                placeholders(1, some.len())
            );
            let rows = self.0.read(|reading| {
                let statement = statement.clone();
                Box::pin(async move {
                    let mut query = sqlx::query(AssertSqlSafe(statement)).bind(hour.start().0);
                    for check in some {
                        query = query.bind(check.as_bytes().as_slice());
                    }
                    let rows = query.fetch_all(&mut *reading.connection).await?;
                    rows.iter().map(stored_block).collect::<Result<Vec<_>, _>>()
                })
            });
            found.extend(rows.await?);
        }
        Ok(found)
    }

    /// The blocks of which a pending slot may be decided at `now`, those that wait longest first; at most `limit`.
    pub async fn unsettled(self, now: UnixMs, limit: u32) -> Result<Vec<StoredBlock>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows =
                        sqlx::query(concat!(select_blocks!(), "where settles_ms <= $1 order by settles_ms limit $2"))
                            .bind(now.0)
                            .bind(i64::from(limit.min(READ_MAX)))
                            .fetch_all(&mut *reading.connection)
                            .await?;
                    rows.iter().map(stored_block).collect()
                })
            })
            .await
    }

    /// Since when slots are on record: no hour before was ever folded. 0 before the first fold.
    pub async fn record_from(self) -> Result<UnixMs, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let row = sqlx::query("select from_ms from block_fold where id = 1")
                        .fetch_one(&mut *reading.connection)
                        .await?;
                    row.moment("from_ms")
                })
            })
            .await
    }

    /// Says that the record begins at this moment or, where an earlier version folded already, with its first block.
    /// What was said before stays.
    pub async fn begin_record(self, leader: Epoch, from: UnixMs) -> Result<(), StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    tx.demand_leader(leader).await?;
                    sqlx::query(
                        "update block_fold set from_ms = coalesce((select min(hour_ms) from block), $1) \
                         where id = 1 and from_ms = 0",
                    )
                    .bind(from.0)
                    .execute(&mut *tx.connection)
                    .await?;
                    Ok(())
                })
            })
            .await
    }

    /// How far folding has come.
    pub async fn fold_mark(self) -> Result<FoldMark, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let row = sqlx::query("select until_ms, seq from block_fold where id = 1")
                        .fetch_one(&mut *reading.connection)
                        .await?;
                    Ok(FoldMark { until: row.moment("until_ms")?, seq: row.number("seq")? })
                })
            })
            .await
    }

    /// Says that folding has come this far. Whatever follows from it must have been written before.
    pub async fn advance(self, leader: Epoch, mark: FoldMark) -> Result<(), StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    tx.demand_leader(leader).await?;
                    sqlx::query(
                        "update block_fold set until_ms = case when until_ms > $1 then until_ms else $1 end, \
                         seq = case when seq > $2 then seq else $2 end where id = 1",
                    )
                    .bind(mark.until.0)
                    .bind(stored(mark.seq))
                    .execute(&mut *tx.connection)
                    .await?;
                    Ok(())
                })
            })
            .await
    }
}

async fn put_some(tx: &mut Tx<'_>, blocks: &[StoredBlock]) -> Result<(), StoreError> {
    let statement = format!(
        "insert into block (check_id, hour_ms, stream, on_time, late, missed, pending, up, degraded, down, unknown, \
         latency_sum_us, latency_max_us, settles_ms, detail) values {} on conflict (check_id, hour_ms, stream) do update set \
         on_time = excluded.on_time, late = excluded.late, missed = excluded.missed, pending = excluded.pending, \
         up = excluded.up, degraded = excluded.degraded, down = excluded.down, unknown = excluded.unknown, \
         latency_sum_us = excluded.latency_sum_us, latency_max_us = excluded.latency_max_us, \
         settles_ms = excluded.settles_ms, detail = excluded.detail",
        tuples(blocks.len(), 15)
    );
    let mut query = sqlx::query(AssertSqlSafe(statement));
    for StoredBlock { key, totals, settles, detail } in blocks {
        let Totals { balance, outcomes, latency_sum_us, latency_max_us } = *totals;
        let Balance { on_time, late, missed, pending } = balance;
        let Outcomes { up, degraded, down, unknown } = outcomes;
        query = query
            .bind(key.stream.check.as_bytes().as_slice())
            .bind(key.hour.start().0)
            .bind(i64::from(key.stream.number));
        for count in [on_time, late, missed, pending, up, degraded, down, unknown, latency_sum_us] {
            query = query.bind(stored(count));
        }
        query = query.bind(i64::from(latency_max_us)).bind(settles.map(|moment| moment.0)).bind(detail.as_slice());
    }
    query.execute(&mut *tx.connection).await?;
    Ok(())
}

fn stored_block(row: &AnyRow) -> Result<StoredBlock, StoreError> {
    let stream = StreamId { check: row.id("check_id", CheckId::from_bytes)?, number: row.number("stream")? };
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
    Ok(StoredBlock {
        key: BlockKey { stream, hour: Hour::of(row.moment("hour_ms")?) },
        totals: Totals {
            balance,
            outcomes,
            latency_sum_us: row.number("latency_sum_us")?,
            latency_max_us: row.number("latency_max_us")?,
        },
        settles: row.maybe_moment("settles_ms")?,
        detail: row.bytes("detail")?,
    })
}
