//! Questions to a real name server, over every transport, and servers that answer badly.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::thread;

use farwatch_host::probe::evidence::Phase;
use farwatch_sandbox::dns::{Entry, Request, Transport};
use farwatch_tests::certificate::{Authority, Validity};
use farwatch_tests::ports::free_address;
use farwatch_tests::server::named::Named;

use crate::probing::{prober, trusting};
use crate::raw::{Then, answering};

const RECORDS: &str = "\
www IN A 192.0.2.7\n\
www IN AAAA 2001:db8::7\n\
alias IN CNAME www\n\
@ IN MX 10 mail\n\
@ IN TXT \"v=spf1 -all\"\n\
@ IN CAA 0 issue \"ca.example\"\n\
_sip._tcp IN SRV 1 2 5060 sip\n\
odd IN TYPE65280 \\# 2 abcd\n";

fn ask(address: SocketAddr, name: &str, record_type: &str) -> Request {
    Request {
        server: address.ip().to_string(),
        port: Some(address.port()),
        ip_version: None,
        transport: Transport::Udp,
        server_name: None,
        verify_tls: true,
        name: name.to_owned(),
        record_type: record_type.to_owned(),
        recursion_desired: false,
        dnssec_ok: false,
        checking_disabled: false,
        timeout_ms: 5_000,
    }
}

fn data(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.data.as_str()).collect()
}

#[tokio::test]
async fn a_name_server_is_asked_over_every_transport_and_its_whole_answer_is_shown() {
    let authority = Authority::new().unwrap();
    // More than a datagram takes.
    let many: String = (0..100).map(|n| format!("many IN TXT \"{n:0>40}\"\n")).collect();
    let certificate = authority.certificate(&["127.0.0.1"], Validity::Good).unwrap();
    let named = Named::start(&format!("{RECORDS}{many}"), &certificate).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    fs::write(&file, authority.pem()).unwrap();
    let trusting = trusting(file);

    for (name, record_type, expected) in [
        ("www.example", "A", vec!["192.0.2.7"]),
        ("WWW.example.", "AAAA", vec!["2001:db8::7"]),
        ("alias.example", "A", vec!["www.example.", "192.0.2.7"]),
        ("example", "MX", vec!["10 mail.example."]),
        ("example", "TXT", vec!["v=spf1 -all"]),
        ("_sip._tcp.example", "SRV", vec!["1 2 5060 sip.example."]),
        ("www.example", "MX", vec![]),
    ] {
        let response = prober().query(ask(named.address, name, record_type)).await.unwrap();
        assert_eq!((response.rcode.as_str(), data(&response.answers)), ("NOERROR", expected), "{name} {record_type}");
        assert!(response.authoritative && !response.truncated && !response.authentic_data);
        assert_eq!(response.remote, named.address.to_string());
        assert!(response.bytes > 12 && response.times.first_byte.is_some());
    }
    let caa = prober().query(ask(named.address, "example", "CAA")).await.unwrap().answers;
    assert!(caa[0].data.contains("issue") && caa[0].data.contains("ca.example"), "{caa:?}");
    let odd = prober().query(ask(named.address, "odd.example", "TYPE65280")).await.unwrap().answers;
    assert_eq!((odd[0].record_type.as_str(), odd[0].name.as_str(), odd[0].ttl_s), ("TYPE65280", "odd.example.", 300));

    let absent = prober().query(ask(named.address, "absent.example", "A")).await.unwrap();
    assert_eq!((absent.rcode.as_str(), absent.authorities[0].record_type.as_str()), ("NXDOMAIN", "SOA"));
    let foreign = prober().query(ask(named.address, "elsewhere.test", "A")).await.unwrap();
    assert_eq!((foreign.rcode.as_str(), foreign.authoritative), ("REFUSED", false));

    let cut = prober().query(ask(named.address, "many.example", "TXT")).await.unwrap();
    assert_eq!((cut.truncated, cut.answers.len()), (true, 100), "it was asked for again over TCP");
    let tcp = Request { transport: Transport::Tcp, ..ask(named.address, "many.example", "TXT") };
    let whole = prober().query(tcp).await.unwrap();
    assert_eq!((whole.truncated, whole.answers.len()), (false, 100));

    let tls = Request { transport: Transport::Tls, ..ask(named.tls, "www.example", "A") };
    let safe = trusting.query(tls.clone()).await.unwrap();
    assert_eq!(data(&safe.answers), ["192.0.2.7"]);
    assert!(safe.tls.unwrap().verified);
    let distrusted = prober().query(tls).await.unwrap_err();
    assert_eq!(distrusted.code, "tls-certificate-unknown-issuer");

    named.server.freeze(true).unwrap();
    let frozen = prober().query(Request { timeout_ms: 1_500, ..ask(named.address, "www.example", "A") }).await;
    named.server.freeze(false).unwrap();
    assert_eq!(frozen.unwrap_err().code, "first-byte-timeout");
}

/// A server that answers each question with what this makes of it.
fn playing(answer: impl Fn(Vec<u8>) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut datagram = [0; 1_500];
        while let Ok((length, from)) = socket.recv_from(&mut datagram) {
            for answer in answer(datagram[..length].to_vec()) {
                socket.send_to(&answer, from).unwrap();
            }
        }
    });
    address
}

fn as_response(mut question: Vec<u8>) -> Vec<u8> {
    question[2] |= 0x80;
    question
}

#[tokio::test]
async fn what_does_not_belong_to_the_question_is_passed_over_and_what_breaks_the_protocol_is_told() {
    let forged = playing(|question| {
        let mut other_id = as_response(question.clone());
        other_id[0] ^= 1;
        vec![b"noise".to_vec(), question.clone(), other_id, as_response(question)]
    });
    let response = prober().query(ask(forged, "www.example", "A")).await.unwrap();
    assert_eq!((response.rcode.as_str(), response.answers.len()), ("NOERROR", 0));

    let broken = playing(|question| vec![as_response(question)[..20].to_vec()]);
    let failed = prober().query(ask(broken, "www.example", "A")).await.unwrap_err();
    assert_eq!((failed.phase, failed.code.as_str()), (Phase::Transfer, "protocol-error"));

    let over_tcp = |address| Request { transport: Transport::Tcp, ..ask(address, "www.example", "A") };
    for (address, phase, code) in [
        (answering(&[0, 40, 1, 2, 3], Then::Close), Phase::Transfer, "connection-closed"),
        (answering(&[0, 3, 1, 2, 3], Then::Hold), Phase::Transfer, "protocol-error"),
        (answering(b"", Then::Close), Phase::FirstByte, "connection-closed"),
        (free_address().unwrap(), Phase::Connect, "connection-refused"),
    ] {
        let failed = prober().query(over_tcp(address)).await.unwrap_err();
        assert_eq!((failed.phase, failed.code.as_str()), (phase, code), "{failed:?}");
    }
    let refused = prober().query(ask(free_address().unwrap(), "www.example", "A")).await.unwrap_err();
    assert_eq!(refused.code, "connection-refused");
}
