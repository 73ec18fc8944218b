//! The upgrade of the fleet, the last one that was begun.
//!
//! Operators and the leader's task both write it. Each writes upon what it has seen, by a revision that counts up, so that
//! neither undoes what the other did. What it says is decided in `core`.

use super::columns::Columns;
use super::{Store, StoreError};

/// The upgrade as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredUpgrade {
    /// Counts up with every change.
    pub revision: i64,
    /// JSON: the upgrade.
    pub body: String,
}

/// The upgrade of the fleet.
#[derive(Clone, Copy, Debug)]
pub struct FleetUpgrades<'s>(&'s Store);

impl Store {
    /// The upgrade of the fleet.
    pub const fn fleet_upgrades(&self) -> FleetUpgrades<'_> {
        FleetUpgrades(self)
    }
}

impl FleetUpgrades<'_> {
    /// The last one; nothing before the first.
    pub async fn read(self) -> Result<Option<StoredUpgrade>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let row = sqlx::query("select revision, body from fleet_upgrade where name = 'fleet'")
                        .fetch_optional(&mut *reading.connection)
                        .await?;
                    row.map(|row| Ok(StoredUpgrade { revision: row.int("revision")?, body: row.text("body")? }))
                        .transpose()
                })
            })
            .await
    }

    /// Writes it anew upon this revision, 0 where there is none. Says whether nobody else was faster. Where `signs`, it is
    /// an operator's deed and noted as such.
    pub async fn write(self, upon: i64, body: &str, signs: bool) -> Result<bool, StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let written = sqlx::query(
                        "insert into fleet_upgrade (name, revision, body) select 'fleet', $1 + 1, $2 where $1 = 0 \
                         or exists (select 1 from fleet_upgrade where name = 'fleet') \
                         on conflict (name) do update set revision = excluded.revision, body = excluded.body \
                         where fleet_upgrade.revision = $1",
                    )
                    .bind(upon)
                    .bind(body)
                    .execute(&mut *tx.connection)
                    .await?;
                    let is_written = written.rows_affected() == 1;
                    if is_written && signs {
                        tx.note_author().await?;
                    }
                    Ok(is_written)
                })
            })
            .await
    }
}
