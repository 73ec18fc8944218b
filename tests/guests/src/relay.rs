//! What happens on the way between a check and its server: a relay over TCP and UDP that holds up, cuts, garbles or swallows
//! what the server says.
//!
//! So that every protocol meets every mishap in the middle of a real server's answer.

mod datagrams;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use serde::Deserialize;

/// What is handed on at once.
const CHUNK_BYTES: usize = 4_096;
/// What comes instead of what the server said: no protocol's words, and no text in UTF-8.
const GARBAGE: &[u8] = b"\xff\xfe\x00garbage\x00\xff\r\n";

/// What happens to what the server says; over UDP, to each of its datagrams.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mishap {
    /// It comes so much later, once.
    #[serde(default)]
    pub delay_ms: u64,
    /// The connection is closed after so many bytes of it, and a datagram has no more.
    pub cut_after_bytes: Option<usize>,
    /// Nothing more comes after so many bytes of it, and the connection stays open. No datagram comes at all.
    pub silent_after_bytes: Option<usize>,
    /// After so many bytes of it comes something else, without end.
    pub garbage_after_bytes: Option<usize>,
}

/// How often a port is looked for that is free for both TCP and UDP.
const PORTS_TRIED: usize = 20;

/// Opens a relay to that server. It ends with the process.
///
/// # Errors
/// When there is no port left.
pub fn open(server: SocketAddr, mishap: Mishap) -> anyhow::Result<SocketAddr> {
    let (listener, socket) = bind()?;
    let address = listener.local_addr()?;
    datagrams::serve(socket, server, mishap.clone());
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let mishap = mishap.clone();
            thread::spawn(move || relay(client, server, &mishap));
        }
    });
    Ok(address)
}

/// One port over both TCP and UDP.
fn bind() -> anyhow::Result<(TcpListener, UdpSocket)> {
    for _ in 0..PORTS_TRIED {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        if let Ok(socket) = UdpSocket::bind(listener.local_addr()?) {
            return Ok((listener, socket));
        }
    }
    anyhow::bail!("no port is free for both TCP and UDP")
}

/// Until either side has had enough. A side that is gone is what the check is tested with, so errors end it quietly.
fn relay(mut client: TcpStream, server: SocketAddr, mishap: &Mishap) -> Option<()> {
    let upstream = TcpStream::connect(server).ok()?;
    let (mut from_client, mut to_server) = (client.try_clone().ok()?, upstream.try_clone().ok()?);
    let asking = thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    thread::sleep(Duration::from_millis(mishap.delay_ms));
    let _ = hand_on(upstream, &mut client, mishap);
    if mishap.silent_after_bytes.is_some() {
        // The check closes when its time is over, also where the server has closed before.
        let _ = asking.join();
    }
    let _ = client.shutdown(Shutdown::Both);
    Some(())
}

fn hand_on(mut server: TcpStream, client: &mut TcpStream, mishap: &Mishap) -> std::io::Result<()> {
    let limits = [mishap.cut_after_bytes, mishap.silent_after_bytes, mishap.garbage_after_bytes];
    let mut left = limits.into_iter().flatten().min();
    let mut chunk = [0; CHUNK_BYTES];
    while left != Some(0) {
        let wanted = left.map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
        let count = server.read(&mut chunk[..wanted])?;
        if count == 0 {
            return Ok(());
        }
        client.write_all(&chunk[..count])?;
        left = left.map(|left| left - count);
    }
    if mishap.garbage_after_bytes.is_some() {
        // Until the check has closed, and no faster than it reads.
        loop {
            client.write_all(GARBAGE)?;
        }
    }
    if mishap.silent_after_bytes.is_some() {
        // What the server says meanwhile is swallowed.
        while server.read(&mut chunk)? > 0 {}
    }
    Ok(())
}
