//! The built-in `tcp` module through a real sandbox, against conversations that the test makes up.

use farwatch_sandbox::tcp::{Ended, Request, Response, Until};
use farwatch_sandbox::types::{Failure, Status};
use farwatch_sandbox::{Limits, Probes, RunEnd};

use crate::harness::{Never, context, judged, patient, run, shared, times};

/// Answers every conversation with the same bytes, and keeps what was asked.
struct Says {
    bytes: &'static [u8],
    asked: Vec<Request>,
}

impl Says {
    const fn new(bytes: &'static [u8]) -> Self {
        Self { bytes, asked: Vec::new() }
    }
}

impl Probes for Says {
    async fn fetch(
        &mut self,
        _request: farwatch_sandbox::http::Request,
    ) -> Result<farwatch_sandbox::http::Response, Failure> {
        panic!("the module imports no http")
    }

    async fn converse(&mut self, request: Request) -> Result<Response, Failure> {
        tokio::task::yield_now().await;
        let ended = request.receive.as_ref().map(|_| Ended::Matched);
        self.asked.push(request);
        let (remote, bytes) = ("192.0.2.7:6379".to_owned(), self.bytes.to_vec());
        Ok(Response { remote, bytes, ended, times: times(26_000), tls: None })
    }
}

const CONFIG: &str = r#"{"host": "cache.example", "port": 6379, "send": "PING\\r\\n", "expect_contains": "+PONG"}"#;

#[tokio::test]
async fn the_request_is_what_the_config_says_and_the_answer_is_judged() {
    let tcp = shared("tcp").await;
    let mut server = Says::new(b"+PONG");
    let report = run(&tcp, CONFIG, &mut server).await;
    assert!(report.memory_bytes <= 64 << 10, "a plain run needs one page, not {}", report.memory_bytes);
    let outcome = judged(report);
    assert_eq!((outcome.status, outcome.latency_us), (Status::Up, 26_000));
    let [asked] = server.asked.as_slice() else { panic!("one conversation") };
    assert_eq!((asked.host.as_str(), asked.port, asked.timeout_ms), ("cache.example", 6379, 10_000));
    assert_eq!(asked.send.as_deref(), Some(b"PING\r\n".as_slice()));
    let delimiter = asked.receive.as_ref().map(|receive| &receive.until);
    assert!(matches!(delimiter, Some(Until::Delimiter(bytes)) if bytes == b"+PONG"), "{delimiter:?}");

    let outcome = judged(run(&tcp, CONFIG, &mut Says::new(b"-ERR")).await);
    assert_eq!((outcome.status, outcome.code.as_str()), (Status::Down, "answer-text-missing"));
}

#[tokio::test]
async fn a_host_that_makes_no_such_probe_says_nothing_of_the_target() {
    let tcp = shared("tcp").await;
    let report = run(&tcp, CONFIG, &mut Never).await;
    assert!(matches!(&report.end, RunEnd::Problem(problem) if problem.code == "not-supported"), "{:?}", report.end);
    let prepared = tcp.0.validate(&tcp.1, CONFIG).await.expect("it ends").expect("it is valid");
    let none = Limits { fetches: 0, ..patient() };
    let report = tcp.0.run(&tcp.1, &mut Says::new(b""), &context(prepared.config, 1_000), &none).await;
    assert!(matches!(&report.end, RunEnd::Problem(problem) if problem.code == "fetch-limit"), "{:?}", report.end);
}

#[tokio::test]
async fn the_description_is_complete() {
    let tcp = shared("tcp").await;
    let description = tcp.0.describe(&tcp.1).await.expect("it ends");
    assert_eq!(
        (description.name.as_str(), description.capabilities.as_slice()),
        ("tcp", ["tcp".to_owned()].as_slice())
    );
    for field in ["host", "port", "send", "read_until", "expect_regex", "connect_degraded_above_ms"] {
        assert!(description.config_schema.contains(&format!("\"{field}\"")), "{field}");
    }
}
