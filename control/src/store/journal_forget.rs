//! How the journal forgets: whole partitions on PostgreSQL, rows on SQLite.
//!
//! Forgotten is only what lies before the first row that must stay, so that the rest has no gap and the newest row is
//! always there for the next one to name.

use farwatch_core::partition::Range;
use farwatch_proto::time::UnixMs;
use sqlx::AssertSqlSafe;

use super::columns::{Columns, stored};
use super::journal::Journal;
use super::partitions::Parted;
use super::{Engine, StoreError};

/// The most rows one deletion removes: more would hold the database for longer than a flush may wait.
const DELETED_AT_ONCE: i64 = 2000;

impl Journal<'_> {
    /// Forgets rows up to this number that, with all before them, were committed before this moment, and returns how
    /// many partitions or rows went; a limited number at once, so ask again until it is none. The newest row always
    /// stays. On PostgreSQL rows of a partition that is full stay until all of it may go.
    pub async fn delete_before(self, moment: UnixMs, up_to: u64) -> Result<u64, StoreError> {
        let (first_kept, newest) = self.first_kept(moment, up_to).await?;
        let dropped = self.0.partitions().drop_before(Parted::Journal, first_kept).await?;
        if dropped > 0 {
            return Ok(dropped);
        }
        for table in self.tables_with_rows_to_delete(newest).await? {
            let deleted = self.delete_some(table, first_kept).await?;
            if deleted > 0 {
                return Ok(deleted);
            }
        }
        Ok(0)
    }

    /// The first row that must stay, and the newest.
    async fn first_kept(self, moment: UnixMs, up_to: u64) -> Result<(i64, i64), StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let row = sqlx::query(
                        "select coalesce((select min(seq) from journal where committed_ms >= $1), max(seq)) as young, \
                         max(seq) as newest from journal",
                    )
                    .bind(moment.0)
                    .fetch_one(&mut *reading.connection)
                    .await?;
                    let first_kept = row.int("young")?.min(stored(up_to).saturating_add(1));
                    Ok((first_kept, row.int("newest")?))
                })
            })
            .await
    }

    /// Rows are deleted one by one where no partition of theirs will be dropped soon: from the default one, and from the
    /// one that grows, which in a small house holds more than two days.
    async fn tables_with_rows_to_delete(self, newest: i64) -> Result<Vec<String>, StoreError> {
        if self.0.engine == Engine::Sqlite {
            return Ok(vec![Parted::Journal.table().to_owned()]);
        }
        let ranges = self.0.partitions().of_table(Parted::Journal).await?;
        let grows = ranges.into_iter().find(|range: &Range| range.holds(newest));
        let grows = grows.map(|range| Parted::Journal.partition(range));
        Ok([Some("journal_default".to_owned()), grows].into_iter().flatten().collect())
    }

    async fn delete_some(self, table: String, first_kept: i64) -> Result<u64, StoreError> {
        let statement = format!("delete from {table} where seq < $1 and seq < (select min(seq) from {table}) + $2");
        self.0
            .write(|tx| {
                let statement = statement.clone();
                Box::pin(async move {
                    let deleted = sqlx::query(AssertSqlSafe(statement))
                        .bind(first_kept)
                        .bind(DELETED_AT_ONCE)
                        .execute(&mut *tx.connection)
                        .await?;
                    Ok(deleted.rows_affected())
                })
            })
            .await
    }
}
