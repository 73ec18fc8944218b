//! Connections to every kind of address that no check may reach, by every probe.

use std::net::{IpAddr, SocketAddr};

use crate::wit::farwatch::check::types::Failure;
use crate::wit::farwatch::check::{dns, http, icmp, tcp, tls, udp};
use crate::wit::wasi::http::types::ErrorCode;
use crate::wit::wasi::sockets::network::ErrorCode as SocketError;
use crate::{sockets, web};

/// One of each kind, and the ways to write them; with those below no more than a run may make probes.
const DENIED: [&str; 24] = [
    "127.0.0.1",
    "127.255.0.1",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "192.0.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "0.0.0.0",
    "[::]",
    "[::1]",
    "[fe80::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:7f00:1::1]",
    "localhost",
];
/// Addresses as the old functions of C read them, which are neither names nor addresses here.
const MISWRITTEN: [&str; 4] = ["127.1", "2130706433", "0x7f000001", "0177.0.0.1"];
/// Nothing of this is waited for.
const TIMEOUT_MS: u32 = 300;

/// Tries them all by the probe of this name, and tells those that were not refused.
pub(crate) fn misuse(what: &str) -> Option<String> {
    let reach = match what {
        "http" => by_http,
        "tcp" => by_tcp,
        "udp" => by_udp,
        "dns" => by_dns,
        "tls" => by_tls,
        "icmp" => by_icmp,
        "web" => by_web,
        "socket" => by_socket,
        "datagram" => by_datagram,
        _ => return None,
    };
    let all = DENIED.map(|address| (address, "egress-refused"));
    let all = all.into_iter().chain(MISWRITTEN.map(|address| (address, "request-invalid")));
    let tried = all.map(|(address, refusal)| (address, refusal, reach(address)));
    let reached: Vec<String> = tried
        .filter(|(_, refusal, code)| code != refusal)
        .map(|(address, _, code)| format!("{address} {code}"))
        .collect();
    Some(if reached.is_empty() { "none of them".to_owned() } else { reached.join(", ") })
}

fn code<T>(came: Result<T, Failure>) -> String {
    came.err().map_or_else(|| "reached".to_owned(), |failure| failure.code)
}

fn by_http(address: &str) -> String {
    code(http::fetch(&http::Request {
        method: "GET".to_owned(),
        url: format!("http://{address}/"),
        headers: Vec::new(),
        body: None,
        version: http::Version::Automatic,
        verify_tls: true,
        client: None,
        ip_version: None,
        max_body_bytes: 0,
        timeout_ms: TIMEOUT_MS,
        want: http::Want::empty(),
    }))
}

fn by_tcp(address: &str) -> String {
    code(tcp::Connection::open(&tcp::Target {
        host: address.to_owned(),
        port: 22,
        ip_version: None,
        tls: None,
        timeout_ms: TIMEOUT_MS,
    }))
}

fn by_udp(address: &str) -> String {
    code(udp::exchange(&udp::Request {
        host: address.to_owned(),
        port: 53,
        ip_version: None,
        datagram: vec![0; 12],
        resend_after_ms: None,
        timeout_ms: TIMEOUT_MS,
    }))
}

fn by_dns(address: &str) -> String {
    code(dns::query(&dns::Request {
        server: address.to_owned(),
        port: None,
        ip_version: None,
        transport: dns::Transport::Udp,
        server_name: None,
        verify_tls: true,
        name: "example.".to_owned(),
        record_type: "A".to_owned(),
        recursion_desired: true,
        dnssec_ok: false,
        checking_disabled: false,
        timeout_ms: TIMEOUT_MS,
    }))
}

fn by_tls(address: &str) -> String {
    let target = tls::Target {
        host: address.to_owned(),
        port: 443,
        ip_version: None,
        server_name: None,
        client: None,
        timeout_ms: TIMEOUT_MS,
    };
    code(tls::shake_hands(&target, &[]))
}

fn by_icmp(address: &str) -> String {
    code(icmp::ping(&icmp::Request {
        host: address.to_owned(),
        ip_version: None,
        count: 1,
        size: 56,
        interval_ms: 100,
        timeout_ms: TIMEOUT_MS,
    }))
}

fn by_web(address: &str) -> String {
    match web::get(&format!("http://{address}/")).and_then(|started| web::response(&started)) {
        Err(ErrorCode::DestinationIpProhibited) => "egress-refused".to_owned(),
        Err(ErrorCode::HttpProtocolError) => "request-invalid".to_owned(),
        Err(other) => format!("{other:?}"),
        Ok(_) => "reached".to_owned(),
    }
}

fn by_socket(address: &str) -> String {
    by_sockets(address, sockets::reach)
}

fn by_datagram(address: &str) -> String {
    by_sockets(address, sockets::send)
}

/// What is no address is looked up first, as a library would.
fn by_sockets(address: &str, reach: fn(SocketAddr) -> Result<(), SocketError>) -> String {
    let literal = address.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let (came, invalid) = match literal {
        // Wasmtime itself calls some of them no addresses of a peer.
        Ok(ip) => (reach(SocketAddr::new(ip, 80)), "egress-refused"),
        Err(_) => (sockets::look_up(address).map(drop), "request-invalid"),
    };
    match came {
        Ok(()) => "reached".to_owned(),
        Err(SocketError::AccessDenied) => "egress-refused".to_owned(),
        Err(SocketError::InvalidArgument) => invalid.to_owned(),
        Err(other) => other.name().to_owned(),
    }
}
