//! TCP conversations with real servers, and every way in which there is no answer.

use std::net::SocketAddr;
use std::sync::Arc;

use farwatch_host::probe::Prober;
use farwatch_host::probe::evidence::{Failure, Phase};
use farwatch_sandbox::tcp::{Ended, Evidence, Received, Target, TlsOptions, Until};
use farwatch_tests::certificate::{Authority, Certificate, Validity};
use farwatch_tests::nginx::{Nginx, Server};
use farwatch_tests::ports::free_address;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::probing::{prober, trusting};
use crate::raw::{FullQueue, Then, answering};

/// What is said over one connection, and how its answer ends.
#[derive(Clone)]
struct Talk {
    target: Target,
    send: Option<Vec<u8>>,
    receive: Option<(Until, u32)>,
}

/// What came of it.
struct Heard {
    bytes: Vec<u8>,
    ended: Option<Ended>,
    evidence: Evidence,
}

fn target(address: SocketAddr) -> Target {
    let (host, port) = (address.ip().to_string(), address.port());
    Target { host, port, ip_version: None, tls: None, timeout_ms: 5_000 }
}

fn connect(address: SocketAddr) -> Talk {
    Talk { target: target(address), send: None, receive: None }
}

fn until(until: Until) -> Option<(Until, u32)> {
    Some((until, 4_096))
}

fn line() -> Option<(Until, u32)> {
    until(Until::Delimiter(b"\r\n".to_vec()))
}

async fn converse(prober: &Prober, talk: Talk) -> Result<Heard, Failure> {
    let mut connection = prober.open(talk.target).await?;
    if let Some(bytes) = &talk.send {
        connection.send(bytes).await?;
    }
    let received = match &talk.receive {
        Some((until, max_bytes)) => Some(connection.receive(until, *max_bytes).await?),
        None => None,
    };
    let evidence = connection.evidence();
    let (bytes, ended) = received.map_or((Vec::new(), None), |Received { bytes, ended }| (bytes, Some(ended)));
    Ok(Heard { bytes, ended, evidence })
}

async fn answer(prober: &Prober, talk: Talk) -> Heard {
    converse(prober, talk).await.unwrap_or_else(|failure| panic!("{failure:?}"))
}

async fn failure(prober: &Prober, talk: Talk) -> Failure {
    match converse(prober, talk).await {
        Ok(heard) => panic!("{:?} {:?}", heard.bytes, heard.evidence),
        Err(failure) => failure,
    }
}

#[tokio::test]
async fn a_connection_alone_is_an_answer() {
    let address = answering(b"", Then::Hold);
    let heard = answer(&prober(), connect(address)).await;
    let times = heard.evidence.times;
    assert_eq!((heard.evidence.remote, heard.bytes.len()), (address.to_string(), 0));
    assert!(heard.ended.is_none() && times.connect.is_some());
    assert!(times.first_byte.is_none() && times.resolve.is_none());
    let sent = answer(&prober(), Talk { send: Some(b"hello".to_vec()), ..connect(address) }).await;
    assert!(sent.ended.is_none() && sent.evidence.times.first_byte.is_none());
}

#[tokio::test]
async fn an_answer_ends_as_the_module_says() {
    let address = answering(b"+PONG\r\nmore", Then::Close);
    let ask = |receive| Talk { send: Some(b"PING\r\n".to_vec()), receive, ..connect(address) };
    for (receive, bytes, ended) in [
        (line(), b"+PONG\r\n".as_slice(), Ended::Matched),
        (until(Until::Delimiter(b"PO".to_vec())), b"+PO", Ended::Matched),
        (until(Until::Delimiter(b"never".to_vec())), b"+PONG\r\nmore", Ended::Closed),
        (until(Until::Count(4)), b"+PON", Ended::Matched),
        (until(Until::Count(400)), b"+PONG\r\nmore", Ended::Closed),
        (until(Until::Closed), b"+PONG\r\nmore", Ended::Matched),
        (Some((Until::Closed, 5)), b"+PONG", Ended::Full),
    ] {
        let heard = answer(&prober(), ask(receive)).await;
        assert_eq!((heard.bytes.as_slice(), heard.ended), (bytes, Some(ended)));
        assert!(heard.evidence.times.first_byte.is_some() && heard.evidence.times.transfer.is_some());
    }
}

#[tokio::test]
async fn what_came_before_the_time_was_over_is_handed_over() {
    let address = answering(b"220 wait", Then::Hold);
    let target = Target { timeout_ms: 300, ..target(address) };
    let heard = answer(&prober(), Talk { target, send: Some(b"x".to_vec()), receive: line() }).await;
    assert_eq!((heard.bytes.as_slice(), heard.ended), (b"220 wait".as_slice(), Some(Ended::Timeout)));
    assert!(heard.evidence.times.total >= 300_000);
}

#[tokio::test]
async fn an_endless_answer_is_cut() {
    let address = answering(b"x", Then::Repeat(&[b'x'; 4_096]));
    let endless = Some((Until::Closed, u32::MAX));
    let heard = answer(&prober(), Talk { send: Some(b"x".to_vec()), receive: endless, ..connect(address) }).await;
    assert_eq!((heard.bytes.len(), heard.ended), (1 << 20, Some(Ended::Full)));
}

#[tokio::test]
async fn nothing_at_all_is_a_failure_with_its_step() {
    let silent = answering(b"", Then::Hold);
    let full = FullQueue::new();
    let hear =
        |address, timeout_ms| Talk { target: Target { timeout_ms, ..target(address) }, send: None, receive: line() };
    let ask = |address, timeout_ms| Talk { send: Some(b"x".to_vec()), ..hear(address, timeout_ms) };
    for (talk, phase, code) in [
        (connect(free_address().unwrap()), Phase::Connect, "connection-refused"),
        (hear(full.address, 200), Phase::Connect, "connect-timeout"),
        (hear(silent, 200), Phase::FirstByte, "first-byte-timeout"),
        (ask(answering(b"", Then::Close), 5_000), Phase::FirstByte, "connection-closed"),
        (ask(answering(b"", Then::Reset), 5_000), Phase::FirstByte, "connection-reset"),
    ] {
        let address = format!("{}:{}", talk.target.host, talk.target.port);
        let failed = failure(&prober(), talk).await;
        assert_eq!((failed.phase, failed.code.as_str()), (phase, code), "{failed:?}");
        assert_eq!(failed.remote, Some(address));
    }
}

#[tokio::test]
async fn what_may_not_be_asked_is_refused() {
    let public = prober();
    let address = answering(b"", Then::Hold);
    let long = vec![0; (64 << 10) + 1];
    let to = |target| Talk { target, ..connect(address) };
    for (talk, code, words) in [
        (to(Target { host: "10.0.0.1".to_owned(), ..target(address) }), "egress-refused", "private"),
        (to(Target { host: "127.1".to_owned(), ..target(address) }), "request-invalid", "host name"),
        (to(Target { port: 0, ..target(address) }), "egress-refused", "port 0"),
        (Talk { send: Some(long), ..connect(address) }, "request-invalid", "65536 are allowed"),
        (Talk { receive: until(Until::Delimiter(Vec::new())), ..connect(address) }, "request-invalid", "1 to 1024"),
    ] {
        let failed = failure(&public, talk).await;
        assert_eq!((failed.phase, failed.code.as_str()), (Phase::Prepare, code), "{failed:?}");
        assert!(failed.message.contains(words), "{}", failed.message);
    }
}

#[tokio::test]
async fn tls_with_a_real_server_shows_its_evidence() {
    let authority = Authority::new().unwrap();
    let site = "location / { return 200 'fine'; }";
    let nginx = Nginx::start(&[
        Server::https(authority.certificate(&["127.0.0.1"], Validity::Good).unwrap(), site),
        Server::https(authority.certificate(&["127.0.0.1"], Validity::Expired).unwrap(), site),
    ])
    .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    let prober = trusting(file);
    let tls = |server_name: Option<&str>, verify| {
        Some(TlsOptions { server_name: server_name.map(str::to_owned), ..tls(verify) })
    };
    let ask = |index, tls| Talk {
        target: Target { tls, ..target(nginx.address(index)) },
        send: Some(b"GET / HTTP/1.0\r\n\r\n".to_vec()),
        receive: until(Until::Delimiter(b"fine".to_vec())),
    };
    let heard = answer(&prober, ask(0, tls(None, true))).await;
    assert!(heard.bytes.starts_with(b"HTTP/1.1 200 OK\r\n") && heard.bytes.ends_with(b"fine"));
    let shown = heard.evidence.tls.unwrap();
    assert!(shown.verified && shown.version == "TLSv1.3" && shown.alpn.is_none() && !shown.chain.is_empty());
    assert!(heard.evidence.times.tls.is_some());

    let expired = failure(&prober, ask(1, tls(None, true))).await;
    assert_eq!((expired.phase, expired.code.as_str()), (Phase::Tls, "tls-certificate-expired"));
    let other_name = failure(&prober, ask(0, tls(Some("shop.example"), true))).await;
    assert_eq!(other_name.code, "tls-certificate-name-mismatch");
    let unverified = answer(&prober, ask(1, tls(None, false))).await.evidence.tls.unwrap();
    assert_eq!(unverified.verify_error.as_deref(), Some("tls-certificate-expired"));
    let plain = Target { tls: tls(None, true), ..target(answering(b"220 hi\r\n", Then::Close)) };
    assert_eq!(prober.open(plain).await.unwrap_err().phase, Phase::Tls);
}

fn tls(verify: bool) -> TlsOptions {
    TlsOptions { server_name: None, verify, certificates: true, alpn: Vec::new(), client: None }
}

#[tokio::test]
async fn several_answers_come_over_one_connection_and_what_follows_one_is_kept_for_the_next() {
    let prober = prober();
    let address = answering(b"220 one\r\n250 two\r\nrest", Then::Close);
    let mut connection = prober.open(target(address)).await.unwrap();
    connection.send(b"EHLO x\r\n").await.unwrap();
    for line in ["220 one\r\n", "250 two\r\n"] {
        let received = connection.receive(&Until::Delimiter(b"\r\n".to_vec()), 4_096).await.unwrap();
        assert_eq!((received.bytes.as_slice(), received.ended), (line.as_bytes(), Ended::Matched));
    }
    let received = connection.receive(&Until::Count(3), 4_096).await.unwrap();
    assert_eq!((received.bytes.as_slice(), received.ended), (b"res".as_slice(), Ended::Matched));
    let received = connection.receive(&Until::Delimiter(b"\n".to_vec()), 4_096).await.unwrap();
    assert_eq!((received.bytes.as_slice(), received.ended), (b"t".as_slice(), Ended::Closed));
    let nothing = connection.receive(&Until::Count(1), 4_096).await.unwrap_err();
    assert_eq!(nothing.code, "connection-closed");
    let after = connection.send(b"x").await.unwrap_err();
    assert_eq!((after.phase, after.code.as_str()), (Phase::Prepare, "request-invalid"));
    assert_eq!(connection.evidence().remote, address.to_string());
}

/// A server that offers encryption in plain text, with these words after its consent, and greets over TLS.
async fn turning_to_tls(certificate: &Certificate, consent: &'static [u8]) -> SocketAddr {
    let chain = CertificateDer::pem_slice_iter(certificate.chain_pem.as_bytes()).collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(certificate.key_pem.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"smtp".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = [0; 10];
            stream.read_exact(&mut asked).await.unwrap();
            stream.write_all(consent).await.unwrap();
            // Whoever does not like the certificate goes away.
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _ = stream.write_all(b"250 safe\r\n").await;
                let _ = stream.shutdown().await;
            }
        }
    });
    address
}

#[tokio::test]
async fn a_connection_turns_to_tls_where_nothing_was_said_that_should_have_been_encrypted() {
    let authority = Authority::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    let prober = trusting(file);
    let line = || Until::Delimiter(b"\r\n".to_vec());
    let good = authority.certificate(&["127.0.0.1"], Validity::Good).unwrap();

    let mut connection = prober.open(target(turning_to_tls(&good, b"220 go\r\n").await)).await.unwrap();
    connection.send(b"STARTTLS\r\n").await.unwrap();
    assert_eq!(connection.receive(&line(), 4_096).await.unwrap().bytes, b"220 go\r\n");
    let options = TlsOptions { alpn: vec!["smtp".to_owned()], ..tls(true) };
    connection.start_tls(&options).await.unwrap();
    assert_eq!(connection.receive(&line(), 4_096).await.unwrap().bytes, b"250 safe\r\n");
    let evidence = connection.evidence();
    let shown = evidence.tls.unwrap();
    assert_eq!((shown.verified, shown.alpn.as_deref(), shown.chain.len()), (true, Some("smtp"), 1));
    assert!(evidence.times.tls.is_some() && evidence.times.first_byte.is_some());
    assert_eq!(connection.start_tls(&options).await.unwrap_err().code, "request-invalid");

    for (certificate, consent, code) in [
        (&good, b"220 go\r\n250 injected\r\n".as_slice(), "protocol-error"),
        (&authority.certificate(&["127.0.0.1"], Validity::Expired).unwrap(), b"220 go\r\n", "tls-certificate-expired"),
    ] {
        let mut connection = prober.open(target(turning_to_tls(certificate, consent).await)).await.unwrap();
        connection.send(b"STARTTLS\r\n").await.unwrap();
        connection.receive(&line(), 4_096).await.unwrap();
        let failed = connection.start_tls(&tls(true)).await.unwrap_err();
        assert_eq!((failed.phase, failed.code.as_str()), (Phase::Tls, code), "{failed:?}");
    }
}
