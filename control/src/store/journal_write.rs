//! The one way results enter the database, and the fence against a former leader.
//!
//! A row is written only if the row before it is exactly the one its writer saw last. Whoever finds another row in
//! its place, or none before it, does not lead any more. With the row go the detector rows, incidents, deliveries
//! and marks that follow from it, so that nothing is acknowledged or told that a crash could take back.

use std::collections::BTreeMap;

use farwatch_proto::id::{BootId, CheckId, HostId};
use farwatch_proto::link::Mark;
use farwatch_proto::time::UnixMs;

use super::columns::{Columns, stored, word_of};
use super::journal::{Journal, KINDS};
use super::transaction::Tx;
use super::{
    Epoch, EvidencePiece, FlushId, Incident, IncidentEvent, JournalHead, JournalKind, NewDelivery, SlotRange,
    StoreError, deliveries, detectors, evidence, host_marks, incidents, judged_checks, late_failures,
};

/// What becomes of the detector row of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DetectorChange {
    /// It is now this JSON.
    Put(String),
    /// The check is plainly up and needs none.
    Clear,
}

/// Everything one flush commits.
#[derive(Clone, Debug)]
pub struct Flush {
    /// Drawn anew for every flush, and kept when the same flush is tried again.
    pub id: FlushId,
    /// The row its leader saw last.
    pub after: JournalHead,
    /// The leadership that writes.
    pub epoch: Epoch,
    /// The moment, by the leader's clock.
    pub committed: UnixMs,
    /// The slots of its results.
    pub slots: Option<SlotRange>,
    /// How many results it has.
    pub results: u32,
    /// How the body is written.
    pub version: u8,
    /// The results, compressed.
    pub body: Vec<u8>,
    /// The detector rows that change.
    pub detectors: BTreeMap<CheckId, DetectorChange>,
    /// The checks judged for the first time, with the slot; one that is known already is kept as it is.
    pub first_judged: BTreeMap<CheckId, UnixMs>,
    /// Where failures lie that were told of too late to be judged.
    pub late: BTreeMap<CheckId, SlotRange>,
    /// What failed runs brought that is to be kept; a piece that is known already is kept as it is.
    pub evidence: Vec<EvidencePiece>,
    /// Incidents as they are now, opened, amended or resolved; each at most once. A resolved one never opens again.
    pub incidents: Vec<Incident>,
    /// What happened in incidents; one that is known already is kept as it is.
    pub events: Vec<IncidentEvent>,
    /// Deliveries; one that is known already is kept as it is.
    pub deliveries: Vec<NewDelivery>,
    /// How far it holds what hosts have spooled. A mark never goes back.
    pub marks: Vec<(HostId, Mark)>,
}

/// A flush is in the database, by this call or an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlushCommitted {
    /// The number of its row.
    pub seq: u64,
}

/// The beginning of a leadership.
#[derive(Clone, Copy, Debug)]
pub struct Takeover {
    /// Drawn anew for every takeover.
    pub id: FlushId,
    /// The row the new leader saw last.
    pub after: JournalHead,
    /// The leadership that begins; the lease must hold it.
    pub epoch: Epoch,
    /// The moment, by the new leader's clock.
    pub committed: UnixMs,
}

/// What the fence found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fence {
    /// The row was written now.
    Passed,
    /// The row had been written by an attempt whose answer was lost.
    PassedBefore,
}

/// The columns of a row, for both kinds of it.
#[derive(Clone, Copy)]
struct RowToWrite<'f> {
    id: FlushId,
    after: JournalHead,
    epoch: Epoch,
    kind: JournalKind,
    version: u8,
    committed: UnixMs,
    slots: Option<SlotRange>,
    results: u32,
    body: &'f [u8],
}

impl Journal<'_> {
    /// Commits a flush whole or not at all. The same flush may be tried any number of times and is committed once.
    /// [`StoreError::StaleLeader`] means that somebody else leads: step down and reload.
    pub async fn commit_flush(self, flush: &Flush) -> Result<FlushCommitted, StoreError> {
        // A leadership begins with its own takeover row, so every flush follows a row of the same leadership.
        if flush.after.epoch != flush.epoch {
            return Err(StoreError::StaleLeader);
        }
        let seq = flush.after.seq + 1;
        self.0
            .write(|tx| {
                Box::pin(async move {
                    match write_row(tx, &row_of(flush)).await? {
                        Fence::Passed => write_consequences(tx, flush, seq).await?,
                        Fence::PassedBefore => tx.leave_unchanged(),
                    }
                    Ok(FlushCommitted { seq })
                })
            })
            .await
    }

    /// Writes the row that ends every earlier leadership, and returns the new head. Only after it is there may the
    /// new leader load what it will judge by. A predecessor that got a last row in between is
    /// [`StoreError::StaleLeader`] too: while the lease is held, read the head and try again.
    pub async fn takeover(self, takeover: &Takeover) -> Result<JournalHead, StoreError> {
        let Takeover { id, after, epoch, committed } = *takeover;
        let row = RowToWrite {
            id,
            after,
            epoch,
            kind: JournalKind::Takeover,
            version: 0,
            committed,
            slots: None,
            results: 0,
            body: &[],
        };
        self.0
            .write(|tx| {
                Box::pin(async move {
                    tx.demand_leader(epoch).await?;
                    if write_row(tx, &row).await? == Fence::PassedBefore {
                        tx.leave_unchanged();
                    }
                    Ok(JournalHead { seq: after.seq + 1, epoch, flush: id })
                })
            })
            .await
    }
}

fn row_of(flush: &Flush) -> RowToWrite<'_> {
    RowToWrite {
        id: flush.id,
        after: flush.after,
        epoch: flush.epoch,
        kind: JournalKind::Results,
        version: flush.version,
        committed: flush.committed,
        slots: flush.slots,
        results: flush.results,
        body: &flush.body,
    }
}

/// The fence itself. A writer who is beaten to the number waits here for the winner's commit and then finds it.
async fn write_row(tx: &mut Tx<'_>, row: &RowToWrite<'_>) -> Result<Fence, StoreError> {
    let seq = row.after.seq + 1;
    let inserted = sqlx::query(
        "insert into journal (seq, epoch_n, epoch_random, flush_id, kind, version, committed_ms, slot_from_ms, \
         slot_to_ms, results, body) select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11 \
         where exists (select 1 from journal where seq = $12 and epoch_n = $13 and epoch_random = $14 \
         and flush_id = $15) on conflict do nothing",
    )
    .bind(stored(seq))
    .bind(stored(row.epoch.n))
    .bind(row.epoch.random_bits())
    .bind(row.id.0.as_slice())
    .bind(word_of(&row.kind, &KINDS))
    .bind(i64::from(row.version))
    .bind(row.committed.0)
    .bind(row.slots.map(|slots| slots.first.0))
    .bind(row.slots.map(|slots| slots.last.0))
    .bind(i64::from(row.results))
    .bind(row.body)
    .bind(stored(row.after.seq))
    .bind(stored(row.after.epoch.n))
    .bind(row.after.epoch.random_bits())
    .bind(row.after.flush.0.as_slice())
    .execute(&mut *tx.connection)
    .await?;
    if inserted.rows_affected() == 1 {
        return Ok(Fence::Passed);
    }
    let there = sqlx::query("select flush_id from journal where seq = $1")
        .bind(stored(seq))
        .fetch_optional(&mut *tx.connection)
        .await?;
    match there.map(|there| there.id("flush_id", FlushId)).transpose()? {
        Some(id) if id == row.id => Ok(Fence::PassedBefore),
        _ => Err(StoreError::StaleLeader),
    }
}

/// Writes what follows from the row. Incidents go before what names them.
async fn write_consequences(tx: &mut Tx<'_>, flush: &Flush, seq: u64) -> Result<(), StoreError> {
    detectors::write(tx, &flush.detectors, seq).await?;
    judged_checks::write(tx, &flush.first_judged).await?;
    late_failures::write(tx, &flush.late, flush.committed).await?;
    evidence::write(tx, &flush.evidence).await?;
    incidents::write(tx, &flush.incidents).await?;
    incidents::write_events(tx, &flush.events).await?;
    deliveries::write(tx, &flush.deliveries).await?;
    host_marks::write(tx, &furthest(&flush.marks), flush.committed).await
}

/// One mark per segment: the one furthest on.
fn furthest(marks: &[(HostId, Mark)]) -> BTreeMap<(HostId, BootId, u32), u64> {
    let mut furthest = BTreeMap::new();
    for (host, mark) in marks {
        let held = furthest.entry((*host, mark.boot, mark.segment)).or_insert(mark.offset);
        *held = (*held).max(mark.offset);
    }
    furthest
}
