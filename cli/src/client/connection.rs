//! The one way to the API: requests with a token and a limit, and refusals as failures.

use std::fs::File;
use std::time::Duration;

use serde_json::{Value, json};
use ureq::http::request::Builder;
use ureq::http::{Method, Request, Response, StatusCode};
use ureq::{Agent, AsSendBody};

use super::ClientArgs;
use super::answer::refusal;
use super::credentials::{Credentials, Environment};
use crate::exit::{FAILED, Failure, UNAVAILABLE};

/// Answers come from a database and take milliseconds; this long means that nobody answers.
const LIMIT: Duration = Duration::from_secs(30);
/// A run by hand takes as long as the check's timeout, and that is at most a minute.
const LONG_LIMIT: Duration = Duration::from_secs(90);
/// The largest release over a slow line.
const UPLOAD_LIMIT: Duration = Duration::from_secs(3600);
/// The largest answer: a full page of the largest items is below it.
const ANSWER_MAX_BYTES: u64 = 64 * 1024 * 1024;
/// Items of one page.
const PAGE: usize = 200;
/// The most items of a list that are shown; more is a matter for --json and the API itself.
const ITEMS_MAX: usize = 10_000;

/// See the file's documentation.
pub(super) struct Connection {
    agent: Agent,
    credentials: Credentials,
}

impl Connection {
    pub(super) fn open(args: &ClientArgs) -> Result<Self, Failure> {
        let credentials = Credentials::find(args, &Environment::read())?;
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(LIMIT)).build();
        Ok(Self { agent: config.into(), credentials })
    }

    /// Where a path of the API is.
    pub(super) fn url_of(&self, path: &str) -> String {
        format!("{}{path}", self.credentials.api)
    }

    pub(super) fn get(&self, path: &str) -> Result<Value, Failure> {
        self.done(Method::GET, path, None, LIMIT)
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.done(Method::POST, path, Some(body), LIMIT)
    }

    /// Posts what takes as long as a run of a check.
    pub(super) fn post_and_wait(&self, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        self.done(Method::POST, path, body, LONG_LIMIT)
    }

    /// Posts a whole file of this media type, which takes as long as the line allows.
    pub(super) fn upload(&self, path: &str, media: &str, file: File) -> Result<Value, Failure> {
        let request = self.request(Method::POST, path, media).body(file);
        let (status, answer) = self.send(request, UPLOAD_LIMIT)?;
        let answer = json_of(&answer);
        if status.is_success() { Ok(answer) } else { Err(refusal(status.as_u16(), &answer)) }
    }

    pub(super) fn patch(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.done(Method::PATCH, path, Some(body), LIMIT)
    }

    pub(super) fn put(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.done(Method::PUT, path, Some(body), LIMIT)
    }

    pub(super) fn delete(&self, path: &str) -> Result<Value, Failure> {
        self.done(Method::DELETE, path, None, LIMIT)
    }

    /// What is at a path that answers in plain text.
    pub(super) fn text(&self, path: &str) -> Result<String, Failure> {
        let (status, answer) = self.ask(Method::GET, path, None, LIMIT)?;
        if status.is_success() {
            return Ok(answer);
        }
        Err(refusal(status.as_u16(), &json_of(&answer)))
    }

    /// What is at a path, whether it is a refusal or not.
    pub(super) fn look(&self, path: &str) -> Result<(StatusCode, Value), Failure> {
        let (status, answer) = self.ask(Method::GET, path, None, LIMIT)?;
        Ok((status, json_of(&answer)))
    }

    /// A whole list, page by page.
    pub(super) fn list(&self, path: &str) -> Result<Value, Failure> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let mut items: Vec<Value> = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let cursor = next.map_or_else(String::new, |cursor| format!("&cursor={cursor}"));
            let mut page = self.get(&format!("{path}{separator}limit={PAGE}{cursor}"))?;
            if let Value::Array(more) = page["items"].take() {
                items.extend(more);
            }
            next = page["next"].as_str().map(str::to_owned);
            if next.is_none() || items.len() >= ITEMS_MAX {
                return Ok(json!({ "items": items }));
            }
        }
    }

    fn done(&self, method: Method, path: &str, body: Option<&Value>, limit: Duration) -> Result<Value, Failure> {
        let (status, answer) = self.ask(method, path, body, limit)?;
        let answer = json_of(&answer);
        if status.is_success() { Ok(answer) } else { Err(refusal(status.as_u16(), &answer)) }
    }

    fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        limit: Duration,
    ) -> Result<(StatusCode, String), Failure> {
        let body = body.map_or_else(Vec::new, |body| body.to_string().into_bytes());
        self.send(self.request(method, path, "application/json").body(body), limit)
    }

    fn request(&self, method: Method, path: &str, media: &str) -> Builder {
        let Credentials { api, token, tenant } = &self.credentials;
        let request = Request::builder()
            .method(method)
            .uri(format!("{api}{path}"))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", media);
        match tenant {
            Some(tenant) => request.header("farwatch-tenant", tenant),
            None => request,
        }
    }

    fn send(
        &self,
        request: Result<Request<impl AsSendBody>, ureq::http::Error>,
        limit: Duration,
    ) -> Result<(StatusCode, String), Failure> {
        let api = &self.credentials.api;
        let request = request.map_err(|error| Failure::new(FAILED, error))?;
        let request = self.agent.configure_request(request).timeout_global(Some(limit)).build();
        let answered = self.agent.run(request).map_err(|error| unreachable(api, &error))?;
        read(answered).map_err(|error| unreachable(api, &error))
    }
}

fn read(mut answered: Response<ureq::Body>) -> Result<(StatusCode, String), ureq::Error> {
    let status = answered.status();
    Ok((status, answered.body_mut().with_config().limit(ANSWER_MAX_BYTES).read_to_string()?))
}

/// What is no JSON was not said by Farwatch; its status tells enough.
fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}

fn unreachable(api: &str, error: &ureq::Error) -> Failure {
    let advice = "is Farwatch running there? --api or FARWATCH_API names another";
    Failure::new(UNAVAILABLE, format_args!("cannot reach {api}: {error}; {advice}"))
}
