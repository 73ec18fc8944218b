//! Runs against answers that the test makes up, step by step.

use farwatch_guest::fields::{judge, reread};

use super::*;
use crate::wit::farwatch::check::http::Version;
use crate::wit::farwatch::check::types::PhaseTimes;

/// Every secret is worth the same.
struct Told;

impl Filling for Told {
    fn secret(&self, _: &Secret) -> Result<String, Problem> {
        Ok("s3 cr3t".to_owned())
    }
}

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
    let step = Some(50_000);
    Response {
        status,
        version: Version::Http1,
        location: headers.iter().find(|(name, _)| *name == "location").map(|(_, value)| (*value).to_owned()),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        trailers: Vec::new(),
        body: body.as_bytes().to_vec(),
        body_bytes: body.len() as u32,
        body_truncated: false,
        remote: "192.0.2.7:443".to_owned(),
        times: PhaseTimes { resolve: None, connect: step, tls: None, first_byte: step, transfer: None, total: 100_000 },
        tls: None,
    }
}

/// Runs steps against answers. Returns what was found, and the requests.
fn run_with(config: &str, answers: Vec<Response>) -> (Outcome, Vec<String>) {
    let config = judge::<Config>(config).unwrap_or_else(|problems| panic!("{problems:?}"));
    let context = RunContext { check_id: String::new(), slot_ms: 0, now_ms: 0, attempt: 0, timeout_ms: 1_000, config };
    let (mut answers, mut requests) = (answers.into_iter(), Vec::new());
    let outcome = run(&context, &reread(&context.config).unwrap(), &Told, |request| {
        let body = String::from_utf8_lossy(request.body.unwrap_or_default()).into_owned();
        let headers: Vec<_> = request.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        requests.push(format!("{} {} [{}] {body}", request.method, request.url, headers.join(", ")));
        Ok(answers.next().expect("no more requests than answers"))
    });
    assert!(answers.next().is_none(), "every answer was asked for");
    (outcome.unwrap(), requests)
}

fn number(outcome: &Outcome, key: &str) -> Option<i64> {
    use crate::wit::farwatch::check::types::Value;
    outcome.attributes.iter().find_map(|attribute| match attribute.value {
        Value::Integer(number) if attribute.key == key => Some(number),
        _ => None,
    })
}

#[test]
fn later_steps_use_what_earlier_ones_brought() {
    let config = r#"{"variables": {"pw": {"secret": "pw"}, "who": "a&b"}, "steps": [
        {"name": "login", "url": "https://a.example/login?u={{who}}", "form": {"p": "{{pw}}"}, "captures": [
            {"name": "token", "json_path": "$.token"}, {"name": "id", "regex": "\"id\":(\\d+)"},
            {"name": "next", "header": "X-Next"}]},
        {"name": "use", "url": "https://a.example/{{next}}", "json": {"t": "{{token}}-{{id}}"},
            "headers": {"x-token": "{{token}}"}}
    ]}"#;
    let first = answer(200, &[("x-next", "/n?a=1"), ("set-cookie", "sid=1; Path=/")], r#"{"token":"t0k","id":7}"#);
    let (outcome, requests) = run_with(config, vec![first, answer(204, &[], "")]);
    assert_eq!((outcome.code.as_str(), outcome.message.as_str(), outcome.latency_us), ("ok", "", 200_000));
    assert_eq!(
        requests,
        [
            "POST https://a.example/login?u=a%26b [content-type: application/x-www-form-urlencoded] p=s3%20cr3t",
            r#"POST https://a.example/n?a=1 [content-type: application/json, x-token: t0k, cookie: sid=1] {"t":"t0k-7"}"#,
        ]
    );
    assert_eq!((number(&outcome, "flow.step-2-us"), number(&outcome, "flow.steps-done")), (Some(100_000), Some(2)));
}

#[test]
fn what_was_filled_in_goes_to_no_other_origin() {
    let config = r#"{"variables": {"t": "tok"}, "steps": [{"name": "a", "url": "https://a.example/",
        "headers": {"x-token": "{{t}}", "x": "y"}}]}"#;
    let elsewhere = answer(302, &[("location", "https://b.example/"), ("set-cookie", "a=1")], "");
    let (_, requests) = run_with(config, vec![elsewhere, answer(200, &[], "")]);
    assert_eq!(requests[1], "GET https://b.example/ [x: y] ");
}

#[test]
fn the_first_step_that_fails_ends_the_run() {
    let step = |name: &str, more: &str| format!(r#"{{"name": "{name}", "url": "http://a.example/" {more}}}"#);
    let config = format!(r#"{{"steps": [{}, {}, {}]}}"#, step("home", ""), step("login", ""), step("basket", ""));
    let (outcome, requests) = run_with(&config, vec![answer(200, &[], ""), answer(503, &[], "")]);
    let message = "step 2 \"login\": expected status 200-299, got 503 from 192.0.2.7:443 after 100 ms";
    assert_eq!((outcome.code.as_str(), outcome.message.as_str(), requests.len()), ("status-unexpected", message, 2));
    assert_eq!((number(&outcome, "http.status"), number(&outcome, "flow.steps-done")), (Some(503), Some(1)));
    for (capture, code, words) in [
        (
            r#""json_path": "$.x""#,
            "capture-missing",
            "expected a value for `v`, got nothing at `$.x` from 192.0.2.7:443",
        ),
        (r#""header": "x""#, "capture-missing", "no header `x`"),
        (r#""regex": "z+""#, "capture-missing", "nothing that `z+` matches"),
        (r#""json_path": "$.broken""#, "capture-invalid", "line break"),
        (r#""json_path": "$.long""#, "capture-invalid", "more than 8192"),
    ] {
        let capture = format!(r#", "captures": [{{"name": "v", {capture}}}]"#);
        let body = format!(r#"{{"broken": "a\nb", "long": "{}"}}"#, "x".repeat(9_000));
        let (outcome, _) =
            run_with(&format!(r#"{{"steps": [{}]}}"#, step("a", &capture)), vec![answer(200, &[], &body)]);
        assert_eq!(outcome.code, code, "{capture}");
        assert!(outcome.message.contains(words), "{capture}: {}", outcome.message);
    }
}

#[test]
fn a_slow_step_or_a_slow_whole_is_degraded() {
    let config = |whole: &str, step: &str| {
        format!(
            r#"{{"steps": [{{"name": "a", "url": "http://a.example/" {step}}}, {{"name": "b", "url": "http://a.example/"}}] {whole}}}"#
        )
    };
    let answers = || vec![answer(200, &[], ""), answer(200, &[], "")];
    let (outcome, _) = run_with(&config(r#", "degraded_above_ms": 199"#, ""), answers());
    assert_eq!(
        (outcome.code.as_str(), outcome.message.as_str()),
        ("slow", "all steps were done in 200 ms, slower than 199 ms")
    );
    let (outcome, _) = run_with(&config("", r#", "degraded_above_ms": 99"#), answers());
    assert_eq!(outcome.message, "step 1 \"a\": answered in 100 ms, slower than 99 ms");
    let slow = || {
        let mut slow = answer(200, &[], "");
        slow.times.total = 1_000_000;
        slow
    };
    let (outcome, _) = run_with(&config("", ""), vec![slow()]);
    assert_eq!(outcome.message, "step 2 \"b\": the steps before took all of the 1000 ms that there are");
}
