//! Whom to tell, and over which channels.
//!
//! Deleted ones stay as rows, for deliveries name them; they are told nothing more. Secrets come here sealed.

use farwatch_proto::id::{ChannelId, ContactId, TenantId};
use farwatch_proto::time::{Stamp, UnixMs};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};

use super::columns::{Columns, word_of};
use super::page::{page_of, rows_for};
use super::statements::{ROWS_PER_STATEMENT, placeholders};
use super::transaction::Tx;
use super::{Change, Entity, Page, Store, StoreError};

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
}

/// The kinds of channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChannelKind {
    /// Mail over SMTP.
    Email,
    /// A signed HTTP request.
    Webhook,
}

const KINDS: [(ChannelKind, &str); 2] = [(ChannelKind::Email, "email"), (ChannelKind::Webhook, "webhook")];

/// A channel to be added.
#[derive(Clone, Debug)]
pub struct NewChannel {
    /// Its id.
    pub id: ChannelId,
    /// Whom it reaches.
    pub contact: ContactId,
    /// Its kind.
    pub kind: ChannelKind,
    /// JSON: what the kind needs to know.
    pub config: String,
    /// What signs or logs in, sealed.
    pub sealed_secret: Option<Vec<u8>>,
}

/// One way to tell a contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Its id.
    pub id: ChannelId,
    /// Whom it reaches.
    pub contact: ContactId,
    /// Its kind.
    pub kind: ChannelKind,
    /// JSON: what the kind needs to know.
    pub config: String,
    /// What signs or logs in, sealed.
    pub sealed_secret: Option<Vec<u8>>,
    /// When it was added.
    pub created: UnixMs,
    /// When it, or its contact, was deleted.
    pub deleted: Option<UnixMs>,
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
                        "select id, tenant_id, name, created_ms from contact \
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

    /// Deletes it; its name is free again and its channels are told nothing more.
    pub async fn delete(self, tenant: TenantId, id: ContactId, now: UnixMs) -> Result<Change, StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let stamp = tx.next_stamp(Entity::Contact(id), now).await?;
                    let deleted = sqlx::query(
                        "update contact set deleted_ms = $3 where id = $1 and tenant_id = $2 and deleted_ms is null",
                    )
                    .bind(id.as_bytes().as_slice())
                    .bind(tenant.as_bytes().as_slice())
                    .bind(now.0)
                    .execute(&mut *tx.connection)
                    .await?;
                    let known =
                        is_known(tx, "select id from contact where id = $1 and tenant_id = $2", id.as_bytes(), tenant);
                    let known = known.await?;
                    Ok(tx.changed(stamp, deleted.rows_affected(), known))
                })
            })
            .await
    }

    /// Adds a channel to a contact of the tenant; `None` when the tenant has no such contact.
    pub async fn add_channel(
        self,
        tenant: TenantId,
        new: &NewChannel,
        now: UnixMs,
    ) -> Result<Option<Stamp>, StoreError> {
        let entity = Entity::Channel(new.id);
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let stamp = tx.next_stamp(entity, now).await?;
                    if live_contact(&mut tx.connection, tenant, new.contact).await?.is_none() {
                        tx.leave_unchanged();
                        return Ok(None);
                    }
                    let inserted = sqlx::query(
                        "insert into channel (id, contact_id, kind, config, sealed_secret, created_ms) \
                         values ($1, $2, $3, $4, $5, $6) on conflict (id) do nothing",
                    )
                    .bind(new.id.as_bytes().as_slice())
                    .bind(new.contact.as_bytes().as_slice())
                    .bind(word_of(&new.kind, &KINDS))
                    .bind(new.config.as_str())
                    .bind(new.sealed_secret.clone())
                    .bind(now.0)
                    .execute(&mut *tx.connection)
                    .await?;
                    if inserted.rows_affected() == 0 {
                        tx.created_before(entity).await.map(Some)
                    } else {
                        Ok(Some(stamp))
                    }
                })
            })
            .await
    }

    /// Deletes a channel of the tenant.
    pub async fn delete_channel(self, tenant: TenantId, id: ChannelId, now: UnixMs) -> Result<Change, StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let stamp = tx.next_stamp(Entity::Channel(id), now).await?;
                    let deleted = sqlx::query(
                        "update channel set deleted_ms = $3 where id = $1 and deleted_ms is null \
                         and contact_id in (select id from contact where tenant_id = $2 and deleted_ms is null)",
                    )
                    .bind(id.as_bytes().as_slice())
                    .bind(tenant.as_bytes().as_slice())
                    .bind(now.0)
                    .execute(&mut *tx.connection)
                    .await?;
                    let known = is_known(
                        tx,
                        "select channel.id from channel join contact on contact.id = channel.contact_id \
                         where channel.id = $1 and contact.tenant_id = $2",
                        id.as_bytes(),
                        tenant,
                    );
                    let known = known.await?;
                    Ok(tx.changed(stamp, deleted.rows_affected(), known))
                })
            })
            .await
    }

    /// The channels over which these contacts of the tenant are reached, in order of contact and age.
    pub async fn channels_of(self, tenant: TenantId, contacts: &[ContactId]) -> Result<Vec<Channel>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let mut found = Vec::new();
                    for some in contacts.chunks(ROWS_PER_STATEMENT) {
                        found.extend(channels_of_some(&mut reading.connection, tenant, some).await?);
                    }
                    Ok(found)
                })
            })
            .await
    }

    /// The channel of this id, deleted or not: for whoever holds a delivery to it.
    pub async fn channel(self, id: ChannelId) -> Result<Option<Channel>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let row = sqlx::query(
                        "select channel.id, channel.contact_id, channel.kind, channel.config, channel.sealed_secret, \
                         channel.created_ms, coalesce(channel.deleted_ms, contact.deleted_ms) as deleted_ms \
                         from channel join contact on contact.id = channel.contact_id where channel.id = $1",
                    )
                    .bind(id.as_bytes().as_slice())
                    .fetch_optional(&mut *reading.connection)
                    .await?;
                    row.as_ref().map(channel).transpose()
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
        "select id, tenant_id, name, created_ms from contact where id = $1 and tenant_id = $2 and deleted_ms is null",
    )
    .bind(id.as_bytes().as_slice())
    .bind(tenant.as_bytes().as_slice())
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(contact).transpose()
}

async fn channels_of_some(
    connection: &mut AnyConnection,
    tenant: TenantId,
    contacts: &[ContactId],
) -> Result<Vec<Channel>, StoreError> {
    let statement = format!(
        "select channel.id, channel.contact_id, channel.kind, channel.config, channel.sealed_secret, \
         channel.created_ms, channel.deleted_ms from channel join contact on contact.id = channel.contact_id \
         where contact.tenant_id = $1 and contact.deleted_ms is null and channel.deleted_ms is null \
         and contact.id in ({}) order by channel.contact_id, channel.id",
        placeholders(1, contacts.len())
    );
    let mut query = sqlx::query(AssertSqlSafe(statement)).bind(tenant.as_bytes().as_slice());
    for contact in contacts {
        query = query.bind(contact.as_bytes().as_slice());
    }
    query.fetch_all(connection).await?.iter().map(channel).collect()
}

fn contact(row: &AnyRow) -> Result<Contact, StoreError> {
    Ok(Contact {
        id: row.id("id", ContactId::from_bytes)?,
        tenant: row.id("tenant_id", TenantId::from_bytes)?,
        name: row.text("name")?,
        created: row.moment("created_ms")?,
    })
}

fn channel(row: &AnyRow) -> Result<Channel, StoreError> {
    Ok(Channel {
        id: row.id("id", ChannelId::from_bytes)?,
        contact: row.id("contact_id", ContactId::from_bytes)?,
        kind: row.word("kind", &KINDS)?,
        config: row.text("config")?,
        sealed_secret: row.maybe_bytes("sealed_secret")?,
        created: row.moment("created_ms")?,
        deleted: row.maybe_moment("deleted_ms")?,
    })
}
