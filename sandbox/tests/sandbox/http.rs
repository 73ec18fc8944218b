//! The `http` module in the sandbox, against answers that the test makes up: every field of its config, from its JSON to
//! the outcome. What each judgement says in detail is tested beside the module's own code.

use farwatch_sandbox::http::{Request, Response, Version, Want};
use farwatch_sandbox::types::{Failure, IpVersion, Phase, Status, TlsInfo, Value};
use farwatch_sandbox::{RunEnd, StopCode};

use crate::harness::{Answers, DAY_MS, NOW_MS, answer, context, judged, patient, run, shared, stopped, times};

/// Runs a config with these fields beside its URL. Returns status, code and message, and the requests.
async fn check(fields: &str, answers: Vec<Response>) -> ((Status, String, String), Vec<Request>) {
    let http = shared("http").await;
    let comma = if fields.is_empty() { "" } else { "," };
    let config = format!(r#"{{"url": "https://a.example/x"{comma}{fields}}}"#);
    let mut probes = Answers::new(answers.into_iter().map(Ok));
    let outcome = judged(run(&http, &config, &mut probes).await);
    ((outcome.status, outcome.code, outcome.message), probes.requests)
}

fn with_body(body: &str) -> Response {
    Response { body: body.as_bytes().to_vec(), body_bytes: 8, ..answer(200) }
}

fn with_certificate(days: u64) -> Response {
    let tls = TlsInfo {
        version: "TLSv1.3".to_owned(),
        cipher: "TLS_AES_128_GCM_SHA256".to_owned(),
        alpn: Some("http/1.1".to_owned()),
        verified: true,
        verify_error: None,
        certificate_not_after_ms: Some(NOW_MS + days * DAY_MS),
        chain: Vec::new(),
    };
    Response { tls: Some(tls), ..answer(200) }
}

fn redirect_to(location: &str) -> Response {
    Response { location: Some(location.to_owned()), ..answer(302) }
}

#[tokio::test]
async fn each_field_is_judged() {
    let pass = |response: Response| (response, Status::Up, "ok");
    for (fields, (response, status, code)) in [
        ("", pass(answer(200))),
        ("", (answer(500), Status::Down, "status-unexpected")),
        (r#""expected_status": ["200-299", 404]"#, pass(answer(404))),
        (r#""expected_status": 204"#, (answer(200), Status::Down, "status-unexpected")),
        (r#""body_contains": "fine""#, pass(with_body("all fine"))),
        (r#""body_contains": "fine""#, (with_body("bad"), Status::Down, "body-text-missing")),
        (r#""body_not_contains": "bad""#, pass(with_body("all fine"))),
        (r#""body_not_contains": "bad""#, (with_body("bad"), Status::Down, "body-text-forbidden")),
        (r#""body_regex": "^v[0-9]+$""#, pass(with_body("v12"))),
        (r#""body_regex": "^v[0-9]+$""#, (with_body("12"), Status::Down, "body-pattern-missing")),
        (r#""degraded_above_ms": 212"#, pass(answer(200))),
        (r#""degraded_above_ms": 200"#, (answer(200), Status::Degraded, "slow")),
        (r#""certificate_days_min": 14"#, pass(with_certificate(14))),
        (r#""certificate_days_min": 14"#, (with_certificate(13), Status::Degraded, "certificate-expiring")),
        (r#""follow_redirects": false"#, (redirect_to("/y"), Status::Down, "status-unexpected")),
        (r#""max_redirects": 0"#, (redirect_to("/y"), Status::Down, "too-many-redirects")),
    ] {
        let (found, _) = check(fields, vec![response]).await;
        assert_eq!((found.0, found.1.as_str()), (status, code), "{fields}: {}", found.2);
    }
}

#[tokio::test]
async fn a_failure_says_what_was_expected_and_what_came() {
    let (found, _) = check("", vec![answer(503)]).await;
    assert_eq!(found.2, "expected status 200-299, got 503 from 192.0.2.7:443 after 212 ms");
}

#[tokio::test]
async fn the_request_is_what_the_config_says() {
    let fields = r#""method": "PUT", "headers": {"x-a": "b"}, "body": "hello", "verify_tls": false,
        "ip_version": "6", "http_version": "2", "body_contains": "x""#;
    let (_, requests) = check(fields, vec![with_body("x")]).await;
    let [request] = requests.as_slice() else { panic!("one request") };
    assert_eq!((request.method.as_str(), request.url.as_str()), ("PUT", "https://a.example/x"));
    assert_eq!(request.headers, [("x-a".to_owned(), "b".to_owned())]);
    assert_eq!(request.body.as_deref(), Some(b"hello".as_slice()));
    assert_eq!(
        (request.verify_tls, request.ip_version, request.version),
        (false, Some(IpVersion::Ipv6), Version::Http2)
    );
    assert_eq!((request.timeout_ms, request.want), (10_000, Want::BODY));
    let (_, requests) = check("", vec![answer(200)]).await;
    assert_eq!((requests[0].want, requests[0].verify_tls), (Want::empty(), true));
}

#[tokio::test]
async fn redirects_are_followed() {
    let (found, requests) = check("", vec![redirect_to("/y"), redirect_to("//b.example/"), answer(200)]).await;
    assert_eq!(found.0, Status::Up);
    let urls: Vec<_> = requests.iter().map(|request| request.url.as_str()).collect();
    assert_eq!(urls, ["https://a.example/x", "https://a.example/y", "https://b.example/"]);
    assert_eq!(requests[2].timeout_ms, 10_000 - 2 * 212);
}

#[tokio::test]
async fn an_outcome_carries_what_was_measured() {
    let http = shared("http").await;
    let report = run(&http, r#"{"url": "https://a/"}"#, &mut Answers::one(with_certificate(30))).await;
    assert!(report.memory_bytes <= 128 << 10, "a plain run needs two pages, not {}", report.memory_bytes);
    let outcome = judged(report);
    assert_eq!((outcome.latency_us, outcome.message.as_str()), (212_000, ""));
    let has = |key: &str, expected: i64| {
        let found = outcome.attributes.iter().find(|attribute| attribute.key == key);
        matches!(found.map(|attribute| &attribute.value), Some(Value::Integer(value)) if *value == expected)
    };
    assert!(has("http.status", 200) && has("time.connect-us", 200) && has("tls.certificate-days-left", 30));
}

fn failure(phase: Phase, code: &str) -> Failure {
    let message = "connection refused by 192.0.2.7:443".to_owned();
    Failure { phase, code: code.to_owned(), message, remote: None, times: times(2_000), tls: None }
}

#[tokio::test]
async fn no_answer_is_down_and_a_refusal_by_the_host_is_a_problem() {
    let http = shared("http").await;
    let config = r#"{"url": "https://a/"}"#;
    let mut refused = Answers::new([Err(failure(Phase::Connect, "connection-refused"))]);
    let outcome = judged(run(&http, config, &mut refused).await);
    assert_eq!((outcome.status, outcome.code.as_str()), (Status::Down, "connection-refused"));
    let mut egress = Answers::new([Err(failure(Phase::Prepare, "egress-refused"))]);
    let report = run(&http, config, &mut egress).await;
    assert!(matches!(&report.end, RunEnd::Problem(problem) if problem.code == "egress-refused"), "{:?}", report.end);
}

#[tokio::test]
async fn a_damaged_prepared_config_is_a_problem() {
    let http = shared("http").await;
    let context = context(b"\x01\xff".to_vec(), 1_000);
    let report = http.0.run(&http.1, &mut Answers::default(), &context, &patient()).await;
    assert!(matches!(&report.end, RunEnd::Problem(problem) if problem.code == "config-unreadable"), "{:?}", report.end);
}

#[tokio::test]
async fn bad_configs_come_back_in_the_modules_words() {
    let http = shared("http").await;
    let validated = http.0.validate(&http.1, r#"{"url": "nope", "methd": 1}"#).await.expect("it ends");
    let problems = validated.expect_err("it is wrong twice");
    let fields: Vec<_> = problems.iter().filter_map(|problem| problem.field.as_deref()).collect();
    assert_eq!(fields, ["/methd", "/url"]);
}

/// However deep a config is nested, the answer is a problem and not a trap.
#[tokio::test]
async fn nested_configs_do_not_trap() {
    let http = shared("http").await;
    for depth in [10, 120, 127, 128, 5_000] {
        let config = format!(r#"{{"url": {}1{}}}"#, "[".repeat(depth), "]".repeat(depth));
        let validated = http.0.validate(&http.1, &config).await;
        assert!(validated.unwrap_or_else(|stop| panic!("{depth}: {stop}")).is_err(), "{depth}");
    }
    for depth in [10, 50, 200, 500] {
        let config = format!(r#"{{"url": "http://a", "body_regex": "{}a{}"}}"#, "(".repeat(depth), ")".repeat(depth));
        http.0.validate(&http.1, &config).await.unwrap_or_else(|stop| panic!("{depth}: {stop}")).ok();
    }
}

#[tokio::test]
async fn the_description_is_complete() {
    let http = shared("http").await;
    let description = http.0.describe(&http.1).await.expect("it ends");
    assert_eq!(
        (description.name.as_str(), description.capabilities.as_slice()),
        ("http", ["http".to_owned()].as_slice())
    );
    for field in ["url", "method", "headers", "body", "expected_status", "certificate_days_min", "http_version"] {
        assert!(description.config_schema.contains(&format!("\"{field}\"")), "{field}");
    }
}

/// A body of a megabyte and an expensive pattern: more memory and time than usual, and still within the limits.
#[tokio::test]
async fn a_large_body_can_be_searched() {
    let http = shared("http").await;
    let body = "x".repeat(200_000) + "needle";
    let config = r#"{"url": "https://a/", "body_contains": "needle"}"#;
    assert_eq!(judged(run(&http, config, &mut Answers::one(with_body(&body))).await).status, Status::Up);
    let config = r#"{"url": "https://a/", "body_regex": "(x+x+)+y"}"#;
    let report = run(&http, config, &mut Answers::one(with_body(&body))).await;
    match &report.end {
        RunEnd::Judged(outcome) => assert_eq!(outcome.code, "body-pattern-missing"),
        RunEnd::Stopped(_) => assert_eq!(stopped(&report), StopCode::CpuLimit),
        other @ RunEnd::Problem(_) => panic!("{other:?}"),
    }
}
