//! What the leader shows of itself, for the processes that do not lead.
//!
//! Only words for people: nothing is decided by it, so it is not fenced beyond its epoch.

use farwatch_proto::time::UnixMs;

use super::columns::{Columns, stored};
use super::{Epoch, Store, StoreError, lease};

/// What was shown last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownStatus {
    /// By which leadership.
    pub epoch: Epoch,
    /// When, by the leader's clock.
    pub at: UnixMs,
    /// JSON: the status.
    pub body: String,
}

/// The leader's word of itself.
#[derive(Clone, Copy, Debug)]
pub struct LeaderStatusTable<'s>(&'s Store);

impl Store {
    /// The leader's word of itself.
    pub const fn leader_status(&self) -> LeaderStatusTable<'_> {
        LeaderStatusTable(self)
    }
}

impl LeaderStatusTable<'_> {
    /// What was shown last, by whichever leadership; nothing before the first.
    pub async fn read(self) -> Result<Option<ShownStatus>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let row = sqlx::query(
                        "select epoch_n, epoch_random, shown_ms, body from leader_status where name = 'leader'",
                    )
                    .fetch_optional(&mut *reading.connection)
                    .await?;
                    row.map(|row| {
                        Ok(ShownStatus {
                            epoch: lease::epoch(&row)?,
                            at: row.moment("shown_ms")?,
                            body: row.text("body")?,
                        })
                    })
                    .transpose()
                })
            })
            .await
    }

    /// Shows this. A former leader's word never replaces a later one's.
    pub async fn show(self, status: &ShownStatus) -> Result<(), StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    sqlx::query(
                        "insert into leader_status (name, epoch_n, epoch_random, shown_ms, body) \
                         values ('leader', $1, $2, $3, $4) on conflict (name) do update set \
                         epoch_n = excluded.epoch_n, epoch_random = excluded.epoch_random, \
                         shown_ms = excluded.shown_ms, body = excluded.body \
                         where leader_status.epoch_n <= excluded.epoch_n",
                    )
                    .bind(stored(status.epoch.n))
                    .bind(status.epoch.random_bits())
                    .bind(status.at.0)
                    .bind(&status.body)
                    .execute(&mut *tx.connection)
                    .await?;
                    Ok(())
                })
            })
            .await
    }
}
