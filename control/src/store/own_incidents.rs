//! Our own incidents, and until when the leader has looked for them. Only the leader writes them.
//!
//! What a look changes and how far it came are one transaction, and a row is known by its cause and first slot: a look
//! that is done twice writes the same rows.

use farwatch_core::ledger::MissCause;
use farwatch_core::own_incident::OwnIncident;
use farwatch_proto::id::HostId;
use farwatch_proto::time::UnixMs;
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::columns::{Columns, stored};
use super::statements::{ROWS_PER_STATEMENT, tuples};
use super::{Epoch, Store, StoreError};

/// The most that one question returns.
const READ_MAX: u32 = 1_000;

const NO_RUN: &str = "no_run";
const HOST_TROUBLE: &str = "host_trouble";
const OUTSIDE_WINDOW: &str = "outside_window";

/// Our own incidents.
#[derive(Clone, Copy, Debug)]
pub struct OwnIncidents<'s>(&'s Store);

impl Store {
    /// Our own incidents.
    pub const fn own_incidents(&self) -> OwnIncidents<'_> {
        OwnIncidents(self)
    }
}

macro_rules! select_incidents {
    () => {
        "select cause, code, host_id, first_slot_ms, last_slot_ms, missed, opened_ms, last_seen_ms, resolved_ms \
         from own_incident "
    };
}

impl OwnIncidents<'_> {
    /// Those that go on, oldest first.
    pub async fn open(self) -> Result<Vec<OwnIncident>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(concat!(
                        select_incidents!(),
                        "where resolved_ms is null order by opened_ms, first_slot_ms limit $1"
                    ))
                    .bind(i64::from(READ_MAX))
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    rows.iter().map(own_incident).collect()
                })
            })
            .await
    }

    /// The newest of all, at most `limit`.
    pub async fn newest(self, limit: u32) -> Result<Vec<OwnIncident>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(concat!(
                        select_incidents!(),
                        "order by opened_ms desc, first_slot_ms desc, cause, code, host_id limit $1"
                    ))
                    .bind(i64::from(limit.min(READ_MAX)))
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    rows.iter().map(own_incident).collect()
                })
            })
            .await
    }

    /// Until when the leader has looked; 0 before the first look.
    pub async fn looked_until(self) -> Result<UnixMs, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let row = sqlx::query("select until_ms from own_incident_look where id = 1")
                        .fetch_one(&mut *reading.connection)
                        .await?;
                    row.moment("until_ms")
                })
            })
            .await
    }

    /// Writes what a look changed, and that it saw all until then.
    pub async fn save(self, leader: Epoch, changed: &[OwnIncident], until: UnixMs) -> Result<(), StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    tx.demand_leader(leader).await?;
                    for some in changed.chunks(ROWS_PER_STATEMENT) {
                        let statement = format!(
                            "insert into own_incident (cause, code, host_id, first_slot_ms, last_slot_ms, missed, \
                             opened_ms, last_seen_ms, resolved_ms) values {} \
                             on conflict (cause, code, host_id, first_slot_ms) do update set \
                             last_slot_ms = excluded.last_slot_ms, missed = excluded.missed, \
                             last_seen_ms = excluded.last_seen_ms, resolved_ms = excluded.resolved_ms",
                            tuples(some.len(), 9)
                        );
                        let mut query = sqlx::query(AssertSqlSafe(statement));
                        for incident in some {
                            let (word, code, host) = columns_of(&incident.cause);
                            query = query
                                .bind(word)
                                .bind(code)
                                .bind(host)
                                .bind(incident.first_slot.0)
                                .bind(incident.last_slot.0)
                                .bind(stored(incident.missed))
                                .bind(incident.opened.0)
                                .bind(incident.last_seen.0)
                                .bind(incident.resolved.map(|moment| moment.0));
                        }
                        query.execute(&mut *tx.connection).await?;
                    }
                    sqlx::query("update own_incident_look set until_ms = $1 where id = 1 and until_ms < $1")
                        .bind(until.0)
                        .execute(&mut *tx.connection)
                        .await?;
                    Ok(())
                })
            })
            .await
    }
}

/// The word, code and host of a cause, empty where it has none.
fn columns_of(cause: &MissCause) -> (&'static str, &str, &[u8]) {
    match cause {
        MissCause::NoRun => (NO_RUN, "", &[]),
        MissCause::HostTrouble { host, code } => (HOST_TROUBLE, code, host.as_bytes()),
        MissCause::OutsideWindow { host } => (OUTSIDE_WINDOW, "", host.as_bytes()),
    }
}

fn cause(row: &AnyRow) -> Result<MissCause, StoreError> {
    let host = || row.id("host_id", HostId::from_bytes);
    match row.text("cause")?.as_str() {
        NO_RUN => Ok(MissCause::NoRun),
        HOST_TROUBLE => Ok(MissCause::HostTrouble { host: host()?, code: row.text("code")? }),
        OUTSIDE_WINDOW => Ok(MissCause::OutsideWindow { host: host()? }),
        other => Err(StoreError::Corrupt(format!("cause is the unknown word {other}"))),
    }
}

fn own_incident(row: &AnyRow) -> Result<OwnIncident, StoreError> {
    Ok(OwnIncident {
        cause: cause(row)?,
        first_slot: row.moment("first_slot_ms")?,
        last_slot: row.moment("last_slot_ms")?,
        missed: row.number("missed")?,
        opened: row.moment("opened_ms")?,
        last_seen: row.moment("last_seen_ms")?,
        resolved: row.maybe_moment("resolved_ms")?,
    })
}
