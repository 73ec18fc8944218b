//! Every way in which a config can be right or wrong, in two tables.

use super::*;
use crate::wit::farwatch::check::types::IpVersion;

fn plan(config: &str, check: impl FnOnce(&Plan<'_>)) {
    let bytes = prepare(config).unwrap_or_else(|problems| panic!("{config}: {problems:?}"));
    check(&Plan::decode(&bytes).expect("what was encoded can be decoded"));
}

#[test]
fn a_url_is_all_that_is_needed() {
    plan(r#"{"url": "https://example.com/"}"#, |plan| {
        assert_eq!((plan.method, plan.url), ("GET", "https://example.com/"));
        assert_eq!(plan.expected, [StatusRange::SUCCESS]);
        assert!(plan.verify_tls && plan.follow_redirects && !plan.reads_body());
        assert_eq!(plan.max_redirects, REDIRECTS_DEFAULT);
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
        assert_eq!((plan.method, plan.body), ("POST", Some(b"{}".as_slice())));
        assert_eq!(plan.headers, [("X-A", "1"), ("b", "ä")]);
        assert!(!plan.follow_redirects && !plan.verify_tls && plan.reads_body());
        assert_eq!(statuses::display(&plan.expected), "200-299,301,404,410");
        assert_eq!((plan.body_contains, plan.body_not_contains), (Some("ok"), Some("error")));
        assert_eq!((plan.body_regex, plan.degraded_above_ms), (Some("v\\d+"), Some(500)));
        assert_eq!((plan.certificate_days_min, plan.max_redirects), (Some(14), 0));
        assert_eq!((plan.ip_version, plan.version), (Some(IpVersion::Ipv6), Version::Http2));
    });
}

#[test]
fn null_is_the_same_as_nothing() {
    plan(r#"{"url": "http://a", "method": null, "body": null, "expected_status": null}"#, |plan| {
        assert_eq!((plan.method, plan.body), ("GET", None));
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
        (r#""headers": {"a": 1}"#, "config-bad-value", "/headers/a", "must be a text, not a number"),
        (r#""headers": {"a": "x\r\ny: z"}"#, "config-bad-value", "/headers/a", "line break"),
        (r#""headers": {"Connection": "x"}"#, "config-bad-value", "/headers/Connection", "set by the host"),
        (r#""body": {}"#, "config-wrong-type", "/body", "must be a text, not an object"),
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
    let long = "x".repeat(BODY_MAX + 1);
    for field in ["body", "body_contains", "body_regex", "url", "method"] {
        let config =
            format!(r#"{{"url": "http://a", "{field}": "{long}"}}"#).replace(r#""url": "http://a", "url""#, r#""url""#);
        assert!(prepare(&config).is_err(), "{field}");
    }
    let headers: Vec<_> = (0..=HEADERS_MAX).map(|n| format!(r#""h{n}": "x""#)).collect();
    assert!(prepare(&format!(r#"{{"url": "http://a", "headers": {{{}}}}}"#, headers.join(","))).is_err());
}
