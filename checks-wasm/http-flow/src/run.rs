//! One run: a step after the other, until one fails.
//!
//! What an answer means is decided by what all modules of HTTP share; here it is only told which step it belongs to.

use std::borrow::Cow;

use farwatch_guest::outcome::{found, integer, slow};
use farwatch_guest::secret::{Secret, Text};
use farwatch_guest::web::body::percent;
use farwatch_guest::web::exchange::{Progress, Time, left_ms, look};
use farwatch_guest::web::judge::place;
use farwatch_guest::web::url;
use farwatch_guest::web::wish::Filling;

use crate::config::{Config, Step};
use crate::cookies::Jar;
use crate::template;
use crate::wit::exports::farwatch::check::check::RunContext;
use crate::wit::farwatch::check::http::{Request, Response, Want};
use crate::wit::farwatch::check::types::{Attribute, Failure, Outcome, Problem, Status};

/// What steps can use by its name, and where secrets come from.
struct Known<'a, F> {
    values: Vec<(String, String)>,
    filling: &'a F,
}

impl<F: Filling> Known<'_, F> {
    /// The last value of a name. A config that was judged names none that has no value.
    fn value(&self, name: &str) -> &str {
        self.values.iter().rev().find(|(other, _)| other == name).map_or("", |(_, value)| value)
    }
}

impl<F: Filling> Filling for Known<'_, F> {
    fn secret(&self, secret: &Secret) -> Result<String, Problem> {
        self.filling.secret(secret)
    }

    fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        template::fill(text, |name, _| self.value(name).to_owned())
    }

    /// A value that is a path stays one, and its slash is the one before it; of others nothing may mean anything in a URL.
    fn url<'a>(&self, url: &'a str) -> Cow<'a, str> {
        template::fill(url, |name, before| match self.value(name) {
            path if path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic()) => {
                path[usize::from(before.ends_with('/'))..].to_owned()
            }
            value => percent(value),
        })
    }
}

/// What was found so far.
#[derive(Default)]
struct Account {
    elapsed_us: u64,
    attributes: Vec<Attribute>,
    /// The first step that works, but badly.
    degraded: Option<(Status, String, String)>,
}

/// Makes the run, asking by `fetch`.
///
/// # Errors
/// A problem that says nothing about the target.
pub fn run(
    context: &RunContext,
    config: &Config,
    filling: &impl Filling,
    mut fetch: impl FnMut(Request<'_>) -> Result<Response, Failure>,
) -> Result<Outcome, Problem> {
    let mut known = Known { values: Vec::new(), filling };
    for (name, text) in &config.variables {
        let value = match text {
            Text::Plain(text) => text.clone(),
            Text::Secret(secret) => filling.secret(secret)?,
        };
        known.values.push((name.clone(), value));
    }
    let (mut jar, mut account) = (Jar::default(), Account::default());
    for (index, step) in config.steps.iter().enumerate() {
        let left_ms = left_ms(context.timeout_ms, account.elapsed_us);
        let time = Time { now_ms: context.now_ms, timeout_ms: left_ms };
        let outcome = if left_ms == 0 {
            let message = format!("the steps before took all of the {} ms that there are", context.timeout_ms);
            found(Some((Status::Down, "steps-timeout", message)), 0, Vec::new())
        } else {
            make(step, &mut known, time, |request| with_cookies(&mut jar, request, &mut fetch))?
        };
        account.add(index, step, &outcome);
        if matches!(outcome.status, Status::Down) {
            let finding = told(index, step, &outcome);
            account.attributes.extend(outcome.attributes);
            return Ok(account.close(index, Some(finding)));
        }
    }
    let finding = account.degraded.take().or_else(|| {
        let (status, code, message) = slow("all steps were done", account.elapsed_us, config.degraded_above_ms)?;
        Some((status, code.to_owned(), message))
    });
    Ok(account.close(config.steps.len(), finding))
}

/// Makes one step, and keeps what it brought.
fn make<F: Filling>(
    step: &Step,
    known: &mut Known<'_, F>,
    time: Time,
    fetch: impl FnMut(Request<'_>) -> Result<Response, Failure>,
) -> Result<Outcome, Problem> {
    let (mut outcome, response) = {
        let ready = step.wish.ready(known)?;
        let ask = ready.ask();
        if let Err(wrong) = url::split(ask.url) {
            return Ok(found(Some((Status::Down, "capture-invalid", wrong)), 0, Vec::new()));
        }
        let want = step.captures.iter().fold(step.expect.wants(), |want, capture| want | capture.wants());
        look(&ask, &step.expect, want, time, fetch)?
    };
    let Some(response) = response.filter(|_| !matches!(outcome.status, Status::Down)) else { return Ok(outcome) };
    for capture in &step.captures {
        match capture.take(&response) {
            Ok(value) => known.values.push((capture.name.clone(), value)),
            Err((code, message)) => {
                let progress = Progress { redirects: 0, elapsed_us: outcome.latency_us };
                outcome.status = Status::Down;
                outcome.code = code.to_owned();
                outcome.message = format!("{message} {}", place(&response, progress));
                break;
            }
        }
    }
    Ok(outcome)
}

/// Makes a request with the cookies that go there, and keeps those that come back.
fn with_cookies(
    jar: &mut Jar,
    request: Request<'_>,
    fetch: impl FnOnce(Request<'_>) -> Result<Response, Failure>,
) -> Result<Response, Failure> {
    let url = request.url.to_owned();
    let own = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("cookie"));
    let kept = jar.header(&url);
    let joined: Vec<_> = own.map(|(_, value)| *value).into_iter().chain(kept.as_deref()).collect();
    let cookies = joined.join("; ");
    let mut headers = request.headers.to_vec();
    if !cookies.is_empty() {
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case("cookie"));
        headers.push(("cookie", &cookies));
    }
    let want = request.want | Want::HEADERS;
    let response = fetch(Request { headers: &headers, want, ..request })?;
    jar.keep(&url, &response.headers);
    Ok(response)
}

/// What a step found, with which step it was.
fn told(index: usize, step: &Step, outcome: &Outcome) -> (Status, String, String) {
    let message = format!("step {} \"{}\": {}", index + 1, step.name, outcome.message);
    (outcome.status, outcome.code.clone(), message)
}

impl Account {
    fn add(&mut self, index: usize, step: &Step, outcome: &Outcome) {
        self.elapsed_us += outcome.latency_us;
        self.attributes.push(integer(&format!("flow.step-{}-us", index + 1), outcome.latency_us as i64));
        if matches!(outcome.status, Status::Degraded) && self.degraded.is_none() {
            self.degraded = Some(told(index, step, outcome));
        }
    }

    fn close(mut self, done: usize, finding: Option<(Status, String, String)>) -> Outcome {
        self.attributes.push(integer("flow.steps-done", done as i64));
        let (status, code, message) = finding.unwrap_or((Status::Up, "ok".to_owned(), String::new()));
        Outcome { status, code, message, latency_us: self.elapsed_us, attributes: self.attributes }
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
