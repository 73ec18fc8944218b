//! The ways to tell a contact. Secrets come here sealed.
//!
//! A change of a channel is a change of its contact too, for a contact is shown with its channels.

use farwatch_proto::id::{ChannelId, ContactId, TenantId};
use farwatch_proto::time::{Stamp, UnixMs};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};

use super::super::columns::{Columns, word_of};
use super::super::revisions::demand_latest;
use super::super::statements::{ROWS_PER_STATEMENT, placeholders};
use super::super::transaction::Tx;
use super::super::{Change, Entity, StoreError};
use super::{Contacts, is_known, live_contact};

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

/// What is said anew of a channel.
#[derive(Clone, Debug)]
pub struct ChannelChange {
    /// JSON: what the kind needs to know.
    pub config: String,
    /// What signs or logs in from now on, sealed; `None` leaves it as it is.
    pub sealed_secret: Option<Vec<u8>>,
}

/// Why nothing is sent over a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disabled {
    /// Since when.
    pub since: UnixMs,
    /// What its receiver said.
    pub because: String,
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
    /// Counts up with every change, from 1.
    pub revision: u32,
    /// When it, or its contact, was deleted.
    pub deleted: Option<UnixMs>,
    /// Whether its receiver asked for nothing more.
    pub disabled: Option<Disabled>,
}

/// A channel with its contact, for it goes with its contact.
macro_rules! select_channels {
    () => {
        "select channel.id, channel.contact_id, channel.kind, channel.config, channel.sealed_secret, \
         contact.tenant_id, channel.created_ms, coalesce(channel.deleted_ms, contact.deleted_ms) as deleted_ms, channel.revision, \
         channel.disabled_ms, channel.disabled_because \
         from channel join contact on contact.id = channel.contact_id "
    };
}

impl Contacts<'_> {
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
                        return tx.created_before(entity).await.map(Some);
                    }
                    revise_contact(tx, new.contact).await?;
                    Ok(Some(stamp))
                })
            })
            .await
    }

    /// Changes the channel that `seen` is the latest revision of. One that was disabled is told again from now on, even
    /// where nothing else is new.
    pub async fn change_channel(
        self,
        tenant: TenantId,
        id: ChannelId,
        seen: u32,
        new: &ChannelChange,
        now: UnixMs,
    ) -> Result<Change, StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let stamp = tx.next_stamp(Entity::Channel(id), now).await?;
                    let Some(found) = live_channel(&mut tx.connection, tenant, id).await? else {
                        return Ok(tx.changed(stamp, 0, false));
                    };
                    let secret_stays = new.sealed_secret.is_none() || new.sealed_secret == found.sealed_secret;
                    if found.config == new.config && secret_stays && found.disabled.is_none() {
                        return Ok(tx.changed(stamp, 0, true));
                    }
                    demand_latest(seen, found.revision)?;
                    let changed = sqlx::query(
                        "update channel set config = $2, sealed_secret = coalesce($3, sealed_secret), \
                         disabled_ms = null, disabled_because = null, revision = revision + 1 where id = $1",
                    )
                    .bind(id.as_bytes().as_slice())
                    .bind(new.config.as_str())
                    .bind(new.sealed_secret.clone())
                    .execute(&mut *tx.connection)
                    .await?;
                    revise_contact(tx, found.contact).await?;
                    Ok(tx.changed(stamp, changed.rows_affected(), true))
                })
            })
            .await
    }

    /// Deletes the channel of the tenant that `seen` is the latest revision of.
    pub async fn delete_channel(
        self,
        tenant: TenantId,
        id: ChannelId,
        seen: u32,
        now: UnixMs,
    ) -> Result<Change, StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let stamp = tx.next_stamp(Entity::Channel(id), now).await?;
                    let Some(found) = live_channel(&mut tx.connection, tenant, id).await? else {
                        let ever = "select channel.id from channel join contact on contact.id = channel.contact_id \
                                    where channel.id = $1 and contact.tenant_id = $2";
                        let known = is_known(tx, ever, id.as_bytes(), tenant).await?;
                        return Ok(tx.changed(stamp, 0, known));
                    };
                    demand_latest(seen, found.revision)?;
                    let deleted = sqlx::query("update channel set deleted_ms = $2 where id = $1")
                        .bind(id.as_bytes().as_slice())
                        .bind(now.0)
                        .execute(&mut *tx.connection)
                        .await?;
                    revise_contact(tx, found.contact).await?;
                    Ok(tx.changed(stamp, deleted.rows_affected(), true))
                })
            })
            .await
    }

    /// The channel of this id, if the tenant has it and it reaches somebody.
    pub async fn own_channel(self, tenant: TenantId, id: ChannelId) -> Result<Option<Channel>, StoreError> {
        self.0.read(|reading| Box::pin(live_channel(&mut reading.connection, tenant, id))).await
    }

    /// The channels over which these contacts of the tenant are reached, in order of contact and age.
    pub async fn channels_of(self, tenant: TenantId, contacts: &[ContactId]) -> Result<Vec<Channel>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let mut found = Vec::new();
                    for some in contacts.chunks(ROWS_PER_STATEMENT) {
                        let rows = rows_of_some(&mut reading.connection, Some(tenant), some).await?;
                        found.extend(rows.iter().map(channel).collect::<Result<Vec<_>, _>>()?);
                    }
                    Ok(found)
                })
            })
            .await
    }

    /// The channels over which these contacts are reached, whosever they are: in order of contact and age, with the
    /// tenant of each.
    pub async fn channels_of_all(self, contacts: &[ContactId]) -> Result<Vec<(TenantId, Channel)>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let mut found = Vec::new();
                    for some in contacts.chunks(ROWS_PER_STATEMENT) {
                        let rows = rows_of_some(&mut reading.connection, None, some).await?;
                        let owned =
                            rows.iter().map(|row| Ok((row.id("tenant_id", TenantId::from_bytes)?, channel(row)?)));
                        found.extend(owned.collect::<Result<Vec<_>, StoreError>>()?);
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
                    let row = sqlx::query(concat!(select_channels!(), "where channel.id = $1"))
                        .bind(id.as_bytes().as_slice())
                        .fetch_optional(&mut *reading.connection)
                        .await?;
                    row.as_ref().map(channel).transpose()
                })
            })
            .await
    }
}

/// Counts a change of a contact's channels as one of the contact.
async fn revise_contact(tx: &mut Tx<'_>, contact: ContactId) -> Result<(), StoreError> {
    sqlx::query("update contact set revision = revision + 1 where id = $1")
        .bind(contact.as_bytes().as_slice())
        .execute(&mut *tx.connection)
        .await?;
    Ok(())
}

async fn live_channel(
    connection: &mut AnyConnection,
    tenant: TenantId,
    id: ChannelId,
) -> Result<Option<Channel>, StoreError> {
    let row = sqlx::query(concat!(
        select_channels!(),
        "where channel.id = $1 and contact.tenant_id = $2 and contact.deleted_ms is null and channel.deleted_ms is null"
    ))
    .bind(id.as_bytes().as_slice())
    .bind(tenant.as_bytes().as_slice())
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(channel).transpose()
}

/// The rows of the channels of these contacts, of one tenant or of all.
async fn rows_of_some(
    connection: &mut AnyConnection,
    tenant: Option<TenantId>,
    contacts: &[ContactId],
) -> Result<Vec<AnyRow>, StoreError> {
    let statement = format!(
        concat!(
            select_channels!(),
            "where ($1 is null or contact.tenant_id = $1) and contact.deleted_ms is null and channel.deleted_ms is null \
             and contact.id in ({}) order by channel.contact_id, channel.id"
        ),
        placeholders(1, contacts.len())
    );
    let mut query = sqlx::query(AssertSqlSafe(statement)).bind(tenant.map(|tenant| tenant.as_bytes().to_vec()));
    for contact in contacts {
        query = query.bind(contact.as_bytes().as_slice());
    }
    Ok(query.fetch_all(connection).await?)
}

fn channel(row: &AnyRow) -> Result<Channel, StoreError> {
    Ok(Channel {
        id: row.id("id", ChannelId::from_bytes)?,
        contact: row.id("contact_id", ContactId::from_bytes)?,
        kind: row.word("kind", &KINDS)?,
        config: row.text("config")?,
        sealed_secret: row.maybe_bytes("sealed_secret")?,
        created: row.moment("created_ms")?,
        revision: row.number("revision")?,
        deleted: row.maybe_moment("deleted_ms")?,
        disabled: match row.maybe_moment("disabled_ms")? {
            None => None,
            Some(since) => Some(Disabled { since, because: row.maybe_text("disabled_because")?.unwrap_or_default() }),
        },
    })
}

/// Nothing more is sent over this channel until it is changed; the first reason stays.
pub(in crate::store) async fn disable(
    tx: &mut Tx<'_>,
    id: ChannelId,
    because: &str,
    now: UnixMs,
) -> Result<(), StoreError> {
    sqlx::query("update channel set disabled_ms = $2, disabled_because = $3 where id = $1 and disabled_ms is null")
        .bind(id.as_bytes().as_slice())
        .bind(now.0)
        .bind(because)
        .execute(&mut *tx.connection)
        .await?;
    Ok(())
}
