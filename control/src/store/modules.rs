//! Check modules: bytes by hash, and the names and versions under which a tenant or everybody knows them.
//!
//! Bytes are kept once, whoever brings them; a release says who may run them, and may be taken back. Bytes are never
//! changed, and they stay while a release or any revision of a check names them.

use farwatch_proto::id::{ModuleHash, TenantId};
use farwatch_proto::time::{Stamp, UnixMs};
use sqlx::any::AnyRow;

use super::columns::{Columns, stored};
use super::transaction::Tx;
use super::{Change, Entity, Store, StoreError, quotas, rollouts};

/// The most releases one list returns; a tenant with more is shown the newest.
const LIST_MAX: i64 = 1000;

/// A module to be kept, already validated.
#[derive(Clone, Debug)]
pub struct NewModule {
    /// Whose it is; `None` is built in, for everybody.
    pub tenant: Option<TenantId>,
    /// What it is called.
    pub name: String,
    /// Its version; the same version is never released twice with other bytes.
    pub version: String,
    /// JSON: what it says of itself.
    pub description: String,
    /// The component.
    pub bytes: Vec<u8>,
}

/// A released module, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// The hash of its bytes.
    pub hash: ModuleHash,
    /// Whose it is; `None` is built in.
    pub tenant: Option<TenantId>,
    /// What it is called.
    pub name: String,
    /// Its version.
    pub version: String,
    /// When it was released.
    pub released: UnixMs,
}

/// The checks of a tenant that a module is run for, or may be.
macro_rules! users_of_module {
    () => {
        "select c.name from checks c join check_revision r on r.check_id = c.id \
         and r.revision >= coalesce(c.in_force_revision, 0) \
         where c.tenant_id = $1 and c.deleted_ms is null and r.module_hash = $2 "
    };
}

/// The modules.
#[derive(Clone, Copy, Debug)]
pub struct Modules<'s>(&'s Store);

impl Store {
    /// The modules.
    pub const fn modules(&self) -> Modules<'_> {
        Modules(self)
    }
}

impl Modules<'_> {
    /// Keeps the bytes and releases them under name and version. To release the same again changes nothing and is
    /// `None`; the same version with other bytes is a conflict, and one for which its tenant has no room is
    /// [`StoreError::Exceeded`].
    pub async fn put(self, new: &NewModule, now: UnixMs) -> Result<Option<Stamp>, StoreError> {
        let hash = ModuleHash::of(&new.bytes);
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let stamp = tx.next_stamp(Entity::Module(hash), now).await?;
                    if let Some(released) = release(tx, new).await? {
                        tx.leave_unchanged();
                        return if released == hash {
                            Ok(None)
                        } else {
                            Err(StoreError::Conflict(super::Unique::ModuleVersion))
                        };
                    }
                    if let Some(tenant) = new.tenant {
                        quotas::demand_module(tx, tenant, new.bytes.len() as u64).await?;
                    }
                    insert_bytes(tx, new, hash, now).await?;
                    insert_release(tx, new, hash, stamp, now).await?;
                    Ok(Some(stamp))
                })
            })
            .await
    }

    /// The releases that the tenant may run, its own and the built-in ones, newest first.
    pub async fn list_visible_to(self, tenant: TenantId) -> Result<Vec<Module>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "select hash, tenant_id, name, version, released_ms from module_release \
                         where tenant_id = $1 or tenant_id is null order by config_era desc, config_n desc limit $2",
                    )
                    .bind(tenant.as_bytes().as_slice())
                    .bind(LIST_MAX)
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    rows.iter().map(module).collect()
                })
            })
            .await
    }

    /// The releases under this name that the tenant may run, its own before the built-in ones, and newest first.
    pub async fn named(self, tenant: TenantId, name: &str) -> Result<Vec<Module>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "select hash, tenant_id, name, version, released_ms from module_release \
                         where (tenant_id = $1 or tenant_id is null) and name = $2 \
                         order by case when tenant_id is null then 1 else 0 end, config_era desc, config_n desc limit $3",
                    )
                    .bind(tenant.as_bytes().as_slice())
                    .bind(name)
                    .bind(LIST_MAX)
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    rows.iter().map(module).collect()
                })
            })
            .await
    }

    /// The names of checks of this tenant that are run by this module, or may be: by a revision that is in force or comes
    /// after one that is. At most `limit`, in order.
    pub async fn users(self, tenant: TenantId, hash: ModuleHash, limit: u32) -> Result<Vec<String>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows =
                        sqlx::query(concat!(users_of_module!(), "group by c.id, c.name order by c.name limit $3"))
                            .bind(tenant.as_bytes().as_slice())
                            .bind(hash.0.as_slice())
                            .bind(i64::from(limit))
                            .fetch_all(&mut *reading.connection)
                            .await?;
                    rows.iter().map(|row| row.text("name")).collect()
                })
            })
            .await
    }

    /// Takes a release of this tenant back. One that a check is run by is [`StoreError::DanglingReference`]. Its bytes go
    /// with it, unless somebody else's release or any revision of a check names them.
    pub async fn take_back(self, module: &Module, tenant: TenantId, now: UnixMs) -> Result<Change, StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let stamp = tx.next_stamp(Entity::Module(module.hash), now).await?;
                    if is_used(tx, tenant, module.hash).await? {
                        return Err(StoreError::DanglingReference);
                    }
                    let deleted = sqlx::query(
                        "delete from module_release where tenant_id = $1 and name = $2 and version = $3 and hash = $4",
                    )
                    .bind(tenant.as_bytes().as_slice())
                    .bind(module.name.as_str())
                    .bind(module.version.as_str())
                    .bind(module.hash.0.as_slice())
                    .execute(&mut *tx.connection)
                    .await?;
                    rollouts::forget(tx, tenant, module.hash).await?;
                    forget_bytes(tx, module.hash).await?;
                    Ok(tx.changed(stamp, deleted.rows_affected(), false))
                })
            })
            .await
    }

    /// JSON: what the module of this hash says of itself.
    pub async fn description(self, hash: ModuleHash) -> Result<Option<String>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let row = sqlx::query("select description from module where hash = $1")
                        .bind(hash.0.as_slice())
                        .fetch_optional(&mut *reading.connection)
                        .await?;
                    row.as_ref().map(|row| row.text("description")).transpose()
                })
            })
            .await
    }

    /// The bytes of this hash.
    pub async fn bytes(self, hash: ModuleHash) -> Result<Option<Vec<u8>>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let row = sqlx::query("select bytes from module where hash = $1")
                        .bind(hash.0.as_slice())
                        .fetch_optional(&mut *reading.connection)
                        .await?;
                    row.as_ref().map(|row| row.bytes("bytes")).transpose()
                })
            })
            .await
    }
}

/// The hash that is released under the same name and version already.
async fn release(tx: &mut Tx<'_>, new: &NewModule) -> Result<Option<ModuleHash>, StoreError> {
    let row = sqlx::query(
        "select hash from module_release where name = $1 and version = $2 \
         and (tenant_id = $3 or ($3 is null and tenant_id is null))",
    )
    .bind(new.name.as_str())
    .bind(new.version.as_str())
    .bind(new.tenant.map(|tenant| tenant.as_bytes().to_vec()))
    .fetch_optional(&mut *tx.connection)
    .await?;
    row.as_ref().map(|row| row.hash("hash")).transpose()
}

async fn is_used(tx: &mut Tx<'_>, tenant: TenantId, hash: ModuleHash) -> Result<bool, StoreError> {
    let row = sqlx::query(concat!(users_of_module!(), "limit 1"))
        .bind(tenant.as_bytes().as_slice())
        .bind(hash.0.as_slice())
        .fetch_optional(&mut *tx.connection)
        .await?;
    Ok(row.is_some())
}

/// Bytes that nothing names any more are gone for good.
async fn forget_bytes(tx: &mut Tx<'_>, hash: ModuleHash) -> Result<(), StoreError> {
    sqlx::query(
        "delete from module where hash = $1 \
         and not exists (select 1 from module_release m where m.hash = module.hash) \
         and not exists (select 1 from check_revision r where r.module_hash = module.hash)",
    )
    .bind(hash.0.as_slice())
    .execute(&mut *tx.connection)
    .await?;
    Ok(())
}

async fn insert_bytes(tx: &mut Tx<'_>, new: &NewModule, hash: ModuleHash, now: UnixMs) -> Result<(), StoreError> {
    sqlx::query(
        "insert into module (hash, description, bytes, created_ms) values ($1, $2, $3, $4) \
         on conflict (hash) do nothing",
    )
    .bind(hash.0.as_slice())
    .bind(new.description.as_str())
    .bind(new.bytes.as_slice())
    .bind(now.0)
    .execute(&mut *tx.connection)
    .await?;
    Ok(())
}

async fn insert_release(
    tx: &mut Tx<'_>,
    new: &NewModule,
    hash: ModuleHash,
    stamp: Stamp,
    now: UnixMs,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into module_release (tenant_id, name, version, hash, config_era, config_n, released_ms) \
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(new.tenant.map(|tenant| tenant.as_bytes().to_vec()))
    .bind(new.name.as_str())
    .bind(new.version.as_str())
    .bind(hash.0.as_slice())
    .bind(i64::from(stamp.era))
    .bind(stored(stamp.n))
    .bind(now.0)
    .execute(&mut *tx.connection)
    .await?;
    Ok(())
}

fn module(row: &AnyRow) -> Result<Module, StoreError> {
    Ok(Module {
        hash: row.hash("hash")?,
        tenant: row.maybe_id("tenant_id", TenantId::from_bytes)?,
        name: row.text("name")?,
        version: row.text("version")?,
        released: row.moment("released_ms")?,
    })
}
