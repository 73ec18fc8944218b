//! The journal as it is read: one row per flush of results or takeover, with no gap.
//!
//! How rows are written, and how the chain of them fences off a former leader, stands in `journal_write.rs`; how they are
//! forgotten, in `journal_forget.rs`.

use farwatch_proto::time::UnixMs;
use sqlx::any::AnyRow;

use super::columns::{Columns, stored};
use super::{Epoch, Store, StoreError, lease};

/// The most rows one question returns. A row may weigh some hundred kilobytes, so this bounds memory too.
const ROWS_MAX: u32 = 256;

/// The id of one flush, drawn by its leader; also of a takeover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlushId(pub [u8; 16]);

/// The newest row, which the next one must name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalHead {
    /// Its number.
    pub seq: u64,
    /// The leadership that wrote it.
    pub epoch: Epoch,
    /// Its flush.
    pub flush: FlushId,
}

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JournalKind {
    /// The first row, made with the schema.
    Genesis,
    /// Results of hosts.
    Results,
    /// The beginning of a leadership.
    Takeover,
}

pub(super) const KINDS: [(JournalKind, &str); 3] =
    [(JournalKind::Genesis, "genesis"), (JournalKind::Results, "results"), (JournalKind::Takeover, "takeover")];

/// The slots that a row's results belong to, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotRange {
    /// The earliest.
    pub first: UnixMs,
    /// The latest.
    pub last: UnixMs,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalRow {
    /// Its number.
    pub seq: u64,
    /// The leadership that wrote it.
    pub epoch: Epoch,
    /// Its flush.
    pub flush: FlushId,
    /// What it is.
    pub kind: JournalKind,
    /// How the body is written.
    pub version: u8,
    /// When it was committed, by the leader's clock.
    pub committed: UnixMs,
    /// The slots its results belong to; `None` when it has none.
    pub slots: Option<SlotRange>,
    /// How many results it has.
    pub results: u32,
    /// The results, compressed.
    pub body: Vec<u8>,
}

/// The journal.
#[derive(Clone, Copy, Debug)]
pub struct Journal<'s>(pub(super) &'s Store);

impl Store {
    /// The journal.
    pub const fn journal(&self) -> Journal<'_> {
        Journal(self)
    }
}

macro_rules! select_rows {
    () => {
        "select seq, epoch_n, epoch_random, flush_id, kind, version, committed_ms, slot_from_ms, slot_to_ms, \
         results, body from journal "
    };
}

impl Journal<'_> {
    /// The newest row.
    pub async fn head(self) -> Result<JournalHead, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let row = sqlx::query(
                        "select seq, epoch_n, epoch_random, flush_id from journal order by seq desc limit 1",
                    )
                    .fetch_one(&mut *reading.connection)
                    .await?;
                    Ok(JournalHead {
                        seq: row.number("seq")?,
                        epoch: lease::epoch(&row)?,
                        flush: row.id("flush_id", FlushId)?,
                    })
                })
            })
            .await
    }

    /// The flush of this row, if it is there.
    pub async fn flush_at(self, seq: u64) -> Result<Option<FlushId>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let row = sqlx::query("select flush_id from journal where seq = $1")
                        .bind(stored(seq))
                        .fetch_optional(&mut *reading.connection)
                        .await?;
                    row.map(|row| row.id("flush_id", FlushId)).transpose()
                })
            })
            .await
    }

    /// How many rows there are after one and up to another.
    pub async fn count_between(self, after: u64, up_to: u64) -> Result<u64, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let row = sqlx::query("select count(*) as rows_there from journal where seq > $1 and seq <= $2")
                        .bind(stored(after))
                        .bind(stored(up_to))
                        .fetch_one(&mut *reading.connection)
                        .await?;
                    row.number("rows_there")
                })
            })
            .await
    }

    /// The newest row that was committed before this moment or, where none is left, what came before the oldest one.
    pub async fn last_before(self, moment: UnixMs) -> Result<u64, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let row = sqlx::query(
                        "select coalesce((select seq from journal where committed_ms < $1 \
                         order by committed_ms desc, seq desc limit 1), (select min(seq) - 1 from journal)) as seq",
                    )
                    .bind(moment.0)
                    .fetch_one(&mut *reading.connection)
                    .await?;
                    row.number("seq")
                })
            })
            .await
    }

    /// The rows after this one, oldest first.
    pub async fn read_after(self, seq: u64, limit: u32) -> Result<Vec<JournalRow>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(concat!(select_rows!(), "where seq > $1 order by seq limit $2"))
                        .bind(stored(seq))
                        .bind(i64::from(limit.min(ROWS_MAX)))
                        .fetch_all(&mut *reading.connection)
                        .await?;
                    rows.iter().map(journal_row).collect()
                })
            })
            .await
    }

    /// The rows after this one that may hold results of slots in [from, to), oldest first.
    pub async fn read_for_slots(
        self,
        from: UnixMs,
        to: UnixMs,
        after: u64,
        limit: u32,
    ) -> Result<Vec<JournalRow>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(concat!(
                        select_rows!(),
                        "where slot_to_ms >= $1 and slot_from_ms < $2 and seq > $3 order by seq limit $4"
                    ))
                    .bind(from.0)
                    .bind(to.0)
                    .bind(stored(after))
                    .bind(i64::from(limit.min(ROWS_MAX)))
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    rows.iter().map(journal_row).collect()
                })
            })
            .await
    }
}

fn journal_row(row: &AnyRow) -> Result<JournalRow, StoreError> {
    let slots = match (row.maybe_moment("slot_from_ms")?, row.maybe_moment("slot_to_ms")?) {
        (Some(first), Some(last)) => Some(SlotRange { first, last }),
        _ => None,
    };
    Ok(JournalRow {
        seq: row.number("seq")?,
        epoch: lease::epoch(row)?,
        flush: row.id("flush_id", FlushId)?,
        kind: row.word("kind", &KINDS)?,
        version: row.number("version")?,
        committed: row.moment("committed_ms")?,
        slots,
        results: row.number("results")?,
        body: row.bytes("body")?,
    })
}
