//! Customers. Every row but the fleet's own belongs to one.

use farwatch_proto::id::TenantId;
use farwatch_proto::time::{Stamp, UnixMs};
use sqlx::any::AnyRow;

use super::columns::Columns;
use super::page::{page_of, rows_for};
use super::revisions::demand_latest;
use super::{Change, Entity, Page, Store, StoreError};

/// A tenant to be made.
#[derive(Clone, Debug)]
pub struct NewTenant {
    /// Its id.
    pub id: TenantId,
    /// What it is called; no two are called the same.
    pub name: String,
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// What it is called.
    pub name: String,
    /// When it was made.
    pub created: UnixMs,
    /// Counts up with every change, from 1.
    pub revision: u32,
}

/// The tenants.
#[derive(Clone, Copy, Debug)]
pub struct Tenants<'s>(&'s Store);

impl Store {
    /// The tenants.
    pub const fn tenants(&self) -> Tenants<'_> {
        Tenants(self)
    }
}

impl Tenants<'_> {
    /// Makes one. A second one of the same name is a conflict.
    pub async fn create(self, new: &NewTenant, now: UnixMs) -> Result<Stamp, StoreError> {
        let entity = Entity::Tenant(new.id);
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let stamp = tx.next_stamp(entity, now).await?;
                    let inserted = sqlx::query(
                        "insert into tenant (id, name, created_ms) values ($1, $2, $3) on conflict (id) do nothing",
                    )
                    .bind(new.id.as_bytes().as_slice())
                    .bind(new.name.as_str())
                    .bind(now.0)
                    .execute(&mut *tx.connection)
                    .await?;
                    if inserted.rows_affected() == 0 { tx.created_before(entity).await } else { Ok(stamp) }
                })
            })
            .await
    }

    /// Calls the tenant that `seen` is the latest revision of something else.
    pub async fn rename(self, id: TenantId, seen: u32, name: &str, now: UnixMs) -> Result<Change, StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let stamp = tx.next_stamp(Entity::Tenant(id), now).await?;
                    let row = sqlx::query("select id, name, created_ms, revision from tenant where id = $1")
                        .bind(id.as_bytes().as_slice())
                        .fetch_optional(&mut *tx.connection)
                        .await?;
                    let Some(found) = row.as_ref().map(tenant).transpose()? else {
                        return Ok(tx.changed(stamp, 0, false));
                    };
                    if found.name == name {
                        return Ok(tx.changed(stamp, 0, true));
                    }
                    demand_latest(seen, found.revision)?;
                    let renamed = sqlx::query("update tenant set name = $2, revision = revision + 1 where id = $1")
                        .bind(id.as_bytes().as_slice())
                        .bind(name)
                        .execute(&mut *tx.connection)
                        .await?;
                    Ok(tx.changed(stamp, renamed.rows_affected(), true))
                })
            })
            .await
    }

    /// The tenant of this id.
    pub async fn get(self, id: TenantId) -> Result<Option<Tenant>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let row = sqlx::query("select id, name, created_ms, revision from tenant where id = $1")
                        .bind(id.as_bytes().as_slice())
                        .fetch_optional(&mut *reading.connection)
                        .await?;
                    row.as_ref().map(tenant).transpose()
                })
            })
            .await
    }

    /// The tenant of this name.
    pub async fn named(self, name: &str) -> Result<Option<Tenant>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let row = sqlx::query("select id, name, created_ms, revision from tenant where name = $1")
                        .bind(name)
                        .fetch_optional(&mut *reading.connection)
                        .await?;
                    row.as_ref().map(tenant).transpose()
                })
            })
            .await
    }

    /// The tenants after this one, oldest first.
    pub async fn list(self, after: Option<TenantId>, limit: u32) -> Result<Page<Tenant>, StoreError> {
        let after = after.unwrap_or(TenantId::from_bytes([0; 16]));
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "select id, name, created_ms, revision from tenant where id > $1 order by id limit $2",
                    )
                    .bind(after.as_bytes().as_slice())
                    .bind(rows_for(limit))
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    page_of(&rows, limit, tenant)
                })
            })
            .await
    }
}

fn tenant(row: &AnyRow) -> Result<Tenant, StoreError> {
    Ok(Tenant {
        id: row.id("id", TenantId::from_bytes)?,
        name: row.text("name")?,
        created: row.moment("created_ms")?,
        revision: row.number("revision")?,
    })
}
