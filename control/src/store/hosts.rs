//! The machines that run checks, as an operator registered them. Whether one lives is not here: that is seen, not
//! stored.

use farwatch_proto::fleet::{FLEET_MAX_HOSTS, HostFacts};
use farwatch_proto::id::HostId;
use farwatch_proto::time::{Stamp, UnixMs};
use sqlx::any::AnyRow;

use super::columns::{Columns, document_of};
use super::revisions::demand_latest;
use super::transaction::Tx;
use super::{Change, Entity, Store, StoreError};

const HOST_BY_ID: &str =
    "select id, facts, registered_ms, drained, retired_ms, revision, public_key from host where id = $1";

/// A registered host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its id.
    pub id: HostId,
    /// What it is and where it stands.
    pub facts: HostFacts,
    /// When it was registered.
    pub registered: UnixMs,
    /// Whether an operator drained it.
    pub drained: bool,
    /// When it was retired.
    pub retired: Option<UnixMs>,
    /// Counts up with every change, from 1.
    pub revision: u32,
    /// The key of the certificate it last showed (SubjectPublicKeyInfo, DER); unknown before it was ever linked.
    pub public_key: Option<Vec<u8>>,
}

/// The hosts.
#[derive(Clone, Copy, Debug)]
pub struct Hosts<'s>(&'s Store);

impl Store {
    /// The hosts.
    pub const fn hosts(&self) -> Hosts<'_> {
        Hosts(self)
    }
}

impl Hosts<'_> {
    /// Registers one. A second one of the same name is a conflict, and a view carries only so many.
    pub async fn register(self, id: HostId, facts: &HostFacts, now: UnixMs) -> Result<Stamp, StoreError> {
        let entity = Entity::Host(id);
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let stamp = tx.next_stamp(entity, now).await?;
                    if insert(tx, id, facts, None, now).await? {
                        return Ok(stamp);
                    }
                    tx.created_before(entity).await
                })
            })
            .await
    }

    /// Notes the key of the certificate that a host showed. It is no config, so nobody follows it.
    pub async fn note_public_key(self, id: HostId, public_key: &[u8]) -> Result<(), StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    sqlx::query("update host set public_key = $2 where id = $1")
                        .bind(id.as_bytes().as_slice())
                        .bind(public_key)
                        .execute(&mut *tx.connection)
                        .await?;
                    Ok(())
                })
            })
            .await
    }

    /// Every host that was ever registered, in order of id; retired ones too, for results name them.
    pub async fn list(self) -> Result<Vec<Host>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "select id, facts, registered_ms, drained, retired_ms, revision, public_key from host \
                         order by id",
                    )
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    rows.iter().map(host).collect()
                })
            })
            .await
    }

    /// The host of this id.
    pub async fn get(self, id: HostId) -> Result<Option<Host>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let row = sqlx::query(HOST_BY_ID)
                        .bind(id.as_bytes().as_slice())
                        .fetch_optional(&mut *reading.connection)
                        .await?;
                    row.as_ref().map(host).transpose()
                })
            })
            .await
    }

    /// Drains it, or takes that back.
    pub async fn set_drained(self, id: HostId, drained: bool, now: UnixMs) -> Result<Change, StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let stamp = tx.next_stamp(Entity::Host(id), now).await?;
                    let updated = sqlx::query(
                        "update host set drained = $2, revision = revision + 1 where id = $1 and drained <> $2",
                    )
                    .bind(id.as_bytes().as_slice())
                    .bind(i64::from(drained))
                    .execute(&mut *tx.connection)
                    .await?;
                    outcome(tx, stamp, updated.rows_affected(), id).await
                })
            })
            .await
    }

    /// Says anew what the host that `seen` is the latest revision of is, and where it stands. A retired one is what it
    /// was.
    pub async fn set_facts(self, id: HostId, seen: u32, facts: &HostFacts, now: UnixMs) -> Result<Change, StoreError> {
        let document = &document_of(facts)?;
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let stamp = tx.next_stamp(Entity::Host(id), now).await?;
                    let row = sqlx::query(HOST_BY_ID)
                        .bind(id.as_bytes().as_slice())
                        .fetch_optional(&mut *tx.connection)
                        .await?;
                    let found = row.as_ref().map(host).transpose()?.filter(|host| host.retired.is_none());
                    let Some(found) = found else { return Ok(tx.changed(stamp, 0, false)) };
                    if found.facts == *facts {
                        return Ok(tx.changed(stamp, 0, true));
                    }
                    demand_latest(seen, found.revision)?;
                    let updated =
                        sqlx::query("update host set name = $2, facts = $3, revision = revision + 1 where id = $1")
                            .bind(id.as_bytes().as_slice())
                            .bind(facts.name.as_str())
                            .bind(document.as_str())
                            .execute(&mut *tx.connection)
                            .await?;
                    Ok(tx.changed(stamp, updated.rows_affected(), true))
                })
            })
            .await
    }

    /// Takes it out of the fleet for good. Its name is free again.
    pub async fn retire(self, id: HostId, now: UnixMs) -> Result<Change, StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let stamp = tx.next_stamp(Entity::Host(id), now).await?;
                    let updated = sqlx::query(
                        "update host set retired_ms = $2, revision = revision + 1 where id = $1 and retired_ms is null",
                    )
                    .bind(id.as_bytes().as_slice())
                    .bind(now.0)
                    .execute(&mut *tx.connection)
                    .await?;
                    outcome(tx, stamp, updated.rows_affected(), id).await
                })
            })
            .await
    }
}

/// Registers a host within the transaction under way, whose first statement took the next number. Whether it is new.
pub(super) async fn insert(
    tx: &mut Tx<'_>,
    id: HostId,
    facts: &HostFacts,
    public_key: Option<&[u8]>,
    now: UnixMs,
) -> Result<bool, StoreError> {
    let inserted = sqlx::query(
        "insert into host (id, name, facts, registered_ms, drained, public_key) values ($1, $2, $3, $4, 0, $5) \
         on conflict (id) do nothing",
    )
    .bind(id.as_bytes().as_slice())
    .bind(facts.name.as_str())
    .bind(document_of(facts)?)
    .bind(now.0)
    .bind(public_key.map(<[u8]>::to_vec))
    .execute(&mut *tx.connection)
    .await?;
    if inserted.rows_affected() == 0 {
        return Ok(false);
    }
    demand_room(tx).await?;
    Ok(true)
}

/// Counts under the lock of the config counter, so two registrations cannot both take the last place.
async fn demand_room(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let row = sqlx::query("select count(*) as hosts from host where retired_ms is null")
        .fetch_one(&mut *tx.connection)
        .await?;
    let hosts: usize = row.number("hosts")?;
    if hosts > FLEET_MAX_HOSTS { Err(StoreError::FleetFull { most: FLEET_MAX_HOSTS }) } else { Ok(()) }
}

async fn outcome(tx: &mut Tx<'_>, stamp: Stamp, touched: u64, id: HostId) -> Result<Change, StoreError> {
    let known = sqlx::query("select id from host where id = $1")
        .bind(id.as_bytes().as_slice())
        .fetch_optional(&mut *tx.connection)
        .await?;
    Ok(tx.changed(stamp, touched, known.is_some()))
}

fn host(row: &AnyRow) -> Result<Host, StoreError> {
    Ok(Host {
        id: row.id("id", HostId::from_bytes)?,
        facts: row.document("facts")?,
        registered: row.moment("registered_ms")?,
        drained: row.flag("drained")?,
        retired: row.maybe_moment("retired_ms")?,
        revision: row.number("revision")?,
        public_key: row.maybe_bytes("public_key")?,
    })
}
