//! A module that misbehaves in the way its config asks for, so that tests can show what a sandbox does about it.
//!
//! The config is `{"behaviour": "<word>"}`, and for those that fetch `{"behaviour": "<word>", "url": "<url>"}`. It is
//! shipped with nothing.

/// The bindings of the treaty, generated from `wit/`.
#[allow(missing_docs, unused_qualifications, clippy::all)]
mod wit {
    wit_bindgen::generate!({ path: "../../wit", world: "check-module" });
}

use wit::exports::farwatch::check::check::{Description, Guest, Prepared, RunContext};
use wit::farwatch::check::http::{self, Request, Version, Want};
use wit::farwatch::check::types::{Attribute, Failure, Outcome, Problem, Status, Value};
use wit::farwatch::check::{entropy, log};

/// More than any limit of the host.
const MONSTROUS: usize = 16 << 20;

/// The module, as the treaty sees it.
struct Hostile;

impl Guest for Hostile {
    fn describe() -> Description {
        // Memory that is asked for and not used: allowed, and gone with the instance.
        std::hint::black_box(vec![1_u8; 8 << 20]);
        Description {
            name: "hostile".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Misbehaves as its config says.".to_owned(),
            config_schema: r#"{"type": "object", "required": ["behaviour"]}"#.to_owned(),
            capabilities: vec!["http".to_owned()],
        }
    }

    fn validate(config: String) -> Result<Prepared, Vec<Problem>> {
        match words(config.as_bytes()).0 {
            "validate-trap" => trap(),
            "validate-loop" => endless(),
            "validate-huge" => return Ok(Prepared { config: vec![0; 1 << 20] }),
            "validate-many-problems" => return Err((0..10_000).map(|_| problem("no-good")).collect()),
            _ => {}
        }
        Ok(Prepared { config: config.into_bytes() })
    }

    fn run(context: RunContext) -> Result<Outcome, Problem> {
        let (behaviour, url) = words(&context.config);
        match behaviour {
            "trap" => trap(),
            "panic" => panic!("as asked for"),
            "loop" => endless(),
            "loop-with-calls" => endless_with_calls(),
            "memory" => memory(),
            "recursion" => return Ok(outcome(&deep(u64::from(context.timeout_ms) + (1 << 40)).to_string())),
            "fetch" => return Ok(outcome(&told(fetch(url, context.timeout_ms)))),
            "fetch-forever" => drop(fetch(url, u32::MAX)),
            "fetch-without-end" => return Ok(outcome(&fetch_without_end(url))),
            "log-flood" => (0..100_000).for_each(|_| log::emit(log::Level::Info, &"x".repeat(1_000))),
            "log-huge" => log::emit(log::Level::Info, &"x".repeat(MONSTROUS)),
            "entropy" => (0..10).for_each(|_| drop(entropy::get(32 << 10))),
            "entropy-huge" => drop(entropy::get(u32::MAX)),
            "message-long" => return Ok(outcome(&"x".repeat(64 << 10))),
            "message-huge" => return Ok(outcome(&"x".repeat(MONSTROUS))),
            "attributes" => return Ok(Outcome { attributes: attributes(10_000, ""), ..outcome("") }),
            "attributes-huge" => {
                return Ok(Outcome { attributes: attributes(5_000, &"x".repeat(1_000)), ..outcome("") });
            }
            "code" => return Ok(Outcome { code: "Not a code!".to_owned(), ..outcome("") }),
            "problem" => return Err(problem("no-good")),
            _ => {}
        }
        Ok(outcome(""))
    }
}

/// The behaviour and the URL: the fourth and the eighth part between quotes.
fn words(config: &[u8]) -> (&str, &str) {
    let mut parts = str::from_utf8(config).unwrap_or_default().split('"').skip(3).step_by(4);
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

#[cfg(target_arch = "wasm32")]
fn trap() -> ! {
    core::arch::wasm32::unreachable()
}

#[cfg(not(target_arch = "wasm32"))]
fn trap() -> ! {
    std::process::abort()
}

fn endless() -> ! {
    let mut count = 0_u64;
    loop {
        count = std::hint::black_box(count.wrapping_add(1));
    }
}

fn endless_with_calls() -> ! {
    loop {
        log::emit(log::Level::Debug, "again");
        drop(entropy::get(0));
    }
}

fn memory() {
    let mut blocks = Vec::new();
    loop {
        blocks.push(std::hint::black_box(vec![1_u8; 1 << 20]));
    }
}

/// Calls itself until the stack ends, in a way that no compiler turns into a loop.
fn deep(count: u64) -> u64 {
    if count == 0 {
        return 1;
    }
    let below = deep(count - 1);
    deep(below % 2).wrapping_mul(31) ^ below
}

fn fetch(url: &str, timeout_ms: u32) -> Result<http::Response, Failure> {
    http::fetch(&Request {
        method: "GET".to_owned(),
        url: url.to_owned(),
        headers: Vec::new(),
        body: None,
        version: Version::Automatic,
        verify_tls: true,
        client: None,
        ip_version: None,
        max_body_bytes: u32::MAX,
        timeout_ms,
        want: Want::all(),
    })
}

/// What came of a request: the status, and how much of a body; or why there is no answer.
fn told(fetched: Result<http::Response, Failure>) -> String {
    match fetched {
        Ok(answer) => format!("{} {} {}", answer.status, answer.body.len(), answer.body_truncated),
        Err(failure) => failure.code,
    }
}

/// Fetches until the host has had enough, and returns the code by which it said so.
fn fetch_without_end(url: &str) -> String {
    loop {
        if let Err(failure) = fetch(url, 100) {
            return failure.code;
        }
    }
}

fn attributes(count: usize, text: &str) -> Vec<Attribute> {
    (0..count).map(|index| Attribute { key: format!("key.{index}"), value: Value::Text(text.to_owned()) }).collect()
}

fn outcome(message: &str) -> Outcome {
    Outcome {
        status: Status::Up,
        code: "ok".to_owned(),
        message: message.to_owned(),
        latency_us: 0,
        attributes: Vec::new(),
    }
}

fn problem(code: &str) -> Problem {
    Problem { code: code.to_owned(), message: "As asked for.".to_owned(), field: None }
}

wit::export!(Hostile with_types_in wit);
