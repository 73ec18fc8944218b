//! The parent's side of the compile child: starts it, feeds it, and does not wait for it forever.
//!
//! It trusts nothing the child says but its exit code; what the child wrote becomes code only by the checks in `disk`.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::compile_child::EXIT_REFUSED;
use crate::gate::Refusal;

/// How much of the child's complaint is read, in bytes.
const COMPLAINT_MAX: u64 = 4_096;

/// The program that compiles.
#[derive(Debug, Clone)]
pub struct CompileCommand {
    /// The program, usually this very one.
    pub program: PathBuf,
    /// The arguments that make it call `compile_child::main`.
    pub arguments: Vec<String>,
    /// How long it may take. When too short, large modules never get ready on busy hosts.
    pub wall: Duration,
}

impl CompileCommand {
    /// Long enough for an interpreter, which takes ten to twenty seconds of CPU time, on a host that gives it a twentieth of
    /// one core. What the module itself may take is its CPU time.
    pub const WALL: Duration = Duration::from_secs(400);
}

/// Why there is no code.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompileError {
    #[error(transparent)]
    Refused(Refusal),
    #[error("{0}")]
    Host(String),
}

/// Compiles a module into `output`.
pub(crate) async fn compile(command: &CompileCommand, module: &[u8], output: File) -> Result<(), CompileError> {
    let mut child = start(command, output)?;
    // Dropping the child on return kills it.
    match timeout(command.wall, attend(&mut child, module)).await {
        Ok(finished) => finished,
        // How busy this host is says nothing of the module, which another attempt may find ready.
        Err(_) => {
            let seconds = command.wall.as_secs_f32();
            Err(CompileError::Host(format!(
                "this host is so busy that compiling the module took longer than {seconds} s"
            )))
        }
    }
}

fn start(command: &CompileCommand, output: File) -> Result<Child, CompileError> {
    Command::new(&command.program)
        .args(&command.arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(output)
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| CompileError::Host(format!("cannot start {}: {error}", command.program.display())))
}

async fn attend(child: &mut Child, module: &[u8]) -> Result<(), CompileError> {
    let stdin = child.stdin.take();
    let stderr = child.stderr.take();
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A child that died does not read; its exit says why.
            let _ = stdin.write_all(module).await;
        }
    };
    let listen = async {
        let mut complaint = Vec::new();
        if let Some(stderr) = stderr {
            // Without its words the exit code still counts.
            let _ = stderr.take(COMPLAINT_MAX).read_to_end(&mut complaint).await;
        }
        String::from_utf8_lossy(&complaint).trim().to_owned()
    };
    let ((), complaint, status) = tokio::join!(feed, listen, child.wait());
    let status = status.map_err(|error| CompileError::Host(format!("cannot wait for the compile child: {error}")))?;
    judge(status, complaint)
}

fn judge(status: ExitStatus, complaint: String) -> Result<(), CompileError> {
    if status.success() {
        return Ok(());
    }
    if status.code() == Some(EXIT_REFUSED.into()) {
        return Err(CompileError::Refused(Refusal::new("module-compile-failed", complaint)));
    }
    // A signal is what its own limits end it by: SIGXCPU, SIGXFSZ, or SIGABRT when no memory is left.
    if let Some(signal) = status.signal() {
        let message = format!("compiling the module took more memory or time than is allowed (signal {signal})");
        return Err(CompileError::Refused(Refusal::new("module-compile-limit", message)));
    }
    Err(CompileError::Host(format!("the compile child failed ({status}): {complaint}")))
}
