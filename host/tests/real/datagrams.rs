//! Datagrams to a real time server and back, and every way in which none comes back.

use std::net::{SocketAddr, UdpSocket};
use std::thread;

use farwatch_host::probe::evidence::Phase;
use farwatch_sandbox::udp::Request;
use farwatch_tests::ports::free_address;
use farwatch_tests::server::chrony::{Chrony, QUESTION};

use crate::probing::prober;

fn ask(address: SocketAddr) -> Request {
    Request {
        host: address.ip().to_string(),
        port: address.port(),
        ip_version: None,
        datagram: QUESTION.to_vec(),
        resend_after_ms: None,
        timeout_ms: 5_000,
    }
}

#[tokio::test]
async fn a_time_server_answers_and_the_moments_are_noted() {
    let chrony = Chrony::start(3).unwrap();
    let response = prober().exchange(ask(chrony.address)).await.unwrap();
    assert_eq!((response.remote, response.datagram.len(), response.sent), (chrony.address.to_string(), 48, 1));
    // A server's answer (mode 4) of version 4, of the stratum it was set up with.
    assert_eq!((response.datagram[0] & 0x3f, response.datagram[1]), (0x24, 3));
    assert!(response.sent_at_us <= response.received_at_us);
    let took_us = response.received_at_us - response.sent_at_us;
    assert!(took_us <= u64::from(response.times.total), "{took_us} {:?}", response.times);
    // Seconds since 1900 and their fraction, as the server had them when it answered.
    let word = |at: usize| u64::from(u32::from_be_bytes(response.datagram[at..at + 4].try_into().unwrap()));
    let told_us = (word(40) - 2_208_988_800) * 1_000_000 + ((word(44) * 1_000_000) >> 32);
    assert!(told_us.abs_diff(response.received_at_us) < 2_000_000, "{told_us} {}", response.received_at_us);
}

#[tokio::test]
async fn a_lost_datagram_is_sent_again() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    thread::spawn(move || {
        let mut datagram = [0; 64];
        for _ in 0..2 {
            server.recv_from(&mut datagram).unwrap();
        }
        let (length, from) = server.recv_from(&mut datagram).unwrap();
        // Whoever else sends something is not listened to.
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"forged", from).unwrap();
        server.send_to(&datagram[..length], from).unwrap();
    });
    let response = prober().exchange(Request { resend_after_ms: Some(100), ..ask(address) }).await.unwrap();
    assert_eq!((response.sent, response.datagram), (3, QUESTION.to_vec()));
}

#[tokio::test]
async fn where_nothing_comes_back_the_failure_has_its_step() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = |address| ask(address);
    for (request, phase, code) in [
        (to(free_address().unwrap()), Phase::Connect, "connection-refused"),
        (Request { timeout_ms: 300, ..to(silent.local_addr().unwrap()) }, Phase::FirstByte, "first-byte-timeout"),
        (Request { host: "10.0.0.1".to_owned(), ..to(silent.local_addr().unwrap()) }, Phase::Prepare, "egress-refused"),
        (Request { datagram: vec![0; 1_233], ..to(silent.local_addr().unwrap()) }, Phase::Prepare, "request-invalid"),
        (Request { resend_after_ms: Some(99), ..to(silent.local_addr().unwrap()) }, Phase::Prepare, "request-invalid"),
    ] {
        let failed = prober().exchange(request).await.unwrap_err();
        assert_eq!((failed.phase, failed.code.as_str()), (phase, code), "{failed:?}");
    }
}
