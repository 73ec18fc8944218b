//! The door for jobs that call us: who knows the path of a heartbeat may say how its job is, and nothing else.
//!
//! A job that cannot be understood in full is heard all the same, for a signal that is refused is an alarm for nothing.

use std::net::IpAddr;

use axum::RequestExt;
use axum::body::to_bytes;
use axum::extract::{FromRequest, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use farwatch_core::heartbeat::Signal;
use serde_json::json;

use super::checks::hash_of;
use super::gate::address_of;
use super::openapi::{Answer, Input, Operation};
use super::problem::ApiError;
use super::routes::Routes;
use super::{Api, BODY_MAX_BYTES};
use crate::store::{Called, NewSignal};

/// Below this lie the paths of all heartbeats.
pub(super) const PATH: &str = "/heartbeat";
/// What is kept of what a job sends along: the end of it, for that is where a log says why. A page of text.
const KEPT_MAX_BYTES: usize = 4096;
/// How much of its last line tells people why it failed.
const WORDS_MAX_CHARS: usize = 200;
/// How much is kept of the name of the program that called.
const AGENT_MAX_CHARS: usize = 120;

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/heartbeat/{id}", hear::<false>)
        .about("A job says that all is well")
        .post("/heartbeat/{id}", hear::<false>)
        .about("A job says that all is well, and sends something along")
        .get("/heartbeat/{id}/{word}", hear::<true>)
        .about("A job says that it starts, that it failed, something for the record, or its exit status")
        .post("/heartbeat/{id}/{word}", hear::<true>)
        .about("A job says that, and sends something along")
}

/// What a job says, and by which key; with a word behind it or without.
pub(super) struct Call<const WORDED: bool> {
    key: String,
    said: NewSignal,
}

/// The answer to a job: nobody reads more of it.
pub(super) struct Heard;

async fn hear<const WORDED: bool>(State(api): State<Api>, call: Call<WORDED>) -> Result<Heard, ApiError> {
    let Call { key, said } = call;
    let key = hash_of(&key);
    if let Err(too_many) = api.limiter.called(key.0, api.clock.boot()) {
        let what = "this job has called too often; its calls before are heard";
        return Err(ApiError::TooMany { what, wait_ms: too_many.wait_ms });
    }
    match api.store.heartbeats().hear(key, &said, api.clock.wall()).await? {
        Called::Heard(_) => Ok(Heard),
        Called::Unknown => Err(unknown(&api, &said.address)),
    }
}

/// Whoever tries many keys is made to wait.
fn unknown(api: &Api, address: &str) -> ApiError {
    let address = address.parse::<IpAddr>().ok();
    match address.map(|address| api.limiter.failed(address, api.clock.boot())) {
        Some(Err(too_many)) => {
            ApiError::TooMany { what: "this address has called by too many unknown paths", wait_ms: too_many.wait_ms }
        }
        _ => ApiError::NotFound("no heartbeat has this path; see `farwatch check show`".to_owned()),
    }
}

impl<const WORDED: bool> FromRequest<Api> for Call<WORDED> {
    type Rejection = ApiError;

    async fn from_request(mut request: Request, _: &Api) -> Result<Self, ApiError> {
        let nowhere = || ApiError::NotFound("the path does not name anything".to_owned());
        let parts: Path<Vec<(String, String)>> = request.extract_parts().await.map_err(|_| nowhere())?;
        let mut parts = parts.0.into_iter().map(|(_, part)| part);
        let (key, word) = (parts.next().ok_or_else(nowhere)?, parts.next());
        let address = caller_of(&request).to_string();
        let agent = agent_of(request.headers());
        // A body that is too long or breaks off is left out: that the job called is what counts.
        let body = to_bytes(request.into_body(), BODY_MAX_BYTES).await.unwrap_or_default();
        let body = end_of(&String::from_utf8_lossy(&body));
        let (signal, exit) = signal_of(word.as_deref(), &body)?;
        Ok(Self { key, said: NewSignal { signal, exit, address, agent, body } })
    }
}

/// What a word behind the path means.
fn signal_of(word: Option<&str>, body: &str) -> Result<(Signal, Option<u8>), ApiError> {
    let failed = |exit| Signal::Failed { exit, words: last_line(body) };
    match word {
        None | Some("success") => Ok((Signal::Succeeded, None)),
        Some("start") => Ok((Signal::Started, None)),
        Some("fail") => Ok((failed(None), None)),
        Some("log") => Ok((Signal::Logged, None)),
        Some(word) => match word.parse::<u8>() {
            Ok(0) => Ok((Signal::Succeeded, Some(0))),
            Ok(exit) => Ok((failed(Some(exit)), Some(exit))),
            Err(_) => {
                let detail =
                    format!("{word:?} says nothing; use start, success, fail, log or an exit status from 0 to 255");
                Err(ApiError::NotFound(detail))
            }
        },
    }
}

/// The address a job calls from. What a proxy before us says of that is believed where the proxy is on this machine.
fn caller_of(request: &Request) -> IpAddr {
    let peer = address_of(request);
    let forwarded = request.headers().get("x-forwarded-for").and_then(|value| value.to_str().ok());
    let last = forwarded.and_then(|all| all.rsplit(',').next()).and_then(|one| one.trim().parse().ok());
    last.filter(|_| peer.to_canonical().is_loopback()).unwrap_or(peer)
}

fn agent_of(headers: &HeaderMap) -> String {
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    agent.chars().take(AGENT_MAX_CHARS).collect()
}

/// The end of a text, without signs that no terminal should be shown.
fn end_of(text: &str) -> String {
    let clean = text.replace(|sign: char| sign.is_control() && !matches!(sign, '\n' | '\t'), "");
    let from = clean.len().saturating_sub(KEPT_MAX_BYTES);
    let from = (from..=clean.len()).find(|at| clean.is_char_boundary(*at)).unwrap_or(clean.len());
    clean[from..].to_owned()
}

fn last_line(body: &str) -> String {
    let last = body.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    last.chars().take(WORDS_MAX_CHARS).collect()
}

impl IntoResponse for Heard {
    fn into_response(self) -> Response {
        "OK\n".into_response()
    }
}

impl<const WORDED: bool> Input for Call<WORDED> {
    fn describe(operation: &mut Operation<'_>) {
        operation.parameter("path", "id", "The key of the heartbeat.", &json!({"type": "string", "minLength": 1}));
        if WORDED {
            let schema = json!({"type": "string", "pattern": "^(start|success|fail|log|[0-9]{1,3})$"});
            operation.parameter("path", "word", "What is said; an exit status is 0 to 255.", &schema);
        }
        operation.refuses(StatusCode::NOT_FOUND, "No heartbeat has this path.");
    }
}

impl Answer for Heard {
    fn describe(operation: &mut Operation<'_>) {
        let content = Some(("text/plain", json!({"type": "string"})));
        operation.answers(StatusCode::OK, "It was heard, and is not forgotten.", content, &json!({}));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_or_an_exit_status_says_how_it_is() {
        let said = |word: &str| signal_of(Some(word), "one\nNo space left\n\n").unwrap();
        assert_eq!(signal_of(None, "").unwrap(), (Signal::Succeeded, None));
        assert_eq!(said("0"), (Signal::Succeeded, Some(0)));
        let failed = |exit| Signal::Failed { exit, words: "No space left".to_owned() };
        assert_eq!((said("fail"), said("137")), ((failed(None), None), (failed(Some(137)), Some(137))));
        assert_eq!((said("start").0, said("log").0), (Signal::Started, Signal::Logged));
        assert!(signal_of(Some("256"), "").is_err() && signal_of(Some("Success"), "").is_err());
    }

    #[test]
    fn the_end_of_a_long_text_is_kept_whole_and_clean() {
        let long = "é".repeat(KEPT_MAX_BYTES);
        assert_eq!(end_of(&long).len(), KEPT_MAX_BYTES);
        assert_eq!(end_of(&format!("x{long}")).len(), KEPT_MAX_BYTES);
        assert_eq!(end_of("a\0b\u{1b}[31mc\r\n\td"), "ab[31mc\n\td");
    }
}
