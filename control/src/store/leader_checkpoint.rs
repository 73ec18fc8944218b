//! How far the leader's memory of the journal is on record, so that a takeover reads only the rows after it.
//!
//! It says nothing that the journal does not say; without it a takeover reads the whole journal.

use super::columns::{Columns, stored};
use super::{Epoch, Store, StoreError};

/// A memory of the journal up to a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderCheckpoint {
    /// The last row that is in it.
    pub seq: u64,
    /// How the body is written.
    pub version: u8,
    /// The memory.
    pub body: Vec<u8>,
}

/// The checkpoint: there is at most one.
#[derive(Clone, Copy, Debug)]
pub struct LeaderCheckpoints<'s>(&'s Store);

impl Store {
    /// The leader's checkpoint.
    pub const fn leader_checkpoint(&self) -> LeaderCheckpoints<'_> {
        LeaderCheckpoints(self)
    }
}

impl LeaderCheckpoints<'_> {
    /// The checkpoint. To be read after the takeover row, when nobody else can write one.
    pub async fn read(self) -> Result<Option<LeaderCheckpoint>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let row = sqlx::query("select seq, version, body from leader_checkpoint where name = 'leader'")
                        .fetch_optional(&mut *reading.connection)
                        .await?;
                    row.map(|row| {
                        Ok(LeaderCheckpoint {
                            seq: row.number("seq")?,
                            version: row.number("version")?,
                            body: row.bytes("body")?,
                        })
                    })
                    .transpose()
                })
            })
            .await
    }

    /// Replaces it. [`StoreError::StaleLeader`] unless this leadership stands.
    pub async fn write(self, epoch: Epoch, checkpoint: &LeaderCheckpoint) -> Result<(), StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    tx.demand_leader(epoch).await?;
                    sqlx::query(
                        "insert into leader_checkpoint (name, seq, version, body) values ('leader', $1, $2, $3) \
                         on conflict (name) do update set seq = excluded.seq, version = excluded.version, \
                         body = excluded.body",
                    )
                    .bind(stored(checkpoint.seq))
                    .bind(i64::from(checkpoint.version))
                    .bind(checkpoint.body.as_slice())
                    .execute(&mut *tx.connection)
                    .await?;
                    Ok(())
                })
            })
            .await
    }
}
