//! The conversation: TLS, the login, a transaction that may only read, and the query in it.

use farwatch_guest::dialogue::{Dialogue, Said, down, protocol_error};
use farwatch_guest::outcome::text;
use farwatch_guest::query::First;
use farwatch_guest::service::Security;

use crate::config::{Config, Role};
use crate::login;
use crate::packet::{self, MESSAGE_MAX};
use crate::refusal::{self, Step};
use crate::wit::farwatch::check::types::{Attribute, Value};

/// What a server that does not tell is asked.
const RECOVERY: &str = "select pg_is_in_recovery()";

/// Holds it.
///
/// # Errors
/// The first thing that is wrong.
pub fn converse(config: &Config, timeout_ms: u32, dialogue: &Dialogue) -> Said<Vec<Attribute>> {
    if config.service.security == Security::StartTls {
        start_tls(config, dialogue)?;
    }
    let mut session = Session { dialogue, step: Step::Login, version: None, is_standby: None };
    login::log_in(&mut session, config)?;
    session.step = Step::Query;
    let answer = ask(&mut session, config, timeout_ms);
    // The server is told that this is the end, whatever came of it; that it has gone already is no matter.
    let _ = dialogue.send(&packet::end());
    let first = answer?;
    judge_role(config.role, session.is_standby)?;
    let value = config.query.judge(&first)?;
    let mut attributes: Vec<_> = session.version.map(|version| text("postgres.version", version)).into_iter().collect();
    attributes.extend(
        session
            .is_standby
            .map(|is_standby| Attribute { key: "postgres.in-recovery".to_owned(), value: Value::Boolean(is_standby) }),
    );
    attributes.extend(value);
    Ok(attributes)
}

fn start_tls(config: &Config, dialogue: &Dialogue) -> Said<()> {
    dialogue.send(&packet::tls_request())?;
    let answer = dialogue.bytes(1, "the answer to the request for TLS")?;
    match answer.as_slice() {
        b"S" => config.service.start_tls(dialogue),
        b"N" => Err(down("starttls-refused", "expected a server that speaks TLS, got one that refuses it")),
        other => Err(protocol_error("`S` or `N` in answer to the request for TLS", other)),
    }
}

/// Asks the query, and whether the server is in recovery where that is to be known and was not told.
fn ask(session: &mut Session<'_>, config: &Config, timeout_ms: u32) -> Said<First> {
    // A query that the check no longer waits for must not go on. It ends earlier, so that the server can say so in time.
    let spent_ms = session.dialogue.evidence().times.total / 1_000;
    let limit_ms = (timeout_ms.saturating_sub(spent_ms) / 4 * 3).max(1);
    let begin = format!("begin read only; set local statement_timeout = {limit_ms}");
    session.dialogue.send(&packet::statements(&begin))?;
    session.first_row()?;
    if config.role.is_some() && session.is_standby.is_none() {
        let answer = session.query(RECOVERY)?.flatten();
        session.is_standby = Some(answer.as_deref() == Some("t"));
    }
    session.query(&config.query.statement)
}

fn judge_role(expected: Option<Role>, is_standby: Option<bool>) -> Said<()> {
    let word = |is_standby| if is_standby { "a standby, which is in recovery" } else { "a primary" };
    match (expected, is_standby) {
        (Some(role), Some(is_standby)) if (role == Role::Standby) != is_standby => {
            let expected = if role == Role::Standby { "a standby" } else { "a primary" };
            Err(down("role-unexpected", format!("expected {expected}, got {}", word(is_standby))))
        }
        _ => Ok(()),
    }
}

/// One message of the server.
pub struct Message {
    /// What kind it is of.
    pub kind: u8,
    /// What it says.
    pub body: Vec<u8>,
}

/// A conversation with a server, and what it told of itself on the way.
pub struct Session<'a> {
    /// Over which it is held.
    pub dialogue: &'a Dialogue,
    step: Step,
    version: Option<String>,
    is_standby: Option<bool>,
}

impl Session<'_> {
    /// The next message that is neither a notice nor a setting.
    ///
    /// # Errors
    /// When none comes, or it is a refusal.
    pub fn next(&mut self) -> Said<Message> {
        loop {
            let Message { kind, body } = self.message()?;
            match kind {
                b'E' => return Err(refusal::read(&body, self.step)),
                b'S' => self.note(&body),
                b'N' => {}
                kind => return Ok(Message { kind, body }),
            }
        }
    }

    fn message(&self) -> Said<Message> {
        let head = self.dialogue.bytes(5, "the head of a message")?;
        let Some(length) = packet::body_length(&head) else {
            return Err(protocol_error("a message of PostgreSQL", &head));
        };
        if length > MESSAGE_MAX && self.step == Step::Login {
            // No message is that long before anything was asked; many other protocols begin with what looks like it.
            return Err(protocol_error("a message of PostgreSQL", &head));
        }
        if length > MESSAGE_MAX {
            let message = format!("expected messages of at most {MESSAGE_MAX} bytes, got one of {length}");
            return Err(down("answer-too-large", message));
        }
        Ok(Message { kind: head[0], body: self.dialogue.bytes(length, "the end of a message")? })
    }

    fn note(&mut self, body: &[u8]) {
        match packet::setting(body) {
            Some(("server_version", version)) => self.version = Some(version.to_owned()),
            Some(("in_hot_standby", answer)) => self.is_standby = Some(answer == "on"),
            _ => {}
        }
    }

    /// Asks one thing.
    fn query(&mut self, statement: &str) -> Said<First> {
        self.dialogue.send(&packet::query(statement))?;
        self.first_row()
    }

    /// Reads on until the server is ready for the next statement.
    fn first_row(&mut self) -> Said<First> {
        let mut first = None;
        loop {
            let Message { kind, body } = self.next()?;
            match kind {
                b'D' if first.is_none() => match packet::first_value(&body) {
                    Some(value) => first = Some(value),
                    None => return Err(protocol_error("a row", &body)),
                },
                b'Z' => return Ok(first),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_judged_where_one_is_expected() {
        for (expected, is_standby, is_good) in [
            (None, Some(true), true),
            (None, None, true),
            (Some(Role::Primary), Some(false), true),
            (Some(Role::Primary), Some(true), false),
            (Some(Role::Standby), Some(true), true),
            (Some(Role::Standby), Some(false), false),
        ] {
            assert_eq!(judge_role(expected, is_standby).is_ok(), is_good, "{expected:?} {is_standby:?}");
        }
    }
}
