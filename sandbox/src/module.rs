//! A module that is ready to run.

use std::fmt;
use std::sync::Arc;

use farwatch_proto::id::ModuleHash;
use wasmtime::Engine;
use wasmtime::component::{Component, ComponentExportIndex, Linker};

use crate::bindings::CheckModulePre;
use crate::disk::Code;
use crate::gate::EXPORT;
use crate::limits::Tier;
use crate::state::{GuestState, PROBES, SOCKETS};

/// A module that is ready to run. Cheap to clone; it keeps its code loaded for as long as a clone is held.
#[derive(Clone)]
pub struct Module {
    hash: ModuleHash,
    tier: Tier,
    /// The probes it imports, by their names.
    imports: Vec<&'static str>,
    pre: Arc<CheckModulePre<GuestState>>,
    run: ComponentExportIndex,
}

impl Module {
    /// The name of the module.
    pub fn hash(&self) -> ModuleHash {
        self.hash
    }

    /// How much its runs may take.
    pub fn tier(&self) -> Tier {
        self.tier
    }

    /// The probes it imports, and so can make, by the names of capabilities.
    pub fn imports(&self) -> impl Iterator<Item = &'static str> {
        self.imports.iter().copied()
    }

    /// Whether it imports `wasi:sockets`.
    pub(crate) fn has_sockets(&self) -> bool {
        self.imports.contains(&SOCKETS)
    }

    pub(crate) fn pre(&self) -> &CheckModulePre<GuestState> {
        &self.pre
    }

    /// Where its `run` is: what runs a module need not look up and compare all that it exports.
    pub(crate) fn run(&self) -> &ComponentExportIndex {
        &self.run
    }

    /// Loads compiled code that this host made itself, and checks its imports and exports against the treaty, types
    /// included.
    ///
    /// # Errors
    /// When the code is not for this engine, or the types of the module are not those of the treaty.
    pub(crate) fn load(
        engine: &Engine,
        linker: &Linker<GuestState>,
        hash: ModuleHash,
        code: &Code,
    ) -> Result<Self, LoadError> {
        // SAFETY: the file was written by this host's own compile child into a directory that only this user may
        // write. Either that was just now and for this very engine, or its name holds the engine's key and its checksum
        // was verified just before.
        #[allow(unsafe_code)]
        let component = unsafe { Component::deserialize_file(engine, &code.path) };
        let component = component.map_err(LoadError::Code)?;
        component.initialize_copy_on_write_image().map_err(LoadError::Code)?;
        let told = component.component_type();
        let is_imported =
            |interface: &str| told.imports(engine).any(|(name, _)| name.split('@').next() == Some(interface));
        let imports = PROBES.iter().filter(|(interface, _)| is_imported(interface)).map(|(_, name)| *name).collect();
        let pre = linker.instantiate_pre(&component).map_err(LoadError::Types)?;
        let pre = CheckModulePre::new(pre).map_err(LoadError::Types)?;
        let run = component.get_export_index(None, EXPORT);
        let run = run.and_then(|interface| component.get_export_index(Some(&interface), "run"));
        let run = run.ok_or_else(|| LoadError::Types(wasmtime::format_err!("`{EXPORT}` has no `run`")))?;
        Ok(Self { hash, tier: code.tier, imports, pre: Arc::new(pre), run })
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Module").field("hash", &self.hash).finish_non_exhaustive()
    }
}

/// Why compiled code could not be loaded.
pub(crate) enum LoadError {
    /// It is not for this engine, or it asks for more than the engine's pool has.
    Code(wasmtime::Error),
    /// Its imports or exports have other types than the treaty says.
    Types(wasmtime::Error),
}
