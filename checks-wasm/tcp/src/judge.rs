//! What a conversation, or the lack of one, says about the target.
//!
//! Plain functions of what was found: nothing is sent here. When all is well nothing is formatted either.

use farwatch_guest::escapes::show;
use farwatch_guest::outcome::{
    Finding, TIMES, certificate_days_left, certificate_expiring, found, integer, slow, text, times,
};

use crate::plan::Plan;
use crate::run::Conversation;
use crate::wit::farwatch::check::tcp::{Ended, Evidence};
use crate::wit::farwatch::check::types::{Attribute, Outcome, PhaseTimes, Status};

/// Room for every attribute that an outcome of this module can have.
const ATTRIBUTES: usize = TIMES + 3;
/// How much of an answer a message shows, in characters.
const SHOWN_MAX: usize = 120;

/// Judges a conversation. The first thing that is wrong gives the code: what is down stands before what is degraded.
pub fn conversation(plan: &Plan<'_>, conversation: &Conversation, now_ms: u64) -> Outcome {
    let Evidence { times, tls, .. } = &conversation.evidence;
    let days_left = tls.as_ref().and_then(|tls| certificate_days_left(tls, now_ms));
    let finding = answer(plan, conversation).or_else(|| slowness(plan, times)).or_else(|| {
        let days_min = plan.tls.as_ref()?.certificate_days_min?;
        Some((Status::Degraded, "certificate-expiring", certificate_expiring(days_left?, days_min)?))
    });
    found(finding, times.total.into(), attributes(conversation, days_left))
}

/// What is expected must be in the answer; where nothing is, the answer must have come to its end.
fn answer(plan: &Plan<'_>, conversation: &Conversation) -> Finding {
    let ended = conversation.ended?;
    if let Some(wanted) = plan.contains.as_deref().filter(|wanted| !contains(&conversation.bytes, wanted)) {
        let message = format!("`{}` is not {}", show(wanted, SHOWN_MAX), place(conversation, ended));
        return Some((Status::Down, "answer-text-missing", message));
    }
    if let Some(pattern) = plan.regex.filter(|pattern| !matches(pattern, &conversation.bytes)) {
        let message = format!("`{pattern}` matches nothing {}", place(conversation, ended));
        return Some((Status::Down, "answer-pattern-missing", message));
    }
    let is_expected = plan.contains.is_some() || plan.regex.is_some();
    if is_expected || matches!(ended, Ended::Matched) {
        return None;
    }
    Some((Status::Down, "answer-incomplete", format!("its end is not {}", place(conversation, ended))))
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// Whether the pattern matches. It was compiled once when the config was written, so it compiles again.
fn matches(pattern: &str, bytes: &[u8]) -> bool {
    farwatch_guest::pattern::compile(pattern).is_ok_and(|regex| regex.is_match(&String::from_utf8_lossy(bytes)))
}

fn place(conversation: &Conversation, ended: Ended) -> String {
    let why = match ended {
        Ended::Matched => "",
        Ended::Full => ", of which more was not read",
        Ended::Timeout => ", after which nothing came in time",
        Ended::Closed => ", after which the other side closed",
    };
    let shown = show(&conversation.bytes, SHOWN_MAX);
    format!("in the answer of {} bytes from {}{why}: `{shown}`", conversation.bytes.len(), conversation.evidence.remote)
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
    steps.into_iter().find_map(|(limit_ms, took_us, what)| slow(what, took_us?.into(), limit_ms))
}

fn attributes(conversation: &Conversation, days_left: Option<i64>) -> Vec<Attribute> {
    let mut attributes = Vec::with_capacity(ATTRIBUTES);
    times(&mut attributes, &conversation.evidence.times);
    if conversation.ended.is_some() {
        attributes.push(integer("tcp.answer-bytes", conversation.bytes.len() as i64));
    }
    attributes.extend(days_left.map(|days| integer("tls.certificate-days-left", days)));
    attributes.push(text("net.remote", conversation.evidence.remote.clone()));
    attributes
}
