//! A module as a customer may bring it: it fetches a page, and is down unless that is there. Stories push it to a Farwatch.
//!
//! It is made of the treaty alone, without what the built-in modules share, and it is shipped with nothing.

/// The bindings of the treaty, generated from `wit/`.
#[allow(missing_docs, unused_qualifications, clippy::all)]
mod wit {
    wit_bindgen::generate!({ path: "../../wit", world: "check-module" });
}

use std::hint::black_box;

use wit::exports::farwatch::check::check::{Description, Guest, Prepared, RunContext};
use wit::farwatch::check::http::{self, Request, Response, Version, Want};
use wit::farwatch::check::types::{Failure, Outcome, Problem, Status};

/// Its version, after words by which stories find it in the component: they push more versions, which differ in this alone.
/// There is room for ten characters.
static RELEASE: &[u8] = b"farwatch-brought 1.2.0     ";
/// How much of that are the words.
const WORDS_BYTES: usize = "farwatch-brought ".len();
/// What a version ends with that cannot be run: its runs trap.
const BROKEN: &str = ".9";
/// How much of the page is read: that it is there is all that is asked.
const BODY_MAX_BYTES: u32 = 4_096;

/// The module, as the treaty sees it.
struct Page;

impl Guest for Page {
    fn describe() -> Description {
        Description {
            name: "page".to_owned(),
            version: version(),
            summary: "Fetches a page, and is down unless it is there.".to_owned(),
            config_schema: r#"{
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object", "required": ["url"], "additionalProperties": false,
                "properties": {"url": {"type": "string", "format": "uri", "description": "The page."}},
                "examples": [{"url": "https://example.com"}]
            }"#
            .to_owned(),
            capabilities: vec!["http".to_owned()],
        }
    }

    fn validate(config: String) -> Result<Prepared, Vec<Problem>> {
        match url_in(&config) {
            Some(url) => Ok(Prepared { config: url.as_bytes().to_vec() }),
            None => Err(vec![Problem {
                code: "url-missing".to_owned(),
                message: "say which page, such as {\"url\": \"https://example.com\"}".to_owned(),
                field: Some("/url".to_owned()),
            }]),
        }
    }

    fn run(context: RunContext) -> Result<Outcome, Problem> {
        assert!(!version().ends_with(BROKEN), "this version is broken");
        let url = String::from_utf8_lossy(&context.config).into_owned();
        Ok(match fetch(url, context.timeout_ms) {
            Ok(response) => judged(&response),
            Err(Failure { code, message, .. }) => outcome(Status::Down, &code, message),
        })
    }
}

/// Read where it lies, so that no compiler puts another copy of it anywhere.
fn version() -> String {
    String::from_utf8_lossy(black_box(RELEASE)[WORDS_BYTES..].trim_ascii_end()).into_owned()
}

/// The one text of a config with one field.
fn url_in(config: &str) -> Option<&str> {
    let (_, rest) = config.split_once("\"url\"")?;
    let url = rest.split('"').nth(1)?;
    url.starts_with("http").then_some(url)
}

fn fetch(url: String, timeout_ms: u32) -> Result<Response, Failure> {
    http::fetch(&Request {
        method: "GET".to_owned(),
        url,
        headers: Vec::new(),
        body: None,
        version: Version::Automatic,
        verify_tls: true,
        client: None,
        ip_version: None,
        max_body_bytes: BODY_MAX_BYTES,
        timeout_ms,
        want: Want::empty(),
    })
}

fn judged(response: &Response) -> Outcome {
    match response.status {
        status @ 200..=299 => outcome(Status::Up, "ok", format!("the page is there, by status {status}")),
        status => outcome(Status::Down, "page-missing", format!("the page is not there, by status {status}")),
    }
}

fn outcome(status: Status, code: &str, message: String) -> Outcome {
    Outcome { status, code: code.to_owned(), message, latency_us: 0, attributes: Vec::new() }
}

wit::export!(Page with_types_in wit);
