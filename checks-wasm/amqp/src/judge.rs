//! What it means that a broker ends something, and what the counts of a queue say.

use farwatch_guest::escapes::show;
use farwatch_guest::outcome::{Finding, plural};

use crate::config::Limits;
use crate::method::{Counts, Reason};
use crate::wit::farwatch::check::types::Status;

/// How much of what a broker says is shown, in characters.
const SHOWN_MAX: usize = 200;
/// The codes of the standard by which something is refused.
const CONNECTION_FORCED: u16 = 320;
const ACCESS_REFUSED: u16 = 403;
const NOT_FOUND: u16 = 404;
const RESOURCE_LOCKED: u16 = 405;
const NOT_ALLOWED: u16 = 530;

/// What was asked for when the broker ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked<'a> {
    /// To be let in.
    Login,
    /// The virtual host of this name.
    Vhost(&'a str),
    /// A channel.
    Channel,
    /// The exchange of this name.
    Exchange(&'a str),
    /// The queue of this name.
    Queue(&'a str),
}

/// Why the broker ended something: the code of the outcome, and words.
pub fn ended(asked: Asked<'_>, reason: &Reason) -> (&'static str, String) {
    let code = match (asked, reason.code) {
        (_, CONNECTION_FORCED) => "broker-unavailable",
        (Asked::Login, ACCESS_REFUSED) => "login-refused",
        // The standard has one code for both; the words of common brokers tell them apart.
        (Asked::Vhost(_), NOT_ALLOWED | NOT_FOUND) if reason.text.contains("not found") => "vhost-missing",
        (Asked::Vhost(_), ACCESS_REFUSED | NOT_ALLOWED) => "vhost-refused",
        (Asked::Exchange(_), NOT_FOUND) => "exchange-missing",
        (Asked::Queue(_), NOT_FOUND) => "queue-missing",
        (Asked::Queue(_), RESOURCE_LOCKED) => "queue-locked",
        (Asked::Exchange(_) | Asked::Queue(_), ACCESS_REFUSED) => "access-refused",
        _ => "disconnected",
    };
    let what = match asked {
        Asked::Login => "to be let in".to_owned(),
        Asked::Vhost(name) => format!("the virtual host `{name}`"),
        Asked::Channel => "a channel".to_owned(),
        Asked::Exchange(name) => format!("the exchange `{name}`"),
        Asked::Queue(name) => format!("the queue `{name}`"),
    };
    (code, format!("expected {what}, got {} `{}`", reason.code, show(reason.text.as_bytes(), SHOWN_MAX)))
}

/// What is wrong with a queue.
pub fn counts(limits: &Limits, queue: &str, counts: Counts) -> Finding {
    let Counts { messages, consumers } = counts;
    if let Some(min) = limits.consumers_min.filter(|min| consumers < *min) {
        let message = format!("expected {} of `{queue}` at least, got {consumers}", plural(min, "consumer"));
        return Some((Status::Down, "consumers-missing", message));
    }
    let too_long = |status, max: u32| {
        let message = format!("expected {} in `{queue}` at most, got {messages}", plural(max, "message"));
        (status, "queue-too-long", message)
    };
    let is_above = |max: &u32| messages > *max;
    limits
        .messages_down_above
        .filter(is_above)
        .map(|max| too_long(Status::Down, max))
        .or_else(|| limits.messages_degraded_above.filter(is_above).map(|max| too_long(Status::Degraded, max)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_broker_ends_has_its_code_by_what_was_asked() {
        for (asked, code, text, found) in [
            (Asked::Login, 403, "ACCESS_REFUSED - no", "login-refused"),
            (Asked::Login, 320, "CONNECTION_FORCED - shutdown", "broker-unavailable"),
            (Asked::Vhost("v"), 530, "NOT_ALLOWED - vhost v not found", "vhost-missing"),
            (Asked::Vhost("v"), 530, "NOT_ALLOWED - access to vhost 'v' refused for user 'u'", "vhost-refused"),
            (Asked::Channel, 504, "CHANNEL_ERROR", "disconnected"),
            (Asked::Exchange("e"), 404, "NOT_FOUND - no exchange 'e'", "exchange-missing"),
            (Asked::Queue("q"), 404, "NOT_FOUND - no queue 'q'", "queue-missing"),
            (Asked::Queue("q"), 405, "RESOURCE_LOCKED", "queue-locked"),
            (Asked::Queue("q"), 403, "ACCESS_REFUSED", "access-refused"),
            (Asked::Queue("q"), 541, "INTERNAL_ERROR", "disconnected"),
        ] {
            let (code, message) = ended(asked, &Reason { code, text: text.to_owned() });
            assert_eq!(code, found, "{text}");
            assert!(message.contains(text), "{message}");
        }
        let reason = Reason { code: 404, text: "no".to_owned() };
        assert_eq!(ended(Asked::Queue("q"), &reason).1, "expected the queue `q`, got 404 `no`");
    }

    #[test]
    fn counts_are_judged_by_their_limits() {
        let all = Limits { messages_down_above: Some(9), messages_degraded_above: Some(5), consumers_min: Some(1) };
        for (limits, messages, consumers, found) in [
            (Limits::default(), u32::MAX, 0, None),
            (all, 5, 1, None),
            (all, 6, 1, Some((Status::Degraded, "queue-too-long", "expected 5 messages in `q` at most, got 6"))),
            (all, 10, 1, Some((Status::Down, "queue-too-long", "expected 9 messages in `q` at most, got 10"))),
            (all, 10, 0, Some((Status::Down, "consumers-missing", "expected 1 consumer of `q` at least, got 0"))),
        ] {
            let finding = counts(&limits, "q", Counts { messages, consumers });
            assert_eq!(finding.as_ref().map(|(status, code, words)| (*status, *code, words.as_str())), found);
        }
    }
}
