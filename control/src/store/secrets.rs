//! Secrets of tenants: sealed values by name and version, and which checks are run by them.
//!
//! A new value makes a new revision of every check whose config names it, in one transaction, so that it comes into force
//! like any other change: once the hosts hold it. Nothing here can open a value.

use std::collections::BTreeMap;

use farwatch_proto::id::{CheckId, TenantId};
use farwatch_proto::time::{Stamp, UnixMs};
use sqlx::any::AnyRow;

use super::authorship::Author;
use super::columns::{Columns, stored};
use super::revisions;
use super::transaction::Tx;
use super::{Change, Entity, Store, StoreError};

/// A value to be kept, sealed as this version of its name.
#[derive(Clone, Debug)]
pub struct NewSecret {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name.
    pub name: String,
    /// The version that it was sealed as: the one after the newest.
    pub version: u32,
    /// The value.
    pub sealed: Vec<u8>,
}

/// A secret without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// Its newest version.
    pub version: u32,
    /// When that was set.
    pub changed: UnixMs,
}

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedValue {
    /// Its name.
    pub name: String,
    /// Which value of that name.
    pub version: u32,
    /// The value.
    pub sealed: Vec<u8>,
}

/// The secrets.
#[derive(Clone, Copy, Debug)]
pub struct Secrets<'s>(&'s Store);

impl Store {
    /// The secrets.
    pub const fn secrets(&self) -> Secrets<'_> {
        Secrets(self)
    }
}

impl Secrets<'_> {
    /// The tenant's secrets, by their names.
    pub async fn list(self, tenant: TenantId) -> Result<Vec<Secret>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "select name, version, created_ms from secret s where tenant_id = $1 and version = \
                         (select max(version) from secret n where n.tenant_id = s.tenant_id and n.name = s.name) \
                         order by name",
                    )
                    .bind(tenant.as_bytes().as_slice())
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    rows.iter().map(secret).collect()
                })
            })
            .await
    }

    /// Every value that a tenant has.
    pub async fn values(self, tenant: TenantId) -> Result<Vec<SealedValue>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query("select name, version, sealed from secret where tenant_id = $1")
                        .bind(tenant.as_bytes().as_slice())
                        .fetch_all(&mut *reading.connection)
                        .await?;
                    let read = |row: &AnyRow| {
                        let (name, version) = (row.text("name")?, row.number("version")?);
                        Ok(SealedValue { name, version, sealed: row.bytes("sealed")? })
                    };
                    rows.iter().map(read).collect()
                })
            })
            .await
    }

    /// The checks whose latest revision names a secret, by its name. Deleted ones do not count.
    pub async fn users(self, tenant: TenantId) -> Result<BTreeMap<String, Vec<CheckId>>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(USERS)
                        .bind(tenant.as_bytes().as_slice())
                        .fetch_all(&mut *reading.connection)
                        .await?;
                    let mut users: BTreeMap<String, Vec<CheckId>> = BTreeMap::new();
                    for user in rows.iter().map(user) {
                        let User { check, secrets, .. } = user?;
                        secrets.into_iter().for_each(|(name, _)| users.entry(name).or_default().push(check));
                    }
                    Ok(users)
                })
            })
            .await
    }

    /// Keeps a value, and has every check that names it run by it. A version that somebody else has taken meanwhile is
    /// [`StoreError::StaleRevision`].
    pub async fn set(self, new: &NewSecret, now: UnixMs) -> Result<(), StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    tx.next_stamp(Entity::Tenant(new.tenant), now).await?;
                    // What follows is the same deed.
                    tx.author = Author::House;
                    let newest = newest(tx, new.tenant, &new.name).await?.unwrap_or(0);
                    if newest == new.version && is_kept(tx, new).await? {
                        // An attempt before this one was committed and its answer lost.
                        tx.leave_unchanged();
                        return Ok(());
                    }
                    if newest + 1 != new.version {
                        return Err(StoreError::StaleRevision { latest: newest });
                    }
                    insert(tx, new, now).await?;
                    revise(tx, new, now).await?;
                    forget_outdated(tx, new.tenant, &new.name).await
                })
            })
            .await
    }

    /// Deletes a secret that no check names. One that a check names is [`StoreError::DanglingReference`].
    pub async fn delete(self, tenant: TenantId, name: &str, now: UnixMs) -> Result<Change, StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let stamp = tx.next_stamp(Entity::Tenant(tenant), now).await?;
                    if least_in_use(tx, tenant, name).await?.is_some() {
                        return Err(StoreError::DanglingReference);
                    }
                    let deleted = sqlx::query("delete from secret where tenant_id = $1 and name = $2")
                        .bind(tenant.as_bytes().as_slice())
                        .bind(name)
                        .execute(&mut *tx.connection)
                        .await?;
                    Ok(tx.changed(stamp, deleted.rows_affected(), false))
                })
            })
            .await
    }

    /// The key of a tenant, sealed; the one that is given where there was none.
    pub async fn tenant_key(self, tenant: TenantId, fresh: &[u8], now: UnixMs) -> Result<Vec<u8>, StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    sqlx::query(
                        "insert into tenant_key (tenant_id, sealed, created_ms) values ($1, $2, $3) \
                         on conflict (tenant_id) do nothing",
                    )
                    .bind(tenant.as_bytes().as_slice())
                    .bind(fresh)
                    .bind(now.0)
                    .execute(&mut *tx.connection)
                    .await?;
                    let row = sqlx::query("select sealed from tenant_key where tenant_id = $1")
                        .bind(tenant.as_bytes().as_slice())
                        .fetch_one(&mut *tx.connection)
                        .await?;
                    row.bytes("sealed")
                })
            })
            .await
    }

    /// The key of any tenant that has one, sealed: by it a process sees whether it has the right master key.
    pub async fn any_tenant_key(self) -> Result<Option<(TenantId, Vec<u8>)>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let row = sqlx::query("select tenant_id, sealed from tenant_key order by tenant_id limit 1")
                        .fetch_optional(&mut *reading.connection)
                        .await?;
                    row.map(|row| Ok((row.id("tenant_id", TenantId::from_bytes)?, row.bytes("sealed")?))).transpose()
                })
            })
            .await
    }
}

/// The newest value of each of these names.
pub(super) async fn newest_of(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    names: &[String],
) -> Result<Vec<(String, u32)>, StoreError> {
    let mut secrets = Vec::with_capacity(names.len());
    for name in names {
        let version = newest(tx, tenant, name).await?.ok_or(StoreError::DanglingReference)?;
        secrets.push((name.clone(), version));
    }
    Ok(secrets)
}

async fn newest(tx: &mut Tx<'_>, tenant: TenantId, name: &str) -> Result<Option<u32>, StoreError> {
    let row =
        sqlx::query("select version from secret where tenant_id = $1 and name = $2 order by version desc limit 1")
            .bind(tenant.as_bytes().as_slice())
            .bind(name)
            .fetch_optional(&mut *tx.connection)
            .await?;
    row.map(|row| row.number("version")).transpose()
}

/// Whether this very value is kept already: no two values are sealed alike.
async fn is_kept(tx: &mut Tx<'_>, new: &NewSecret) -> Result<bool, StoreError> {
    let row = sqlx::query("select sealed from secret where tenant_id = $1 and name = $2 and version = $3")
        .bind(new.tenant.as_bytes().as_slice())
        .bind(new.name.as_str())
        .bind(i64::from(new.version))
        .fetch_optional(&mut *tx.connection)
        .await?;
    Ok(row.map(|row| row.bytes("sealed")).transpose()? == Some(new.sealed.clone()))
}

async fn insert(tx: &mut Tx<'_>, new: &NewSecret, now: UnixMs) -> Result<(), StoreError> {
    sqlx::query("insert into secret (tenant_id, name, version, sealed, created_ms) values ($1, $2, $3, $4, $5)")
        .bind(new.tenant.as_bytes().as_slice())
        .bind(new.name.as_str())
        .bind(i64::from(new.version))
        .bind(new.sealed.as_slice())
        .bind(now.0)
        .execute(&mut *tx.connection)
        .await?;
    Ok(())
}

/// The latest revisions of a tenant's checks that name any secret.
const USERS: &str = "select c.id, r.revision, r.secrets from checks c \
    join check_revision r on r.check_id = c.id and r.revision = c.latest_revision \
    where c.tenant_id = $1 and c.deleted_ms is null and r.secrets <> '[]' order by c.id";

/// A check that names secrets.
struct User {
    check: CheckId,
    revision: u32,
    secrets: Vec<(String, u32)>,
}

fn user(row: &AnyRow) -> Result<User, StoreError> {
    let (check, revision) = (row.id("id", CheckId::from_bytes)?, row.number("revision")?);
    Ok(User { check, revision, secrets: revisions::secrets(row)? })
}

/// Writes the next revision of every check that names the secret: the same but for the value.
async fn revise(tx: &mut Tx<'_>, new: &NewSecret, now: UnixMs) -> Result<(), StoreError> {
    let rows = sqlx::query(USERS).bind(new.tenant.as_bytes().as_slice()).fetch_all(&mut *tx.connection).await?;
    for user in rows.iter().map(user) {
        let User { check, revision, mut secrets } = user?;
        let Some((_, version)) = secrets.iter_mut().find(|(name, _)| *name == new.name) else { continue };
        *version = new.version;
        let written = tx.next_stamp(Entity::Check(check), now).await?;
        repeat_revision(tx, (check, revision), written, &secrets, now).await?;
    }
    Ok(())
}

async fn repeat_revision(
    tx: &mut Tx<'_>,
    (check, revision): (CheckId, u32),
    written: Stamp,
    secrets: &[(String, u32)],
    now: UnixMs,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into check_revision (check_id, revision, activity, spec, prepared, module_hash, interval_s, \
         timeout_ms, streams, repeat, config_era, config_n, created_ms, secrets) \
         select check_id, revision + 1, activity, spec, prepared, module_hash, interval_s, timeout_ms, streams, \
         repeat, $3, $4, $5, $6 from check_revision where check_id = $1 and revision = $2",
    )
    .bind(check.as_bytes().as_slice())
    .bind(i64::from(revision))
    .bind(i64::from(written.era))
    .bind(stored(written.n))
    .bind(now.0)
    .bind(revisions::secrets_text(secrets))
    .execute(&mut *tx.connection)
    .await?;
    sqlx::query("update checks set latest_revision = $2 where id = $1")
        .bind(check.as_bytes().as_slice())
        .bind(i64::from(revision) + 1)
        .execute(&mut *tx.connection)
        .await?;
    Ok(())
}

/// The oldest value that a revision in force, or one after it, is run by.
async fn least_in_use(tx: &mut Tx<'_>, tenant: TenantId, name: &str) -> Result<Option<u32>, StoreError> {
    let rows = sqlx::query(
        "select r.secrets from checks c join check_revision r on r.check_id = c.id \
         and r.revision >= coalesce(c.in_force_revision, 0) \
         where c.tenant_id = $1 and c.deleted_ms is null and r.secrets <> '[]'",
    )
    .bind(tenant.as_bytes().as_slice())
    .fetch_all(&mut *tx.connection)
    .await?;
    let mut least = None;
    for row in &rows {
        let versions = revisions::secrets(row)?.into_iter().filter(|(named, _)| named == name);
        least = least.into_iter().chain(versions.map(|(_, version)| version)).min();
    }
    Ok(least)
}

/// Values that no revision is run by any more are gone for good.
async fn forget_outdated(tx: &mut Tx<'_>, tenant: TenantId, name: &str) -> Result<(), StoreError> {
    let newest = newest(tx, tenant, name).await?.unwrap_or(0);
    let least = least_in_use(tx, tenant, name).await?.unwrap_or(newest);
    sqlx::query("delete from secret where tenant_id = $1 and name = $2 and version < $3")
        .bind(tenant.as_bytes().as_slice())
        .bind(name)
        .bind(i64::from(least))
        .execute(&mut *tx.connection)
        .await?;
    Ok(())
}

fn secret(row: &AnyRow) -> Result<Secret, StoreError> {
    Ok(Secret { name: row.text("name")?, version: row.number("version")?, changed: row.moment("created_ms")? })
}
