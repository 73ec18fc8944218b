//! What reads the bytes of peers by itself, laid open for whoever tries whether any bytes break it.
//!
//! Nothing here is used by a probe. Each says in a word what became of the bytes.

use farwatch_sandbox::dns::{Request, Transport};

use super::{dns, icmp, tls};

/// Reads the answer of a name server, to whatever question it claims to answer.
pub fn name_server(bytes: &[u8]) -> String {
    dns::read(&question(), bytes)
}

/// Reads a packet of ICMP in each of the ways in which a socket may hand it over.
pub fn echo(bytes: &[u8]) -> String {
    icmp::read(bytes)
}

/// Reads the first words of a server of TLS.
pub fn first_words(bytes: &[u8]) -> String {
    tls::read(bytes)
}

fn question() -> Request {
    Request {
        server: "192.0.2.53".to_owned(),
        port: None,
        ip_version: None,
        transport: Transport::Udp,
        server_name: None,
        verify_tls: true,
        name: "www.example".to_owned(),
        record_type: "A".to_owned(),
        recursion_desired: true,
        dnssec_ok: true,
        checking_disabled: false,
        timeout_ms: 1,
    }
}
