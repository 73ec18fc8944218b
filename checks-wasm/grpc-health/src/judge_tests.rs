//! Answers of servers and of proxies, good and bad.

use farwatch_guest::fields::{judge, reread};

use super::*;
use crate::wit::farwatch::check::http::Version;
use crate::wit::farwatch::check::types::PhaseTimes;

const GRPC: (&str, &str) = ("content-type", "application/grpc");

struct Answered<'a> {
    status: u16,
    headers: &'a [(&'a str, &'a str)],
    trailers: &'a [(&'a str, &'a str)],
    body: &'a [u8],
}

fn judged(fields: &str, answered: &Answered<'_>) -> Outcome {
    let owned = |pairs: &[(&str, &str)]| pairs.iter().map(|&(a, b)| (a.to_owned(), b.to_owned())).collect();
    let times = PhaseTimes { resolve: None, connect: None, tls: None, first_byte: None, transfer: None, total: 20_000 };
    let response = Response {
        status: answered.status,
        version: Version::Http2,
        location: None,
        headers: owned(answered.headers),
        trailers: owned(answered.trailers),
        body: answered.body.to_vec(),
        body_bytes: 0,
        body_truncated: false,
        remote: "192.0.2.7:443".to_owned(),
        times,
        tls: None,
    };
    let json = format!(r#"{{"host": "a", "port": 443, "service": "b.C"{fields}}}"#);
    super::response(&reread::<Config>(&judge::<Config>(&json).unwrap()).unwrap(), &response, 0)
}

#[test]
fn calls_are_judged_by_their_status_and_their_message() {
    let serving = b"\0\0\0\0\x02\x08\x01".as_slice();
    let not_serving = b"\0\0\0\0\x02\x08\x02".as_slice();
    let good = [("grpc-status", "0")];
    for (status, headers, trailers, body, code, words) in [
        (200, &[GRPC][..], &good[..], serving, "ok", ""),
        (200, &[("content-type", "application/grpc+proto")], &good, serving, "ok", ""),
        (200, &[GRPC], &good, not_serving, "not-serving", "expected `b.C` to be SERVING, got NOT_SERVING"),
        (200, &[GRPC], &good, b"\0\0\0\0\0", "serving-unknown", "got UNKNOWN"),
        (200, &[GRPC], &good, b"\0\0\0\0\x02\x08\x03", "service-unknown", "got SERVICE_UNKNOWN"),
        (200, &[GRPC], &good, b"\0\0\0\0\x02\x08\x09", "serving-unknown", "the unknown status 9"),
        (200, &[GRPC], &good, b"", "protocol-error", "got no message"),
        (200, &[GRPC, ("grpc-status", "12")], &[], b"", "health-unimplemented", "got 12 UNIMPLEMENTED"),
        (200, &[GRPC], &[("grpc-status", "5"), ("grpc-message", "a%20b")], b"", "service-unknown", "5 NOT_FOUND: a b"),
        (200, &[GRPC], &[("grpc-status", "13")], serving, "call-failed", "got 13 INTERNAL"),
        (200, &[GRPC], &[("grpc-status", "99")], serving, "protocol-error", "got `99`"),
        (200, &[GRPC], &[], serving, "answer-incomplete", "before it had a status"),
        (200, &[("content-type", "text/html")], &[], b"hello", "protocol-error", "of the type `text/html`"),
        (200, &[], &good, serving, "protocol-error", "of the type ``"),
        (502, &[GRPC], &good, serving, "status-unexpected", "expected status 200 of HTTP, got 502 from 192.0.2.7:443"),
    ] {
        let outcome = judged("", &Answered { status, headers, trailers, body });
        assert_eq!(outcome.code, code, "{}", outcome.message);
        assert!(outcome.message.contains(words), "{code}: {}", outcome.message);
        assert_eq!(outcome.status, if code == "ok" { Status::Up } else { Status::Down });
    }
    let good = Answered { status: 200, headers: &[GRPC], trailers: &good, body: serving };
    assert_eq!(judged(r#", "degraded_above_ms": 19"#, &good).code, "slow");
}
