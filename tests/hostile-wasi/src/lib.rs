//! A module that misuses WASI 0.2 in the way its config asks for, so that tests can show what it gets.
//!
//! The config is `{"behaviour": "<word>"}`, and for those that go somewhere `{"behaviour": "<word>", "url": "<where>"}`.
//! What it found stands in the message of its outcome. It is shipped with nothing.

/// The bindings of the treaty and of WASI, generated from `wit/`.
#[allow(missing_docs, unused_qualifications, clippy::all)]
mod wit {
    wit_bindgen::generate!({
        path: ["../../wit", "wit"],
        world: "farwatch:hostile-wasi/hostile-wasi",
        generate_all,
    });
}

mod inert;
mod reach;
mod sockets;
mod web;

use wit::exports::farwatch::check::check::{Description, Guest, Prepared, RunContext};
use wit::farwatch::check::types::{Outcome, Problem, Status};

/// The module, as the treaty sees it.
struct Hostile;

impl Guest for Hostile {
    fn describe() -> Description {
        Description {
            name: "hostile-wasi".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Misuses WASI as its config says.".to_owned(),
            config_schema: r#"{"type": "object", "required": ["behaviour"]}"#.to_owned(),
            capabilities: ["http", "tcp", "udp", "dns", "tls", "icmp", "sockets"].map(str::to_owned).to_vec(),
        }
    }

    fn validate(config: String) -> Result<Prepared, Vec<Problem>> {
        Ok(Prepared { config: config.into_bytes() })
    }

    fn run(context: RunContext) -> Result<Outcome, Problem> {
        let (behaviour, url) = words(&context.config);
        let found = match behaviour.split_once('-') {
            Some(("reach", what)) => reach::misuse(what),
            Some(("socket", what)) => sockets::misuse(what, url),
            Some(("web", what)) => web::misuse(what, url),
            _ => inert::misuse(behaviour),
        };
        found.map(outcome).ok_or_else(|| Problem {
            code: "behaviour-unknown".to_owned(),
            message: format!("there is no behaviour `{behaviour}`"),
            field: None,
        })
    }
}

/// The behaviour and the URL: the fourth and the eighth part between quotes.
fn words(config: &[u8]) -> (&str, &str) {
    let mut parts = str::from_utf8(config).unwrap_or_default().split('"').skip(3).step_by(4);
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

fn outcome(message: String) -> Outcome {
    Outcome { status: Status::Up, code: "ok".to_owned(), message, latency_us: 0, attributes: Vec::new() }
}

wit::export!(Hostile with_types_in wit);
