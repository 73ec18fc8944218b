//! An incident as a mail: subject, text, and the headers that make a thread of its messages.
//!
//! Plain text, for it is read at night on whatever is at hand. The check's name, the target and what modules
//! say come from strangers: none of it may break a line of the header.

use farwatch_core::confirm::Answer;
use farwatch_core::incident::Ending;
use farwatch_proto::outcome::Shown;
use farwatch_proto::time::UnixMs;

use super::Message;
use super::words::{duration, moment, reason, reason_with_code};
use crate::tell::event::{Closing, TellEvent, Witness};
use crate::tell::reply::one_line;

/// The longest reason in a subject, in bytes: a subject is read in a list.
const SUBJECT_REASON_MAX_BYTES: usize = 120;
/// The longest name in a subject, in bytes.
const SUBJECT_NAME_MAX_BYTES: usize = 100;
/// The longest line of the text, in bytes; RFC 5322 allows 998, encoding included.
const LINE_MAX_BYTES: usize = 700;

/// Lines of each thing that came from the target: what is longer is for the API.
const SHOWN_LINES_MAX: usize = 12;

/// A mail without its sender and receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// One line.
    pub subject: String,
    /// Lines that end with a newline.
    pub text: String,
    /// Its id with angle brackets; the same on every try.
    pub message_id: String,
    /// The id of the mail that told of the opening, unless this is it.
    pub in_reply_to: Option<String>,
    /// When what it tells happened.
    pub date: UnixMs,
}

/// Puts it into a mail whose ids end in this domain.
pub fn render(message: &Message<'_>, domain: &str) -> Mail {
    let event = message.event;
    let id = |delivery| format!("<{delivery}@{domain}>");
    Mail {
        subject: subject(event, message.with_opening),
        text: text(event, message.with_opening),
        message_id: id(message.delivery),
        // Of what was seen afterwards there was no first mail to answer to.
        in_reply_to: event.closing.filter(|_| !event.opening.seen_afterwards).map(|_| id(message.opening())),
        date: event.at(),
    }
}

fn subject(event: &TellEvent, with_opening: bool) -> String {
    let name = one_line(&event.check_name, SUBJECT_NAME_MAX_BYTES);
    let why = one_line(reason(&event.opening.code, &event.opening.message), SUBJECT_REASON_MAX_BYTES);
    let (Some(closing), Some(ms)) = (event.closing, event.duration_ms()) else {
        return format!("DOWN: {name} ({why})");
    };
    let for_long = duration(ms);
    if event.opening.seen_afterwards {
        return format!("WAS DOWN: {name}, for {for_long}, seen afterwards ({why})");
    }
    match (closing.ending, with_opening) {
        (Ending::Recovered, false) => format!("UP again: {name}, down for {for_long}"),
        (Ending::Recovered, true) => format!("DOWN and UP again: {name}, down for {for_long} ({why})"),
        (ending, false) => format!("{}: {name}, down for {for_long}", headline(ending)),
        (ending, true) => format!("DOWN and {}: {name}, down for {for_long} ({why})", headline(ending).to_lowercase()),
    }
}

const fn headline(ending: Ending) -> &'static str {
    match ending {
        Ending::Recovered => "UP again",
        Ending::Paused => "PAUSED while down",
        Ending::Deleted => "DELETED while down",
    }
}

fn text(event: &TellEvent, with_opening: bool) -> String {
    let mut lines = vec![first_line(event, with_opening), String::new()];
    if event.opening.seen_afterwards {
        lines.push("Nobody could be told in time: what the vantage points saw arrived when it was over.".to_owned());
        lines.push(String::new());
    } else if with_opening {
        lines.push("The message that it went down could not be delivered in time; this one tells of both.".to_owned());
        lines.push(String::new());
    }
    lines.extend(facts(event).into_iter().map(|(label, value)| format!("{label:<15}{value}")));
    if !event.witnesses.is_empty() {
        lines.push(String::new());
        lines.push("What each vantage point saw:".to_owned());
        lines.extend(event.witnesses.iter().map(saw));
        lines.extend(caveat(event).map(|caveat| format!("\n{caveat}")));
    }
    if event.closing.is_none() || with_opening {
        lines.extend(event.shown.iter().flat_map(came));
    }
    lines.push(String::new());
    lines.push(format!("Incident {} of check {}", event.incident, event.check));
    lines.iter().fold(String::new(), |text, line| text + line + "\n")
}

/// The beginning of what came from the target: an error page often says what is wrong.
fn came(shown: &Shown) -> Vec<String> {
    let mut lines = vec![String::new(), format!("What came ({}):", one_line(&shown.what, LINE_MAX_BYTES))];
    let text = shown.text.lines().map(|line| one_line(line, LINE_MAX_BYTES)).filter(|line| !line.is_empty());
    lines.extend(text.take(SHOWN_LINES_MAX).map(|line| format!("  {line}")));
    lines
}

fn first_line(event: &TellEvent, with_opening: bool) -> String {
    let name = one_line(&event.check_name, LINE_MAX_BYTES);
    if event.opening.seen_afterwards {
        return format!("{name} WAS DOWN, which was seen only afterwards.");
    }
    match (event.closing.map(|closing| closing.ending), with_opening) {
        (None, _) => format!("{name} is DOWN."),
        (Some(Ending::Recovered), false) => format!("{name} is UP again."),
        (Some(Ending::Recovered), true) => format!("{name} was DOWN and is UP again."),
        (Some(Ending::Paused), _) => format!("{name} was paused while it was down."),
        (Some(Ending::Deleted), _) => format!("{name} was deleted while it was down."),
    }
}

fn facts(event: &TellEvent) -> Vec<(&'static str, String)> {
    let opening = &event.opening;
    let mut facts = Vec::new();
    if let Some(target) = &event.target {
        facts.push(("Target", one_line(target, LINE_MAX_BYTES)));
    }
    facts.push(("What failed", one_line(&reason_with_code(&opening.code, &opening.message), LINE_MAX_BYTES)));
    facts.push(("Down since", moment(event.first_failed_slot)));
    let confirmed = moment(opening.confirmed_at);
    // Nobody votes about a job that calls.
    let rule = format!("; {} of {} vantage points had to agree", opening.need, opening.of);
    facts.push(("Confirmed", if opening.of == 0 { confirmed } else { confirmed + &rule }));
    if let (Some(Closing { at, ending }), Some(ms)) = (event.closing, event.duration_ms()) {
        let label = if ending == Ending::Recovered { "Up again" } else { "Closed" };
        facts.push((label, moment(at)));
        facts.push(("Down for", duration(ms)));
    }
    facts
}

fn saw(witness: &Witness) -> String {
    let place =
        [&witness.provider, &witness.region].map(|part| part.trim()).into_iter().filter(|part| !part.is_empty());
    let place = place.collect::<Vec<_>>().join(", ");
    let place = if place.is_empty() { place } else { format!(" ({place})") };
    let why = match (witness.code.is_empty(), witness.message.is_empty()) {
        (true, true) => String::new(),
        _ => format!(": {}", reason_with_code(&witness.code, &witness.message)),
    };
    let saw = match witness.answer {
        Answer::Bad => "fails",
        Answer::Good => "works",
        Answer::Void => "could not tell",
    };
    format!("  {}", one_line(&format!("{}{place} {saw}{why}", witness.name), LINE_MAX_BYTES))
}

/// What weakens the confirmation, if anything does.
fn caveat(event: &TellEvent) -> Option<&'static str> {
    match (event.independent, event.places()) {
        (true, _) => None,
        (false, 0 | 1) => Some("Only one vantage point could look, so nobody confirmed this independently."),
        (false, _) => Some("Some of these vantage points share a machine, so they are not independent of each other."),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::message;
    use super::*;
    use crate::tell::event::tests::{opened, resolved, seen_afterwards};

    fn rendered(event: &TellEvent, with_opening: bool) -> Mail {
        render(&message(event, with_opening), "farwatch.example")
    }

    #[test]
    fn an_opening() {
        let mail = rendered(&opened(), false);
        assert_eq!(mail.subject, "DOWN: shop (expected status 200-299, got 503)");
        assert_eq!(
            mail.text,
            "shop is DOWN.\n\
             \n\
             Target         https://shop.example/\n\
             What failed    expected status 200-299, got 503 (http-status)\n\
             Down since     2026-10-26 07:33:20 UTC\n\
             Confirmed      2026-10-26 07:33:22 UTC; 2 of 3 vantage points had to agree\n\
             \n\
             What each vantage point saw:\n\
             \x20 host-1 (provider-1, eu-central) fails: expected status 200-299, got 503 (http-status)\n\
             \x20 host-2 (provider-2, eu-central) fails: expected status 200-299, got 503 (http-status)\n\
             \x20 host-3 (provider-3, eu-central) could not tell: no answer in time (host-silent)\n\
             \n\
             Incident inc_09090909090909090909090909090909 of check chk_08080808080808080808080808080808\n"
        );
        assert_eq!(mail.in_reply_to, None);
        assert_eq!(mail.date, UnixMs(1_793_000_002_250));
    }

    #[test]
    fn what_came_from_the_target_is_told_and_breaks_no_line() {
        let what = |what: &str, text: String| Shown { what: what.to_owned(), text };
        let body = format!("<h1>out of memory</h1>\r\n\r\n\u{1b}[2J{}", "line\n".repeat(99));
        let shown = vec![what("response-headers", "503\nserver: nginx\n".to_owned()), what("response-body", body)];
        let mail = rendered(&opened().showing(shown), false);
        assert!(
            mail.text
                .contains("\nWhat came (response-headers):\n  503\n  server: nginx\n\nWhat came (response-body):\n")
        );
        assert!(mail.text.contains("\n  <h1>out of memory</h1>\n  [2Jline\n  line\n"), "{}", mail.text);
        assert_eq!(mail.text.matches("\n  line").count(), SHOWN_LINES_MAX - 2);
    }

    #[test]
    fn a_recovery() {
        let mail = rendered(&resolved(Ending::Recovered), false);
        assert_eq!(mail.subject, "UP again: shop, down for 4 min 10 s");
        assert_eq!(
            mail.text,
            "shop is UP again.\n\
             \n\
             Target         https://shop.example/\n\
             What failed    expected status 200-299, got 503 (http-status)\n\
             Down since     2026-10-26 07:33:20 UTC\n\
             Confirmed      2026-10-26 07:33:22 UTC; 2 of 3 vantage points had to agree\n\
             Up again       2026-10-26 07:37:30 UTC\n\
             Down for       4 min 10 s\n\
             \n\
             What each vantage point saw:\n\
             \x20 host-1 (provider-1, eu-central) works\n\
             \x20 host-2 (provider-2, eu-central) works\n\
             \n\
             Incident inc_09090909090909090909090909090909 of check chk_08080808080808080808080808080808\n"
        );
    }

    #[test]
    fn a_recovery_that_tells_of_the_opening_as_well() {
        let mail = rendered(&resolved(Ending::Recovered), true);
        assert_eq!(mail.subject, "DOWN and UP again: shop, down for 4 min 10 s (expected status 200-299, got 503)");
        assert!(
            mail.text.starts_with(
                "shop was DOWN and is UP again.\n\
                 \n\
                 The message that it went down could not be delivered in time; this one tells of both.\n\
                 \n\
                 Target         https://shop.example/\n"
            ),
            "{}",
            mail.text
        );
    }

    #[test]
    fn an_outage_seen_afterwards() {
        let mail = rendered(&seen_afterwards(), false);
        let why = "expected status 200-299, got 503";
        assert_eq!(mail.subject, format!("WAS DOWN: shop, for 4 min 10 s, seen afterwards ({why})"));
        assert!(
            mail.text.starts_with("shop WAS DOWN, which was seen only afterwards.\n\nNobody could be told in time")
        );
        assert_eq!(mail.in_reply_to, None);
    }

    #[test]
    fn an_end_without_a_recovery() {
        let paused = rendered(&resolved(Ending::Paused), false);
        assert_eq!(paused.subject, "PAUSED while down: shop, down for 4 min 10 s");
        assert!(paused.text.contains("\nClosed         2026-10-26 07:37:30 UTC\n"), "{}", paused.text);
        assert!(!paused.text.contains("vantage point saw"), "{}", paused.text);
        let deleted = rendered(&resolved(Ending::Deleted), true);
        assert_eq!(
            deleted.subject,
            "DOWN and deleted while down: shop, down for 4 min 10 s (expected status 200-299, got 503)"
        );
    }

    #[test]
    fn the_mails_of_an_incident_make_one_thread() {
        let (first, last) = (rendered(&opened(), false), rendered(&resolved(Ending::Recovered), false));
        assert_eq!(last.in_reply_to, Some(first.message_id.clone()));
        assert_ne!(first.message_id, last.message_id);
        assert!(first.message_id.starts_with("<dlv_") && first.message_id.ends_with("@farwatch.example>"));
        assert_eq!(rendered(&opened(), false), first, "every try sends the same mail");
    }

    #[test]
    fn what_weakens_a_confirmation_is_said() {
        let mut event = opened();
        event.independent = false;
        assert!(rendered(&event, false).text.contains("\nSome of these vantage points share a machine"));
        event.witnesses.truncate(1);
        assert!(rendered(&event, false).text.contains("\nOnly one vantage point could look"));
    }

    #[test]
    fn strangers_words_break_no_line() {
        let mut event = opened();
        event.check_name = "shop\r\nBcc: everybody@example.com".to_owned();
        event.opening.message = "got\n\n.\r\nMAIL FROM:<x>".repeat(100);
        event.target = Some("x".repeat(5000));
        let mail = rendered(&event, false);
        assert!(mail.subject.starts_with("DOWN: shop Bcc: everybody@example.com (got . MAIL FROM:<x>got"));
        assert!(mail.subject.len() < 250 && !mail.subject.contains(['\r', '\n']));
        assert!(!mail.text.contains('\r') && mail.text.lines().all(|line| line.len() < 998 && line != "."));
    }
}
