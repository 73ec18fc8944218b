//! The built-in `tcp` module through a real sandbox, against conversations that the test makes up.

use farwatch_sandbox::tcp::{Ended, Evidence, Received, Target, Until};
use farwatch_sandbox::types::{Failure, Status};
use farwatch_sandbox::{Limits, Probes, RunEnd};

use crate::harness::{Never, context, judged, patient, run, shared, times};

/// Answers every conversation with the same bytes, and keeps what was asked.
#[derive(Default)]
struct Says {
    bytes: &'static [u8],
    opened: Vec<(u32, Target)>,
    heard: Vec<(u32, Vec<u8>)>,
    asked: Vec<(u32, Until)>,
    closed: Vec<u32>,
}

impl Says {
    fn new(bytes: &'static [u8]) -> Self {
        Self { bytes, ..Self::default() }
    }
}

impl Probes for Says {
    async fn fetch(
        &mut self,
        _request: farwatch_sandbox::http::Request,
    ) -> Result<farwatch_sandbox::http::Response, Failure> {
        panic!("the module imports no http")
    }

    async fn open(&mut self, number: u32, target: Target) -> Result<(), Failure> {
        tokio::task::yield_now().await;
        self.opened.push((number, target));
        Ok(())
    }

    async fn send(&mut self, number: u32, bytes: Vec<u8>) -> Result<(), Failure> {
        self.heard.push((number, bytes));
        Ok(())
    }

    async fn receive(&mut self, number: u32, until: Until, _max_bytes: u32) -> Result<Received, Failure> {
        tokio::task::yield_now().await;
        self.asked.push((number, until));
        Ok(Received { bytes: self.bytes.to_vec(), ended: Ended::Matched })
    }

    fn evidence(&mut self, _number: u32) -> Evidence {
        Evidence { remote: "192.0.2.7:6379".to_owned(), times: times(26_000), tls: None }
    }

    async fn close(&mut self, number: u32) {
        self.closed.push(number);
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
    let [(0, target)] = server.opened.as_slice() else { panic!("one connection: {:?}", server.opened) };
    assert_eq!((target.host.as_str(), target.port, target.timeout_ms), ("cache.example", 6379, 10_000));
    assert_eq!(
        (server.heard.as_slice(), server.closed.as_slice()),
        ([(0, b"PING\r\n".to_vec())].as_slice(), [0].as_slice())
    );
    assert!(matches!(&server.asked[..], [(0, Until::Delimiter(bytes))] if bytes == b"+PONG"), "{:?}", server.asked);

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
