//! Has modules judge the configs they are given, in the sandbox, before a check is accepted.
//!
//! What a module says is wrong is passed on in its own words, with its pointers moved to where the config
//! stands in the body. A module that fails to judge is refused like a bad config; it harms nobody.

use std::sync::Arc;

use farwatch_proto::id::{ModuleHash, TenantId};
use farwatch_sandbox::{Fault, FreshCode, ModuleError, Refusal, Sandbox, SandboxConfig, Stop, Trial};
use serde_json::Value;
use tokio::sync::Semaphore;
use tracing::warn;

use super::problem::ApiError;
use crate::builtin::ModuleDescription;
use crate::heartbeat;
use crate::module_rules::{self, BrokenRule};
use crate::spec::{FieldProblem, ModuleName};
use crate::store::{Module, Store};

/// Where the module and its config stand in the body of a check.
const MODULE: &str = "/module";
const CONFIG: &str = "/config";

/// Modules that are named to whoever names another: all that come with Farwatch, and some more.
const KNOWN_NAMED_MAX: usize = 50;

/// What is acceptable, or everything wrong with it.
pub(crate) type Judged<T> = Result<T, Vec<FieldProblem>>;

/// See the file's documentation. Cheap to clone.
#[derive(Clone)]
pub struct ModuleJudge {
    store: Store,
    sandbox: Sandbox,
    /// As many as the sandbox has run places: who comes later waits instead of being refused.
    places: Arc<Semaphore>,
}

impl ModuleJudge {
    /// A judge with a sandbox of [`SandboxConfig::CONTROL_RUN_PLACES`] run places.
    pub fn new(store: Store, sandbox: Sandbox) -> Self {
        Self { store, sandbox, places: Arc::new(Semaphore::new(SandboxConfig::CONTROL_RUN_PLACES as usize)) }
    }

    /// The module that this tenant means.
    pub(super) async fn resolve(&self, tenant: TenantId, said: &str) -> Result<Judged<ModuleHash>, ApiError> {
        let name: ModuleName = match said.parse() {
            Ok(name) => name,
            Err(bad) => return Ok(Err(vec![FieldProblem::new(MODULE, format!("{said:?}: {bad}"))])),
        };
        let (found, known) = match &name {
            ModuleName::Exactly(hash) => {
                let visible = self.store.modules().list_visible_to(tenant).await?;
                (visible.iter().find(|module| module.hash == *hash).cloned(), visible)
            }
            ModuleName::Latest(word) | ModuleName::Version(word, _) | ModuleName::Range(word, _) => {
                let named = self.store.modules().named(tenant, word).await?;
                let held = self.store.rollouts().held(tenant).await?;
                (meant(&name, &named, |module| held.contains_key(&module.hash)), named)
            }
        };
        match found {
            Some(module) => Ok(Ok(module.hash)),
            None => Ok(Err(vec![self.unknown(tenant, said, known).await?])),
        }
    }

    /// What is known instead: other versions of the same name, or else other names.
    async fn unknown(&self, tenant: TenantId, said: &str, of_name: Vec<Module>) -> Result<FieldProblem, ApiError> {
        let known = if of_name.is_empty() { self.store.modules().list_visible_to(tenant).await? } else { of_name };
        let mut known: Vec<String> = known.iter().map(|module| format!("{}@{}", module.name, module.version)).collect();
        known.sort();
        known.truncate(KNOWN_NAMED_MAX);
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Ok(FieldProblem::new(MODULE, format!("there is no module {said}; known are {known}")))
    }

    /// The config as the module prepares it for its runs.
    pub(crate) async fn prepare(&self, hash: ModuleHash, config: &Value) -> Result<Judged<Vec<u8>>, ApiError> {
        if self.is_called(hash).await? {
            let within =
                |problems: Vec<FieldProblem>| problems.into_iter().map(|problem| problem.within(CONFIG)).collect();
            return Ok(heartbeat::prepare(config).map_err(within));
        }
        let _place = self.places.acquire().await.map_err(|_| ApiError::Unavailable("stopping".to_owned()))?;
        let module = match self.loaded(hash).await? {
            Ok(module) => module,
            Err(problems) => return Ok(Err(problems)),
        };
        match self.sandbox.validate(&module, &config.to_string()).await {
            Ok(Ok(prepared)) => Ok(Ok(prepared.config)),
            Ok(Err(problems)) => Ok(Err(problems.into_iter().map(in_config).collect())),
            Err(stop) => stopped(&stop),
        }
    }

    /// What a module is that somebody brings. Nothing of it stays here unless [`Self::keep`] is told to.
    pub(super) async fn inspect(&self, bytes: Vec<u8>) -> Result<(ModuleDescription, Trial), ApiError> {
        let trial = self.sandbox.on_trial(bytes).await.map_err(unacceptable)?;
        let _place = self.places.acquire().await.map_err(|_| ApiError::Unavailable("stopping".to_owned()))?;
        let told = self.sandbox.describe(&trial.module).await.map_err(|stop| match stop.code.fault() {
            Fault::Module => ApiError::Refused {
                code: stop.code.as_str(),
                detail: format!("the module does not say what it is: {}", stop.message),
            },
            Fault::Host => ApiError::Unavailable(format!("this process cannot run modules just now: {stop}")),
        })?;
        let judged = module_rules::judge(&told, trial.module.imports());
        let description = judged.map_err(|BrokenRule { code, detail }| ApiError::Refused { code, detail })?;
        Ok((description, trial))
    }

    /// Keeps the code of a module that was taken in. Where that fails it is compiled once more.
    pub(super) async fn keep(&self, code: FreshCode) {
        if let Err(error) = self.sandbox.keep(code).await {
            warn!(%error, "the code of a module is not kept");
        }
    }

    /// Whether nothing runs this module, because jobs call control instead.
    pub(super) async fn is_called(&self, hash: ModuleHash) -> Result<bool, ApiError> {
        let unreadable = |error| ApiError::Internal(format!("the description of {hash}: {error}"));
        let Some(description) = self.store.modules().description(hash).await? else { return Ok(false) };
        let told: ModuleDescription = serde_json::from_str(&description).map_err(unreadable)?;
        Ok(told.is_called)
    }

    /// The module, brought from the store where the sandbox does not have it.
    async fn loaded(&self, hash: ModuleHash) -> Result<Judged<farwatch_sandbox::Module>, ApiError> {
        let mut loaded = self.sandbox.load(hash).await;
        if matches!(loaded, Err(ModuleError::Missing(_) | ModuleError::Corrupt(_))) {
            self.bring(hash).await?;
            loaded = self.sandbox.load(hash).await;
        }
        match loaded {
            Ok(module) => Ok(Ok(module)),
            Err(ModuleError::Refused(refusal)) => {
                let detail = format!("this module cannot be run: {}", refusal.message);
                Ok(Err(vec![FieldProblem::new(MODULE, detail)]))
            }
            Err(other) => Err(ApiError::Unavailable(format!("this process cannot load the module now: {other}"))),
        }
    }

    async fn bring(&self, hash: ModuleHash) -> Result<(), ApiError> {
        let lost = || ApiError::Internal(format!("the store has no bytes of {hash}"));
        let bytes = self.store.modules().bytes(hash).await?.ok_or_else(lost)?;
        let saved = self.sandbox.save(hash, bytes).await;
        saved.map_err(|error| ApiError::Unavailable(format!("this process cannot keep the module: {error}")))
    }
}

/// The release that is meant by a name: one of the tenant's own, or else one that is built in. Whoever leaves the version
/// open means none that is held back, unless there is no other.
fn meant(name: &ModuleName, named: &[Module], is_held: impl Fn(&Module) -> bool) -> Option<Module> {
    let own = named.iter().take_while(|module| module.tenant.is_some()).count();
    let (own, builtin) = named.split_at(own);
    let of_group = |group: &[Module]| {
        let free: Vec<Module> = group.iter().filter(|module| !is_held(module)).cloned().collect();
        let tries = if name.is_open() { [free.as_slice(), group] } else { [group, &[]] };
        tries.into_iter().find_map(|some| name.choose(some, |module| &module.version).cloned())
    };
    [own, builtin].into_iter().find_map(of_group)
}

fn unacceptable(error: ModuleError) -> ApiError {
    match error {
        ModuleError::Refused(Refusal { code, message }) => ApiError::Refused { code, detail: message },
        other => ApiError::Unavailable(format!("this process cannot take in modules just now: {other}")),
    }
}

fn in_config(problem: farwatch_sandbox::types::Problem) -> FieldProblem {
    FieldProblem::new(problem.field.unwrap_or_default(), problem.message).within(CONFIG)
}

fn stopped(stop: &Stop) -> Result<Judged<Vec<u8>>, ApiError> {
    match stop.code.fault() {
        Fault::Module => {
            let detail = format!("the module could not judge this config ({stop}); simplify it, or tell its author");
            Ok(Err(vec![FieldProblem::new(CONFIG, detail)]))
        }
        Fault::Host => Err(ApiError::Unavailable(format!("this process cannot run modules just now: {stop}"))),
    }
}
