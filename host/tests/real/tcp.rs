//! TCP conversations with real servers, and every way in which there is no answer.

use farwatch_host::probe::Prober;
use farwatch_host::probe::evidence::{Failure, Phase};
use farwatch_sandbox::tcp::{Ended, Receive, Request, Response, TlsOptions, Until};
use farwatch_tests::certificate::{Authority, Validity};
use farwatch_tests::nginx::{Nginx, Server, free_address};

use crate::probing::{prober, trusting};
use crate::raw::{FullQueue, Then, answering};

fn connect(address: std::net::SocketAddr) -> Request {
    Request {
        host: address.ip().to_string(),
        port: address.port(),
        ip_version: None,
        tls: None,
        send: None,
        receive: None,
        timeout_ms: 5_000,
    }
}

fn until(until: Until) -> Option<Receive> {
    Some(Receive { until, max_bytes: 4_096 })
}

fn line() -> Option<Receive> {
    until(Until::Delimiter(b"\r\n".to_vec()))
}

async fn answer(prober: &Prober, request: Request) -> Response {
    prober.converse(request).await.unwrap_or_else(|failure| panic!("{failure:?}"))
}

async fn failure(prober: &Prober, request: Request) -> Failure {
    match prober.converse(request).await {
        Ok(response) => panic!("{response:?}"),
        Err(failure) => failure,
    }
}

#[tokio::test]
async fn a_connection_alone_is_an_answer() {
    let address = answering(b"", Then::Hold);
    let response = answer(&prober(), connect(address)).await;
    assert_eq!((response.remote, response.bytes.len()), (address.to_string(), 0));
    assert!(response.ended.is_none() && response.times.connect.is_some());
    assert!(response.times.first_byte.is_none() && response.times.resolve.is_none());
    let sent = answer(&prober(), Request { send: Some(b"hello".to_vec()), ..connect(address) }).await;
    assert!(sent.ended.is_none() && sent.times.first_byte.is_none());
}

#[tokio::test]
async fn an_answer_ends_as_the_module_says() {
    let address = answering(b"+PONG\r\nmore", Then::Close);
    let ask = |receive| Request { send: Some(b"PING\r\n".to_vec()), receive, ..connect(address) };
    for (receive, bytes, ended) in [
        (line(), b"+PONG\r\n".as_slice(), Ended::Matched),
        (until(Until::Delimiter(b"PO".to_vec())), b"+PO", Ended::Matched),
        (until(Until::Delimiter(b"never".to_vec())), b"+PONG\r\nmore", Ended::Closed),
        (until(Until::Count(4)), b"+PON", Ended::Matched),
        (until(Until::Count(400)), b"+PONG\r\nmore", Ended::Closed),
        (until(Until::Closed), b"+PONG\r\nmore", Ended::Matched),
        (Some(Receive { until: Until::Closed, max_bytes: 5 }), b"+PONG", Ended::Full),
    ] {
        let response = answer(&prober(), ask(receive)).await;
        assert_eq!((response.bytes.as_slice(), response.ended), (bytes, Some(ended)));
        assert!(response.times.first_byte.is_some() && response.times.transfer.is_some());
    }
}

#[tokio::test]
async fn what_came_before_the_time_was_over_is_handed_over() {
    let address = answering(b"220 wait", Then::Hold);
    let slow = Request { send: Some(b"x".to_vec()), receive: line(), timeout_ms: 300, ..connect(address) };
    let response = answer(&prober(), slow).await;
    assert_eq!((response.bytes.as_slice(), response.ended), (b"220 wait".as_slice(), Some(Ended::Timeout)));
    assert!(response.times.total >= 300_000);
}

#[tokio::test]
async fn an_endless_answer_is_cut() {
    let address = answering(b"x", Then::Repeat(&[b'x'; 4_096]));
    let endless = Receive { until: Until::Closed, max_bytes: u32::MAX };
    let request = Request { send: Some(b"x".to_vec()), receive: Some(endless), ..connect(address) };
    let response = answer(&prober(), request).await;
    assert_eq!((response.bytes.len(), response.ended), (1 << 20, Some(Ended::Full)));
}

#[tokio::test]
async fn nothing_at_all_is_a_failure_with_its_step() {
    let silent = answering(b"", Then::Hold);
    let full = FullQueue::new();
    let hear = |address, timeout_ms| Request { receive: line(), timeout_ms, ..connect(address) };
    let ask = |address, timeout_ms| Request { send: Some(b"x".to_vec()), ..hear(address, timeout_ms) };
    for (request, phase, code) in [
        (connect(free_address().unwrap()), Phase::Connect, "connection-refused"),
        (hear(full.address, 200), Phase::Connect, "connect-timeout"),
        (hear(silent, 200), Phase::FirstByte, "first-byte-timeout"),
        (ask(answering(b"", Then::Close), 5_000), Phase::FirstByte, "connection-closed"),
        (ask(answering(b"", Then::Reset), 5_000), Phase::FirstByte, "connection-reset"),
    ] {
        let address = format!("{}:{}", request.host, request.port);
        let failed = failure(&prober(), request).await;
        assert_eq!((failed.phase, failed.code.as_str()), (phase, code), "{failed:?}");
        assert_eq!(failed.remote, Some(address));
    }
}

#[tokio::test]
async fn what_may_not_be_asked_is_refused_before_anything_is_opened() {
    let public = prober();
    let address = answering(b"", Then::Hold);
    let long = vec![0; (64 << 10) + 1];
    for (request, code, words) in [
        (Request { host: "10.0.0.1".to_owned(), ..connect(address) }, "egress-refused", "private"),
        (Request { host: "127.1".to_owned(), ..connect(address) }, "request-invalid", "host name"),
        (Request { port: 0, ..connect(address) }, "egress-refused", "port 0"),
        (Request { send: Some(long), ..connect(address) }, "request-invalid", "65536 are allowed"),
        (Request { receive: until(Until::Delimiter(Vec::new())), ..connect(address) }, "request-invalid", "1 to 1024"),
    ] {
        let failed = failure(&public, request).await;
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
        Some(TlsOptions { server_name: server_name.map(str::to_owned), verify, certificates: true })
    };
    let ask = |index, tls| Request {
        tls,
        send: Some(b"GET / HTTP/1.0\r\n\r\n".to_vec()),
        receive: until(Until::Delimiter(b"fine".to_vec())),
        ..connect(nginx.address(index))
    };
    let response = answer(&prober, ask(0, tls(None, true))).await;
    assert!(response.bytes.starts_with(b"HTTP/1.1 200 OK\r\n") && response.bytes.ends_with(b"fine"));
    let shown = response.tls.unwrap();
    assert!(shown.verified && shown.version == "TLSv1.3" && shown.alpn.is_none() && !shown.chain.is_empty());
    assert!(response.times.tls.is_some());

    let expired = failure(&prober, ask(1, tls(None, true))).await;
    assert_eq!((expired.phase, expired.code.as_str()), (Phase::Tls, "tls-certificate-expired"));
    let other_name = failure(&prober, ask(0, tls(Some("shop.example"), true))).await;
    assert_eq!(other_name.code, "tls-certificate-name-mismatch");
    let unverified = answer(&prober, ask(1, tls(None, false))).await.tls.unwrap();
    assert_eq!(unverified.verify_error.as_deref(), Some("tls-certificate-expired"));
    let plain = failure(&prober, Request { tls: tls(None, true), ..connect(answering(b"220 hi\r\n", Then::Close)) });
    assert_eq!(plain.await.phase, Phase::Tls);
}
