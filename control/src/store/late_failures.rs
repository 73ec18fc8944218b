//! Checks with failures that were told of too late to be judged, until the leader has looked back at them.
//!
//! Written only with a journal row, which holds the results themselves: here stands where to look. One row per check,
//! however long a host was away.

use std::collections::BTreeMap;

use farwatch_proto::id::{CheckId, IncidentId};
use farwatch_proto::time::UnixMs;
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::columns::Columns;
use super::statements::{ROWS_PER_STATEMENT, tuples};
use super::transaction::Tx;
use super::{Epoch, Incident, IncidentEvent, NewDelivery, SlotRange, Store, StoreError, deliveries, incidents};

/// A check to look back at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LateFailure {
    /// The check.
    pub check: CheckId,
    /// The slots among which its late failures lie.
    pub slots: SlotRange,
    /// When the first of them came.
    pub first_received: UnixMs,
    /// When the last of them came.
    pub last_received: UnixMs,
}

/// When to look back at a check: once nothing more comes, or it has waited long enough.
#[derive(Clone, Copy, Debug)]
pub struct LookBack {
    /// Nothing may have come since then,
    pub quiet_since: UnixMs,
    /// unless the first came before this.
    pub waits_since: UnixMs,
}

/// What was found of one check.
#[derive(Clone, Debug, Default)]
pub struct PastOutages {
    /// Outages that are over, each with what happened in it and who is to be told.
    pub outages: Vec<(Incident, Vec<IncidentEvent>, Vec<NewDelivery>)>,
    /// Incidents that are known, with the earliest failure that is known now.
    pub seen_since: Vec<(IncidentId, UnixMs)>,
}

/// The checks with late failures.
#[derive(Clone, Copy, Debug)]
pub struct LateFailures<'s>(&'s Store);

impl Store {
    /// The checks with late failures.
    pub const fn late_failures(&self) -> LateFailures<'_> {
        LateFailures(self)
    }
}

impl LateFailures<'_> {
    /// The checks to look back at now, those first that wait longest; at most `limit`.
    pub async fn due(self, when: LookBack, limit: u32) -> Result<Vec<LateFailure>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "select check_id, first_slot_ms, last_slot_ms, first_received_ms, last_received_ms \
                         from late_failure where last_received_ms <= $1 or first_received_ms <= $2 \
                         order by first_received_ms, check_id limit $3",
                    )
                    .bind(when.quiet_since.0)
                    .bind(when.waits_since.0)
                    .bind(i64::from(limit))
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    rows.iter().map(late_failure).collect()
                })
            })
            .await
    }

    /// Writes what looking back has found, and forgets the row, unless more came meanwhile. An incident that is known
    /// already stays as it is, and is told by nobody a second time.
    pub async fn looked_back(self, leader: Epoch, at: &LateFailure, found: &PastOutages) -> Result<(), StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    tx.demand_leader(leader).await?;
                    for (incident, events, deliveries) in &found.outages {
                        if incidents::insert_new(tx, incident).await? {
                            incidents::write_events(tx, events).await?;
                            deliveries::write(tx, deliveries).await?;
                        }
                    }
                    for (incident, seen_since) in &found.seen_since {
                        incidents::amend_seen_since(tx, *incident, *seen_since).await?;
                    }
                    sqlx::query("delete from late_failure where check_id = $1 and last_received_ms = $2")
                        .bind(at.check.as_bytes().as_slice())
                        .bind(at.last_received.0)
                        .execute(&mut *tx.connection)
                        .await?;
                    Ok(())
                })
            })
            .await
    }

    /// Deletes rows of checks of which nothing came since this moment.
    pub async fn delete_before(self, moment: UnixMs) -> Result<u64, StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let deleted = sqlx::query("delete from late_failure where last_received_ms < $1")
                        .bind(moment.0)
                        .execute(&mut *tx.connection)
                        .await?;
                    Ok(deleted.rows_affected())
                })
            })
            .await
    }
}

/// Notes where late failures lie, beside what is noted already.
pub(super) async fn write(
    tx: &mut Tx<'_>,
    late: &BTreeMap<CheckId, SlotRange>,
    received: UnixMs,
) -> Result<(), StoreError> {
    let late: Vec<_> = late.iter().collect();
    for some in late.chunks(ROWS_PER_STATEMENT) {
        let statement = format!(
            "insert into late_failure (check_id, first_slot_ms, last_slot_ms, first_received_ms, last_received_ms) \
             values {} on conflict (check_id) do update set \
             first_slot_ms = case when excluded.first_slot_ms < late_failure.first_slot_ms \
             then excluded.first_slot_ms else late_failure.first_slot_ms end, \
             last_slot_ms = case when excluded.last_slot_ms > late_failure.last_slot_ms \
             then excluded.last_slot_ms else late_failure.last_slot_ms end, \
             last_received_ms = case when excluded.last_received_ms > late_failure.last_received_ms \
             then excluded.last_received_ms else late_failure.last_received_ms + 1 end",
            tuples(some.len(), 5)
        );
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for (check, slots) in some {
            query = query
                .bind(check.as_bytes().as_slice())
                .bind(slots.first.0)
                .bind(slots.last.0)
                .bind(received.0)
                .bind(received.0);
        }
        query.execute(&mut *tx.connection).await?;
    }
    Ok(())
}

fn late_failure(row: &AnyRow) -> Result<LateFailure, StoreError> {
    Ok(LateFailure {
        check: row.id("check_id", CheckId::from_bytes)?,
        slots: SlotRange { first: row.moment("first_slot_ms")?, last: row.moment("last_slot_ms")? },
        first_received: row.moment("first_received_ms")?,
        last_received: row.moment("last_received_ms")?,
    })
}
