//! What this host holds: definitions, views and loaded modules, as one snapshot that shards read.
//!
//! A snapshot never changes; a change makes the next one. What the host owes by it is decided in `core`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use farwatch_core::held::Held;
use farwatch_core::holding::digest_of_all;
use farwatch_core::ownership::{Readiness, Views};
use farwatch_proto::check::Definition;
use farwatch_proto::id::{CheckId, ModuleHash};
use farwatch_sandbox::Module;

use crate::secrets::{Opener, Secrets};

/// Everything, at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holdings {
    pub(crate) checks: Arc<HashMap<CheckId, Arc<Held>>>,
    pub(crate) modules: Arc<HashMap<ModuleHash, Module>>,
    /// Modules that will never load on this host.
    pub(crate) refused: Arc<BTreeMap<ModuleHash, String>>,
    pub(crate) views: Arc<Views>,
    /// The secrets of revisions that have any.
    secrets: Arc<HashMap<(CheckId, u32), Arc<Secrets>>>,
}

impl Holdings {
    /// The same with other definitions, whose secrets are opened where they were not before.
    #[must_use]
    pub(crate) fn with_checks(&self, checks: HashMap<CheckId, Arc<Held>>, opener: &Opener) -> Self {
        let mut secrets = HashMap::new();
        let definitions = checks.values().flat_map(|held| held.revisions());
        for definition in definitions.filter(|definition| !definition.secrets.is_empty()) {
            let key = (definition.check, definition.revision);
            let opened = self.secrets.get(&key).cloned().filter(|opened| opened.len() == definition.secrets.len());
            secrets.insert(key, opened.unwrap_or_else(|| Arc::new(opener.open(definition))));
        }
        Self { checks: Arc::new(checks), secrets: Arc::new(secrets), ..self.clone() }
    }

    /// The secrets of a revision.
    pub(crate) fn secrets(&self, check: CheckId, revision: u32) -> Option<&Secrets> {
        self.secrets.get(&(check, revision)).map(AsRef::as_ref)
    }

    /// The same with one more module.
    #[must_use]
    pub(crate) fn with_module(&self, hash: ModuleHash, module: Module) -> Self {
        let mut modules = self.modules.as_ref().clone();
        modules.insert(hash, module);
        Self { modules: Arc::new(modules), ..self.clone() }
    }

    /// The same, knowing that this module will never load.
    #[must_use]
    pub(crate) fn with_refused(&self, hash: ModuleHash, reason: String) -> Self {
        let mut refused = self.refused.as_ref().clone();
        refused.insert(hash, reason);
        Self { refused: Arc::new(refused), ..self.clone() }
    }

    /// The same without what no held revision needs.
    #[must_use]
    pub(crate) fn without_unneeded_modules(&self) -> Self {
        let needed = self.needed_modules();
        let (mut modules, mut refused) = (self.modules.as_ref().clone(), self.refused.as_ref().clone());
        modules.retain(|hash, _| needed.contains(hash));
        refused.retain(|hash, _| needed.contains(hash));
        Self { modules: Arc::new(modules), refused: Arc::new(refused), ..self.clone() }
    }

    /// The same with other views.
    #[must_use]
    pub(crate) fn with_views(&self, views: Views) -> Self {
        Self { views: Arc::new(views), ..self.clone() }
    }

    /// Whether this module can be run.
    pub(crate) fn readiness(&self, module: &ModuleHash) -> Readiness {
        if self.refused.contains_key(module) {
            Readiness::Never
        } else if self.modules.contains_key(module) {
            Readiness::Ready
        } else {
            Readiness::NotYet
        }
    }

    /// What tells all definitions from any others.
    pub(crate) fn digest(&self) -> u64 {
        digest_of_all(self.checks.values().map(|held| held.digest()))
    }

    /// All definitions.
    pub(crate) fn definitions(&self) -> impl Iterator<Item = &Definition> {
        self.checks.values().flat_map(|held| held.revisions())
    }

    /// The longest window that a slot has here, in milliseconds.
    pub(crate) fn longest_window_ms(&self) -> i64 {
        self.definitions().map(|definition| definition.interval.ms()).max().unwrap_or(0)
    }

    /// The modules that any held revision needs.
    pub(crate) fn needed_modules(&self) -> BTreeSet<ModuleHash> {
        self.definitions().map(|definition| definition.module).collect()
    }
}
