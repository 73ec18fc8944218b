//! The check modules that every Farwatch brings along.
//!
//! Their bytes are part of the program; at every start they are put into the store, where hosts and the API
//! find them like any other module. They get no privilege: what a module may do is decided when it runs.

use anyhow::Context;
use farwatch_proto::id::ModuleHash;
use farwatch_proto::time::UnixMs;
use farwatch_sandbox::{Description, Sandbox};
use serde::{Deserialize, Serialize};

use crate::heartbeat;
use crate::store::{AuditEntry, NewModule, Store, StoreError, Unique};

/// The components by their names, as `setup/build-guests.sh` makes them.
const COMPONENTS: &[(&str, &[u8])] = &include!(concat!(env!("OUT_DIR"), "/components.rs"));
/// Hex digits of a hash that tell apart two builds of one version.
const BUILD_DIGITS: usize = 8;

/// What a module says of itself, as the store keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModuleDescription {
    /// What it is called.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it checks, as one sentence.
    pub summary: String,
    /// The JSON Schema of its config.
    pub config_schema: serde_json::Value,
    /// The interfaces it needs.
    pub capabilities: Vec<String>,
    /// Whether nothing runs it, because jobs call control instead.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_called: bool,
}

impl ModuleDescription {
    /// What the module told the sandbox.
    pub fn of(told: Description) -> anyhow::Result<Self> {
        let config_schema = serde_json::from_str(&told.config_schema)
            .with_context(|| format!("the config schema of module {} is not JSON", told.name))?;
        let Description { name, version, summary, capabilities, .. } = told;
        Ok(Self { name, version, summary, config_schema, capabilities, is_called: false })
    }
}

/// The component of this name that is part of the program.
pub fn component(name: &str) -> Option<&'static [u8]> {
    COMPONENTS.iter().find(|(known, _)| *known == name).map(|(_, bytes)| *bytes)
}

/// Whether a module of this name is built in.
pub fn is_name(name: &str) -> bool {
    name == heartbeat::NAME || component(name).is_some()
}

/// Puts every built-in module into the store, unless it is there, and returns their hashes.
pub async fn install(store: &Store, sandbox: &Sandbox, now: UnixMs) -> anyhow::Result<Vec<ModuleHash>> {
    let mut installed = Vec::with_capacity(COMPONENTS.len());
    for &(_, bytes) in COMPONENTS {
        installed.push(install_one(store, sandbox, bytes, now).await.context("cannot install a built-in module")?);
    }
    install_heartbeat(store, now).await?;
    Ok(installed)
}

/// The one module without code: its bytes are what it says of itself, so that it has a hash like any other.
async fn install_heartbeat(store: &Store, now: UnixMs) -> anyhow::Result<()> {
    let description = heartbeat::description();
    let bytes = serde_json::to_vec(&description)?;
    match store.modules().description(ModuleHash::of(&bytes)).await? {
        Some(_) => Ok(()),
        None => release(store, &description, bytes, now).await,
    }
}

async fn install_one(
    store: &Store,
    sandbox: &Sandbox,
    bytes: &'static [u8],
    now: UnixMs,
) -> anyhow::Result<ModuleHash> {
    let hash = ModuleHash::of(bytes);
    if store.modules().description(hash).await?.is_some() {
        return Ok(hash);
    }
    let description = describe(sandbox, hash, bytes).await?;
    release(store, &description, bytes.to_vec(), now).await?;
    Ok(hash)
}

async fn release(store: &Store, description: &ModuleDescription, bytes: Vec<u8>, now: UnixMs) -> anyhow::Result<()> {
    let hash = ModuleHash::of(&bytes);
    let mut module = NewModule {
        tenant: None,
        name: description.name.clone(),
        version: description.version.clone(),
        description: serde_json::to_string(description)?,
        bytes,
    };
    let signed = store.signed(AuditEntry::of_house("module.release", hash.to_string(), now));
    match signed.modules().put(&module, now).await {
        // Another build of this version is released already; checks that name it keep it.
        Err(StoreError::Conflict(Unique::ModuleVersion)) => {
            module.version = format!("{}+{}", description.version, &hash.hex()[..BUILD_DIGITS]);
            signed.modules().put(&module, now).await?;
        }
        put => {
            put?;
        }
    }
    Ok(())
}

async fn describe(sandbox: &Sandbox, hash: ModuleHash, bytes: &'static [u8]) -> anyhow::Result<ModuleDescription> {
    sandbox.save(hash, bytes.to_vec()).await?;
    let module = sandbox.load(hash).await?;
    ModuleDescription::of(sandbox.describe(&module).await?)
}
