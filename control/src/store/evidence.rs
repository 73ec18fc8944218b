//! What failed runs brought, of those that are kept for longer than the journal.
//!
//! Written only with a journal row, under the key of the run: its check, slot, stream and host, and the order it answers
//! where there is one. A piece that is there already is kept as it is, so that a replay changes nothing.

use std::collections::HashMap;

use farwatch_core::evidence::{Brought, Codes, Day, Memory, Occasion, Used};
use farwatch_proto::check::StreamId;
use farwatch_proto::id::{CheckId, HostId, OrderId, TenantId};
use farwatch_proto::outcome::Status;
use farwatch_proto::time::UnixMs;
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::columns::{Columns, document_of, stored, word_of};
use super::page::{page_of, rows_for};
use super::partitions::Parted;
use super::statements::{ROWS_PER_STATEMENT, tuples};
use super::transaction::Tx;
use super::{Page, Store, StoreError};

/// The most rows one deletion removes: more would hold the database for longer than a flush may wait.
const DELETED_AT_ONCE: i64 = 2000;

const OCCASIONS: [(Occasion, &str); 3] =
    [(Occasion::Change, "change"), (Occasion::Vote, "vote"), (Occasion::Slot, "slot")];

/// What one run brought.
#[derive(Clone, Debug, PartialEq)]
pub struct EvidencePiece {
    /// Whose check it is.
    pub tenant: TenantId,
    /// What was run.
    pub stream: StreamId,
    /// The slot, or when the vote was ordered.
    pub slot: UnixMs,
    /// Who ran it.
    pub host: HostId,
    /// The order it answers; `None` for the run of a due slot.
    pub order: Option<OrderId>,
    /// When it came.
    pub received: UnixMs,
    /// Why it is kept.
    pub occasion: Occasion,
    /// By which revision of the check it was run.
    pub revision: u32,
    /// When it began.
    pub started: UnixMs,
    /// How long it took.
    pub duration_us: u32,
    /// The latency by which the module judged; 0 where there was none.
    pub latency_us: u32,
    /// What it found.
    pub status: Status,
    /// What it said.
    pub brought: Brought,
}

/// The place of a piece in the list of its check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvidencePlace {
    /// The slot.
    pub slot: UnixMs,
    /// The number of the stream.
    pub stream: u16,
    /// The host.
    pub host: HostId,
    /// The order.
    pub order: Option<OrderId>,
}

impl EvidencePiece {
    /// Where it stands among those of its check.
    pub(crate) const fn place(&self) -> EvidencePlace {
        EvidencePlace { slot: self.slot, stream: self.stream.number, host: self.host, order: self.order }
    }
}

/// The evidence.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'s>(&'s Store);

impl Store {
    /// The evidence.
    pub const fn evidence(&self) -> Evidence<'_> {
        Evidence(self)
    }
}

macro_rules! select_pieces {
    () => {
        "select check_id, slot_ms, stream, host_id, order_id, tenant_id, received_ms, occasion, revision, started_ms, \
         duration_us, latency_us, status, code, body from evidence "
    };
}

impl Evidence<'_> {
    /// What is kept of a check of this tenant for slots in [from, to) before this place, newest first.
    pub async fn of_check(
        self,
        (tenant, check): (TenantId, CheckId),
        (from, to): (UnixMs, UnixMs),
        before: Option<EvidencePlace>,
        limit: u32,
    ) -> Result<Page<EvidencePiece>, StoreError> {
        let place = before.unwrap_or(EvidencePlace {
            slot: to,
            stream: u16::MAX,
            host: HostId::from_bytes([u8::MAX; 16]),
            order: Some(OrderId::from_bytes([u8::MAX; 16])),
        });
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(concat!(
                        select_pieces!(),
                        "where check_id = $1 and tenant_id = $2 and slot_ms >= $3 and slot_ms < $4 and slot_ms <= $5 \
                         and (slot_ms, stream, host_id, order_id) < ($5, $6, $7, $8) \
                         order by slot_ms desc, stream desc, host_id desc, order_id desc limit $9"
                    ))
                    .bind(check.as_bytes().as_slice())
                    .bind(tenant.as_bytes().as_slice())
                    .bind(from.0)
                    .bind(to.0)
                    .bind(place.slot.0)
                    .bind(i64::from(place.stream))
                    .bind(place.host.as_bytes().as_slice())
                    .bind(order_bytes(place.order.as_ref()))
                    .bind(rows_for(limit))
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    page_of(&rows, limit, piece)
                })
            })
            .await
    }

    /// The first pieces that are kept of a check of this tenant for slots in [from, to), oldest first.
    pub async fn first_of_check(
        self,
        (tenant, check): (TenantId, CheckId),
        (from, to): (UnixMs, UnixMs),
        limit: u32,
    ) -> Result<Page<EvidencePiece>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(concat!(
                        select_pieces!(),
                        "where check_id = $1 and tenant_id = $2 and slot_ms >= $3 and slot_ms < $4 \
                         order by slot_ms, stream, host_id, order_id limit $5"
                    ))
                    .bind(check.as_bytes().as_slice())
                    .bind(tenant.as_bytes().as_slice())
                    .bind(from.0)
                    .bind(to.0)
                    .bind(rows_for(limit))
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    page_of(&rows, limit, piece)
                })
            })
            .await
    }

    /// What must be known at this moment to decide about the next piece.
    pub async fn memory(self, now: UnixMs) -> Result<Memory, StoreError> {
        let mut memory = Memory { codes: self.codes(now).await?, used: self.used(now).await? };
        memory.forget_old(now);
        Ok(memory)
    }

    async fn codes(self, now: UnixMs) -> Result<HashMap<CheckId, Codes>, StoreError> {
        // One that came just before midnight may be of a day that is not remembered any more.
        let from = Day::first_remembered(now).before().start();
        let rows = self
            .0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "select check_id, code, max(received_ms) as received_ms from evidence \
                         where slot_ms >= $1 and received_ms > $2 group by check_id, code",
                    )
                    .bind(from.0)
                    .bind(now.0 - farwatch_core::evidence::THINNED_MS)
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    let read = |row: &AnyRow| {
                        Ok((row.id("check_id", CheckId::from_bytes)?, row.text("code")?, row.moment("received_ms")?))
                    };
                    rows.iter().map(read).collect::<Result<Vec<_>, StoreError>>()
                })
            })
            .await?;
        let mut codes: HashMap<CheckId, Codes> = HashMap::new();
        for (check, code, received) in rows {
            codes.entry(check).or_default().insert(code, received);
        }
        Ok(codes)
    }

    async fn used(self, now: UnixMs) -> Result<HashMap<(TenantId, Day), Used>, StoreError> {
        let from = Day::first_remembered(now).start();
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "select tenant_id, slot_ms - slot_ms % 86400000 as day_ms, count(*) as pieces, \
                         cast(sum(bytes) as bigint) as bytes from evidence where slot_ms >= $1 \
                         group by tenant_id, slot_ms - slot_ms % 86400000",
                    )
                    .bind(from.0)
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    let read = |row: &AnyRow| {
                        let day = Day::of(row.moment("day_ms")?);
                        let used = Used { pieces: row.number("pieces")?, bytes: row.number("bytes")? };
                        Ok(((row.id("tenant_id", TenantId::from_bytes)?, day), used))
                    };
                    rows.iter().map(read).collect()
                })
            })
            .await
    }

    /// Forgets what is of slots before this moment, and returns how many partitions or rows went; a limited number at
    /// once, so ask again until it is none. On PostgreSQL a day goes once all of it may.
    pub async fn delete_before(self, moment: UnixMs) -> Result<u64, StoreError> {
        let dropped = self.0.partitions().drop_before(Parted::Evidence, moment.0).await?;
        if dropped > 0 {
            return Ok(dropped);
        }
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let deleted = sqlx::query(tx.twin(
                        "delete from evidence where slot_ms < $1 and slot_ms <= (select max(slot_ms) from \
                         (select slot_ms from evidence where slot_ms < $1 order by slot_ms limit $2) as oldest)",
                        "delete from evidence_default where slot_ms < $1 and slot_ms <= (select max(slot_ms) from \
                         (select slot_ms from evidence_default where slot_ms < $1 order by slot_ms limit $2) as oldest)",
                    ))
                    .bind(moment.0)
                    .bind(DELETED_AT_ONCE)
                    .execute(&mut *tx.connection)
                    .await?;
                    Ok(deleted.rows_affected())
                })
            })
            .await
    }
}

/// Writes pieces; those that are there already stay as they are.
pub(super) async fn write(tx: &mut Tx<'_>, pieces: &[EvidencePiece]) -> Result<(), StoreError> {
    for some in pieces.chunks(ROWS_PER_STATEMENT) {
        let statement = format!(
            "insert into evidence (check_id, slot_ms, stream, host_id, order_id, tenant_id, received_ms, occasion, \
             revision, started_ms, duration_us, latency_us, status, code, bytes, body) values {} \
             on conflict (check_id, slot_ms, stream, host_id, order_id) do nothing",
            tuples(some.len(), 16)
        );
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for piece in some {
            query = query
                .bind(piece.stream.check.as_bytes().as_slice())
                .bind(piece.slot.0)
                .bind(i64::from(piece.stream.number))
                .bind(piece.host.as_bytes().as_slice())
                .bind(order_bytes(piece.order.as_ref()))
                .bind(piece.tenant.as_bytes().as_slice())
                .bind(piece.received.0)
                .bind(word_of(&piece.occasion, &OCCASIONS))
                .bind(i64::from(piece.revision))
                .bind(piece.started.0)
                .bind(i64::from(piece.duration_us))
                .bind(i64::from(piece.latency_us))
                .bind(i64::from(piece.status.code()))
                .bind(piece.brought.code.as_str())
                .bind(stored(piece.brought.bytes()))
                .bind(document_of(&piece.brought)?);
        }
        query.execute(&mut *tx.connection).await?;
    }
    Ok(())
}

/// A key has no nulls, so the run of a slot has an empty order.
fn order_bytes(order: Option<&OrderId>) -> Vec<u8> {
    order.map_or_else(Vec::new, |order| order.as_bytes().to_vec())
}

fn piece(row: &AnyRow) -> Result<EvidencePiece, StoreError> {
    let status: u8 = row.number("status")?;
    let unknown = || StoreError::Corrupt(format!("status is the unknown number {status}"));
    let order = row.bytes("order_id")?;
    let order = if order.is_empty() { None } else { Some(row.id("order_id", OrderId::from_bytes)?) };
    Ok(EvidencePiece {
        tenant: row.id("tenant_id", TenantId::from_bytes)?,
        stream: StreamId { check: row.id("check_id", CheckId::from_bytes)?, number: row.number("stream")? },
        slot: row.moment("slot_ms")?,
        host: row.id("host_id", HostId::from_bytes)?,
        order,
        received: row.moment("received_ms")?,
        occasion: row.word("occasion", &OCCASIONS)?,
        revision: row.number("revision")?,
        started: row.moment("started_ms")?,
        duration_us: row.number("duration_us")?,
        latency_us: row.number("latency_us")?,
        status: Status::from_code(status).ok_or_else(unknown)?,
        brought: Brought { code: row.text("code")?, ..row.document("body")? },
    })
}
