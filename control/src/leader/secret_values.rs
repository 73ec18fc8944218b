//! The values of secrets while a process leads: opened once, and sealed for each host that is to run a check by them.
//!
//! Which checks name which secrets is in the book. Nothing here is told to anybody but the host that it is sealed for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use farwatch_identity::SealingKey;
use farwatch_proto::check::{Definition, SecretVersion};
use farwatch_proto::id::{CheckId, TenantId};
use farwatch_proto::time::UnixMs;

use crate::store::{ConfigChange, Entity};
use crate::vault::{Opened, Vault};

/// The values of one tenant, by name and version.
pub(super) type ValuesOfTenant = BTreeMap<(String, u32), Opened>;

/// Values by tenant, name and version.
#[derive(Default)]
pub(super) struct SecretValues(BTreeMap<TenantId, ValuesOfTenant>);

impl fmt::Debug for SecretValues {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

impl SecretValues {
    /// Opens the secrets of these definitions, where that was not done yet, and anew those of tenants that were changed: a
    /// name that was deleted begins again at version 1, with another value.
    pub(super) async fn learn<'d>(
        &mut self,
        definitions: impl Iterator<Item = &'d Definition>,
        changes: &[ConfigChange],
        vault: &Vault,
        now: UnixMs,
    ) -> anyhow::Result<()> {
        let mut tenants = self.missing(definitions);
        tenants.extend(changes.iter().filter_map(|change| match change.entity {
            Entity::Tenant(tenant) => Some(tenant).filter(|tenant| self.0.contains_key(tenant)),
            _ => None,
        }));
        for tenant in tenants {
            self.0.insert(tenant, vault.values(tenant, now).await?);
        }
        Ok(())
    }

    /// The tenants of these definitions some of whose values are not here.
    fn missing<'d>(&self, definitions: impl Iterator<Item = &'d Definition>) -> BTreeSet<TenantId> {
        let lacks = |definition: &Definition| {
            let known = self.0.get(&definition.tenant);
            definition
                .secrets
                .iter()
                .any(|secret| known.is_none_or(|known| !known.contains_key(&(secret.name.clone(), secret.version))))
        };
        definitions.filter(|definition| lacks(definition)).map(|definition| definition.tenant).collect()
    }

    /// The definition with its secrets sealed for a host. Where there is no key or no value they stay empty: the host then
    /// says that the check is unknown, and why.
    pub(super) fn sealed_for(&self, host: Option<&SealingKey>, definition: &Definition) -> Definition {
        let mut sealed = definition.clone();
        seal(&mut sealed.secrets, host, (definition.tenant, definition.check), self.0.get(&definition.tenant));
        sealed
    }
}

/// Seals these secrets of a check for a host, as far as there are a key and values.
pub(super) fn seal(
    secrets: &mut [SecretVersion],
    host: Option<&SealingKey>,
    (tenant, check): (TenantId, CheckId),
    values: Option<&ValuesOfTenant>,
) {
    for secret in secrets {
        let value = values.and_then(|values| values.get(&(secret.name.clone(), secret.version)));
        let belongs_to = secret.belongs_to(tenant, check);
        let for_host = host.zip(value).and_then(|(host, value)| host.seal(&belongs_to, value));
        secret.sealed = for_host.unwrap_or_default();
    }
}
