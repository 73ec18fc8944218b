//! How far the database holds what each boot of a host has spooled: what a host is told when it connects.
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

/// The most boots a host is told of, the latest ones. A host that restarts more often while its spool waits sends
/// some results twice, which is harmless.
const BOOTS_MAX: i64 = 64;

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
    /// What the database holds of one host, one mark per boot, the boot heard of last first.
    pub async fn of_host(self, host: HostId) -> Result<Vec<Mark>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "select boot_id, segment, segment_offset from host_mark where host_id = $1 \
                         order by updated_ms desc, boot_id limit $2",
                    )
                    .bind(host.as_bytes().as_slice())
                    .bind(BOOTS_MAX)
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    rows.iter().map(mark).collect()
                })
            })
            .await
    }

    /// Forgets the marks of boots not heard of since this moment, when no spool can still hold anything of them.
    pub async fn delete_before(self, moment: UnixMs) -> Result<u64, StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let deleted = sqlx::query("delete from host_mark where updated_ms < $1")
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
    marks: &BTreeMap<(HostId, BootId), Mark>,
    now: UnixMs,
) -> Result<(), StoreError> {
    let marks: Vec<_> = marks.iter().collect();
    for some in marks.chunks(ROWS_PER_STATEMENT) {
        let statement = format!(
            "insert into host_mark (host_id, boot_id, segment, segment_offset, updated_ms) values {} \
             on conflict (host_id, boot_id) do update set segment = excluded.segment, \
             segment_offset = excluded.segment_offset, updated_ms = excluded.updated_ms \
             where (excluded.segment, excluded.segment_offset) > (host_mark.segment, host_mark.segment_offset)",
            tuples(some.len(), 5)
        );
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for ((host, boot), mark) in some {
            query = query
                .bind(host.as_bytes().as_slice())
                .bind(boot.as_bytes().as_slice())
                .bind(i64::from(mark.segment))
                .bind(stored(mark.offset))
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
