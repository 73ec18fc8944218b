//! How far the database holds each segment of a host's spool: what a host is told when it connects.
//!
//! Written only with a journal row, and only forward.

use std::collections::BTreeMap;

use farwatch_proto::id::{BootId, HostId};
use farwatch_proto::link::Mark;
use farwatch_proto::time::UnixMs;
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::columns::{Columns, stored};
use super::statements::{ROWS_PER_STATEMENT, tuples};
use super::transaction::Tx;
use super::{Store, StoreError};

/// The most segments a host is told of, those that grew last. They fit one message, and are more than the busiest
/// host keeps; a mark that is left out costs results that are sent again, which is harmless.
pub const MARKS_PER_HOST_MAX: usize = 1024;

/// The marks of hosts.
#[derive(Clone, Copy, Debug)]
pub struct HostMarks<'s>(&'s Store);

impl Store {
    /// The marks of hosts.
    pub const fn host_marks(&self) -> HostMarks<'_> {
        HostMarks(self)
    }
}

impl HostMarks<'_> {
    /// What the database holds of one host, one mark per segment, the one that grew last first; at most
    /// [`MARKS_PER_HOST_MAX`].
    pub async fn of_host(self, host: HostId) -> Result<Vec<Mark>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "select boot_id, segment, segment_offset from segment_mark where host_id = $1 \
                         order by updated_ms desc, boot_id desc, segment desc limit $2",
                    )
                    .bind(host.as_bytes().as_slice())
                    .bind(MARKS_PER_HOST_MAX as i64)
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    rows.iter().map(mark).collect()
                })
            })
            .await
    }

    /// Forgets the marks that have not moved since this moment, when no spool can still hold their segments.
    pub async fn delete_before(self, moment: UnixMs) -> Result<u64, StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let deleted = sqlx::query("delete from segment_mark where updated_ms < $1")
                        .bind(moment.0)
                        .execute(&mut *tx.connection)
                        .await?;
                    Ok(deleted.rows_affected())
                })
            })
            .await
    }
}

pub(super) async fn write(
    tx: &mut Tx<'_>,
    marks: &BTreeMap<(HostId, BootId, u32), u64>,
    now: UnixMs,
) -> Result<(), StoreError> {
    let marks: Vec<_> = marks.iter().collect();
    for some in marks.chunks(ROWS_PER_STATEMENT) {
        let statement = format!(
            "insert into segment_mark (host_id, boot_id, segment, segment_offset, updated_ms) values {} \
             on conflict (host_id, boot_id, segment) do update set segment_offset = excluded.segment_offset, \
             updated_ms = excluded.updated_ms where excluded.segment_offset > segment_mark.segment_offset",
            tuples(some.len(), 5)
        );
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for ((host, boot, segment), offset) in some {
            query = query
                .bind(host.as_bytes().as_slice())
                .bind(boot.as_bytes().as_slice())
                .bind(i64::from(*segment))
                .bind(stored(**offset))
                .bind(now.0);
        }
        query.execute(&mut *tx.connection).await?;
    }
    Ok(())
}

fn mark(row: &AnyRow) -> Result<Mark, StoreError> {
    Ok(Mark {
        boot: row.id("boot_id", BootId::from_bytes)?,
        segment: row.number("segment")?,
        offset: row.number("segment_offset")?,
    })
}
