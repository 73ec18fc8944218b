//! What a conversation, or the lack of one, says about the target.
//!
//! Plain functions of what was found: nothing is sent here. When all is well nothing is formatted either.

use farwatch_guest::outcome::{
    TIMES, certificate_days_left, certificate_expiring, integer, problem_of_host, text, times,
};

use crate::escapes::show;
use crate::plan::Plan;
use crate::wit::farwatch::check::tcp::{Ended, Response};
use crate::wit::farwatch::check::types::{Attribute, Failure, Outcome, PhaseTimes, Problem, Status};

/// Room for every attribute that an outcome of this module can have.
const ATTRIBUTES: usize = TIMES + 3;
/// How much of an answer a message shows, in characters.
const SHOWN_MAX: usize = 120;

type Finding = Option<(Status, &'static str, String)>;

/// Judges a conversation. The first thing that is wrong gives the code: what is down stands before what is degraded.
pub fn response(plan: &Plan<'_>, response: &Response, now_ms: u64) -> Outcome {
    let days_left = response.tls.as_ref().and_then(|tls| certificate_days_left(tls, now_ms));
    let finding = answer(plan, response).or_else(|| slowness(plan, &response.times)).or_else(|| {
        let days_min = plan.tls.as_ref()?.certificate_days_min?;
        Some((Status::Degraded, "certificate-expiring", certificate_expiring(days_left?, days_min)?))
    });
    let (status, code, message) = finding.unwrap_or((Status::Up, "ok", String::new()));
    Outcome {
        status,
        code: code.to_owned(),
        message,
        latency_us: response.times.total.into(),
        attributes: attributes(response, days_left),
    }
}

/// Judges a probe that got no answer.
///
/// # Errors
/// The problem, when it was the host that made no probe: that says nothing about the target.
pub fn failure(failure: Failure) -> Result<Outcome, Problem> {
    let failure = match problem_of_host(failure) {
        Ok(problem) => return Err(problem),
        Err(failure) => failure,
    };
    let mut attributes = Vec::with_capacity(ATTRIBUTES);
    times(&mut attributes, &failure.times);
    attributes.extend(failure.remote.map(|remote| text("net.remote", remote)));
    Ok(Outcome {
        status: Status::Down,
        code: failure.code,
        message: failure.message,
        latency_us: failure.times.total.into(),
        attributes,
    })
}

/// What is expected must be in the answer; where nothing is, the answer must have come to its end.
fn answer(plan: &Plan<'_>, response: &Response) -> Finding {
    let ended = response.ended?;
    if let Some(wanted) = plan.contains.as_deref().filter(|wanted| !contains(&response.bytes, wanted)) {
        let message = format!("`{}` is not {}", show(wanted, SHOWN_MAX), place(response, ended));
        return Some((Status::Down, "answer-text-missing", message));
    }
    if let Some(pattern) = plan.regex.filter(|pattern| !matches(pattern, &response.bytes)) {
        let message = format!("`{pattern}` matches nothing {}", place(response, ended));
        return Some((Status::Down, "answer-pattern-missing", message));
    }
    let is_expected = plan.contains.is_some() || plan.regex.is_some();
    if is_expected || matches!(ended, Ended::Matched) {
        return None;
    }
    Some((Status::Down, "answer-incomplete", format!("its end is not {}", place(response, ended))))
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// Whether the pattern matches. It was compiled once when the config was written, so it compiles again.
fn matches(pattern: &str, bytes: &[u8]) -> bool {
    regex_lite::Regex::new(pattern).is_ok_and(|regex| regex.is_match(&String::from_utf8_lossy(bytes)))
}

fn place(response: &Response, ended: Ended) -> String {
    let why = match ended {
        Ended::Matched => "",
        Ended::Full => ", of which more was not read",
        Ended::Timeout => ", after which nothing came in time",
        Ended::Closed => ", after which the other side closed",
    };
    let shown = show(&response.bytes, SHOWN_MAX);
    format!("in the answer of {} bytes from {}{why}: `{shown}`", response.bytes.len(), response.remote)
}

/// The first step that took longer than it should.
fn slowness(plan: &Plan<'_>, times: &PhaseTimes) -> Finding {
    let limits = plan.limits;
    let steps = [
        (limits.resolve, times.resolve, "the name was resolved"),
        (limits.connect, times.connect, "the connection was opened"),
        (limits.tls, times.tls, "the TLS handshake was done"),
        (limits.first_byte, times.first_byte, "the answer began"),
        (limits.total, Some(times.total), "all was done"),
    ];
    steps.into_iter().find_map(|(limit_ms, took_us, what)| {
        let (limit_ms, took_us) = (limit_ms?, took_us?);
        let is_slow = u64::from(took_us) > u64::from(limit_ms) * 1_000;
        let message = || format!("{what} in {} ms, slower than {limit_ms} ms", took_us / 1_000);
        is_slow.then(|| (Status::Degraded, "slow", message()))
    })
}

fn attributes(response: &Response, days_left: Option<i64>) -> Vec<Attribute> {
    let mut attributes = Vec::with_capacity(ATTRIBUTES);
    times(&mut attributes, &response.times);
    if response.ended.is_some() {
        attributes.push(integer("tcp.answer-bytes", response.bytes.len() as i64));
    }
    attributes.extend(days_left.map(|days| integer("tls.certificate-days-left", days)));
    attributes.push(text("net.remote", response.remote.clone()));
    attributes
}
