//! What the service manager of this machine is told, where it asks: systemd's protocol, by hand.
//!
//! It starts a host and watches its main process. A process that has handed over names its successor, so that the end of
//! the one is not taken for the end of the host. Nothing depends on whether anybody listens.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use tracing::debug;

/// Names the socket of the service manager.
const SOCKET: &str = "NOTIFY_SOCKET";

/// This process is at work.
pub(crate) fn ready() {
    tell("READY=1");
}

/// That process is the host from now on.
pub(crate) fn main_process_is(pid: i32) {
    tell(&format!("MAINPID={pid}"));
}

fn tell(state: &str) {
    let Some(socket) = std::env::var_os(SOCKET) else { return };
    let told = address(&socket.to_string_lossy()).and_then(|address| {
        let from = UnixDatagram::unbound()?;
        from.send_to_addr(state.as_bytes(), &address)
    });
    if let Err(error) = told {
        debug!(state, %error, "the service manager was not told");
    }
}

/// A path, or a name that stands in no directory and is written with an `@`.
fn address(socket: &str) -> std::io::Result<SocketAddr> {
    match socket.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(socket),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_found_by_path_and_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        for socket in [path.to_str().unwrap().to_owned(), format!("@farwatch-test-{}", std::process::id())] {
            let manager = UnixDatagram::bind_addr(&address(&socket).unwrap()).unwrap();
            UnixDatagram::unbound().unwrap().send_to_addr(b"READY=1", &address(&socket).unwrap()).unwrap();
            let mut heard = [0; 16];
            let length = manager.recv(&mut heard).unwrap();
            assert_eq!(&heard[..length], b"READY=1");
        }
    }
}
