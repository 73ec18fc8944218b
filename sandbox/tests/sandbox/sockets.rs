//! Sockets of guests: where they may go, what they may carry, and how they end.

#![allow(clippy::disallowed_methods, reason = "its servers end with the runtime of their test")]
#![allow(clippy::unwrap_used, reason = "an error fails the test that meets it")]

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use farwatch_sandbox::http::{Request, Response};
use farwatch_sandbox::types::{Failure, Phase, PhaseTimes};
use farwatch_sandbox::{Limits, Probes, RunReport, SocketGate, StopCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

use crate::harness::{judged, patient, run_raw, shared, stopped};

/// Lets sockets go to this one address, and knows the name `here` for it.
struct Here(SocketAddr);

struct Only(SocketAddr);

impl SocketGate for Only {
    fn admits(&self, remote: SocketAddr) -> bool {
        remote == self.0
    }
}

impl Probes for Here {
    async fn fetch(&mut self, _request: Request) -> Result<Response, Failure> {
        panic!("nothing is fetched")
    }

    fn gate(&mut self) -> Option<Arc<dyn SocketGate>> {
        Some(Arc::new(Only(self.0)))
    }

    async fn look_up(&mut self, name: String) -> Result<Vec<IpAddr>, Failure> {
        tokio::task::yield_now().await;
        match name.as_str() {
            "here" => Ok(vec![self.0.ip(), IpAddr::from([192, 0, 2, 7])]),
            "inside" => Err(failure("egress-refused")),
            _ => Err(failure("dns-not-found")),
        }
    }
}

fn failure(code: &str) -> Failure {
    let times = PhaseTimes { resolve: None, connect: None, tls: None, first_byte: None, transfer: None, total: 0 };
    let (code, message) = (code.to_owned(), String::new());
    Failure { phase: Phase::Resolve, code, message, remote: None, times, tls: None }
}

async fn misuse(behaviour: &str, target: &str, here: SocketAddr, limits: &Limits) -> RunReport {
    let guest = shared("hostile-wasi").await;
    let config = format!(r#"{{"behaviour": "socket-{behaviour}", "url": "{target}"}}"#);
    run_raw(&guest, &config, &mut Here(here), limits).await
}

async fn found(behaviour: &str, target: &str, here: SocketAddr) -> String {
    judged(misuse(behaviour, target, here, &patient()).await).message
}

/// A server that answers every connection with what it was told, and hangs up.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut line = [0; 6];
                if stream.read_exact(&mut line).await.is_ok() {
                    let _ = stream.write_all(&line).await;
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_guest_talks_to_whom_the_gate_lets_it() {
    let here = echo().await;
    assert_eq!(found("talk", &here.to_string(), here).await, "hello\n");
    let closed: SocketAddr = "127.0.0.1:1".parse().unwrap();
    assert_eq!(found("talk", &closed.to_string(), closed).await, "connection-refused");
}

#[tokio::test]
async fn whom_it_does_not_is_never_connected_to() {
    let here = echo().await;
    for target in ["127.0.0.1:1", "169.254.169.254:80", "10.0.0.1:80", "0.0.0.0:80"] {
        let refused = found("talk", target, here).await;
        assert!(["access-denied", "invalid-argument"].contains(&refused.as_str()), "{target}: {refused}");
    }
    assert_eq!(found("ask", "127.0.0.1:1", here).await, "access-denied");
}

#[tokio::test]
async fn datagrams_go_and_come_the_same_way() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let here = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut heard = [0; 16];
        let (length, from) = socket.recv_from(&mut heard).await.unwrap();
        socket.send_to(&[&heard[..length], b" yourself"].concat(), from).await.unwrap();
    });
    assert_eq!(found("ask", &here.to_string(), here).await, "hello yourself");
}

#[tokio::test]
async fn nobody_listens() {
    let here = echo().await;
    assert_eq!(found("listen", "", here).await, "access-denied");
    assert_eq!(found("bind", "0.0.0.0:8080", here).await, "access-denied");
    assert_eq!(found("bind", "127.0.0.1:0", here).await, "access-denied");
}

#[tokio::test]
async fn names_are_looked_up_by_the_host() {
    let here = echo().await;
    assert_eq!(found("find", "here", here).await, "127.0.0.1 192.0.2.7");
    assert_eq!(found("find", "inside", here).await, "access-denied");
    assert_eq!(found("find", "nowhere", here).await, "name-unresolvable");
}

#[tokio::test]
async fn every_connection_is_one_of_the_probes_of_a_run() {
    let here = echo().await;
    let limits = Limits { fetches: 5, ..patient() };
    let report = misuse("storm", &here.to_string(), here, &limits).await;
    assert_eq!(report.probes, 5);
    assert_eq!(judged(report).message, "5");
}

/// The server reads nothing after the first line, and need not: the limit is far below what a connection takes up.
#[tokio::test]
async fn what_goes_over_a_socket_has_a_limit() {
    let here = echo().await;
    let report = misuse("pour", &here.to_string(), here, &patient()).await;
    assert_eq!(stopped(&report), StopCode::SocketLimit, "{:?}", report.end);
}

/// A server that says nothing holds its guest no longer than the run may take.
#[tokio::test]
async fn silence_ends_with_the_run() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap();
    let limits = Limits { wall: Duration::from_millis(100), ..patient() };
    let report = misuse("talk", &here.to_string(), here, &limits).await;
    assert_eq!(stopped(&report), StopCode::Deadline);
}
