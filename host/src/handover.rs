//! One process of a host hands over to its successor on the same machine, at a border between slots.
//!
//! Both are the same host with boots of their own. They talk over a socket in the data directory that only their user can
//! open. The successor loads what is on disk, links to control and to the neighbours, and says that it is ready; then the
//! predecessor names the border, finishes what is due before it, and ends. Whose a slot is is decided in `core`. Until the
//! predecessor has ended it owns the directory: the successor writes its own segments there and what control assigns, for
//! the predecessor takes no assignment any more. Whichever of them dies on the way, the other has the whole again.

mod predecessor;
mod successor;
mod wire;

use std::fs::{self, File, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use anyhow::Context;
use farwatch_core::ownership::Tenure;
use farwatch_proto::id::BootId;
use farwatch_proto::time::UnixMs;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use tokio::net::{UnixListener, UnixSocket, UnixStream};
use tokio::sync::{Notify, watch};
use tokio::time::sleep;
use tracing::info;

use crate::holdings::Holdings;
use crate::runner::Shared;

pub(crate) use predecessor::{Succeeded, serve};
pub(crate) use successor::{Succession, take_over};

/// The socket's name in the data directory.
const SOCKET: &str = "handover.sock";
/// How often it is looked at what is waited for.
const LOOK: Duration = Duration::from_millis(50);
/// Successors that wait at once; there is hardly ever more than one.
const WAITING_MAX: u32 = 4;

/// By which right this process works in the data directory.
pub(crate) enum Claim {
    /// It has it for itself, while it holds this lock.
    Sole(File),
    /// Another process has it, and is asked to hand over.
    Succeeds(Box<Succession>),
}

impl Claim {
    /// Whom this process succeeds, if anybody.
    pub(crate) fn predecessor(&self) -> Option<&Succession> {
        match self {
            Self::Sole(_) => None,
            Self::Succeeds(succession) => Some(succession),
        }
    }
}

/// Takes the directory, or greets whoever has it. Two hosts in one directory would spoil each other's spools.
pub(crate) async fn claim(data: &Path, succeeds: bool) -> anyhow::Result<Claim> {
    fs::create_dir_all(data).with_context(|| format!("cannot make {}", data.display()))?;
    if let Some(lock) = try_lock(data)? {
        if succeeds {
            info!("there is nobody to succeed here");
        }
        return Ok(Claim::Sole(lock));
    }
    if !succeeds {
        anyhow::bail!("another host already runs on {}; --succeed takes over from it", data.display());
    }
    let succession = Succession::greet(data).await;
    let succession = succession.with_context(|| format!("cannot take over from the host on {}", data.display()))?;
    Ok(Claim::Succeeds(Box::new(succession)))
}

/// The lock on the directory, unless another process holds it.
fn try_lock(data: &Path) -> anyhow::Result<Option<File>> {
    let file = File::create(data.join("lock")).with_context(|| format!("cannot write in {}", data.display()))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot lock {}", data.display())),
    }
}

/// Opens the socket. The caller has the directory for itself, so one that is there is left from a process that is gone.
pub(crate) fn listen(data: &Path) -> io::Result<UnixListener> {
    let (directory, path) = short(data)?;
    match fs::remove_file(data.join(SOCKET)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    drop(directory);
    fs::set_permissions(data.join(SOCKET), Permissions::from_mode(0o600))?;
    // Nobody can have connected before: it listens only now.
    socket.listen(WAITING_MAX)
}

async fn connect(data: &Path) -> io::Result<UnixStream> {
    let (_directory, path) = short(data)?;
    UnixStream::connect(path).await
}

/// The socket by the open directory: its own path may be longer than the 108 bytes that an address has room for.
fn short(data: &Path) -> io::Result<(File, String)> {
    let directory = File::open(data)?;
    let path = format!("/proc/self/fd/{}/{SOCKET}", directory.as_raw_fd());
    Ok((directory, path))
}

/// Who keeps assignments on disk: this process, until it has been frozen for its successor.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pen {
    is_laid_down: Arc<Mutex<bool>>,
}

impl Pen {
    /// Whether it is laid down; it stays as it is until the guard is dropped.
    pub(crate) fn is_laid_down(&self) -> MutexGuard<'_, bool> {
        self.is_laid_down.lock().expect("no holder of this lock panics")
    }
}

/// How far this process is with its own successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Its predecessor has not ended yet.
    Succeeding,
    /// It has all slots that are its own.
    Serving,
    /// A successor was told its border.
    HandedOver,
}

/// All of a process that a handover touches.
pub(crate) struct Post {
    pub(crate) shared: Arc<Shared>,
    pub(crate) boot: BootId,
    /// Where neighbours dial this process.
    pub(crate) listens_at: Option<SocketAddr>,
    /// Whether it listens there.
    pub(crate) is_open: watch::Sender<bool>,
    pub(crate) pen: Pen,
    pub(crate) phase: watch::Sender<Phase>,
    /// Asks for a new link to control.
    pub(crate) relink: Arc<Notify>,
    pub(crate) holdings: watch::Receiver<Arc<Holdings>>,
    /// Where control is linked, if it is.
    pub(crate) linked: watch::Receiver<Option<String>>,
}

impl Post {
    fn serve_in(&self, tenure: Tenure) {
        let now = self.shared.clock.wall();
        self.shared.desks.all().for_each(|mut desk| desk.serve_in(tenure, now));
        // Their shards wake at least ten times a second and look then.
    }

    /// Every slot is this process's again.
    fn resume(&self) {
        *self.pen.is_laid_down() = false;
        self.phase.send_replace(Phase::Serving);
        self.serve_in(Tenure::WHOLE);
        self.is_open.send_replace(true);
        // What was assigned meanwhile was not taken.
        self.relink.notify_one();
    }
}

/// Waits until something is so.
async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        sleep(LOOK).await;
    }
}

/// When a boot may be said to have begun, so that its id is newer than its predecessor's even where a clock was set back.
pub(crate) fn begun_after(predecessor: BootId, now: UnixMs) -> UnixMs {
    now.max(predecessor.made_at() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_process_and_its_path_may_be_long() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("a".repeat(120)).join("b".repeat(120));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let Claim::Sole(lock) = claim(&data, false).await.unwrap() else { panic!("nobody else is there") };
            let refused = claim(&data, false).await.err().unwrap().to_string();
            assert!(refused.starts_with("another host already runs on "), "{refused}");
            let listener = listen(&data).unwrap();
            assert_eq!(fs::metadata(data.join(SOCKET)).unwrap().permissions().mode() & 0o777, 0o600);
            let (dialled, accepted) = tokio::join!(connect(&data), listener.accept());
            assert!(dialled.is_ok() && accepted.is_ok());
            drop((listener, lock));
            assert!(matches!(claim(&data, true).await.unwrap(), Claim::Sole(_)), "there is nobody to succeed");
            listen(&data).unwrap();
        });
    }

    #[test]
    fn a_successor_is_the_newer_boot() {
        let before = BootId::new(UnixMs(5_000), [255; 10]);
        for now in [1_000, 5_000, 9_000] {
            assert!(BootId::new(begun_after(before, UnixMs(now)), [0; 10]) > before, "{now}");
        }
    }
}
