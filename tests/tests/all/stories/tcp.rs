//! A port is watched like a site: a server that stops is an outage, and one that answers wrongly is one, too.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use farwatch_tests::ports::free_address;
use farwatch_tests::scene::text;
use farwatch_tests::system::System;
use farwatch_tests::wait::eventually;

const LIMIT: Duration = Duration::from_secs(60);

/// A server that answers every line with `+PONG`, until it is dropped: then nobody listens there any more.
struct Cache {
    address: SocketAddr,
    stops: Arc<AtomicBool>,
    serving: Option<JoinHandle<()>>,
}

impl Cache {
    fn start(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let stops = Arc::new(AtomicBool::new(false));
        let stopping = stops.clone();
        let serving = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopping.load(Ordering::SeqCst) {
                    return;
                }
                // A probe that goes away early is no concern of the server's.
                let Ok(mut stream) = stream else { continue };
                let mut asked = [0; 64];
                if stream.read(&mut asked).is_ok_and(|count| asked[..count].ends_with(b"PING\r\n")) {
                    let _ = stream.write_all(b"+PONG\r\n");
                }
            }
        });
        Self { address, stops, serving: Some(serving) }
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        self.stops.store(true, Ordering::SeqCst);
        // The listener is woken by one more connection.
        let _ = std::net::TcpStream::connect(self.address);
        self.serving.take().map(JoinHandle::join);
    }
}

fn verdict(system: &System) -> anyhow::Result<String> {
    Ok(text(&system.api().get("/v1/checks")?["items"][0]["verdict"]))
}

#[test]
fn a_port_goes_down_when_its_server_stops_and_comes_back_with_it() {
    let address = free_address().unwrap();
    assert_eq!(address.ip(), Ipv4Addr::LOCALHOST);
    let cache = Cache::start(address);
    let system = System::builder().start().unwrap();
    let port = address.port().to_string();
    let words = ["check", "create", "tcp", "--name", "cache", "--host", "127.0.0.1", "--port", &port, "--every", "10s"];
    let judged = ["--send", r"PING\r\n", "--contains", "+PONG"];
    let made = system.client(&[words.as_slice(), &judged].concat()).unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    eventually("it to be up", LIMIT, || Ok((verdict(&system)? == "up").then_some(()))).unwrap();

    drop(cache);
    eventually("it to be down", LIMIT, || Ok((verdict(&system)? == "down").then_some(()))).unwrap();
    let incidents = system.api().get("/v1/incidents").unwrap();
    let incident = &incidents["items"][0];
    assert!(text(&incident["message"]).contains("no connection to"), "{incident}");

    let _cache = Cache::start(address);
    eventually("it to be up again", LIMIT, || Ok((verdict(&system)? == "up").then_some(()))).unwrap();
}
