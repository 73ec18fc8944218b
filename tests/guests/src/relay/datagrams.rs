//! The same for datagrams: those of the server come later, shorter, garbled or not at all.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::{GARBAGE, Mishap};

/// No datagram is longer.
const DATAGRAM_MAX: usize = 65_536;
/// A server that has not answered for so long does not, and its thread ends.
const PATIENCE: Duration = Duration::from_secs(60);

/// Hands on what comes to this socket, and the answers. It ends with the process.
pub(super) fn serve(socket: UdpSocket, server: SocketAddr, mishap: Mishap) {
    let socket = Arc::new(socket);
    thread::spawn(move || {
        let mut datagram = vec![0; DATAGRAM_MAX];
        while let Ok((count, client)) = socket.recv_from(&mut datagram) {
            let (socket, mishap, asked) = (Arc::clone(&socket), mishap.clone(), datagram[..count].to_vec());
            thread::spawn(move || answer(&socket, client, server, &asked, &mishap));
        }
    });
}

/// One question and its answer. A server that does not answer is what may be tested, so errors end it quietly.
fn answer(socket: &UdpSocket, client: SocketAddr, server: SocketAddr, asked: &[u8], mishap: &Mishap) -> io::Result<()> {
    let upstream = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    upstream.connect(server)?;
    upstream.set_read_timeout(Some(PATIENCE))?;
    upstream.send(asked)?;
    let mut datagram = vec![0; DATAGRAM_MAX];
    let count = upstream.recv(&mut datagram)?;
    datagram.truncate(count);
    thread::sleep(Duration::from_millis(mishap.delay_ms));
    if let Some(bytes) = mishap.garbage_after_bytes {
        datagram.truncate(bytes);
        datagram.extend_from_slice(GARBAGE);
    }
    if let Some(bytes) = mishap.cut_after_bytes {
        datagram.truncate(bytes);
    }
    if mishap.silent_after_bytes.is_none() {
        socket.send_to(&datagram, client)?;
    }
    Ok(())
}
