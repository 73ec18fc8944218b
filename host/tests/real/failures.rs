//! Every way in which a probe gets no answer, and what it says then.

use farwatch_host::probe::evidence::{IpVersion, Phase, Version};
use farwatch_tests::ports::free_address;

use crate::probing::{bound_to, failure, get, prober};
use crate::raw::{FullQueue, Then, answering};

fn url(address: std::net::SocketAddr) -> String {
    format!("http://{address}/")
}

#[tokio::test]
async fn nobody_listens() {
    let address = free_address().unwrap();
    let failed = failure(&prober(), get(url(address))).await;
    assert_eq!((failed.phase, failed.code.as_str()), (Phase::Connect, "connection-refused"));
    assert_eq!(failed.remote, Some(address.to_string()));
    assert!(failed.times.connect.is_some() && failed.message.contains(&address.to_string()), "{failed:?}");
}

#[tokio::test]
async fn nobody_accepts() {
    let full = FullQueue::new();
    let mut request = get(url(full.address));
    request.timeout_ms = 200;
    let failed = failure(&prober(), request).await;
    assert_eq!((failed.phase, failed.code.as_str()), (Phase::Connect, "connect-timeout"));
    assert!(failed.times.connect.is_some_and(|us| us >= 200_000), "{failed:?}");
    assert!(failed.message.starts_with("timed out after 200 ms"), "{}", failed.message);
}

#[tokio::test]
async fn the_answer_is_no_http() {
    for garbage in
        [b"\0\x01\x02 this is not HTTP\r\n\r\n".as_slice(), b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 banana\r\n\r\n"]
    {
        let failed = failure(&prober(), get(url(answering(garbage, Then::Close)))).await;
        assert_eq!((failed.phase, failed.code.as_str()), (Phase::Transfer, "protocol-error"), "{failed:?}");
        assert!(failed.times.first_byte.is_some());
    }
}

#[tokio::test]
async fn the_server_closes_early() {
    let silent = failure(&prober(), get(url(answering(b"", Then::Close)))).await;
    assert_eq!((silent.phase, silent.code.as_str()), (Phase::FirstByte, "connection-closed"), "{silent:?}");
    for partial in [b"HTTP/1.1 200 OK\r\nserver: x\r\n".as_slice(), b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"]
    {
        let failed = failure(&prober(), get(url(answering(partial, Then::Close)))).await;
        assert_eq!((failed.phase, failed.code.as_str()), (Phase::Transfer, "connection-closed"), "{failed:?}");
    }
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nab";
    let failed = failure(&prober(), get(url(answering(chunked, Then::Close)))).await;
    assert_eq!((failed.phase, failed.code.as_str()), (Phase::Transfer, "connection-closed"), "{failed:?}");
}

#[tokio::test]
async fn the_server_resets() {
    let failed = failure(&prober(), get(url(answering(b"", Then::Reset)))).await;
    assert_eq!((failed.phase, failed.code.as_str()), (Phase::FirstByte, "connection-reset"), "{failed:?}");
}

#[tokio::test]
async fn the_server_says_nothing_or_stops_saying_it() {
    let mut request = get(url(answering(b"", Then::Hold)));
    request.timeout_ms = 150;
    let silent = failure(&prober(), request).await;
    assert_eq!((silent.phase, silent.code.as_str()), (Phase::FirstByte, "first-byte-timeout"), "{silent:?}");
    assert!(silent.times.first_byte.is_some_and(|us| us > 100_000), "{silent:?}");
    let mut request = get(url(answering(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", Then::Hold)));
    request.timeout_ms = 150;
    let stuck = failure(&prober(), request).await;
    assert_eq!((stuck.phase, stuck.code.as_str()), (Phase::Transfer, "transfer-timeout"), "{stuck:?}");
}

#[tokio::test]
async fn a_head_without_end_is_not_read_for_ever() {
    let endless = answering(b"HTTP/1.1 200 OK\r\n", Then::Repeat(b"x-more: and more and more and more\r\n"));
    let failed = failure(&prober(), get(url(endless))).await;
    assert_eq!((failed.phase, failed.code.as_str()), (Phase::Transfer, "response-too-large"), "{failed:?}");
    let one_line = answering(b"HTTP/1.1 200 OK\r\nx: ", Then::Repeat(b"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"));
    let failed = failure(&prober(), get(url(one_line))).await;
    assert_eq!(failed.code, "response-too-large", "{failed:?}");
}

#[tokio::test]
async fn a_body_without_end_is_cut() {
    let endless = answering(b"HTTP/1.1 200 OK\r\n\r\n", Then::Repeat(&[b'z'; 8192]));
    let response = crate::probing::answer(&prober(), get(url(endless))).await;
    assert_eq!((response.body.len(), response.body_truncated), (1 << 20, true));
}

#[tokio::test]
async fn a_server_that_knows_no_http2_breaks_it() {
    let mut request = get(url(answering(b"HTTP/1.1 400 Bad Request\r\n\r\n", Then::Close)));
    request.version = Version::Http2;
    let failed = failure(&prober(), request).await;
    assert_eq!(failed.code, "protocol-error", "{failed:?}");
}

#[tokio::test]
async fn what_must_not_be_reached_is_refused_before_anything_is_sent() {
    for (url, words) in [
        ("http://10.0.0.1/", "--allow-net 10.0.0.1/32"),
        ("http://169.254.169.254/latest/meta-data/", "metadata"),
        ("http://[::ffff:192.168.1.1]/", "--allow-net 192.168.1.1/32"),
        ("http://[64:ff9b::a00:1]/", "leads to 10.0.0.1"),
    ] {
        let failed = failure(&prober(), get(url)).await;
        assert_eq!((failed.phase, failed.code.as_str()), (Phase::Prepare, "egress-refused"), "{url}");
        assert!(failed.message.contains(words), "{}", failed.message);
        assert!(failed.remote.is_none() && failed.times.connect.is_none());
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused() {
    for url in ["http://user@127.0.0.1/", "http://2130706433/", "http://[fe80::1%25lo]/", "gopher://127.0.0.1/"] {
        let failed = failure(&prober(), get(url)).await;
        assert_eq!((failed.phase, failed.code.as_str()), (Phase::Prepare, "request-invalid"), "{url}");
    }
    let mut http3 = get("https://127.0.0.1/");
    http3.version = Version::Http3;
    assert_eq!(failure(&prober(), http3).await.code, "not-supported");
    let mut family = get("http://127.0.0.1/");
    family.ip_version = Some(IpVersion::Ipv6);
    assert_eq!(failure(&prober(), family).await.code, "request-invalid");
}

#[tokio::test]
async fn a_name_that_leads_nowhere() {
    // A name under .invalid never exists (RFC 6761); a machine without any resolver says that otherwise.
    let failed = failure(&prober(), get("http://nowhere.invalid/")).await;
    assert_eq!(failed.phase, Phase::Resolve);
    assert!(failed.code.starts_with("dns-") && failed.message.contains("nowhere.invalid"), "{failed:?}");
}

#[tokio::test]
async fn trouble_of_the_host_itself_is_told_as_such() {
    let failed = failure(&bound_to("192.0.2.1".parse().unwrap()), get("http://127.0.0.1:9/")).await;
    assert_eq!((failed.phase, failed.code.as_str()), (Phase::Prepare, "host-trouble"));
    assert!(failed.message.contains("--probe-bind 192.0.2.1"), "{}", failed.message);
}
