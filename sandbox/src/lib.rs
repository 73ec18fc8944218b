//! Runs check modules, which are WASM components by anybody, so that they can harm nobody.
//!
//! A [`Sandbox`] keeps modules on disk by their hash ([`Sandbox::save`]), has them compiled in a child process
//! ([`compile_child`]), loads the code ([`Sandbox::load`]) and calls them: [`Sandbox::describe`] and
//! [`Sandbox::validate`] where checks are written, [`Sandbox::run`] where they are made. Every call has a fresh store
//! and ends within its [`Limits`]; whatever a module does comes back as a [`RunReport`], never as a failure of the host.
//!
//! This crate knows wasmtime, so that no other needs to. It knows no probe and no network: whoever runs a module brings
//! the [`Probes`] that stand behind its imports.
//!
//! ```no_run
//! # use farwatch_proto::id::ModuleHash;
//! # use farwatch_sandbox::*;
//! # use std::time::Duration;
//! # async fn example(probes: &mut impl Probes, bytes: Vec<u8>, context: RunContext) -> Result<(), Box<dyn std::error::Error>> {
//! let sandbox = Sandbox::new(SandboxConfig {
//!     directory: "/var/lib/farwatch/sandbox".into(),
//!     run_places: SandboxConfig::HOST_RUN_PLACES,
//!     loaded_modules: SandboxConfig::LOADED_MODULES,
//!     compile: CompileCommand {
//!         program: std::env::current_exe()?,
//!         arguments: vec!["compile-module".to_owned()],
//!         wall: CompileCommand::WALL,
//!     },
//! })?;
//! let hash = ModuleHash::of(&bytes);
//! sandbox.save(hash, bytes).await?;
//! let module = sandbox.load(hash).await?;
//! let limits = Limits::for_run(module.tier(), Duration::from_secs(3));
//! let report = sandbox.run(&module, probes, &context, &limits).await;
//! # Ok(()) }
//! ```

mod answer;
mod bindings;
mod budget;
mod clock;
pub mod compile_child;
mod compiler;
mod disk;
mod engine;
mod exchange;
mod gate;
mod limits;
mod log;
mod meter;
mod module;
mod modules;
mod run;
mod spawn;
mod state;
mod stop;
mod ticker;
mod turn;
mod wasi;

use std::path::PathBuf;
use std::sync::Arc;

use farwatch_proto::id::ModuleHash;
use wasmtime::component::Linker;

pub use crate::budget::Payer;
pub use crate::compiler::CompileCommand;
pub use crate::gate::{Refusal, admit, imports};
pub use crate::limits::{Limits, MODULE_BYTES_MAX, Tier};
pub use crate::log::{Level, Log, LogLine};
pub use crate::module::Module;
pub use crate::modules::{FreshCode, ModuleError, Trial};
pub use crate::run::{Probes, RunEnd, RunReport};
pub use crate::stop::{Fault, Stop, StopCode};
pub use crate::wasi::sockets::SocketGate;

pub use crate::bindings::exports::farwatch::check::check::{Description, Prepared, RunContext};
/// The records of `wit/http.wit`.
pub mod http {
    pub use crate::bindings::farwatch::check::http::{Request, Response, Version, Want};
}
/// The records of `wit/tcp.wit`.
pub mod tcp {
    pub use crate::bindings::farwatch::check::tcp::{Ended, Evidence, Received, Target, TlsOptions, Until};
}
/// The records of `wit/udp.wit`.
pub mod udp {
    pub use crate::bindings::farwatch::check::udp::{Request, Response};
}
/// The records of `wit/dns.wit`.
pub mod dns {
    pub use crate::bindings::farwatch::check::dns::{Entry, Request, Response, Transport};
}
/// The records of `wit/tls.wit`.
pub mod tls {
    pub use crate::bindings::farwatch::check::tls::{Handshake, Offer, OldVersion, Reply, Target};
}
/// The records of `wit/icmp.wit`.
pub mod icmp {
    pub use crate::bindings::farwatch::check::icmp::{Request, Response};
}
/// The records of `wit/types.wit`.
pub mod types {
    pub use crate::bindings::farwatch::check::types::{
        Attribute, ClientIdentity, Failure, IpVersion, Outcome, Phase, PhaseTimes, Problem, Status, TlsInfo, Value,
    };
}

use crate::budget::Budget;
use crate::disk::Disk;
use crate::modules::Modules;
use crate::run::Room;

/// The probes that a module may import, by the names of capabilities.
pub fn probe_names() -> impl Iterator<Item = &'static str> {
    state::PROBES.iter().map(|(_, name)| *name)
}

/// What a sandbox must be told.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// Where modules and their code are kept. Nobody else may write there; it is made if it is missing.
    pub directory: PathBuf,
    /// Calls of modules that can be under way at once. Each takes 8 GiB of address space, and memory only while it
    /// runs. What comes beyond is stopped as `no-run-place`, so whoever asks counts for itself.
    pub run_places: u32,
    /// Modules that stay loaded. The one that was not asked for longest is dropped, and loaded again when needed.
    pub loaded_modules: usize,
    /// The program that compiles.
    pub compile: CompileCommand,
}

impl SandboxConfig {
    /// For a host that runs checks all the time.
    pub const HOST_RUN_PLACES: u32 = 512;
    /// For a process that only describes modules and validates configs.
    pub const CONTROL_RUN_PLACES: u32 = 4;
    /// Enough for every built-in module and those of many customers.
    pub const LOADED_MODULES: usize = 256;
}

/// Why a sandbox could not be made.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address space for the run places is not to be had.
    #[error(
        "cannot reserve address space for {places} run places: {reason}; use fewer, or lift `ulimit -v` and \
         `vm.overcommit_memory=2`"
    )]
    Reservation {
        /// How many were asked for.
        places: u32,
        /// What the system said.
        reason: String,
    },
    /// The directory cannot be used.
    #[error("cannot use {}: {error}", .directory.display())]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// wasmtime refuses its settings, or the system has no thread left.
    #[error("cannot start the WASM engine: {0}")]
    Engine(String),
}

/// See the crate's documentation. Cheap to clone; all clones are one sandbox.
#[derive(Clone)]
pub struct Sandbox {
    room: Room,
    modules: Arc<Modules>,
}

impl Sandbox {
    /// Makes a sandbox: reserves the address space, opens the directory, and starts the thread that interrupts guests.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn new(config: SandboxConfig) -> Result<Self, StartError> {
        let engine = engine::for_runs(config.run_places)?;
        let mut linker = Linker::new(&engine);
        state::link(&mut linker).map_err(|error| StartError::Engine(format!("{error:#}")))?;
        let disk = Disk::open(&config.directory, engine::key(&engine))
            .map_err(|error| StartError::Directory { directory: config.directory, error })?;
        ticker::start(&engine).map_err(|error| StartError::Engine(error.to_string()))?;
        let modules = Modules::new(engine.clone(), linker, disk, config.compile, config.loaded_modules);
        Ok(Self { room: Room { engine, budget: Arc::new(Budget::of_machine()) }, modules: Arc::new(modules) })
    }

    /// The same, whose runs may have so many bytes of memory together, instead of half of what the machine has, or of
    /// what the control group has in which this process is. The first 2 MiB of each run are not counted, and one payer has three quarters
    /// at most. What comes beyond
    /// is stopped as `no-run-memory`.
    #[must_use]
    pub fn with_memory(mut self, bytes: usize) -> Self {
        self.room.budget = Arc::new(Budget::new(bytes));
        self
    }

    /// Keeps the bytes of a module on disk.
    ///
    /// # Errors
    /// When the bytes have another hash, or are refused, or cannot be written.
    pub async fn save(&self, hash: ModuleHash, bytes: Vec<u8>) -> Result<(), ModuleError> {
        self.modules.save(hash, bytes).await
    }

    /// Whether the bytes of a module are on disk. They are verified when they are used.
    pub fn has(&self, hash: &ModuleHash) -> bool {
        self.modules.has(hash)
    }

    /// The bytes of a module from disk, verified.
    ///
    /// # Errors
    /// When they are not there, or damaged, or cannot be read.
    pub async fn bytes(&self, hash: ModuleHash) -> Result<Vec<u8>, ModuleError> {
        self.modules.bytes(hash).await
    }

    /// Loads a module, having it compiled first where that was not yet done. Those who ask for one module at the same
    /// time share the work.
    ///
    /// # Errors
    /// See [`ModuleError`]. A refusal is remembered; everything else is tried again when asked again.
    pub async fn load(&self, hash: ModuleHash) -> Result<Module, ModuleError> {
        self.modules.get(hash).await
    }

    /// Compiles and loads bytes that somebody brings, to see what they are. Nothing is kept of them.
    ///
    /// # Errors
    /// When they are refused, or this host failed.
    pub async fn on_trial(&self, bytes: Vec<u8>) -> Result<Trial, ModuleError> {
        self.modules.on_trial(bytes).await
    }

    /// Keeps the code of a module that was on trial, so that it need not be compiled again to be loaded.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn keep(&self, code: FreshCode) -> Result<(), ModuleError> {
        self.modules.keep(code).await
    }

    /// How many modules are loaded, or remembered as refused.
    pub fn loaded_count(&self) -> usize {
        self.modules.loaded_count()
    }

    /// Asks a module what it is.
    ///
    /// # Errors
    /// When the call was stopped.
    pub async fn describe(&self, module: &Module) -> Result<Description, Stop> {
        run::describe(&self.room, module).await
    }

    /// Has a module judge a config, which is JSON text, and prepare it for its runs.
    ///
    /// # Errors
    /// Outside: the call was stopped. Inside: what the module finds wrong with the config.
    pub async fn validate(&self, module: &Module, config: &str) -> Result<Result<Prepared, Vec<types::Problem>>, Stop> {
        run::validate(&self.room, module, config).await
    }

    /// Makes one run of a module. Dropping the future ends the run and its probes at once.
    pub async fn run<P: Probes>(
        &self,
        module: &Module,
        probes: &mut P,
        context: &RunContext,
        limits: &Limits,
    ) -> RunReport {
        run::run(&self.room, module, probes, context, limits).await
    }
}
