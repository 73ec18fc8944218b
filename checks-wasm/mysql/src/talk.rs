//! The conversation: the login, a session that may only read, and the query in it.

use farwatch_guest::dialogue::{Dialogue, Said, down, protocol_error};
use farwatch_guest::outcome::text;
use farwatch_guest::query::First;

use crate::config::Config;
use crate::login;
use crate::packet::{self, LOGIN_PACKET_MAX, PACKET_MAX};
use crate::refusal::{self, Step};
use crate::wit::farwatch::check::types::{Attribute, Value};

/// Whether the server refuses writes of all who rule nothing.
const READ_ONLY: &str = "select @@global.read_only";

/// Holds it.
///
/// # Errors
/// The first thing that is wrong.
pub fn converse(config: &Config, timeout_ms: u32, dialogue: &Dialogue) -> Said<Vec<Attribute>> {
    let mut session = Session { dialogue, step: Step::Login, sequence: 0 };
    let version = login::log_in(&mut session, config)?;
    session.step = Step::Query;
    let answer = ask(&mut session, config, &version, timeout_ms);
    // The server is told that this is the end, whatever came of it; that it has gone already is no matter.
    session.sequence = 0;
    let _ = session.send(packet::END);
    let (is_read_only, first) = answer?;
    judge_role(config.is_read_only, is_read_only)?;
    let value = config.query.judge(&first)?;
    let mut attributes = vec![text("mysql.version", version)];
    attributes.extend(
        is_read_only
            .map(|is_read_only| Attribute { key: "mysql.read-only".to_owned(), value: Value::Boolean(is_read_only) }),
    );
    attributes.extend(value);
    Ok(attributes)
}

/// Asks whether the server is read only, where that is to be known, and the query.
fn ask(session: &mut Session<'_>, config: &Config, version: &str, timeout_ms: u32) -> Said<(Option<bool>, First)> {
    let spent_ms = session.dialogue.evidence().times.total / 1_000;
    session.query(&limits(version, timeout_ms.saturating_sub(spent_ms)))?;
    // A transaction that is begun as read only would be ended by statements that change tables, and they would then be
    // executed. This holds for every transaction of the session, of which each statement is one.
    session.query("set session transaction read only")?;
    let is_read_only = match config.is_read_only {
        Some(_) => Some(!matches!(session.query(READ_ONLY)?.flatten().as_deref(), Some("0" | "OFF"))),
        None => None,
    };
    Ok((is_read_only, session.query(&config.query.statement)?))
}

/// One row, and no longer than the check waits: it ends earlier, so that the server can say so in time.
fn limits(version: &str, left_ms: u32) -> String {
    let limit_ms = (left_ms / 4 * 3).max(1);
    let time = if version.contains("MariaDB") {
        format!("max_statement_time = {}.{:03}", limit_ms / 1_000, limit_ms % 1_000)
    } else {
        format!("max_execution_time = {limit_ms}")
    };
    format!("set session sql_select_limit = 1, {time}")
}

fn judge_role(expected: Option<bool>, is_read_only: Option<bool>) -> Said<()> {
    match (expected, is_read_only) {
        (Some(true), Some(false)) => {
            Err(down("role-unexpected", "expected a server that is read only, got one that takes writes"))
        }
        (Some(false), Some(true)) => {
            Err(down("role-unexpected", "expected a server that takes writes, got one that is read only"))
        }
        _ => Ok(()),
    }
}

/// A conversation with a server.
pub struct Session<'a> {
    /// Over which it is held.
    pub dialogue: &'a Dialogue,
    step: Step,
    /// The number of the next packet.
    sequence: u8,
}

impl Session<'_> {
    /// Sends a packet.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub fn send(&mut self, body: &[u8]) -> Said<()> {
        self.dialogue.send(&packet::framed(self.sequence, body))?;
        self.sequence = self.sequence.wrapping_add(1);
        Ok(())
    }

    /// The next packet.
    ///
    /// # Errors
    /// When none comes, or none of this protocol.
    pub fn packet(&mut self) -> Said<Vec<u8>> {
        let head = self.dialogue.bytes(4, "the head of a packet")?;
        let Some((length, sequence)) = packet::head(&head).filter(|(length, _)| self.may_be(*length)) else {
            return Err(protocol_error("a packet of MySQL", &head));
        };
        if length > PACKET_MAX {
            let message = format!("expected packets of at most {PACKET_MAX} bytes, got one of {length}");
            return Err(down("answer-too-large", message));
        }
        self.sequence = sequence.wrapping_add(1);
        self.dialogue.bytes(length, "the end of a packet")
    }

    fn may_be(&self, length: u32) -> bool {
        length > 0 && (length <= LOGIN_PACKET_MAX || self.step == Step::Query)
    }

    /// Asks one thing.
    fn query(&mut self, statement: &str) -> Said<First> {
        self.sequence = 0;
        self.send(&packet::query(statement))?;
        let packet = self.answer()?;
        if packet.first() == Some(&0x00) {
            return Ok(None);
        }
        let Some(columns) = packet::columns(&packet) else {
            return Err(protocol_error("an answer to a query", &packet));
        };
        for _ in 0..columns {
            self.answer()?;
        }
        let end = self.answer()?;
        if !packet::is_end(&end) {
            return Err(protocol_error("the end of the columns", &end));
        }
        self.first_row()
    }

    /// Reads on to the last row.
    fn first_row(&mut self) -> Said<First> {
        let mut first = None;
        loop {
            let packet = self.answer()?;
            if packet::is_end(&packet) {
                return Ok(first);
            }
            if first.is_none() {
                let Some(value) = packet::first_value(&packet) else { return Err(protocol_error("a row", &packet)) };
                first = Some(value);
            }
        }
    }

    /// The next packet that is no refusal.
    fn answer(&mut self) -> Said<Vec<u8>> {
        let packet = self.packet()?;
        if packet.first() == Some(&0xff) { Err(refusal::read(&packet, self.step)) } else { Ok(packet) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_is_told_limits_in_its_own_words() {
        for (version, left_ms, said) in [
            ("10.11.19-MariaDB", 2_000, "set session sql_select_limit = 1, max_statement_time = 1.500"),
            ("10.11.19-MariaDB", 0, "set session sql_select_limit = 1, max_statement_time = 0.001"),
            ("8.4.3", 10_000, "set session sql_select_limit = 1, max_execution_time = 7500"),
        ] {
            assert_eq!(limits(version, left_ms), said);
        }
    }

    #[test]
    fn a_role_is_judged_where_one_is_expected() {
        for (expected, found, is_good) in [
            (None, None, true),
            (Some(true), Some(true), true),
            (Some(true), Some(false), false),
            (Some(false), Some(true), false),
            (Some(false), Some(false), true),
        ] {
            assert_eq!(judge_role(expected, found).is_ok(), is_good, "{expected:?} {found:?}");
        }
    }
}
