//! Rollouts: the checks that a newer version of their module was released for, and the versions that are held back.
//!
//! A version is held for one tenant, for it is that tenant's checks which tried it. Which version a check means is not
//! known here, only that there is a newer one.

use std::collections::BTreeMap;

use farwatch_proto::id::{CheckId, ModuleHash, TenantId};
use farwatch_proto::time::UnixMs;
use sqlx::any::AnyRow;

use super::columns::Columns;
use super::revisions::{self, Revision, revision_columns};
use super::transaction::Tx;
use super::{Change, Entity, Store, StoreError};

/// That a version is held back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleHold {
    /// What its canary found.
    pub why: String,
    /// When.
    pub held: UnixMs,
}

/// The rollouts.
#[derive(Clone, Copy, Debug)]
pub struct Rollouts<'s>(&'s Store);

impl Store {
    /// The rollouts.
    pub const fn rollouts(&self) -> Rollouts<'_> {
        Rollouts(self)
    }
}

impl Rollouts<'_> {
    /// The latest wording of checks that hosts run, and may run twice, by a release after which its owner released another of the same name;
    /// in order of check, those after `after`, at most `limit`.
    pub async fn behind(self, after: Option<CheckId>, limit: u32) -> Result<Vec<Revision>, StoreError> {
        let after = after.map_or([0; 16], |check| *check.as_bytes());
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(concat!(
                        "select ",
                        revision_columns!(),
                        "from checks c join check_revision r on r.check_id = c.id and r.revision = c.latest_revision \
                         where c.id > $1 and c.deleted_ms is null and r.activity = 'active' and r.streams > 0 \
                         and r.repeat = 'safe' \
                         and exists (select 1 from module_release old join module_release newer \
                           on newer.name = old.name and coalesce(newer.tenant_id = old.tenant_id, \
                              newer.tenant_id is null and old.tenant_id is null) \
                           where old.hash = r.module_hash and (old.tenant_id = c.tenant_id or old.tenant_id is null) \
                           and (newer.config_era > old.config_era \
                             or (newer.config_era = old.config_era and newer.config_n > old.config_n))) \
                         order by c.id limit $2"
                    ))
                    .bind(after.as_slice())
                    .bind(i64::from(limit))
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    rows.iter().map(revisions::revision).collect()
                })
            })
            .await
    }

    /// The versions that are held back for this tenant.
    pub async fn held(self, tenant: TenantId) -> Result<BTreeMap<ModuleHash, ModuleHold>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query("select hash, why, held_ms from module_hold where tenant_id = $1")
                        .bind(tenant.as_bytes().as_slice())
                        .fetch_all(&mut *reading.connection)
                        .await?;
                    rows.iter().map(hold).collect()
                })
            })
            .await
    }

    /// Holds a version back; one that is held stays so for its first reason.
    pub async fn hold(self, tenant: TenantId, hash: ModuleHash, why: &str, now: UnixMs) -> Result<Change, StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let stamp = tx.next_stamp(Entity::Module(hash), now).await?;
                    let inserted = sqlx::query(
                        "insert into module_hold (tenant_id, hash, why, held_ms) values ($1, $2, $3, $4) \
                         on conflict (tenant_id, hash) do nothing",
                    )
                    .bind(tenant.as_bytes().as_slice())
                    .bind(hash.0.as_slice())
                    .bind(why)
                    .bind(now.0)
                    .execute(&mut *tx.connection)
                    .await?;
                    Ok(tx.changed(stamp, inserted.rows_affected(), true))
                })
            })
            .await
    }

    /// Lets a version be tried again.
    pub async fn release(self, tenant: TenantId, hash: ModuleHash, now: UnixMs) -> Result<Change, StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let stamp = tx.next_stamp(Entity::Module(hash), now).await?;
                    let released = forget(tx, tenant, hash).await?;
                    Ok(tx.changed(stamp, released, false))
                })
            })
            .await
    }
}

/// Forgets that a version is held; how many rows said so.
pub(super) async fn forget(tx: &mut Tx<'_>, tenant: TenantId, hash: ModuleHash) -> Result<u64, StoreError> {
    let deleted = sqlx::query("delete from module_hold where tenant_id = $1 and hash = $2")
        .bind(tenant.as_bytes().as_slice())
        .bind(hash.0.as_slice())
        .execute(&mut *tx.connection)
        .await?;
    Ok(deleted.rows_affected())
}

fn hold(row: &AnyRow) -> Result<(ModuleHash, ModuleHold), StoreError> {
    Ok((row.hash("hash")?, ModuleHold { why: row.text("why")?, held: row.moment("held_ms")? }))
}
