//! Ports for servers that a test starts, ends and starts again.
//!
//! A port is not reserved between its being handed out and its being bound, nor while its server is down.
//! Therefore it is none that the system gives to outgoing connections: any of the many that checks make could
//! otherwise have it by then. No port is handed out twice by one process.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Under the 32768 at which Linux begins to take ports for outgoing connections, and over what services are known by.
const PORTS: std::ops::Range<u32> = 12_000..32_000;

/// How many taken ports in a row are looked past.
const ATTEMPTS: usize = 1_000;

/// Processes that test side by side begin far from each other.
static NEXT: LazyLock<AtomicU32> = LazyLock::new(|| AtomicU32::new(std::process::id().wrapping_mul(2_654_435_761)));

/// A loopback address that nobody listens on, neither by TCP nor by UDP.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    let is_free = |address: &SocketAddr| TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok();
    let found = std::iter::repeat_with(next).take(ATTEMPTS).find(is_free);
    found.ok_or_else(|| anyhow::anyhow!("{ATTEMPTS} ports in a row are taken, of {PORTS:?}"))
}

fn next() -> SocketAddr {
    let nth = NEXT.fetch_add(1, Ordering::Relaxed) % (PORTS.end - PORTS.start);
    let port = u16::try_from(PORTS.start + nth).expect("the range ends below 65536");
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_handed_out_twice_nor_given_to_outgoing_connections() {
        let ports: Vec<u16> = (0..100).map(|_| free_address().unwrap().port()).collect();
        assert!(ports.iter().all(|port| PORTS.contains(&u32::from(*port))));
        let distinct: std::collections::BTreeSet<_> = ports.iter().collect();
        assert_eq!(distinct.len(), ports.len());
    }

    #[test]
    fn a_port_that_is_taken_is_looked_past() {
        let ahead = NEXT.load(Ordering::Relaxed) % (PORTS.end - PORTS.start);
        let taken: Vec<UdpSocket> = (0..4)
            .filter_map(|step| {
                let port = PORTS.start + (ahead + step) % (PORTS.end - PORTS.start);
                UdpSocket::bind((Ipv4Addr::LOCALHOST, u16::try_from(port).unwrap())).ok()
            })
            .collect();
        let held: Vec<u16> = taken.iter().map(|socket| socket.local_addr().unwrap().port()).collect();
        for _ in 0..8 {
            assert!(!held.contains(&free_address().unwrap().port()));
        }
    }
}
