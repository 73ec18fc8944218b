//! Jobs that call control: the key of each, what it has said so far, and its newest signals.
//!
//! A signal is folded into the record of its job in the transaction that keeps it; what the record means is decided elsewhere.

mod signal;

use farwatch_core::heartbeat::Record;
use farwatch_proto::id::{CheckId, TenantId};
use farwatch_proto::time::UnixMs;
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::columns::{Columns, document_of, stored};
use super::statements::placeholders;
use super::transaction::Tx;
use super::{Change, Entity, Store, StoreError};
pub use signal::{NewSignal, SIGNALS_KEPT, SignalKind, StoredSignal};

/// Records read by one statement when all of them are asked for.
const READ_AT_ONCE: i64 = 10_000;

/// The SHA-256 of a key by which a job calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHash(pub [u8; 32]);

/// A heartbeat that begins with its check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewHeartbeat {
    /// By what its job is known.
    pub key: KeyHash,
    /// The key itself, sealed, to be shown again to whoever may write the check.
    pub sealed_key: Vec<u8>,
}

/// What a job has said so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeartbeatRecord {
    /// Its check.
    pub check: CheckId,
    /// How many signals it sent.
    pub signals: u64,
    /// What they come to.
    pub record: Record,
    /// When that changed.
    pub changed: UnixMs,
}

/// What became of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Called {
    /// It was taken in, for this check.
    Heard(CheckId),
    /// Nobody has this key.
    Unknown,
}

/// The heartbeats.
#[derive(Clone, Copy, Debug)]
pub struct Heartbeats<'s>(&'s Store);

impl Store {
    /// The heartbeats.
    pub const fn heartbeats(&self) -> Heartbeats<'_> {
        Heartbeats(self)
    }
}

macro_rules! select_record {
    () => {
        "select h.check_id, h.record, h.signals, h.changed_ms from heartbeat h "
    };
}

impl Heartbeats<'_> {
    /// The check that is called by this key, if it is not deleted.
    pub async fn check_of(self, key: KeyHash) -> Result<Option<CheckId>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let row = sqlx::query(
                        "select h.check_id from heartbeat h join checks c on c.id = h.check_id \
                         where h.key_hash = $1 and c.deleted_ms is null",
                    )
                    .bind(key.0.as_slice())
                    .fetch_optional(&mut *reading.connection)
                    .await?;
                    row.map(|row| row.id("check_id", CheckId::from_bytes)).transpose()
                })
            })
            .await
    }

    /// Takes a signal in. One that is sent again because its answer was lost is another signal, and says the same.
    pub async fn hear(self, key: KeyHash, new: &NewSignal, now: UnixMs) -> Result<Called, StoreError> {
        let Some(check) = self.check_of(key).await? else { return Ok(Called::Unknown) };
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let Some(mut found) = lock(tx, check).await? else { return Ok(Called::Unknown) };
                    // Clocks of processes differ; what was said later must not seem to be earlier.
                    let at = now.max(found.changed);
                    let took_ms = found.record.hear(&new.signal, at);
                    found.signals += 1;
                    save(tx, &found, at).await?;
                    signal::keep(tx, &found, new, took_ms, at).await?;
                    Ok(Called::Heard(check))
                })
            })
            .await
    }

    /// The check was paused and will be watched again.
    pub async fn watch_again(self, check: CheckId, now: UnixMs) -> Result<(), StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    if let Some(mut found) = lock(tx, check).await? {
                        found.record.watch_again(now);
                        save(tx, &found, now).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// What the jobs of these checks have said so far, of those that jobs call for; at most a page of them.
    pub async fn among(self, checks: &[CheckId]) -> Result<Vec<HeartbeatRecord>, StoreError> {
        if checks.is_empty() {
            return Ok(Vec::new());
        }
        let statement = format!(concat!(select_record!(), "where h.check_id in ({})"), placeholders(0, checks.len()));
        self.0
            .read(|reading| {
                let statement = statement.clone();
                Box::pin(async move {
                    let mut query = sqlx::query(AssertSqlSafe(statement));
                    for check in checks {
                        query = query.bind(check.as_bytes().as_slice());
                    }
                    let rows = query.fetch_all(&mut *reading.connection).await?;
                    rows.iter().map(record).collect()
                })
            })
            .await
    }

    /// What the jobs have said whose records changed at this moment or later, of checks that are not deleted.
    pub async fn changed_since(self, moment: UnixMs) -> Result<Vec<HeartbeatRecord>, StoreError> {
        let mut all = Vec::new();
        let mut after = CheckId::from_bytes([0; 16]);
        loop {
            let some = self.changed_since_after(moment, after).await?;
            let Some(last) = some.last() else { return Ok(all) };
            after = last.check;
            all.extend(some);
        }
    }

    async fn changed_since_after(self, moment: UnixMs, after: CheckId) -> Result<Vec<HeartbeatRecord>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(concat!(
                        select_record!(),
                        "join checks c on c.id = h.check_id \
                         where h.changed_ms >= $1 and h.check_id > $2 and c.deleted_ms is null order by h.check_id limit $3"
                    ))
                    .bind(moment.0)
                    .bind(after.as_bytes().as_slice())
                    .bind(READ_AT_ONCE)
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    rows.iter().map(record).collect()
                })
            })
            .await
    }

    /// The newest signals of a job, newest first.
    pub async fn signals(self, check: CheckId, limit: u32) -> Result<Vec<StoredSignal>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "select n, at_ms, kind, exit_status, took_ms, address, agent, body from heartbeat_signal \
                         where check_id = $1 order by n desc limit $2",
                    )
                    .bind(check.as_bytes().as_slice())
                    .bind(i64::from(limit))
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    rows.iter().map(signal::read).collect()
                })
            })
            .await
    }

    /// The key of a check, sealed.
    pub async fn sealed_key(self, check: CheckId) -> Result<Option<Vec<u8>>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let row = sqlx::query("select sealed_key from heartbeat where check_id = $1")
                        .bind(check.as_bytes().as_slice())
                        .fetch_optional(&mut *reading.connection)
                        .await?;
                    row.map(|row| row.bytes("sealed_key")).transpose()
                })
            })
            .await
    }

    /// Gives a check of this tenant another key; whoever calls by the former one is not known any more.
    pub async fn set_key(
        self,
        (tenant, check): (TenantId, CheckId),
        new: &NewHeartbeat,
        now: UnixMs,
    ) -> Result<Change, StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let stamp = tx.next_stamp(Entity::Check(check), now).await?;
                    let changed = sqlx::query(
                        "update heartbeat set key_hash = $3, sealed_key = $4 where check_id = $1 \
                         and exists (select 1 from checks where id = $1 and tenant_id = $2 and deleted_ms is null)",
                    )
                    .bind(check.as_bytes().as_slice())
                    .bind(tenant.as_bytes().as_slice())
                    .bind(new.key.0.as_slice())
                    .bind(new.sealed_key.as_slice())
                    .execute(&mut *tx.connection)
                    .await?;
                    Ok(tx.changed(stamp, changed.rows_affected(), false))
                })
            })
            .await
    }
}

/// Makes the heartbeat of a check, in the transaction that makes the check.
pub(super) async fn insert(tx: &mut Tx<'_>, check: CheckId, new: &NewHeartbeat, now: UnixMs) -> Result<(), StoreError> {
    sqlx::query(
        "insert into heartbeat (check_id, key_hash, sealed_key, record, signals, changed_ms) values ($1, $2, $3, $4, 0, $5)",
    )
    .bind(check.as_bytes().as_slice())
    .bind(new.key.0.as_slice())
    .bind(new.sealed_key.as_slice())
    .bind(document_of(&Record::default())?)
    .bind(now.0)
    .execute(&mut *tx.connection)
    .await?;
    Ok(())
}

/// The record of a check, which nobody else changes until this transaction ends.
async fn lock(tx: &mut Tx<'_>, check: CheckId) -> Result<Option<HeartbeatRecord>, StoreError> {
    // To write to a row is to hold it, with both engines.
    sqlx::query("update heartbeat set signals = signals where check_id = $1")
        .bind(check.as_bytes().as_slice())
        .execute(&mut *tx.connection)
        .await?;
    let row = sqlx::query(concat!(select_record!(), "where h.check_id = $1"))
        .bind(check.as_bytes().as_slice())
        .fetch_optional(&mut *tx.connection)
        .await?;
    row.as_ref().map(record).transpose()
}

async fn save(tx: &mut Tx<'_>, new: &HeartbeatRecord, now: UnixMs) -> Result<(), StoreError> {
    sqlx::query("update heartbeat set record = $2, signals = $3, changed_ms = $4 where check_id = $1")
        .bind(new.check.as_bytes().as_slice())
        .bind(document_of(&new.record)?)
        .bind(stored(new.signals))
        .bind(now.0)
        .execute(&mut *tx.connection)
        .await?;
    Ok(())
}

fn record(row: &AnyRow) -> Result<HeartbeatRecord, StoreError> {
    Ok(HeartbeatRecord {
        check: row.id("check_id", CheckId::from_bytes)?,
        signals: row.number("signals")?,
        record: row.document("record")?,
        changed: row.moment("changed_ms")?,
    })
}
