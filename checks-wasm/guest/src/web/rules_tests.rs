//! Every rule against an answer that keeps it and one that does not.

use super::*;
use crate::fields::{Form, prepare};
use crate::web::expect::{self, FIELDS};
use crate::wit::farwatch::check::types::{PhaseTimes, TlsInfo};

const FORM: Form = Form { example: "{}", fields: &[FIELDS] };

fn rules(config: &str) -> Rules {
    let mut found = None;
    let read = |fields: &mut Fields<'_>| {
        found = expect::read(fields).rules;
        Some(Vec::new())
    };
    prepare(config, &FORM, read).unwrap_or_else(|problems| panic!("{config}: {problems:?}"));
    *found.expect("there are rules")
}

fn answer() -> Response {
    let headers = [("content-type", "text/html"), ("via", "a"), ("via", "b"), ("age", "12")];
    Response {
        status: 200,
        version: Version::Http1,
        location: None,
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        trailers: Vec::new(),
        body: br#"{"status": "ok", "queue": {"length": 7}}"#.to_vec(),
        body_bytes: 40,
        body_truncated: false,
        remote: "192.0.2.7:443".to_owned(),
        times: PhaseTimes {
            resolve: Some(10_000),
            connect: Some(20_000),
            tls: Some(30_000),
            first_byte: Some(40_000),
            transfer: Some(50_000),
            total: 150_000,
        },
        tls: Some(TlsInfo {
            version: "TLSv1.2".to_owned(),
            cipher: String::new(),
            alpn: None,
            verified: true,
            verify_error: None,
            certificate_not_after_ms: None,
            chain: Vec::new(),
        }),
    }
}

/// Code and message of what is down, or else degraded.
fn wrong(config: &str, response: &Response) -> Option<(Status, &'static str, String)> {
    let progress = Progress { redirects: 0, elapsed_us: 150_000 };
    let rules = rules(config);
    rules.down(response, progress).or_else(|| rules.degraded(response, progress))
}

#[test]
fn an_answer_that_keeps_the_rules_is_good() {
    for config in [
        r#"{"expected_http_version": 1.1, "tls_version_min": "1.2", "expected_addresses": ["192.0.2.0/24", "::1"]}"#,
        r#"{"expect_headers": [{"name": "Content-Type", "equals": "text/html"}, {"name": "via", "equals": "a, b"}]}"#,
        r#"{"expect_headers": [{"name": "age", "maximum": 12}, {"name": "server", "exists": false}]}"#,
        r#"{"expect_json": [{"path": "$.status", "equals": "ok"}, {"path": "$.queue.length", "maximum": 7}]}"#,
        r#"{"body_bytes_min": 40, "body_bytes_max": 40}"#,
        r#"{"resolve_down_above_ms": 10, "connect_down_above_ms": 20, "tls_down_above_ms": 30, "down_above_ms": 150}"#,
        r#"{"first_byte_degraded_above_ms": 40, "transfer_degraded_above_ms": 50}"#,
    ] {
        assert_eq!(wrong(config, &answer()).map(|(_, _, message)| message), None, "{config}");
    }
}

#[test]
fn what_breaks_a_rule_is_told_with_what_was_expected() {
    for (config, code, message) in [
        (r#"{"expected_http_version": "2"}"#, "http-version-unexpected", "expected HTTP/2, got HTTP/1.1"),
        (r#"{"tls_version_min": 1.3}"#, "tls-version-too-old", "expected TLSv1.3 or newer, got TLSv1.2"),
        (
            r#"{"expected_addresses": ["192.0.3.0/24", "2001:db8::/32"]}"#,
            "address-unexpected",
            "expected an address of 192.0.3.0/24, 2001:db8::/32, got 192.0.2.7",
        ),
        (
            r#"{"expect_headers": [{"name": "content-type", "contains": "json"}]}"#,
            "header-unexpected",
            "expected the header `content-type` to contain `json`, got \"text/html\"",
        ),
        (
            r#"{"expect_headers": [{"name": "x"}]}"#,
            "header-unexpected",
            "expected the header `x` to be there, got nothing",
        ),
        (
            r#"{"expect_json": [{"path": "$.queue.length", "maximum": 6}]}"#,
            "json-unexpected",
            "expected `$.queue.length` to be at most 6, got 7",
        ),
        (r#"{"expect_json": [{"path": "$.x"}]}"#, "json-unexpected", "expected `$.x` to be there, got nothing"),
        (r#"{"body_bytes_min": 41}"#, "body-size-unexpected", "expected a body of at least 41 bytes, got 40 bytes"),
        (r#"{"body_bytes_max": 1}"#, "body-size-unexpected", "expected a body of at most 1 byte, got 40 bytes"),
        (r#"{"tls_down_above_ms": 29}"#, "too-slow", "expected the TLS handshake within 29 ms, got 30 ms"),
        (r#"{"down_above_ms": 149}"#, "too-slow", "expected the whole answer within 149 ms, got 150 ms"),
        (r#"{"resolve_degraded_above_ms": 9}"#, "slow", "expected the lookup of the name within 9 ms, got 10 ms"),
    ] {
        let (status, found, said) = wrong(config, &answer()).expect(config);
        assert_eq!((found, said), (code, format!("{message} from 192.0.2.7:443 after 150 ms")), "{config}");
        assert_eq!(matches!(status, Status::Degraded), code == "slow", "{config}");
    }
    let html = Response { body: b"<html>".to_vec(), tls: None, ..answer() };
    let (_, code, message) = wrong(r#"{"expect_json": [{"path": "$"}]}"#, &html).unwrap();
    assert!(code == "json-invalid" && message.starts_with("expected JSON, got a body that is no JSON"), "{message}");
    let (_, code, _) = wrong(r#"{"tls_version_min": "1.2"}"#, &html).unwrap();
    assert_eq!(code, "tls-version-too-old");
}

#[test]
fn only_what_a_rule_needs_is_wanted() {
    assert_eq!(rules(r#"{"body_bytes_max": 1}"#).wants(), Want::empty());
    assert_eq!(rules(r#"{"expect_headers": [{"name": "x"}]}"#).wants(), Want::HEADERS);
    assert_eq!(rules(r#"{"expect_json": [{"path": "$"}]}"#).wants(), Want::BODY);
}
