//! The secrets of tenants: each value sealed under the key of its tenant, and that key under the master key.
//!
//! A stolen database opens nothing. Values are opened here for two ends only: by the leader, to seal them for the hosts that
//! run a check, and by nobody else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::Context;
use farwatch_proto::id::TenantId;
use farwatch_proto::time::UnixMs;

use crate::seal::{KEY_BYTES, Sealer};
use crate::secret::random_bytes;
use crate::store::{NewSecret, SealedValue, Store};

/// What the key of a tenant is bound to.
const TENANT_KEY: &[u8] = b"tenant-key";

/// An opened value. It is never shown.
pub(crate) type Opened = Arc<[u8]>;

/// See the file's documentation.
pub struct Vault {
    store: Store,
    sealer: Arc<Sealer>,
    keys: Mutex<BTreeMap<TenantId, Arc<Sealer>>>,
}

impl Vault {
    /// The vault of this database under this master key, which must be the one that its keys were sealed under.
    pub async fn open(store: Store, sealer: Arc<Sealer>) -> anyhow::Result<Self> {
        let vault = Self { store, sealer, keys: Mutex::default() };
        if let Some((tenant, sealed)) = vault.store.secrets().any_tenant_key().await? {
            let key = vault.unwrapped(tenant, &sealed);
            key.context("the master-key file is not the one that the secrets of this database were sealed under")?;
        }
        Ok(vault)
    }

    /// Seals a value as this version of its name.
    pub async fn seal(
        &self,
        (tenant, name, version): (TenantId, &str, u32),
        value: &str,
        now: UnixMs,
    ) -> anyhow::Result<NewSecret> {
        let key = self.key(tenant, now).await?;
        let sealed = key.seal(&owner(tenant, name, version), value.as_bytes());
        Ok(NewSecret { tenant, name: name.to_owned(), version, sealed })
    }

    /// Every value of a tenant, by name and version.
    pub(crate) async fn values(
        &self,
        tenant: TenantId,
        now: UnixMs,
    ) -> anyhow::Result<BTreeMap<(String, u32), Opened>> {
        let key = self.key(tenant, now).await?;
        let mut opened = BTreeMap::new();
        for SealedValue { name, version, sealed } in self.store.secrets().values(tenant).await? {
            let value = key.open(&owner(tenant, &name, version), &sealed);
            let value = value.with_context(|| format!("the secret {name} of {tenant}"))?;
            opened.insert((name, version), value.into());
        }
        Ok(opened)
    }

    async fn key(&self, tenant: TenantId, now: UnixMs) -> anyhow::Result<Arc<Sealer>> {
        if let Some(key) = self.keys().get(&tenant) {
            return Ok(key.clone());
        }
        let fresh = self.sealer.seal(&owner_of_key(tenant), &random_bytes::<KEY_BYTES>());
        let sealed = self.store.secrets().tenant_key(tenant, &fresh, now).await?;
        let key = Arc::new(self.unwrapped(tenant, &sealed)?);
        self.keys().insert(tenant, key.clone());
        Ok(key)
    }

    fn unwrapped(&self, tenant: TenantId, sealed: &[u8]) -> anyhow::Result<Sealer> {
        let key = self.sealer.open(&owner_of_key(tenant), sealed)?;
        let key = key.first_chunk().context("the key of a tenant is too short")?;
        Ok(Sealer::of_key(key))
    }

    fn keys(&self) -> MutexGuard<'_, BTreeMap<TenantId, Arc<Sealer>>> {
        self.keys.lock().expect("no holder of this lock panics")
    }
}

fn owner_of_key(tenant: TenantId) -> Vec<u8> {
    [TENANT_KEY, tenant.as_bytes()].concat()
}

fn owner(tenant: TenantId, name: &str, version: u32) -> Vec<u8> {
    [tenant.as_bytes().as_slice(), &version.to_be_bytes(), name.as_bytes()].concat()
}
