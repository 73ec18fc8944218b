//! Runs against conversations that the test makes up.

use super::*;
use crate::config;
use crate::wit::farwatch::check::types::{Phase, PhaseTimes, Status, TlsInfo, Value};

const DAY_MS: u64 = 86_400_000;

fn times() -> PhaseTimes {
    PhaseTimes {
        resolve: Some(1_000),
        connect: Some(20_000),
        tls: None,
        first_byte: Some(5_000),
        transfer: Some(10),
        total: 26_010,
    }
}

fn answered(bytes: &[u8], ended: Ended) -> Conversation {
    let evidence = Evidence { remote: "192.0.2.7:25".to_owned(), times: times(), tls: None };
    Conversation { bytes: bytes.to_vec(), ended: Some(ended), evidence }
}

fn connected() -> Conversation {
    Conversation { ended: None, ..answered(b"", Ended::Matched) }
}

/// Runs a config whose fields beside host and port are `fields`.
fn run_with(fields: &str, answer: Result<Conversation, Failure>) -> Result<Outcome, Problem> {
    let comma = if fields.is_empty() { "" } else { "," };
    let json = format!(r#"{{"host": "a.example", "port": 25{comma}{fields}}}"#);
    let context = RunContext {
        check_id: "chk_1".to_owned(),
        slot_ms: 0,
        now_ms: 100 * DAY_MS,
        attempt: 0,
        timeout_ms: 1_000,
        config: config::prepare(&json).expect(fields),
    };
    run(&context, |talk| {
        let Target { host, port, timeout_ms, .. } = talk.target;
        assert_eq!((host, port, timeout_ms), ("a.example", 25, 1_000));
        answer
    })
}

#[test]
fn each_field_is_judged() {
    let up = (Status::Up, "ok", "");
    let down = |code, words| (Status::Down, code, words);
    let slow = |words| (Status::Degraded, "slow", words);
    let pong = || answered(b"+PONG\r\n", Ended::Matched);
    for (fields, response, (status, code, words)) in [
        ("", connected(), up),
        (r#""send": "x""#, connected(), up),
        (r#""expect_contains": "PONG""#, pong(), up),
        (r#""expect_contains": "PONG""#, answered(b"-ERR", Ended::Timeout), down("answer-text-missing", "`-ERR`")),
        (r#""expect_contains": "+""#, answered(b"-\r\n", Ended::Closed), down("answer-text-missing", r"`-\r\n`")),
        (r#""expect_regex": "^[+]P""#, pong(), up),
        (r#""expect_regex": "^[+]P""#, answered(b"+P", Ended::Timeout), up),
        (r#""expect_regex": "^-""#, pong(), down("answer-pattern-missing", "`^-` matches nothing")),
        (r#""read_bytes": 7"#, pong(), up),
        (r#""read_bytes": 9"#, answered(b"+PONG", Ended::Closed), down("answer-incomplete", "the other side closed")),
        (r#""read_until": "\n""#, answered(b"x", Ended::Full), down("answer-incomplete", "more was not read")),
        (r#""resolve_degraded_above_ms": 1"#, connected(), up),
        (r#""connect_degraded_above_ms": 19"#, connected(), slow("the connection was opened in 20 ms, slower than 19")),
        (r#""read_bytes": 1, "first_byte_degraded_above_ms": 4"#, pong(), slow("the answer began in 5 ms")),
        (r#""degraded_above_ms": 26"#, connected(), slow("all was done in 26 ms")),
        (r#""degraded_above_ms": 27"#, connected(), up),
        (r#""tls": true, "tls_degraded_above_ms": 1"#, connected(), up),
    ] {
        let found = run_with(fields, Ok(response)).expect(fields);
        assert_eq!((found.status, found.code.as_str()), (status, code), "{fields}: {}", found.message);
        assert!(found.message.contains(words), "{fields}: {}", found.message);
    }
}

#[test]
fn a_certificate_that_expires_soon_is_degraded() {
    let tls = |days: u64| TlsInfo {
        version: "TLSv1.3".to_owned(),
        cipher: "TLS_AES_128_GCM_SHA256".to_owned(),
        alpn: None,
        verified: true,
        verify_error: None,
        certificate_not_after_ms: Some((100 + days) * DAY_MS),
        chain: Vec::new(),
    };
    for (days, code) in [(14, "ok"), (13, "certificate-expiring")] {
        let mut conversation = connected();
        conversation.evidence.tls = Some(tls(days));
        let found = run_with(r#""tls": true, "certificate_days_min": 14"#, Ok(conversation)).expect("judged");
        assert_eq!(found.code, code);
        let has_days = |it: &crate::wit::farwatch::check::types::Attribute| {
            it.key == "tls.certificate-days-left" && matches!(it.value, Value::Integer(left) if left == days as i64)
        };
        assert!(found.attributes.iter().any(has_days));
    }
}

#[test]
fn no_answer_is_down_and_a_refusal_by_the_host_is_a_problem() {
    let failed = |phase, code: &str| {
        let message = "no connection to 192.0.2.7:25: refused".to_owned();
        let remote = Some("192.0.2.7:25".to_owned());
        Err(Failure { phase, code: code.to_owned(), message, remote, times: times(), tls: None })
    };
    let down = run_with("", failed(Phase::Connect, "connection-refused")).expect("judged");
    assert_eq!((down.status, down.code.as_str()), (Status::Down, "connection-refused"));
    assert_eq!((down.latency_us, down.attributes.len()), (26_010, 5));
    for (phase, code) in [(Phase::Prepare, "egress-refused"), (Phase::Resolve, "egress-refused")] {
        assert_eq!(run_with("", failed(phase, code)).expect_err("a problem").code, "egress-refused");
    }
}

#[test]
fn a_damaged_plan_is_a_problem() {
    let context = RunContext {
        check_id: String::new(),
        slot_ms: 0,
        now_ms: 0,
        attempt: 0,
        timeout_ms: 1,
        config: b"\x01\xff".to_vec(),
    };
    let problem = run(&context, |_| panic!("nothing is asked")).expect_err("unreadable");
    assert_eq!(problem.code, "config-unreadable");
}
