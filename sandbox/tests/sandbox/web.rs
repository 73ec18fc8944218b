//! Requests by `wasi:http`: they are the run's own probes.

use std::time::Duration;

use farwatch_sandbox::http::Response;
use farwatch_sandbox::types::{Failure, Phase};
use farwatch_sandbox::{Limits, Probes, RunReport, StopCode};

use crate::harness::{Always, Answers, Never, answer, judged, patient, run_raw, shared, stopped, times};

async fn ask(what: &str, url: &str, probes: &mut impl Probes, limits: &Limits) -> RunReport {
    let guest = shared("hostile-wasi").await;
    run_raw(&guest, &format!(r#"{{"behaviour": "web-{what}", "url": "{url}"}}"#), probes, limits).await
}

async fn found(what: &str, url: &str, probes: &mut impl Probes) -> String {
    judged(ask(what, url, probes, &patient()).await).message
}

fn body(bytes: usize) -> Response {
    Response { body: vec![b'x'; bytes], body_bytes: u32::try_from(bytes).expect("a short body"), ..answer(200) }
}

#[tokio::test]
async fn a_request_is_a_probe() {
    let mut probes = Answers::one(body(100_000));
    assert_eq!(found("get", "https://a.example:8443/b?c=d", &mut probes).await, "200  100000 closed");
    let [request] = probes.requests.as_slice() else { panic!("one request") };
    assert_eq!((request.method.as_str(), request.url.as_str()), ("GET", "https://a.example:8443/b?c=d"));
    assert_eq!(request.headers, [("x-check".to_owned(), "1".to_owned())]);
    assert!(request.body.is_none() && request.verify_tls && request.client.is_none());
    // The time that is left of 60 s.
    assert!((50_000..60_000).contains(&request.timeout_ms), "{}", request.timeout_ms);
}

#[tokio::test]
async fn a_body_is_written_while_the_request_is_under_way() {
    let mut probes = Answers::one(answer(204));
    assert_eq!(found("post", "http://a/", &mut probes).await, "204  0 closed");
    assert_eq!(probes.requests[0].method, "POST");
    assert_eq!(probes.requests[0].body.as_deref(), Some([b'x'; 3 * 4_096].as_slice()));
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_never_sent() {
    let mut probes = Answers::default();
    assert_eq!(found("post-huge", "http://a/", &mut probes).await, "ErrorCode::HttpRequestBodySize(Some(1048576))");
    assert!(probes.requests.is_empty());
}

#[tokio::test]
async fn redirects_are_told_and_not_followed() {
    let location = ("location".to_owned(), "http://169.254.169.254/".to_owned());
    let mut probes = Answers::one(Response { headers: vec![location], ..answer(302) });
    assert_eq!(found("get", "http://a/", &mut probes).await, "302 http://169.254.169.254/ 0 closed");
    assert_eq!(probes.requests.len(), 1);
}

#[tokio::test]
async fn an_answer_that_was_cut_ends_with_an_error() {
    let mut probes = Answers::one(Response { body_truncated: true, ..body(1_000) });
    let told = found("get", "http://a/", &mut probes).await;
    assert_eq!(told, "200  1000 HTTP response body size exceeds limit: 1000 bytes");
}

#[tokio::test]
async fn what_may_not_be_reached_is_prohibited() {
    let refused = Failure {
        phase: Phase::Prepare,
        code: "egress-refused".to_owned(),
        message: String::new(),
        remote: None,
        times: times(0),
        tls: None,
    };
    let mut probes = Answers::new([Err(refused)]);
    assert_eq!(found("get", "http://127.0.0.1/", &mut probes).await, "ErrorCode::DestinationIpProhibited");
    assert_eq!(found("get", "ftp://a/", &mut Answers::default()).await, "ErrorCode::HttpProtocolError");
}

#[tokio::test]
async fn two_requests_are_made_one_after_the_other() {
    let mut probes = Answers::new([Ok(answer(200)), Ok(answer(201))]);
    assert_eq!(found("two", "http://a/", &mut probes).await, "201  0 closed, 200  0 closed");
}

#[tokio::test]
async fn a_guest_may_give_up_on_a_request_and_go_on() {
    // The second of what it waited for was there first.
    assert_eq!(found("hasty", "http://a/", &mut Never).await, "[1]");
}

#[tokio::test]
async fn a_request_that_never_ends_meets_the_deadline() {
    let limits = Limits { wall: Duration::from_millis(50), ..patient() };
    let report = ask("get", "http://a/", &mut Never, &limits).await;
    assert_eq!(stopped(&report), StopCode::Deadline);
}

#[tokio::test]
async fn options_limit_a_request() {
    let mut probes = Answers::one(answer(200));
    found("options", "http://a/", &mut probes).await;
    assert_eq!(probes.requests[0].timeout_ms, 50);
}

#[tokio::test]
async fn requests_are_counted_with_all_other_probes() {
    let limits = Limits { fetches: 3, ..patient() };
    let mut probes = Answers::new([Ok(answer(200)), Ok(answer(200)), Ok(answer(200))]);
    let report = ask("flood", "http://a/", &mut probes, &limits).await;
    assert_eq!(judged(report).message, "ErrorCode::HttpRequestDenied");
    assert_eq!(probes.requests.len(), 3);
}

#[tokio::test]
async fn what_is_hoarded_has_a_limit() {
    for (what, code) in [("hoard", StopCode::HandleLimit), ("fields", StopCode::DataLimit)] {
        let report = ask(what, "http://a/", &mut Always(answer(200)), &patient()).await;
        assert_eq!(stopped(&report), code, "{what}: {:?}", report.end);
    }
}

#[tokio::test]
async fn the_host_header_is_the_probes_own() {
    assert_eq!(found("host-header", "", &mut Never).await, "Some(HeaderError::Forbidden)");
}

#[tokio::test]
async fn a_module_that_imports_it_says_so() {
    let (sandbox, module) = shared("hostile-wasi").await;
    let described = sandbox.describe(&module).await.expect("it names what it imports");
    assert!(module.imports().any(|import| import == "http"));
    assert!(["http", "sockets"].iter().all(|named| described.capabilities.iter().any(|told| told == named)));
}
