//! Servers that misbehave, byte by byte.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};

/// What a server does after its answer.
#[derive(Clone, Copy)]
pub(crate) enum Then {
    /// It closes.
    Close,
    /// It says no more and stays.
    Hold,
    /// It closes with the request unread, which resets the connection.
    Reset,
    /// It repeats these bytes until the other side has enough.
    Repeat(&'static [u8]),
}

/// A server that answers each connection with these bytes, whatever it is asked.
pub(crate) fn answering(bytes: &'static [u8], then: Then) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            thread::spawn(move || answer(stream, bytes, then));
        }
    });
    address
}

fn answer(mut stream: TcpStream, bytes: &[u8], then: Then) {
    let mut request = [0; 4096];
    if let Then::Reset = then {
        // The bytes are looked at and left where they are.
        let _ = stream.peek(&mut request);
        return;
    }
    let _ = stream.read(&mut request);
    let _ = stream.write_all(bytes);
    match then {
        Then::Close | Then::Reset => {}
        Then::Hold => {
            let _ = stream.read(&mut request);
        }
        Then::Repeat(more) => while stream.write_all(more).is_ok() {},
    }
}

/// A listener that accepts nobody and whose queue is full, so that a connection is never opened.
pub(crate) struct FullQueue {
    pub(crate) address: SocketAddr,
    _listener: rustix::fd::OwnedFd,
    _waiting: Vec<TcpStream>,
}

impl FullQueue {
    pub(crate) fn new() -> Self {
        let listener = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&listener, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        listen(&listener, 0).unwrap();
        let address = SocketAddr::try_from(getsockname(&listener).unwrap()).unwrap();
        let mut waiting = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            waiting.push(stream);
        }
        Self { address, _listener: listener, _waiting: waiting }
    }
}
