//! What an answer, or the lack of one, says about the target.
//!
//! Plain functions of what was found: nothing is fetched here. When all is well nothing is formatted either, since
//! most runs find that all is well and each should cost little.

use crate::plan::Plan;
use crate::run::{BODY_MAX, Progress};
use crate::statuses;
use crate::wit::farwatch::check::http::Response;
use crate::wit::farwatch::check::types::{
    Attribute, Failure, Outcome, Phase, PhaseTimes, Problem, Status, TlsInfo, Value,
};

const DAY_MS: i64 = 86_400_000;

/// Room for every attribute that an outcome of this module can have.
const ATTRIBUTES: usize = 9;

/// Judges an answer. The first thing that is wrong gives the code: what is down stands before what is degraded.
pub fn response(plan: &Plan<'_>, response: &Response, progress: Progress, now_ms: u64) -> Outcome {
    let days_left = response.tls.as_ref().and_then(|tls| days_left(tls, now_ms));
    let finding = status(plan, response, progress)
        .or_else(|| body(plan, response))
        .or_else(|| slowness(plan, progress))
        .or_else(|| certificate(plan, days_left));
    let (status, code, message) = finding.unwrap_or((Status::Up, "ok", String::new()));
    Outcome {
        status,
        code: code.to_owned(),
        message,
        latency_us: progress.elapsed_us,
        attributes: answered(response, progress, days_left),
    }
}

/// Judges a request that got no answer.
///
/// # Errors
/// The problem, when it was the host that did not make the request: that says nothing about the target.
pub fn failure(failure: Failure, progress: Progress) -> Result<Outcome, Problem> {
    if matches!(failure.phase, Phase::Prepare) || failure.code == "egress-refused" {
        return Err(Problem { code: failure.code, message: failure.message, field: None });
    }
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

fn down(response: &Response, progress: Progress, code: &str, message: String) -> Outcome {
    Outcome {
        status: Status::Down,
        code: code.to_owned(),
        message,
        latency_us: progress.elapsed_us,
        attributes: answered(response, progress, None),
    }
}

type Finding = Option<(Status, &'static str, String)>;

fn status(plan: &Plan<'_>, response: &Response, progress: Progress) -> Finding {
    if statuses::contain(&plan.expected, response.status) {
        return None;
    }
    let expected = statuses::display(&plan.expected);
    let message = format!("expected status {expected}, got {} {}", response.status, place(response, progress));
    Some((Status::Down, "status-unexpected", message))
}

fn body(plan: &Plan<'_>, response: &Response) -> Finding {
    if !plan.reads_body() {
        return None;
    }
    let body = String::from_utf8_lossy(&response.body);
    let read = if response.body_truncated {
        format!("in the first {BODY_MAX} bytes of the body from {}", response.remote)
    } else {
        format!("in the body of {} bytes from {}", response.body_bytes, response.remote)
    };
    let finding = if let Some(text) = plan.body_contains.filter(|text| !body.contains(text)) {
        ("body-text-missing", format!("`{text}` is not {read}"))
    } else if let Some(text) = plan.body_not_contains.filter(|text| body.contains(text)) {
        ("body-text-forbidden", format!("`{text}` is {read}"))
    } else if let Some(pattern) = plan.body_regex.filter(|pattern| !matches(pattern, &body)) {
        ("body-pattern-missing", format!("`{pattern}` matches nothing {read}"))
    } else {
        return None;
    };
    Some((Status::Down, finding.0, finding.1))
}

/// Whether the pattern matches. It was compiled once when the config was written, so it compiles again.
fn matches(pattern: &str, body: &str) -> bool {
    regex_lite::Regex::new(pattern).is_ok_and(|regex| regex.is_match(body))
}

fn slowness(plan: &Plan<'_>, progress: Progress) -> Finding {
    let limit_ms = plan.degraded_above_ms.filter(|limit| progress.elapsed_us > u64::from(*limit) * 1_000)?;
    let message = format!("answered in {} ms, slower than {limit_ms} ms", progress.elapsed_us / 1_000);
    Some((Status::Degraded, "slow", message))
}

fn certificate(plan: &Plan<'_>, days_left: Option<i64>) -> Finding {
    let min = i64::from(plan.certificate_days_min?);
    let message = match days_left? {
        left if left >= min => return None,
        left if left < 0 => format!("the certificate expired {} ago", plural(left.unsigned_abs(), "day")),
        left => format!("the certificate expires in {}, sooner than in {min}", plural(left, "day")),
    };
    Some((Status::Degraded, "certificate-expiring", message))
}

/// Whole days until the certificate expires; negative once it has.
fn days_left(tls: &TlsInfo, now_ms: u64) -> Option<i64> {
    let not_after = i64::try_from(tls.certificate_not_after_ms?).ok()?;
    let now = i64::try_from(now_ms).ok()?;
    Some((not_after - now).div_euclid(DAY_MS))
}

fn place(response: &Response, progress: Progress) -> String {
    format!("from {} after {} ms", response.remote, progress.elapsed_us / 1_000)
}

fn plural(count: impl Into<i128>, noun: &str) -> String {
    match count.into() {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
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

fn times(attributes: &mut Vec<Attribute>, times: &PhaseTimes) {
    let phases = [
        ("time.resolve-us", times.resolve),
        ("time.connect-us", times.connect),
        ("time.tls-us", times.tls),
        ("time.first-byte-us", times.first_byte),
        ("time.transfer-us", times.transfer),
    ];
    attributes.extend(phases.into_iter().filter_map(|(key, time)| Some(integer(key, time?.into()))));
}

fn redirects(attributes: &mut Vec<Attribute>, progress: Progress) {
    if progress.redirects > 0 {
        attributes.push(integer("http.redirects", progress.redirects.into()));
    }
}

fn integer(key: &str, value: i64) -> Attribute {
    Attribute { key: key.to_owned(), value: Value::Integer(value) }
}

fn text(key: &str, value: String) -> Attribute {
    Attribute { key: key.to_owned(), value: Value::Text(value) }
}
