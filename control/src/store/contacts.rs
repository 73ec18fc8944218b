//! Whom to tell. Over which channels stands in a file of its own.
//!
//! Deleted ones stay as rows, for deliveries name them; they are told nothing more. A change is made only against the
//! latest revision, which counts changes of the contact and of its channels.

mod channels;

use farwatch_proto::id::{ContactId, TenantId};
use farwatch_proto::time::{Stamp, UnixMs};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::columns::Columns;
use super::page::{page_of, rows_for};
use super::revisions::demand_latest;
use super::transaction::Tx;
use super::{Change, Entity, Page, Store, StoreError};

pub(super) use channels::disable;
pub use channels::{Channel, ChannelChange, ChannelKind, Disabled, NewChannel};

/// A contact to be made.
#[derive(Clone, Debug)]
pub struct NewContact {
    /// Its id.
    pub id: ContactId,
    /// Whose it is.
    pub tenant: TenantId,
    /// What it is called; no two of a tenant are called the same.
    pub name: String,
}

/// Somebody to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Its id.
    pub id: ContactId,
    /// Whose it is.
    pub tenant: TenantId,
    /// What it is called.
    pub name: String,
    /// When it was made.
    pub created: UnixMs,
    /// Counts up with every change of it or of its channels, from 1.
    pub revision: u32,
}

/// The contacts and their channels.
#[derive(Clone, Copy, Debug)]
pub struct Contacts<'s>(&'s Store);

impl Store {
    /// The contacts and their channels.
    pub const fn contacts(&self) -> Contacts<'_> {
        Contacts(self)
    }
}

impl Contacts<'_> {
    /// Makes one. A second one of the same name in its tenant is a conflict.
    pub async fn create(self, new: &NewContact, now: UnixMs) -> Result<Stamp, StoreError> {
        let entity = Entity::Contact(new.id);
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let stamp = tx.next_stamp(entity, now).await?;
                    let inserted = sqlx::query(
                        "insert into contact (id, tenant_id, name, created_ms) values ($1, $2, $3, $4) \
                         on conflict (id) do nothing",
                    )
                    .bind(new.id.as_bytes().as_slice())
                    .bind(new.tenant.as_bytes().as_slice())
                    .bind(new.name.as_str())
                    .bind(now.0)
                    .execute(&mut *tx.connection)
                    .await?;
                    if inserted.rows_affected() == 0 { tx.created_before(entity).await } else { Ok(stamp) }
                })
            })
            .await
    }

    /// The contact of this id, if the tenant has it.
    pub async fn get(self, tenant: TenantId, id: ContactId) -> Result<Option<Contact>, StoreError> {
        self.0.read(|reading| Box::pin(live_contact(&mut reading.connection, tenant, id))).await
    }

    /// The tenant's contacts after this one, oldest first.
    pub async fn list(
        self,
        tenant: TenantId,
        after: Option<ContactId>,
        limit: u32,
    ) -> Result<Page<Contact>, StoreError> {
        let after = after.unwrap_or(ContactId::from_bytes([0; 16]));
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "select id, tenant_id, name, created_ms, revision from contact \
                         where tenant_id = $1 and deleted_ms is null and id > $2 order by id limit $3",
                    )
                    .bind(tenant.as_bytes().as_slice())
                    .bind(after.as_bytes().as_slice())
                    .bind(rows_for(limit))
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    page_of(&rows, limit, contact)
                })
            })
            .await
    }

    /// Calls the contact that `seen` is the latest revision of something else.
    pub async fn rename(
        self,
        tenant: TenantId,
        id: ContactId,
        seen: u32,
        name: &str,
        now: UnixMs,
    ) -> Result<Change, StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let stamp = tx.next_stamp(Entity::Contact(id), now).await?;
                    let Some(found) = live_contact(&mut tx.connection, tenant, id).await? else {
                        return Ok(tx.changed(stamp, 0, false));
                    };
                    if found.name == name {
                        return Ok(tx.changed(stamp, 0, true));
                    }
                    demand_latest(seen, found.revision)?;
                    let renamed = sqlx::query("update contact set name = $2, revision = revision + 1 where id = $1")
                        .bind(id.as_bytes().as_slice())
                        .bind(name)
                        .execute(&mut *tx.connection)
                        .await?;
                    Ok(tx.changed(stamp, renamed.rows_affected(), true))
                })
            })
            .await
    }

    /// Deletes the contact that `seen` is the latest revision of; its name is free again and its channels are told
    /// nothing more.
    pub async fn delete(self, tenant: TenantId, id: ContactId, seen: u32, now: UnixMs) -> Result<Change, StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let stamp = tx.next_stamp(Entity::Contact(id), now).await?;
                    let Some(found) = live_contact(&mut tx.connection, tenant, id).await? else {
                        let ever = "select id from contact where id = $1 and tenant_id = $2";
                        let known = is_known(tx, ever, id.as_bytes(), tenant).await?;
                        return Ok(tx.changed(stamp, 0, known));
                    };
                    demand_latest(seen, found.revision)?;
                    let deleted = sqlx::query("update contact set deleted_ms = $2 where id = $1")
                        .bind(id.as_bytes().as_slice())
                        .bind(now.0)
                        .execute(&mut *tx.connection)
                        .await?;
                    Ok(tx.changed(stamp, deleted.rows_affected(), true))
                })
            })
            .await
    }
}

/// Whether the tenant has, or had, the row of this id.
async fn is_known(
    tx: &mut Tx<'_>,
    statement: &'static str,
    id: &[u8; 16],
    tenant: TenantId,
) -> Result<bool, StoreError> {
    let row = sqlx::query(statement)
        .bind(id.as_slice())
        .bind(tenant.as_bytes().as_slice())
        .fetch_optional(&mut *tx.connection)
        .await?;
    Ok(row.is_some())
}

async fn live_contact(
    connection: &mut AnyConnection,
    tenant: TenantId,
    id: ContactId,
) -> Result<Option<Contact>, StoreError> {
    let row = sqlx::query(
        "select id, tenant_id, name, created_ms, revision from contact where id = $1 and tenant_id = $2 and deleted_ms is null",
    )
    .bind(id.as_bytes().as_slice())
    .bind(tenant.as_bytes().as_slice())
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(contact).transpose()
}

fn contact(row: &AnyRow) -> Result<Contact, StoreError> {
    Ok(Contact {
        id: row.id("id", ContactId::from_bytes)?,
        tenant: row.id("tenant_id", TenantId::from_bytes)?,
        name: row.text("name")?,
        created: row.moment("created_ms")?,
        revision: row.number("revision")?,
    })
}
