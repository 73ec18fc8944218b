//! Servers on loopback that play along with an attack: they drip, flood, pack and lead astray.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::bail;
use farwatch_tests::wait::leave_alone;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::apart;

/// Between two bytes of the server that drips.
const DRIP: Duration = Duration::from_millis(50);
/// What the packed answer comes to, in bytes.
const UNPACKED: usize = 64 << 20;
/// What floods write at once, in bytes.
const PIECE: usize = 16 << 10;

/// Those that run, by their kinds. They end with the process.
static RUNNING: Mutex<BTreeMap<String, SocketAddr>> = Mutex::new(BTreeMap::new());

/// The address of the server of this kind, which is started if none runs.
///
/// # Errors
/// When there is no such kind.
pub fn url(kind: &str) -> anyhow::Result<String> {
    if kind == "rebinds" {
        return Ok(url("hello")?.replace("127.0.0.1", apart::NAME));
    }
    let play: fn(TcpStream) -> std::io::Result<()> = match kind {
        "hello" => hello,
        "slow-drip" => drip,
        "endless-body" => endless_body,
        "endless-headers" => endless_headers,
        "endless-beginnings" => endless_beginnings,
        "endless-trailers" => endless_trailers,
        "packed" => packed,
        "to-metadata" => |peer| lead(peer, "http://169.254.169.254/latest/meta-data/"),
        "to-a-file" => |peer| lead(peer, "file:///etc/passwd"),
        _ => bail!("there is no server of the kind `{kind}`"),
    };
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(address) = running.get(kind) {
        return Ok(format!("http://{address}/"));
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    running.insert(kind.to_owned(), address);
    thread::spawn(move || {
        for peer in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                // Whoever hangs up has had enough, which is what is tested.
                let _ = hear(&peer).and_then(|()| play(peer));
            });
        }
    });
    Ok(format!("http://{address}/"))
}

/// Reads a request.
fn hear(mut peer: &TcpStream) -> std::io::Result<()> {
    let (mut heard, mut byte) = (Vec::new(), [0]);
    while !heard.ends_with(b"\r\n\r\n") {
        peer.read_exact(&mut byte)?;
        heard.push(byte[0]);
    }
    Ok(())
}

fn end(mut peer: TcpStream) -> std::io::Result<()> {
    // Closing with unread bytes would be a reset, which takes along what was said.
    peer.shutdown(Shutdown::Write)?;
    std::io::copy(&mut peer, &mut std::io::sink()).map(drop)
}

fn hello(mut peer: TcpStream) -> std::io::Result<()> {
    peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello")?;
    end(peer)
}

fn drip(mut peer: TcpStream) -> std::io::Result<()> {
    peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")?;
    loop {
        peer.write_all(b"x")?;
        leave_alone(DRIP);
    }
}

fn endless_body(mut peer: TcpStream) -> std::io::Result<()> {
    peer.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")?;
    without_end(peer, &[b'x'; PIECE])
}

fn endless_headers(mut peer: TcpStream) -> std::io::Result<()> {
    peer.write_all(b"HTTP/1.1 200 OK\r\n")?;
    without_end(peer, b"x-more: and more and more and more and more\r\n")
}

fn endless_beginnings(peer: TcpStream) -> std::io::Result<()> {
    without_end(peer, &b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".repeat(100))
}

fn endless_trailers(mut peer: TcpStream) -> std::io::Result<()> {
    peer.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n")?;
    without_end(peer, b"x-more: and more and more and more and more\r\n")
}

fn without_end(mut peer: TcpStream, piece: &[u8]) -> std::io::Result<()> {
    loop {
        peer.write_all(piece)?;
    }
}

fn packed(mut peer: TcpStream) -> std::io::Result<()> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    for _ in 0..UNPACKED / PIECE {
        packer.write_all(&[0; PIECE])?;
    }
    let body = packer.finish()?;
    let head = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\ncontent-length: ";
    write!(peer, "{head}{}\r\n\r\n", body.len())?;
    peer.write_all(&body)?;
    end(peer)
}

fn lead(mut peer: TcpStream, to: &str) -> std::io::Result<()> {
    write!(peer, "HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
    end(peer)
}
