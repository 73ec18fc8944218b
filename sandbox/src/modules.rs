//! The modules of one process: on disk, compiled, and loaded.
//!
//! Whoever asks for a module gets it, whether it is loaded, compiled, or only there as bytes; those who ask for the same
//! one at the same time wait for the same work. It fetches nothing: bytes are brought to it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use farwatch_proto::id::ModuleHash;
use tokio::sync::{OnceCell, Semaphore};
use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::compiler::{self, CompileCommand, CompileError};
use crate::disk::{Code, Disk, Partial, Stored};
use crate::gate::{self, Refusal};
use crate::limits::Tier;
use crate::module::{LoadError, Module};
use crate::spawn;
use crate::state::GuestState;
use crate::stop::is_of_system;

/// Compilations at once. The compiler would take every processor that the runs of checks need.
const COMPILES_MAX: usize = 1;

/// Why a module is not to be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ModuleError {
    /// Its bytes are not on this disk. They can be fetched and saved.
    #[error("the module {0} is not here")]
    Missing(ModuleHash),
    /// Its bytes on this disk were damaged, and have been removed. They can be fetched and saved again.
    #[error("the module {0} was damaged on disk and has been removed")]
    Corrupt(ModuleHash),
    /// The bytes that came under its name have another.
    #[error("the bytes that came as module {expected} are those of {found}")]
    WrongHash {
        /// The name they came under.
        expected: ModuleHash,
        /// The name they should have.
        found: ModuleHash,
    },
    /// It is not acceptable, here or anywhere.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// This host failed. Another attempt may succeed.
    #[error("cannot load the module: {0}")]
    Host(String),
}

impl From<std::io::Error> for ModuleError {
    fn from(error: std::io::Error) -> Self {
        Self::Host(error.to_string())
    }
}

impl From<CompileError> for ModuleError {
    fn from(error: CompileError) -> Self {
        match error {
            CompileError::Refused(refusal) => Self::Refused(refusal),
            CompileError::Host(reason) => Self::Host(reason),
        }
    }
}

/// A module that was compiled to see what it is.
pub struct Trial {
    /// It, loaded.
    pub module: Module,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its code, for [`Sandbox::keep`](crate::Sandbox::keep).
    pub code: FreshCode,
}

/// Compiled code that is not kept yet. It vanishes unless it is.
pub struct FreshCode {
    hash: ModuleHash,
    tier: Tier,
    partial: Partial,
}

/// A module that is loaded, or known to be unacceptable: either way for good.
type Verdict = Result<Module, Refusal>;

/// One module that was asked for.
struct Entry {
    asked: Arc<Asked>,
    /// The count of requests when it was last asked for.
    used: u64,
}

/// What became of a module that was asked for, if that is known already.
#[derive(Default)]
struct Asked {
    verdict: OnceCell<Verdict>,
    /// Whether somebody finds it out, whoever waits for that. All others find it out only while they wait.
    is_found_out: AtomicBool,
}

/// The modules that were asked for last.
#[derive(Default)]
struct Loaded {
    entries: HashMap<ModuleHash, Entry>,
    requests: u64,
}

/// See the file's documentation.
pub(crate) struct Modules {
    engine: Engine,
    linker: Linker<GuestState>,
    disk: Disk,
    command: CompileCommand,
    compiles: Semaphore,
    loaded_max: usize,
    loaded: Mutex<Loaded>,
}

impl Modules {
    pub(crate) fn new(
        engine: Engine,
        linker: Linker<GuestState>,
        disk: Disk,
        command: CompileCommand,
        loaded_max: usize,
    ) -> Self {
        let (compiles, loaded) = (Semaphore::new(COMPILES_MAX), Mutex::default());
        Self { engine, linker, disk, command, compiles, loaded_max, loaded }
    }

    /// Whether the bytes of a module are on disk.
    pub(crate) fn has(&self, hash: &ModuleHash) -> bool {
        self.disk.has(hash)
    }

    /// Keeps the bytes of a module, if they are what they are called and acceptable.
    pub(crate) async fn save(self: &Arc<Self>, expected: ModuleHash, bytes: Vec<u8>) -> Result<(), ModuleError> {
        let modules = Arc::clone(self);
        spawn::blocking(move || {
            let found = ModuleHash::of(&bytes);
            if found != expected {
                return Err(ModuleError::WrongHash { expected, found });
            }
            gate::admit(&bytes)?;
            Ok(modules.disk.write_module(&expected, &bytes)?)
        })
        .await
    }

    /// The bytes of a module, verified.
    pub(crate) async fn bytes(self: &Arc<Self>, hash: ModuleHash) -> Result<Vec<u8>, ModuleError> {
        let modules = Arc::clone(self);
        spawn::blocking(move || match modules.disk.read_module(&hash)? {
            Stored::Bytes(bytes) => Ok(bytes),
            Stored::Missing => Err(ModuleError::Missing(hash)),
            Stored::Corrupt => Err(ModuleError::Corrupt(hash)),
        })
        .await
    }

    /// A module, loaded. It is made ready also where whoever asks does not wait for that: compiling an interpreter takes
    /// longer than most have, and those who ask again would begin again.
    pub(crate) async fn get(self: &Arc<Self>, hash: ModuleHash) -> Result<Module, ModuleError> {
        let asked = self.asked(hash);
        if let Some(verdict) = asked.verdict.get() {
            return verdict.clone().map_err(ModuleError::Refused);
        }
        let verdict = if asked.is_found_out.swap(true, Ordering::Relaxed) {
            self.verdict(hash, &asked).await
        } else {
            let modules = Arc::clone(self);
            spawn::to_its_end(async move {
                let verdict = modules.verdict(hash, &asked).await;
                asked.is_found_out.store(false, Ordering::Relaxed);
                verdict
            })
            .await
        };
        verdict?.map_err(ModuleError::Refused)
    }

    async fn verdict(self: &Arc<Self>, hash: ModuleHash, asked: &Asked) -> Result<Verdict, ModuleError> {
        let verdict = asked.verdict.get_or_try_init(|| async {
            match self.load(hash).await {
                Ok(module) => Ok(Ok(module)),
                Err(ModuleError::Refused(refusal)) => Ok(Err(refusal)),
                Err(passing) => Err(passing),
            }
        });
        verdict.await.cloned()
    }

    /// The place of a module among the loaded ones. The one that was not asked for longest makes room.
    fn asked(&self, hash: ModuleHash) -> Arc<Asked> {
        let mut loaded = self.loaded();
        loaded.requests += 1;
        let used = loaded.requests;
        if let Some(entry) = loaded.entries.get_mut(&hash) {
            entry.used = used;
            return Arc::clone(&entry.asked);
        }
        if loaded.entries.len() >= self.loaded_max {
            let oldest = loaded.entries.iter().min_by_key(|(_, entry)| entry.used).map(|(hash, _)| *hash);
            oldest.and_then(|hash| loaded.entries.remove(&hash));
        }
        let asked = Arc::<Asked>::default();
        loaded.entries.insert(hash, Entry { asked: Arc::clone(&asked), used });
        asked
    }

    /// How many modules are loaded or known to be unacceptable.
    pub(crate) fn loaded_count(&self) -> usize {
        self.loaded().entries.len()
    }

    async fn load(self: &Arc<Self>, hash: ModuleHash) -> Result<Module, ModuleError> {
        if let Some(module) = self.load_compiled(hash).await? {
            return Ok(module);
        }
        // The semaphore is never closed.
        let _permit = self.compiles.acquire().await.map_err(|error| ModuleError::Host(error.to_string()))?;
        self.compile(hash).await?;
        let lost = || ModuleError::Host("the compiled code was lost at once".to_owned());
        self.load_compiled(hash).await?.ok_or_else(lost)
    }

    /// Compiles and loads bytes that nobody has vouched for. Nothing is kept of them: the code vanishes with what is
    /// returned, or before it is, whatever becomes of whoever waits for it.
    pub(crate) async fn on_trial(self: &Arc<Self>, bytes: Vec<u8>) -> Result<Trial, ModuleError> {
        let modules = Arc::clone(self);
        let (bytes, code) = spawn::blocking(move || {
            let tier = gate::admit(&bytes)?;
            let (hash, partial) = (ModuleHash::of(&bytes), modules.disk.new_code()?);
            Ok((bytes, FreshCode { hash, tier, partial }))
        })
        .await?;
        {
            let _permit = self.compiles.acquire().await.map_err(|error| ModuleError::Host(error.to_string()))?;
            compiler::compile(&self.command, &bytes, code.partial.file()?).await?;
        }
        let modules = Arc::clone(self);
        spawn::blocking(move || {
            let compiled = Code { path: code.partial.path().to_owned(), tier: code.tier };
            let module = modules.loaded_from(code.hash, &compiled)?;
            Ok(Trial { module, bytes, code })
        })
        .await
    }

    /// Keeps the code of a module that was on trial.
    pub(crate) async fn keep(self: &Arc<Self>, code: FreshCode) -> Result<(), ModuleError> {
        let modules = Arc::clone(self);
        spawn::blocking(move || Ok(modules.disk.publish_code(&code.hash, code.tier, code.partial)?)).await
    }

    fn loaded_from(&self, hash: ModuleHash, code: &Code) -> Result<Module, ModuleError> {
        match Module::load(&self.engine, &self.linker, hash, code) {
            Ok(module) => Ok(module),
            Err(LoadError::Types(error)) => Err(refused("module-types-differ", &error)),
            Err(LoadError::Code(error)) if is_of_system(&error) => Err(ModuleError::Host(format!("{error:#}"))),
            Err(LoadError::Code(error)) => Err(refused("module-too-complex", &error)),
        }
    }

    async fn load_compiled(self: &Arc<Self>, hash: ModuleHash) -> Result<Option<Module>, ModuleError> {
        let modules = Arc::clone(self);
        spawn::blocking(move || {
            let code = modules.disk.verified_code(&hash)?;
            code.map(|code| modules.loaded_from(hash, &code)).transpose()
        })
        .await
    }

    async fn compile(self: &Arc<Self>, hash: ModuleHash) -> Result<(), ModuleError> {
        let bytes = self.bytes(hash).await?;
        let modules = Arc::clone(self);
        let (bytes, tier, code) = spawn::blocking(move || {
            let tier = gate::admit(&bytes)?;
            Ok((bytes, tier, modules.disk.new_code()?))
        })
        .await?;
        compiler::compile(&self.command, &bytes, code.file()?).await?;
        let modules = Arc::clone(self);
        spawn::blocking(move || Ok(modules.disk.publish_code(&hash, tier, code)?)).await
    }

    fn loaded(&self) -> MutexGuard<'_, Loaded> {
        // Every change of the map is one step, so a panic elsewhere cannot have left half of one.
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refused(code: &'static str, error: &wasmtime::Error) -> ModuleError {
    ModuleError::Refused(Refusal::new(code, format!("the module does not fit `farwatch:check@0.1.0`: {error:#}")))
}
