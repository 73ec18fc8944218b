//! What an answer, or the lack of one, says about the target.
//!
//! Plain functions of what was found: nothing is fetched here. When all is well nothing is formatted either, since
//! most runs find that all is well and each should cost little.

use super::exchange::{BODY_MAX, Progress};
use super::expect::Expect;
use super::statuses;
use crate::outcome::{
    Finding, certificate_days_left, certificate_expiring, found, integer, plural, problem_of_host, slow, text, times,
};
use crate::wit::farwatch::check::http::Response;
use crate::wit::farwatch::check::types::{Attribute, Failure, Outcome, Problem, Status};

/// Room for every attribute that an outcome can have, and one for the module.
const ATTRIBUTES: usize = 10;

/// Judges an answer. The first thing that is wrong gives the code: what is down stands before what is degraded.
pub fn response(expect: &Expect<'_>, response: &Response, progress: Progress, now_ms: u64) -> Outcome {
    let days_left = response.tls.as_ref().and_then(|tls| certificate_days_left(tls, now_ms));
    let rules = expect.rules.as_deref();
    let finding = status(expect, response, progress)
        .or_else(|| body(expect, response))
        .or_else(|| rules?.down(response, progress))
        .or_else(|| slow("answered", progress.elapsed_us, expect.degraded_above_ms))
        .or_else(|| rules?.degraded(response, progress))
        .or_else(|| certificate(expect, days_left));
    found(finding, progress.elapsed_us, answered(response, progress, days_left))
}

/// Judges a request that got no answer.
///
/// # Errors
/// The problem, when it was the host that did not make the request: that says nothing about the target.
pub fn failure(failure: Failure, progress: Progress) -> Result<Outcome, Problem> {
    let failure = match problem_of_host(failure) {
        Ok(problem) => return Err(problem),
        Err(failure) => failure,
    };
    let mut attributes = Vec::with_capacity(ATTRIBUTES);
    times(&mut attributes, &failure.times);
    redirects(&mut attributes, progress);
    if let Some(remote) = failure.remote {
        attributes.push(text("net.remote", remote));
    }
    let message = match progress.redirects {
        0 => failure.message,
        count => format!("after {}: {}", plural(count, "redirect"), failure.message),
    };
    let latency_us = progress.elapsed_us + u64::from(failure.times.total);
    Ok(Outcome { status: Status::Down, code: failure.code, message, latency_us, attributes })
}

/// The target sends us on and on.
pub fn too_many_redirects(response: &Response, location: &str, progress: Progress) -> Outcome {
    let allowed = plural(progress.redirects, "redirect");
    down(response, progress, "too-many-redirects", format!("{allowed} are allowed, but the next leads to {location}"))
}

/// The target sends us where we cannot go.
pub fn bad_redirect(response: &Response, location: &str, reason: &str, progress: Progress) -> Outcome {
    let place = place(response, progress);
    let message = format!("cannot follow the redirect to `{location}` {place}: {reason}");
    down(response, progress, "redirect-invalid", message)
}

/// The redirects alone took longer than the check may.
pub fn redirects_too_slow(progress: Progress, timeout_ms: u32) -> Outcome {
    Outcome {
        status: Status::Down,
        code: "redirects-timeout".to_owned(),
        message: format!("{} took all of the {timeout_ms} ms that there are", plural(progress.redirects, "redirect")),
        latency_us: progress.elapsed_us,
        attributes: Vec::new(),
    }
}

fn down(response: &Response, progress: Progress, code: &'static str, message: String) -> Outcome {
    found(Some((Status::Down, code, message)), progress.elapsed_us, answered(response, progress, None))
}

fn status(expect: &Expect<'_>, response: &Response, progress: Progress) -> Finding {
    if statuses::contain(&expect.statuses, response.status) {
        return None;
    }
    let expected = statuses::display(&expect.statuses);
    let message = format!("expected status {expected}, got {} {}", response.status, place(response, progress));
    Some((Status::Down, "status-unexpected", message))
}

fn body(expect: &Expect<'_>, response: &Response) -> Finding {
    if !expect.reads_text() {
        return None;
    }
    let body = String::from_utf8_lossy(&response.body);
    let read = if response.body_truncated {
        format!("in the first {BODY_MAX} bytes of the body from {}", response.remote)
    } else {
        format!("in the body of {} bytes from {}", response.body_bytes, response.remote)
    };
    let finding = if let Some(text) = expect.body_contains.as_ref().filter(|text| !body.contains(&***text)) {
        ("body-text-missing", format!("`{text}` is not {read}"))
    } else if let Some(text) = expect.body_not_contains.as_ref().filter(|text| body.contains(&***text)) {
        ("body-text-forbidden", format!("`{text}` is {read}"))
    } else if let Some(pattern) = expect.body_regex.as_ref().filter(|pattern| !matches(pattern, &body)) {
        ("body-pattern-missing", format!("`{pattern}` matches nothing {read}"))
    } else {
        return None;
    };
    Some((Status::Down, finding.0, finding.1))
}

/// Whether the pattern matches. It was compiled once when the config was written, so it compiles again.
fn matches(pattern: &str, body: &str) -> bool {
    crate::pattern::compile(pattern).is_ok_and(|regex| regex.is_match(body))
}

fn certificate(expect: &Expect<'_>, days_left: Option<i64>) -> Finding {
    let message = certificate_expiring(days_left?, expect.certificate_days_min?)?;
    Some((Status::Degraded, "certificate-expiring", message))
}

/// Where an answer came from, and after what time.
pub fn place(response: &Response, progress: Progress) -> String {
    format!("from {} after {} ms", response.remote, progress.elapsed_us / 1_000)
}

fn answered(response: &Response, progress: Progress, days_left: Option<i64>) -> Vec<Attribute> {
    let mut attributes = Vec::with_capacity(ATTRIBUTES);
    attributes.push(integer("http.status", response.status.into()));
    times(&mut attributes, &response.times);
    redirects(&mut attributes, progress);
    if let Some(days) = days_left {
        attributes.push(integer("tls.certificate-days-left", days));
    }
    attributes.push(text("net.remote", response.remote.clone()));
    attributes
}

fn redirects(attributes: &mut Vec<Attribute>, progress: Progress) {
    if progress.redirects > 0 {
        attributes.push(integer("http.redirects", progress.redirects.into()));
    }
}
