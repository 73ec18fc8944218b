//! Why a call of a module ended without an answer of its own.
//!
//! Each reason has one stable code, and says whose fault it is: a run that its module spoiled covers its slot, for
//! running it again would end the same way; a run that the host spoiled covers nothing.

use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Trap};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi_http::FieldMapError;

use crate::meter::Refused;

/// Whose fault it is that a call gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The module's.
    Module,
    /// This host's.
    Host,
}

/// The reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StopCode {
    /// The guest trapped: a panic, an access out of bounds, a division by zero.
    Trapped,
    /// The guest called too deeply.
    StackOverflow,
    /// The guest computed for longer than its limit.
    CpuLimit,
    /// The call took longer than its limit. Only the host can tell whether that was because it was itself paused.
    Deadline,
    /// The guest trapped, or could not start, because it was refused memory.
    MemoryLimit,
    /// The guest trapped, or could not start, because it was refused elements of a table.
    TableLimit,
    /// The guest asked for too much randomness.
    EntropyLimit,
    /// The guest held too many resources at once.
    HandleLimit,
    /// The guest left by `exit`, which is no answer, whatever its status.
    Exited,
    /// The guest handed over more data at once than the host takes.
    DataLimit,
    /// More went over one socket of the guest than may.
    SocketLimit,
    /// The guest's answer breaks the rules of `wit/`, for instance by a malformed code.
    AnswerInvalid,
    /// All places for runs are taken.
    NoRunPlace,
    /// The guest trapped, or could not start, because all runs of this host together have the memory that they may.
    NoRunMemory,
    /// The host failed in a way that no guest should be able to bring about.
    HostFailed,
}

impl StopCode {
    /// The code as results carry it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trapped => "module-trapped",
            Self::StackOverflow => "stack-overflow",
            Self::CpuLimit => "cpu-limit",
            Self::Deadline => "deadline",
            Self::MemoryLimit => "memory-limit",
            Self::TableLimit => "table-limit",
            Self::EntropyLimit => "entropy-limit",
            Self::HandleLimit => "handle-limit",
            Self::Exited => "module-exited",
            Self::DataLimit => "data-limit",
            Self::SocketLimit => "socket-limit",
            Self::AnswerInvalid => "answer-invalid",
            Self::NoRunPlace => "no-run-place",
            Self::NoRunMemory => "no-run-memory",
            Self::HostFailed => "host-failed",
        }
    }

    /// Whose fault it is.
    pub fn fault(self) -> Fault {
        match self {
            Self::NoRunPlace | Self::NoRunMemory | Self::HostFailed => Fault::Host,
            _ => Fault::Module,
        }
    }
}

/// Why a call was stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", .code.as_str())]
pub struct Stop {
    /// The reason.
    pub code: StopCode,
    /// The same as one sentence for the author of the module, or for the operator of the host.
    pub message: String,
}

impl Stop {
    pub(crate) fn new(code: StopCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// Reads the reason from the error by which wasmtime ended a call.
    pub(crate) fn from_error(error: &wasmtime::Error, refused: Option<Refused>) -> Self {
        if let Some(too_much) = error.downcast_ref::<TooMuch>() {
            return Self::new(too_much.code(), too_much.to_string());
        }
        if let Some(I32Exit(status)) = error.downcast_ref() {
            let message = format!("the module called exit with status {status} instead of answering");
            return Self::new(StopCode::Exited, message);
        }
        if let Some(ResourceTableError::Full) = error.downcast_ref() {
            return Self::too_many_handles();
        }
        if let Some(FieldMapError::TotalSizeTooBig | FieldMapError::TooManyFields) = error.downcast_ref() {
            return Self::new(StopCode::DataLimit, "the module made a request with more headers than are taken");
        }
        if error.is::<PoolConcurrencyLimitError>() {
            return Self::new(StopCode::NoRunPlace, "all places for runs on this host are taken");
        }
        if is_of_system(error) {
            return Self::new(StopCode::HostFailed, format!("this host cannot run modules now: {error:#}"));
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => {
                return Self::new(StopCode::CpuLimit, "the module computed for longer than its limit");
            }
            Some(Trap::StackOverflow) => {
                return Self::new(StopCode::StackOverflow, "the module's calls are nested too deeply");
            }
            _ => {}
        }
        match refused {
            Some(Refused::Memory) => {
                let message = format!("the module needs more memory than its limit: {error}");
                return Self::new(StopCode::MemoryLimit, message);
            }
            Some(Refused::SharedMemory) => return Self::no_memory(),
            Some(Refused::Table) => {
                let message = format!("the module needs larger tables than its limit: {error}");
                return Self::new(StopCode::TableLimit, message);
            }
            None => {}
        }
        match error.downcast_ref::<Trap>() {
            Some(trap) => Self::new(StopCode::Trapped, format!("the module trapped: {trap}")),
            None => Self::from_message(&format!("{error:#}")),
        }
    }

    /// All that runs may have together is taken.
    pub(crate) fn no_memory() -> Self {
        let message = "the runs of this host have all the memory that they may; give the host more, or fewer checks";
        Self::new(StopCode::NoRunMemory, message)
    }

    fn too_many_handles() -> Self {
        Self::new(StopCode::HandleLimit, "the module holds more resources at once than it may; it must drop some")
    }

    /// wasmtime has no types for the rest. Tests with real guests hold the words.
    fn from_message(message: &str) -> Self {
        if message.contains("fuel allocated for hostcalls") {
            Self::new(StopCode::DataLimit, "the module handed over more data at once than is taken")
        } else if message.contains("store handle limit exceeded") {
            Self::too_many_handles()
        } else {
            Self::new(StopCode::Trapped, format!("the module was stopped: {message}"))
        }
    }
}

/// Whether it was the operating system that refused something, which is never the doing of a guest.
pub(crate) fn is_of_system(error: &wasmtime::Error) -> bool {
    error.is::<std::io::Error>() || error.is::<rustix::io::Errno>()
}

/// Ends the call of a guest that did more by one of its imports than it may.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TooMuch {
    #[error("the module asked for more than 64 KiB of randomness")]
    Entropy,
    #[error("more went over one socket of the module than may: 64 KiB sent, 1 MiB received")]
    OverSocket,
}

impl TooMuch {
    const fn code(&self) -> StopCode {
        match self {
            Self::Entropy => StopCode::EntropyLimit,
            Self::OverSocket => StopCode::SocketLimit,
        }
    }
}
