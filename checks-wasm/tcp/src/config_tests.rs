//! Every way in which a config can be right or wrong, in two tables.

use super::*;
use crate::wit::farwatch::check::types::IpVersion;

fn plan(fields: &str, check: impl FnOnce(&Plan<'_>)) {
    let comma = if fields.is_empty() { "" } else { "," };
    let config = format!(r#"{{"host": "mail.example", "port": 25{comma}{fields}}}"#);
    let bytes = prepare(&config).unwrap_or_else(|problems| panic!("{config}: {problems:?}"));
    check(&Plan::decode(&bytes).expect("what was encoded can be decoded"));
}

#[test]
fn host_and_port_are_all_that_is_needed() {
    plan("", |plan| {
        assert_eq!((plan.host, plan.port, plan.ip_version), ("mail.example", 25, None));
        assert!(plan.tls.is_none() && plan.send.is_none() && plan.until.is_none());
        assert_eq!(plan.limits, Limits::default());
    });
}

#[test]
fn every_field_is_read() {
    let fields = r#""ip_version": 6, "tls": true, "verify_tls": false, "server_name": "m.example",
        "certificate_days_min": 14, "send": "PING\\r\\n", "read_until": "\\x00", "expect_contains": "PONG",
        "expect_regex": "^P", "resolve_degraded_above_ms": 1, "connect_degraded_above_ms": 2,
        "tls_degraded_above_ms": 3, "first_byte_degraded_above_ms": 4, "degraded_above_ms": 5"#;
    plan(fields, |plan| {
        assert_eq!(plan.ip_version, Some(IpVersion::Ipv6));
        let tls = Tls { verify: false, server_name: Some("m.example"), certificate_days_min: Some(14) };
        assert_eq!(plan.tls, Some(tls));
        assert_eq!(plan.send.as_deref(), Some(b"PING\r\n".as_slice()));
        assert_eq!(plan.until, Some(Until::Delimiter(b"\0".to_vec())));
        assert_eq!((plan.contains.as_deref(), plan.regex), (Some(b"PONG".as_slice()), Some("^P")));
        let limits = Limits { resolve: Some(1), connect: Some(2), tls: Some(3), first_byte: Some(4), total: Some(5) };
        assert_eq!(plan.limits, limits);
    });
}

#[test]
fn what_ends_the_answer_follows_from_what_is_expected() {
    let line = || Some(Until::Delimiter(b"\n".to_vec()));
    for (fields, until) in [
        (r#""expect_contains": "OK""#, Some(Until::Delimiter(b"OK".to_vec()))),
        (r#""expect_regex": "^220 ""#, line()),
        (r#""expect_regex": "^220 ", "expect_contains": "ESMTP""#, line()),
        (r#""expect_contains": "OK", "read_bytes": 7"#, Some(Until::Count(7))),
        (r#""read_until": "\n", "expect_contains": "OK""#, line()),
        (r#""send": "x""#, None),
    ] {
        plan(fields, |plan| assert_eq!(plan.until, until, "{fields}"));
    }
}

#[test]
fn every_mistake_is_named_with_its_place() {
    for (fields, code, pointer, words) in [
        (r#""hots": 1"#, "config-unknown-field", "/hots", "the fields are host, port"),
        (r#""ip_version": 5"#, "config-bad-value", "/ip_version", "must be \"4\" or \"6\""),
        (r#""tls": 1"#, "config-wrong-type", "/tls", "true or false"),
        (r#""verify_tls": false"#, "config-bad-value", "/verify_tls", "set `tls` to true"),
        (r#""server_name": "a""#, "config-bad-value", "/server_name", "set `tls` to true"),
        (r#""tls": true, "certificate_days_min": 0"#, "config-bad-value", "/certificate_days_min", "from 1 to 825"),
        (r#""send": """#, "config-bad-value", "/send", "leave it out"),
        (r#""send": "\\q""#, "config-bad-value", "/send", "no escape"),
        (r#""read_until": "\\x1""#, "config-bad-value", "/read_until", "two hex digits"),
        (r#""read_until": "a", "read_bytes": 1"#, "config-bad-value", "/read_bytes", "leave one out"),
        (r#""read_bytes": 65537"#, "config-bad-value", "/read_bytes", "from 1 to 65536"),
        (r#""expect_contains": 1"#, "config-wrong-type", "/expect_contains", "must be a text"),
        (r#""expect_regex": "(""#, "config-bad-value", "/expect_regex", "no regular expression"),
        (r#""degraded_above_ms": 0"#, "config-bad-value", "/degraded_above_ms", "from 1 to 3600000"),
        (
            r#""first_byte_degraded_above_ms": 5"#,
            "config-bad-value",
            "/first_byte_degraded_above_ms",
            "say what ends it by",
        ),
    ] {
        let config = format!(r#"{{"host": "a", "port": 1, {fields}}}"#);
        let problems = prepare(&config).expect_err(fields);
        let [problem] = problems.as_slice() else { panic!("{fields}: {problems:?}") };
        assert_eq!((problem.code.as_str(), problem.field.as_deref()), (code, Some(pointer)), "{fields}");
        assert!(problem.message.contains(words), "{fields}: {}", problem.message);
    }
}

#[test]
fn hosts_and_ports_that_cannot_be_meant_are_refused() {
    for host in ["", "a b", "mail.example:25", "http://a", "user@a", "a\\n"] {
        let problems = prepare(&format!(r#"{{"host": "{host}", "port": 1}}"#)).expect_err(host);
        assert_eq!(problems[0].field.as_deref(), Some("/host"), "{host}");
    }
    for host in ["a", "192.0.2.7", "2001:db8::7", "[2001:db8::7]"] {
        assert!(prepare(&format!(r#"{{"host": "{host}", "port": 1}}"#)).is_ok(), "{host}");
    }
    for port in ["0", "65536", "-1", "1.5", "\"25\""] {
        let problems = prepare(&format!(r#"{{"host": "a", "port": {port}}}"#)).expect_err(port);
        assert_eq!(problems[0].field.as_deref(), Some("/port"), "{port}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let problems = prepare(r#"{"prot": 1, "send": 2}"#).expect_err("it is wrong in four places");
    let fields: Vec<_> = problems.iter().filter_map(|it| it.field.as_deref()).collect();
    assert_eq!(fields, ["/prot", "/host", "/port", "/send"]);
}
