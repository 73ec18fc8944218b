//! Every way in which a config can be right or wrong, in two tables.

use farwatch_guest::web::statuses::{self, StatusRange};

use super::*;
use crate::wit::farwatch::check::http::Version;
use crate::wit::farwatch::check::types::IpVersion;

fn plan(config: &str, check: impl FnOnce(&Plan<'_>)) {
    let bytes = prepare(config).unwrap_or_else(|problems| panic!("{config}: {problems:?}"));
    check(&Plan::decode(&bytes).expect("what was encoded can be decoded"));
}

#[test]
fn a_url_is_all_that_is_needed() {
    plan(r#"{"url": "https://example.com/"}"#, |plan| {
        assert_eq!((plan.ask.method, plan.ask.url), ("GET", "https://example.com/"));
        assert_eq!(plan.expect.statuses, [StatusRange::SUCCESS]);
        assert!(plan.ask.verify_tls && plan.ask.follow_redirects && !plan.expect.reads_text());
        assert_eq!(plan.ask.max_redirects, 5);
    });
}

#[test]
fn every_field_is_read() {
    let config = r#"{
        "url": "http://example.com/", "method": "POST", "headers": {"X-A": "1", "b": "ä"}, "body": "{}",
        "follow_redirects": false, "max_redirects": 0, "expected_status": ["200-299", 301, "404,410"],
        "body_contains": "ok", "body_not_contains": "error", "body_regex": "v\\d+", "degraded_above_ms": 500,
        "certificate_days_min": 14, "verify_tls": false, "ip_version": 6, "http_version": "2"
    }"#;
    plan(config, |plan| {
        assert_eq!((plan.ask.method, plan.ask.body), ("POST", Some(b"{}".as_slice())));
        assert_eq!(plan.ask.headers, [("X-A", "1"), ("b", "ä")]);
        assert!(!plan.ask.follow_redirects && !plan.ask.verify_tls && plan.expect.reads_text());
        assert_eq!(statuses::display(&plan.expect.statuses), "200-299,301,404,410");
        assert_eq!(
            (plan.expect.body_contains.as_deref(), plan.expect.body_not_contains.as_deref()),
            (Some("ok"), Some("error"))
        );
        assert_eq!((plan.expect.body_regex.as_deref(), plan.expect.degraded_above_ms), (Some("v\\d+"), Some(500)));
        assert_eq!((plan.expect.certificate_days_min, plan.ask.max_redirects), (Some(14), 0));
        assert_eq!((plan.ask.ip_version, plan.ask.version), (Some(IpVersion::Ipv6), Version::Http2));
    });
}

#[test]
fn null_is_the_same_as_nothing() {
    plan(r#"{"url": "http://a", "method": null, "body": null, "expected_status": null}"#, |plan| {
        assert_eq!((plan.ask.method, plan.ask.body), ("GET", None));
    });
}

#[test]
fn every_mistake_is_named_with_its_place() {
    for (fields, code, pointer, words) in [
        (r#""uri": 1"#, "config-unknown-field", "/uri", "the fields are url, method"),
        (r#""a/b~c": 1"#, "config-unknown-field", "/a~1b~0c", "no field of this module"),
        (r#""method": "GE T""#, "config-bad-value", "/method", "no HTTP method"),
        (r#""method": 1"#, "config-wrong-type", "/method", "must be a text, not a number"),
        (r#""headers": []"#, "config-wrong-type", "/headers", "an object of names and values"),
        (r#""headers": {"a b": "x"}"#, "config-bad-value", "/headers/a b", "no header name"),
        (r#""headers": {"a": 1}"#, "config-bad-value", "/headers/a", "must be a text or a secret, not a number"),
        (r#""headers": {"a": "x\r\ny: z"}"#, "config-bad-value", "/headers/a", "line break"),
        (r#""headers": {"Connection": "x"}"#, "config-bad-value", "/headers/Connection", "set by the check"),
        (r#""body": {}"#, "config-secret-expected", "/body", "must name a secret"),
        (r#""body": 1"#, "config-wrong-type", "/body", "must be a text, not a number"),
        (r#""body": "x", "json": 1"#, "config-bad-value", "/json", "has one body"),
        (r#""form": []"#, "config-wrong-type", "/form", "an object of names and values"),
        (r#""form": {"a": 1}"#, "config-bad-value", "/form/a", "must be a text, or"),
        (r#""basic_user": "a""#, "config-missing-field", "/basic_password", "means nothing without"),
        (
            r#""allow_plaintext_login": true, "bearer_token": "open""#,
            "config-secret-expected",
            "/bearer_token",
            "must name a secret",
        ),
        (r#""bearer_token": {"secret": "t"}"#, "config-plaintext-login", "/bearer_token", "without encryption"),
        (
            r#""bearer_token": {"secret": "t"}, "headers": {"Authorization": "x"}, "allow_plaintext_login": true"#,
            "config-bad-value",
            "/bearer_token",
            "in one way",
        ),
        (r#""client_key": {"secret": "k"}"#, "config-missing-field", "/client_certificate", "means nothing without"),
        (
            r#""oauth2_scope": "a", "oauth2_client_id": "b", "oauth2_token_url": "https://a""#,
            "config-missing-field",
            "/oauth2_client_secret",
            "give both",
        ),
        (r#""expect_headers": {}"#, "config-wrong-type", "/expect_headers", "a list of objects"),
        (r#""expect_headers": [{"name": "a b"}]"#, "config-bad-value", "/expect_headers/0/name", "no header name"),
        (
            r#""expect_json": [{"path": "$.a"}, {"path": "a"}]"#,
            "config-bad-value",
            "/expect_json/1/path",
            "no JSONPath",
        ),
        (r#""expect_json": [{"path": "$", "is": 1}]"#, "config-unknown-field", "/expect_json/0/is", "no field"),
        (r#""expect_json": [{}]"#, "config-missing-field", "/expect_json/0/path", "where the value is"),
        (r#""expected_addresses": ["192.0.2.7/33"]"#, "config-bad-value", "/expected_addresses/0", "no network"),
        (r#""tls_version_min": "1.1""#, "config-bad-value", "/tls_version_min", "\"1.2\" or \"1.3\""),
        (r#""body_bytes_max": 2000000"#, "config-bad-value", "/body_bytes_max", "from 0 to 1048576"),
        (r#""connect_down_above_ms": 0"#, "config-bad-value", "/connect_down_above_ms", "from 1 to 3600000"),
        (r#""follow_redirects": "yes""#, "config-wrong-type", "/follow_redirects", "true or false, not a text"),
        (r#""max_redirects": 21"#, "config-bad-value", "/max_redirects", "whole number from 0 to 20"),
        (r#""max_redirects": 1.5"#, "config-bad-value", "/max_redirects", "whole number from 0 to 20"),
        (r#""expected_status": []"#, "config-bad-value", "/expected_status", "leave it out"),
        (r#""expected_status": "2xx""#, "config-bad-value", "/expected_status", "write `200` or `200-299`"),
        (r#""expected_status": [200, 600]"#, "config-bad-value", "/expected_status/1", "from 100 to 599"),
        (r#""expected_status": [200, true]"#, "config-bad-value", "/expected_status/1", "a number or a text"),
        (r#""expected_status": -1"#, "config-bad-value", "/expected_status", "no HTTP status"),
        (r#""body_contains": 1"#, "config-wrong-type", "/body_contains", "must be a text"),
        (r#""body_regex": "(""#, "config-bad-value", "/body_regex", "no regular expression"),
        (r#""degraded_above_ms": 0"#, "config-bad-value", "/degraded_above_ms", "from 1 to 3600000"),
        (r#""degraded_above_ms": "1""#, "config-wrong-type", "/degraded_above_ms", "must be a number"),
        (r#""certificate_days_min": 1000"#, "config-bad-value", "/certificate_days_min", "from 1 to 825"),
        (r#""verify_tls": 0"#, "config-wrong-type", "/verify_tls", "true or false"),
        (r#""ip_version": 5"#, "config-bad-value", "/ip_version", "must be \"4\" or \"6\""),
        (r#""http_version": "3""#, "config-bad-value", "/http_version", "\"auto\" or \"1.1\" or \"2\""),
    ] {
        let config = format!(r#"{{"url": "http://a", {fields}}}"#);
        let problems = prepare(&config).expect_err(fields);
        let [problem] = problems.as_slice() else { panic!("{fields}: {problems:?}") };
        assert_eq!((problem.code.as_str(), problem.field.as_deref()), (code, Some(pointer)), "{fields}");
        assert!(problem.message.contains(words), "{fields}: {}", problem.message);
    }
}

#[test]
fn a_config_that_is_no_object_is_refused() {
    for (config, code, field) in [
        ("", "config-not-json", None),
        ("{", "config-not-json", None),
        (r#"{"url": "http://a"} x"#, "config-not-json", None),
        ("[]", "config-wrong-type", Some("")),
        ("{}", "config-missing-field", Some("/url")),
        (r#"{"url": 1}"#, "config-wrong-type", Some("/url")),
        (r#"{"url": "a"}"#, "config-bad-value", Some("/url")),
    ] {
        let problems = prepare(config).expect_err(config);
        let found: Vec<_> = problems.iter().map(|it| (it.code.as_str(), it.field.as_deref())).collect();
        assert_eq!(found, [(code, field)], "{config}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let problems = prepare(r#"{"uri": 1, "method": 2, "ip_version": 3}"#).expect_err("it is wrong in four places");
    let fields: Vec<_> = problems.iter().filter_map(|it| it.field.as_deref()).collect();
    assert_eq!(fields, ["/uri", "/url", "/method", "/ip_version"]);
}

#[test]
fn sizes_are_limited() {
    let long = "x".repeat(65_537);
    for field in ["body", "body_contains", "body_regex", "url", "method"] {
        let config =
            format!(r#"{{"url": "http://a", "{field}": "{long}"}}"#).replace(r#""url": "http://a", "url""#, r#""url""#);
        assert!(prepare(&config).is_err(), "{field}");
    }
    let headers: Vec<_> = (0..=64).map(|n| format!(r#""h{n}": "x""#)).collect();
    assert!(prepare(&format!(r#"{{"url": "http://a", "headers": {{{}}}}}"#, headers.join(","))).is_err());
}
