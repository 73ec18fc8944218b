//! Runs against answers that the test makes up, request by request.

use farwatch_guest::secret::Secret;

use super::*;
use crate::config;
use crate::wit::farwatch::check::http::{Version, Want};
use crate::wit::farwatch::check::types::{Phase, PhaseTimes, Status, TlsInfo, Value};

const DAY_MS: u64 = 86_400_000;

/// Every secret is worth the same.
struct Told;

impl Filling for Told {
    fn secret(&self, _: &Secret) -> Result<String, Problem> {
        Ok("s3cr3t".to_owned())
    }
}

fn times(total: u32) -> PhaseTimes {
    let step = Some(total / 4);
    PhaseTimes { resolve: step, connect: step, tls: None, first_byte: step, transfer: step, total }
}

fn answer(status: u16) -> Response {
    Response {
        status,
        version: Version::Http1,
        location: None,
        headers: Vec::new(),
        trailers: Vec::new(),
        body: Vec::new(),
        body_bytes: 0,
        body_truncated: false,
        remote: "192.0.2.7:443".to_owned(),
        times: times(212_000),
        tls: None,
    }
}

fn with_body(body: &str) -> Response {
    Response { body: body.as_bytes().to_vec(), body_bytes: body.len() as u32, ..answer(200) }
}

fn with_certificate(days: i64) -> Response {
    let not_after = (100 * DAY_MS).saturating_add_signed(days * DAY_MS as i64);
    let tls = TlsInfo {
        version: "TLSv1.3".to_owned(),
        cipher: "TLS_AES_128_GCM_SHA256".to_owned(),
        alpn: None,
        verified: true,
        verify_error: None,
        certificate_not_after_ms: Some(not_after),
        chain: Vec::new(),
    };
    Response { tls: Some(tls), ..answer(200) }
}

fn redirect_to(status: u16, location: &str) -> Response {
    Response { location: Some(location.to_owned()), ..answer(status) }
}

/// Runs a config whose fields beside the URL are `fields`, against the answers in their order. Returns what was found
/// and the requests, each as `METHOD url headers body timeout`.
fn run_with(fields: &str, answers: Vec<Result<Response, Failure>>) -> (Result<Outcome, Problem>, Vec<String>) {
    let comma = if fields.is_empty() { "" } else { "," };
    let json = format!(r#"{{"url": "http://a.example/x"{comma}{fields}}}"#);
    let context = RunContext {
        check_id: "chk_1".to_owned(),
        slot_ms: 0,
        now_ms: 100 * DAY_MS,
        attempt: 0,
        timeout_ms: 1_000,
        config: config::prepare(&json).expect(fields),
    };
    let mut answers = answers.into_iter();
    let mut requests = Vec::new();
    let found = run(&context, &Told, |request| {
        let body = request.body.map(String::from_utf8_lossy);
        requests.push(format!(
            "{} {} {:?} {} {}",
            request.method,
            request.url,
            request.headers,
            body.unwrap_or_default(),
            request.timeout_ms
        ));
        answers.next().expect("no more requests than answers")
    });
    assert!(answers.next().is_none(), "every answer was asked for");
    (found, requests)
}

fn judged(fields: &str, response: Response) -> (Status, String, String) {
    let outcome = run_with(fields, vec![Ok(response)]).0.expect("an answer gives an outcome");
    (outcome.status, outcome.code, outcome.message)
}

fn expect(fields: &str, response: Response, status: Status, code: &str, message: &str) {
    let (found_status, found_code, found_message) = judged(fields, response);
    assert_eq!(found_status as u8, status as u8, "{fields}: {found_code}");
    assert_eq!((found_code.as_str(), found_message.as_str()), (code, message), "{fields}");
}

#[test]
fn statuses_are_judged() {
    expect("", answer(200), Status::Up, "ok", "");
    expect("", answer(204), Status::Up, "ok", "");
    let message = "expected status 200-299, got 503 from 192.0.2.7:443 after 212 ms";
    expect("", answer(503), Status::Down, "status-unexpected", message);
    expect(r#""expected_status": [404, "500-503"]"#, answer(503), Status::Up, "ok", "");
    let message = "expected status 404,500-502, got 200 from 192.0.2.7:443 after 212 ms";
    expect(r#""expected_status": [404, "500-502"]"#, answer(200), Status::Down, "status-unexpected", message);
}

#[test]
fn bodies_are_judged() {
    let missing = "`fine` is not in the body of 3 bytes from 192.0.2.7:443";
    expect(r#""body_contains": "fine""#, with_body("all fine"), Status::Up, "ok", "");
    expect(r#""body_contains": "fine""#, with_body("bad"), Status::Down, "body-text-missing", missing);
    let forbidden = "`bad` is in the body of 3 bytes from 192.0.2.7:443";
    expect(r#""body_not_contains": "bad""#, with_body("all fine"), Status::Up, "ok", "");
    expect(r#""body_not_contains": "bad""#, with_body("bad"), Status::Down, "body-text-forbidden", forbidden);
    let unmatched = "`v\\d+` matches nothing in the body of 2 bytes from 192.0.2.7:443";
    expect(r#""body_regex": "v\\d+""#, with_body("now v12"), Status::Up, "ok", "");
    expect(r#""body_regex": "v\\d+""#, with_body("vx"), Status::Down, "body-pattern-missing", unmatched);
    let cut = Response { body_truncated: true, ..with_body("bad") };
    let message = "`fine` is not in the first 1048576 bytes of the body from 192.0.2.7:443";
    expect(r#""body_contains": "fine""#, cut, Status::Down, "body-text-missing", message);
    let broken = Response { body: b"\xff fine \xff".to_vec(), ..answer(200) };
    expect(r#""body_contains": "fine""#, broken, Status::Up, "ok", "");
}

#[test]
fn the_body_is_wanted_only_where_it_is_judged() {
    for (fields, wanted) in [("", false), (r#", "body_regex": "x""#, true), (r#", "body_not_contains": "x""#, true)] {
        let json = format!(r#"{{"url": "http://a"{fields}}}"#);
        let context = RunContext {
            check_id: String::new(),
            slot_ms: 0,
            now_ms: 0,
            attempt: 0,
            timeout_ms: 1_000,
            config: config::prepare(&json).expect(fields),
        };
        let _ = run(&context, &Told, |request| {
            assert_eq!(request.want.contains(Want::BODY), wanted, "{fields}");
            Ok(answer(200))
        });
    }
}

#[test]
fn slow_answers_and_old_certificates_are_degraded() {
    expect(r#""degraded_above_ms": 212"#, answer(200), Status::Up, "ok", "");
    let slow = "answered in 212 ms, slower than 211 ms";
    expect(r#""degraded_above_ms": 211"#, answer(200), Status::Degraded, "slow", slow);
    let field = r#""certificate_days_min": 14"#;
    expect(field, answer(200), Status::Up, "ok", "");
    expect(field, with_certificate(14), Status::Up, "ok", "");
    let soon = "the certificate expires in 13 days, sooner than in 14";
    expect(field, with_certificate(13), Status::Degraded, "certificate-expiring", soon);
    let gone = "the certificate expired 1 day ago";
    expect(field, with_certificate(-1), Status::Degraded, "certificate-expiring", gone);
}

#[test]
fn what_is_down_stands_before_what_is_degraded() {
    let (status, code, _) = judged(r#""degraded_above_ms": 1, "body_contains": "x""#, answer(200));
    assert_eq!((status as u8, code.as_str()), (Status::Down as u8, "body-text-missing"));
}

#[test]
fn an_outcome_carries_what_was_measured() {
    let outcome = run_with("", vec![Ok(with_certificate(30))]).0.expect("an outcome");
    assert_eq!(outcome.latency_us, 212_000);
    let attributes: Vec<_> = outcome
        .attributes
        .iter()
        .map(|attribute| match &attribute.value {
            Value::Integer(value) => format!("{}={value}", attribute.key),
            Value::Text(value) => format!("{}={value}", attribute.key),
            _ => panic!("{} is of an unexpected kind", attribute.key),
        })
        .collect();
    let expected = [
        "http.status=200",
        "time.resolve-us=53000",
        "time.connect-us=53000",
        "time.first-byte-us=53000",
        "time.transfer-us=53000",
        "tls.certificate-days-left=30",
        "net.remote=192.0.2.7:443",
    ];
    assert_eq!(attributes, expected);
}

#[test]
fn redirects_are_followed_with_what_time_is_left() {
    let answers = vec![Ok(redirect_to(301, "/y")), Ok(redirect_to(302, "https://b.example/")), Ok(answer(200))];
    let (found, requests) = run_with("", answers);
    assert_eq!(found.expect("an outcome").latency_us, 636_000);
    let expected =
        ["GET http://a.example/x []  1000", "GET http://a.example/y []  788", "GET https://b.example/ []  576"];
    assert_eq!(requests, expected);
}

#[test]
fn a_redirect_changes_the_request_as_the_rfc_says() {
    let fields = r#""method": "POST", "body": "b", "headers": {"authorization": "s", "content-type": "t", "x": "y"}"#;
    let first = r#"POST http://a.example/x [("authorization", "s"), ("content-type", "t"), ("x", "y")] b 1000"#;
    for (status, location, second) in [
        (303, "/y", r#"GET http://a.example/y [("authorization", "s"), ("x", "y")]  788"#),
        (302, "/y", r#"GET http://a.example/y [("authorization", "s"), ("x", "y")]  788"#),
        (307, "//b.example/", r#"POST http://b.example/ [("content-type", "t"), ("x", "y")] b 788"#),
        (308, "https://a.example/", r#"POST https://a.example/ [("content-type", "t"), ("x", "y")] b 788"#),
    ] {
        let (_, requests) = run_with(fields, vec![Ok(redirect_to(status, location)), Ok(answer(200))]);
        assert_eq!(requests, [first, second], "{status}");
    }
}

#[test]
fn redirects_come_to_an_end() {
    let code = |fields: &str, answers: Vec<Response>| {
        let found = run_with(fields, answers.into_iter().map(Ok).collect()).0.expect("an outcome");
        (found.status as u8, found.code)
    };
    let down = Status::Down as u8;
    let loops = || vec![redirect_to(301, "/x"), redirect_to(301, "/x")];
    assert_eq!(code(r#""max_redirects": 1"#, loops()), (down, "too-many-redirects".to_owned()));
    assert_eq!(code("", vec![redirect_to(301, "ftp://a/")]), (down, "redirect-invalid".to_owned()));
    assert_eq!(code("", vec![answer(301)]), (down, "status-unexpected".to_owned()));
    let unfollowed = code(r#""follow_redirects": false"#, vec![redirect_to(301, "/x")]);
    assert_eq!(unfollowed, (down, "status-unexpected".to_owned()));
    let expected = code(r#""expected_status": 301"#, vec![redirect_to(301, "/x")]);
    assert_eq!(expected, (Status::Up as u8, "ok".to_owned()));
    let slow = Response { times: times(1_000_000), ..redirect_to(301, "/x") };
    assert_eq!(code("", vec![slow]), (down, "redirects-timeout".to_owned()));
}

#[test]
fn secrets_are_sent_and_go_to_no_other_origin() {
    let fields = r#""allow_plaintext_login": true, "basic_user": "anna", "basic_password": {"secret": "pw"},
        "headers": {"x-key": {"secret": "key"}, "x": "y"}, "json": {"a": {"secret": "b"}, "n": [1]}"#;
    let first = r#"POST http://a.example/x [("x", "y"), ("content-type", "application/json"), ("x-key", "s3cr3t"), ("authorization", "Basic YW5uYTpzM2NyM3Q=")] {"a":"s3cr3t","n":[1]}"#;
    let (found, requests) = run_with(fields, vec![Ok(redirect_to(303, "https://b.example/")), Ok(answer(200))]);
    assert_eq!(found.expect("an outcome").code, "ok");
    assert_eq!(requests, [format!("{first} 1000"), r#"GET https://b.example/ [("x", "y")]  788"#.to_owned()]);
    let (found, requests) = run_with(fields, vec![Ok(redirect_to(307, "https://b.example/"))]);
    let found = found.expect("an outcome");
    assert_eq!((found.code.as_str(), requests.len()), ("redirect-invalid", 1));
    assert!(found.message.contains("secrets of the body"), "{}", found.message);
    let (_, requests) = run_with(fields, vec![Ok(redirect_to(307, "/y")), Ok(answer(200))]);
    assert_eq!(requests[1], first.replace("/x [", "/y [") + " 788");
}

#[test]
fn a_form_is_encoded() {
    let fields = r#""form": {"a b": "c&d", "e": {"secret": "f"}}"#;
    let (_, requests) = run_with(fields, vec![Ok(answer(200))]);
    let form = r#"[("content-type", "application/x-www-form-urlencoded")] a%20b=c%26d&e=s3cr3t"#;
    assert_eq!(requests, [format!("POST http://a.example/x {form} 1000")]);
}

const GRANT: &str = r#""oauth2_token_url": "https://id.example/t", "oauth2_client_id": "me", "oauth2_scope": "r w",
    "oauth2_client_secret": {"secret": "pw"}, "allow_plaintext_login": true"#;

#[test]
fn a_token_is_fetched_first_and_its_time_told_apart() {
    let token = r#"{"access_token": "t0k", "token_type": "bearer"}"#;
    let (found, requests) = run_with(GRANT, vec![Ok(with_body(token)), Ok(answer(200))]);
    let ask = r#"[("accept", "application/json"), ("content-type", "application/x-www-form-urlencoded"), ("authorization", "Basic bWU6czNjcjN0")] grant_type=client_credentials&scope=r%20w"#;
    let expected = [
        format!("POST https://id.example/t {ask} 1000"),
        r#"GET http://a.example/x [("authorization", "Bearer t0k")]  788"#.to_owned(),
    ];
    assert_eq!(requests, expected);
    let outcome = found.expect("an outcome");
    assert_eq!(
        (outcome.latency_us, outcome.attributes.last().map(|it| it.key.as_str())),
        (212_000, Some("http.token-us"))
    );
}

#[test]
fn without_a_token_nothing_else_is_asked() {
    for (response, code, message) in [
        (
            Response { status: 401, ..with_body(r#"{"error": "invalid_client"}"#) },
            "login-refused",
            "expected a token, got status 401 invalid_client from 192.0.2.7:443 after 212 ms",
        ),
        (answer(503), "status-unexpected", "expected a token, got status 503 from 192.0.2.7:443 after 212 ms"),
        (with_body("{}"), "token-missing", "expected a token, got an answer of 2 bytes without one from"),
        (with_body("<html>"), "token-missing", "without one"),
        (with_body(r#"{"access_token": "a\nb", "token_type": "bearer"}"#), "token-missing", "without one"),
        (with_body(r#"{"access_token": "a", "token_type": "mac"}"#), "token-missing", "no bearer token"),
    ] {
        let found = run_with(GRANT, vec![Ok(response)]).0.expect("an outcome");
        assert_eq!((found.status as u8, found.code.as_str()), (Status::Down as u8, code), "{}", found.message);
        assert!(found.message.contains(message), "{}", found.message);
    }
    let found = run_with(GRANT, vec![Err(failure(Phase::Connect, "connection-refused"))]).0.expect("an outcome");
    assert_eq!(found.message, "while the token was fetched: it did not work");
}

fn failure(phase: Phase, code: &str) -> Failure {
    let remote = Some("192.0.2.7:443".to_owned());
    let message = "it did not work".to_owned();
    Failure { phase, code: code.to_owned(), message, remote, times: times(4_000), tls: None }
}

#[test]
fn a_failure_is_down_unless_the_host_refused() {
    let found = run_with("", vec![Err(failure(Phase::Connect, "connection-refused"))]).0.expect("an outcome");
    assert_eq!(found.status as u8, Status::Down as u8);
    assert_eq!((found.code.as_str(), found.message.as_str()), ("connection-refused", "it did not work"));
    assert_eq!(found.latency_us, 4_000);
    for (phase, code) in
        [(Phase::Prepare, "not-supported"), (Phase::Prepare, "egress-refused"), (Phase::Resolve, "egress-refused")]
    {
        let problem = run_with("", vec![Err(failure(phase, code))]).0.expect_err("the host refused");
        assert_eq!(problem.code, code);
    }
    let answers = vec![Ok(redirect_to(301, "/y")), Err(failure(Phase::Tls, "tls-certificate-expired"))];
    let found = run_with("", answers).0.expect("an outcome");
    assert_eq!(found.message, "after 1 redirect: it did not work");
}

#[test]
fn a_damaged_config_is_a_problem() {
    let context = RunContext {
        check_id: String::new(),
        slot_ms: 0,
        now_ms: 0,
        attempt: 0,
        timeout_ms: 1,
        config: b"{}".to_vec(),
    };
    let problem = run(&context, &Told, |_| panic!("nothing is fetched")).expect_err("it cannot be read");
    assert_eq!(problem.code, "config-unreadable");
}
