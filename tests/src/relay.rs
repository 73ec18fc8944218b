//! A relay between a host and control that can be cut: bytes stop, and no socket closes.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// How often a thread looks whether the relay has been cut or healed.
const LOOK: Duration = Duration::from_millis(20);

/// One relay. Its threads end with the test process.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    cut: Arc<AtomicBool>,
}

impl Relay {
    /// Listens on loopback and forwards to `target`, which need not listen yet.
    pub fn start(target: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let cut = Arc::new(AtomicBool::new(false));
        let shared = cut.clone();
        thread::spawn(move || {
            for inbound in listener.incoming().flatten() {
                // A target that does not listen hangs up on the host, which dials again.
                let Ok(outbound) = TcpStream::connect(target) else { continue };
                let pairs = (inbound.try_clone(), outbound.try_clone());
                let (Ok(inbound_again), Ok(outbound_again)) = pairs else { continue };
                let (there, back) = (shared.clone(), shared.clone());
                thread::spawn(move || carry(inbound, outbound, &there));
                thread::spawn(move || carry(outbound_again, inbound_again, &back));
            }
        });
        Ok(Self { address, cut })
    }

    /// Where to dial it.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on no byte passes, and nobody is told.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
    }

    /// Bytes pass again, those that were held up first.
    pub fn heal(&self) {
        self.cut.store(false, Ordering::SeqCst);
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, cut: &AtomicBool) {
    if from.set_read_timeout(Some(LOOK)).is_err() {
        return;
    }
    let mut buffer = [0; 16 * 1024];
    loop {
        if cut.load(Ordering::SeqCst) {
            thread::park_timeout(LOOK);
            continue;
        }
        match from.read(&mut buffer) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Ok(count) if count > 0 => {
                while cut.load(Ordering::SeqCst) {
                    thread::park_timeout(LOOK);
                }
                if to.write_all(&buffer[..count]).is_err() {
                    break;
                }
            }
            _ => break,
        }
    }
    // The other side learns that this one has hung up.
    let _ = to.shutdown(std::net::Shutdown::Both);
}
