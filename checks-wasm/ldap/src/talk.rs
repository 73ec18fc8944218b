//! The conversation: TLS, the bind, and the search.

use farwatch_guest::dialogue::{Dialogue, Said, down, protocol_error};
use farwatch_guest::outcome::{integer, plural};
use farwatch_guest::service::Security;

use crate::ber::{self, Length, SEQUENCE};
use crate::config::{Config, Login};
use crate::message::{self, Answer, Done, MESSAGE_MAX, Search};
use crate::result::{self, Step, refused};
use crate::wit::farwatch::check::types::{Attribute, Problem};

/// What a server ends a search with that has found more than it was asked for.
const ENTRIES_EXCEEDED: u32 = 4;
/// The messages of the check, by their order. Answers bear the number of what they answer.
const START_TLS: u32 = 1;
const BIND: u32 = 2;
const SEARCH: u32 = 3;
const UNBIND: u32 = 4;

/// Holds it.
///
/// # Errors
/// The first thing that is wrong.
pub fn converse(config: &Config, timeout_ms: u32, dialogue: &Dialogue) -> Said<Vec<Attribute>> {
    if config.service.security == Security::StartTls {
        start_tls(config, dialogue)?;
    }
    bind(config.login.as_ref(), dialogue)?;
    let spent_ms = dialogue.evidence().times.total / 1_000;
    // A search that the check no longer waits for must not go on. The protocol knows whole seconds only.
    let seconds_max = (timeout_ms.saturating_sub(spent_ms) / 1_000).max(1);
    let search = Search {
        base: &config.base,
        scope: config.scope,
        filter: &config.filter,
        entries_max: wanted(config.entries_min, config.entries_max),
        seconds_max,
    };
    let entries = count(dialogue, &search)?;
    // The server is told that this is the end; that it has gone already is no matter.
    let _ = dialogue.send(&message::unbind(UNBIND));
    judge(config.entries_min, config.entries_max, entries)?;
    Ok(vec![integer("ldap.entries", entries.into())])
}

fn start_tls(config: &Config, dialogue: &Dialogue) -> Said<()> {
    dialogue.send(&message::start_tls(START_TLS))?;
    let done = done(dialogue)?;
    if done.code != 0 {
        let message = format!("expected a server that speaks TLS, got {}", result::shown(&done));
        return Err(down("starttls-refused", message));
    }
    config.service.start_tls(dialogue)
}

fn bind(login: Option<&Login>, dialogue: &Dialogue) -> Said<()> {
    let password = login.map(|login| login.password.reveal()).transpose()?;
    if password.as_deref() == Some("") {
        // By the protocol it would be a login of nobody, which servers let in.
        let message =
            "the value of the secret that `password` names is empty; set it again, or bind as nobody".to_owned();
        let (code, field) = ("secret-unusable".to_owned(), Some("/password".to_owned()));
        return Err(Problem { code, message, field }.into());
    }
    let name = login.map_or("", |login| &login.name);
    dialogue.send(&message::bind(BIND, name, password.as_deref().unwrap_or_default()))?;
    let done = done(dialogue)?;
    if done.code == 0 { Ok(()) } else { Err(refused(&done, Step::Bind)) }
}

/// Searches, and counts what is found.
fn count(dialogue: &Dialogue, search: &Search<'_>) -> Said<u32> {
    dialogue.send(&search.request(SEARCH))?;
    let mut entries = 0_u32;
    loop {
        match next(dialogue)? {
            Answer::Entry => entries = entries.saturating_add(1),
            Answer::Aside => {}
            Answer::Done(done) if [0, ENTRIES_EXCEEDED].contains(&done.code) => return Ok(entries),
            Answer::Done(done) => return Err(refused(&done, Step::Search)),
        }
    }
}

/// As many as are needed to judge, and one where that is none: no limit at all would be 0.
fn wanted(min: u32, max: Option<u32>) -> u32 {
    max.map_or(min, |max| max + 1).max(1)
}

fn judge(min: u32, max: Option<u32>, entries: u32) -> Said<()> {
    let of = |count: u32| plural(count, "entry").replace("entrys", "entries");
    if entries < min {
        return Err(down("entries-missing", format!("expected at least {}, got {entries}", of(min))));
    }
    if let Some(max) = max.filter(|max| entries > *max) {
        return Err(down("entries-too-many", format!("expected at most {}, got more", of(max))));
    }
    Ok(())
}

/// The answer to what is answered by one message.
fn done(dialogue: &Dialogue) -> Said<Done> {
    match next(dialogue)? {
        Answer::Done(done) => Ok(done),
        _ => Err(down("protocol-error", "expected the end of what was asked, got an entry")),
    }
}

fn next(dialogue: &Dialogue) -> Said<Answer> {
    let head = dialogue.bytes(2, "the head of a message")?;
    let length = match ber::length(head[1]).filter(|_| head[0] == SEQUENCE) {
        Some(Length::Short(length)) => length,
        Some(Length::Long(count)) => ber::long_length(&dialogue.bytes(count, "the length of a message")?),
        None => return Err(protocol_error("a message of LDAP", &head)),
    };
    if length > MESSAGE_MAX {
        let message = format!("expected messages of at most {MESSAGE_MAX} bytes, got one of {length}");
        return Err(down("answer-too-large", message));
    }
    let content = dialogue.bytes(length, "the end of a message")?;
    message::answer(&content).ok_or_else(|| protocol_error("an answer of LDAP", &content))
}

#[cfg(test)]
mod tests {
    use farwatch_guest::dialogue::Wrong;

    use super::*;

    #[test]
    fn numbers_of_entries_are_judged() {
        for (min, max, wanted_max, entries, found) in [
            (1, None, 1, 1, "ok"),
            (1, None, 1, 0, "entries-missing: expected at least 1 entry, got 0"),
            (3, None, 3, 2, "entries-missing: expected at least 3 entries, got 2"),
            (0, None, 1, 0, "ok"),
            (0, Some(0), 1, 0, "ok"),
            (0, Some(0), 1, 1, "entries-too-many: expected at most 0 entries, got more"),
            (2, Some(5), 6, 5, "ok"),
            (2, Some(5), 6, 6, "entries-too-many: expected at most 5 entries, got more"),
        ] {
            let judged = match judge(min, max, entries) {
                Ok(()) => "ok".to_owned(),
                Err(Wrong::Found(_, code, message)) => format!("{code}: {message}"),
                Err(_) => "another".to_owned(),
            };
            assert_eq!((wanted(min, max), judged.as_str()), (wanted_max, found));
        }
    }
}
