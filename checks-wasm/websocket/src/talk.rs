//! The conversation with a server, from the handshake to the close.
//!
//! What is right in a handshake stands in `handshake`, and how frames look in `frame`.

use farwatch_guest::dialogue::{Dialogue, Said, Wrong, down, protocol_error};
use farwatch_guest::escapes::show;
use farwatch_guest::outcome::{integer, slow, text};
use farwatch_guest::service::Heard;

use crate::config::Config;
use crate::frame::{self, BINARY, CLOSE, CONTINUATION, Head, PING, PONG, TEXT};
use crate::handshake::{self, Answer, Request};
use crate::wit::farwatch::check::entropy;
use crate::wit::farwatch::check::types::Attribute;

/// Servers send a dozen headers.
const HEADERS_MAX: usize = 100;
/// The largest message that is read, in bytes: what a check compares is short, and its memory is small.
const MESSAGE_MAX: usize = 64 << 10;
/// How many frames are read while something is waited for, so that a server that never stops talking is no run without end.
const FRAMES_MAX: u32 = 256;
/// How much of a message is shown, in characters.
const SHOWN_MAX: usize = 160;
/// Whom servers see, unless the config says otherwise.
const USER_AGENT: &str = concat!("Farwatch/", env!("CARGO_PKG_VERSION"), " (uptime monitor)");
/// How many random bytes a key has.
const KEY_BYTES: u32 = 16;
/// How many random bytes a ping has, so that its pong answers no other.
const PING_BYTES: u32 = 8;

/// Holds the conversation.
pub fn converse(config: &Config, dialogue: &Dialogue) -> Said<Heard> {
    let mut attributes = shake_hands(config, dialogue)?;
    let mut session = Session { dialogue, frames: 0, parts: None };
    let began_us = session.now_us();
    let what = if config.wants_message() { "the message" } else { "the pong" };
    if config.wants_message() { session.message(config) } else { session.pong() }?;
    let took_us = session.now_us().saturating_sub(began_us);
    attributes.push(integer("websocket.round-trip-us", took_us as i64));
    // The server has shown what it was asked for; how it says goodbye is not worth the time of the run.
    session.send(CLOSE, &frame::NORMAL_END)?;
    let finding = slow(&format!("{what} came"), took_us, config.round_trip_degraded_above_ms);
    Ok(Heard { finding, attributes })
}

/// Asks for the WebSocket, and says how it was granted.
fn shake_hands(config: &Config, dialogue: &Dialogue) -> Said<Vec<Attribute>> {
    let mut headers = Vec::new();
    for (name, usual) in
        [("Host", config.service.authority(config.usual_port())), ("User-Agent", USER_AGENT.to_owned())]
    {
        if !config.headers.iter().any(|header| header.is(name)) {
            headers.push((name, usual));
        }
    }
    for header in &config.headers {
        headers.push((&header.name, header.reveal()?));
    }
    let key = handshake::key(&entropy::get(KEY_BYTES));
    let Config { path, subprotocols, .. } = config;
    dialogue.send(&handshake::request(&Request { path, key: &key, headers: &headers, subprotocols }))?;
    let answer = answer(dialogue)?;
    let chosen = answer.judge(&key, subprotocols).map_err(|(code, message)| down(code, message))?;
    let server = answer.header("server");
    let shown = |name, value: &str| text(name, show(value.as_bytes(), SHOWN_MAX));
    let said = [chosen.map(|it| shown("websocket.subprotocol", it)), server.map(|it| shown("http.server", it))];
    Ok(said.into_iter().flatten().collect())
}

fn answer(dialogue: &Dialogue) -> Said<Answer> {
    let line = dialogue.line()?;
    let status = handshake::status(&line).ok_or_else(|| protocol_error("an answer of HTTP/1.1", line.as_bytes()))?;
    let mut answer = Answer { status, headers: Vec::new() };
    for _ in 0..HEADERS_MAX {
        match dialogue.line()?.as_str() {
            "" => return Ok(answer),
            line => answer.add(line),
        }
    }
    Err(down("protocol-error", format!("the answer has more than {HEADERS_MAX} headers")))
}

/// What a server says over a WebSocket, but for pings, which are answered.
enum Event {
    Message(Vec<u8>),
    Pong(Vec<u8>),
}

/// A WebSocket that stands.
struct Session<'a> {
    dialogue: &'a Dialogue,
    frames: u32,
    /// What has come of a message in parts, between which other frames may come.
    parts: Option<Vec<u8>>,
}

impl Session<'_> {
    fn now_us(&self) -> u64 {
        self.dialogue.evidence().times.total.into()
    }

    fn send(&self, opcode: u8, payload: &[u8]) -> Said<()> {
        let mut mask = [0; 4];
        mask.copy_from_slice(&entropy::get(4));
        self.dialogue.send(&frame::masked(opcode, payload, mask))
    }

    /// Demands the pong to a ping.
    fn pong(&mut self) -> Said<()> {
        let sent = entropy::get(PING_BYTES);
        self.send(PING, &sent)?;
        loop {
            let missing = |wrong| instead_of_silence(wrong, || ("pong-missing", "no pong came".to_owned()));
            match self.next().map_err(missing)? {
                Event::Pong(payload) if payload == sent => return Ok(()),
                _ => {}
            }
        }
    }

    /// Demands a message that is as the config says. Others before it do no harm: servers greet, and tell of others.
    fn message(&mut self, config: &Config) -> Said<()> {
        if let Some(words) = &config.send {
            self.send(TEXT, words.as_bytes())?;
        }
        let mut last = None;
        loop {
            match self.next().map_err(|wrong| instead_of_silence(wrong, || missing(config, last.as_deref())))? {
                Event::Message(message) if mismatch(config, &message).is_none() => return Ok(()),
                Event::Message(message) => last = Some(message),
                Event::Pong(_) => {}
            }
        }
    }

    /// The next thing that the server says. That it closes ends the conversation.
    fn next(&mut self) -> Said<Event> {
        loop {
            let (head, payload) = self.frame()?;
            match head.opcode {
                PING => self.send(PONG, &payload)?,
                PONG => return Ok(Event::Pong(payload)),
                CLOSE => return Err(down("closed-early", format!("the server closed {}", frame::closing(&payload)))),
                CONTINUATION if self.parts.is_none() => return Err(broken("the rest of a message that did not begin")),
                TEXT | BINARY if self.parts.is_some() => return Err(broken("a message within another")),
                _ => {
                    let mut message = self.parts.take().unwrap_or_default();
                    message.extend(payload);
                    if head.is_last {
                        return Ok(Event::Message(message));
                    }
                    self.parts = Some(message);
                }
            }
        }
    }

    fn frame(&mut self) -> Said<(Head, Vec<u8>)> {
        let before = self.parts.as_ref().map_or(0, Vec::len);
        self.frames += 1;
        if self.frames > FRAMES_MAX {
            let message = format!("{FRAMES_MAX} frames came, and not what was waited for");
            return Err(down("protocol-error", message));
        }
        let bytes = self.dialogue.bytes(2, "the head of a frame")?;
        let [first, second] = bytes[..] else { return Err(protocol_error("the head of a frame", &bytes)) };
        let head = Head::read(first, second).map_err(broken)?;
        let long = self.dialogue.more(head.length_bytes(), "the length of a frame")?;
        let length = long.iter().fold(0, |length: u64, byte| length << 8 | u64::from(*byte));
        let length = if long.is_empty() { head.length.into() } else { length };
        if length.saturating_add(before as u64) > MESSAGE_MAX as u64 {
            let message = format!("a message of more than {MESSAGE_MAX} bytes came, which is not read");
            return Err(down("answer-too-large", message));
        }
        Ok((head, self.dialogue.more(length as u32, "the end of a frame")?))
    }
}

fn broken(rule: &str) -> Wrong {
    down("protocol-error", format!("expected a frame of a WebSocket, got {rule}"))
}

/// What silence means once the connection stands.
fn instead_of_silence(wrong: Wrong, finding: impl FnOnce() -> (&'static str, String)) -> Wrong {
    match wrong {
        Wrong::Failed(failure) if failure.code.ends_with("-timeout") => {
            let (code, message) = finding();
            down(code, message)
        }
        other => other,
    }
}

/// Why the last message that came is not the one that was waited for, if any came.
fn missing(config: &Config, last: Option<&[u8]>) -> (&'static str, String) {
    last.and_then(|last| mismatch(config, last)).unwrap_or(("answer-missing", "no message came".to_owned()))
}

/// What is missing in a message; none where it is as it should be.
fn mismatch(config: &Config, message: &[u8]) -> Option<(&'static str, String)> {
    let words = String::from_utf8_lossy(message);
    let got = || format!("got `{}`", show(message, SHOWN_MAX));
    if let Some(wanted) = config.contains.as_deref().filter(|wanted| !words.contains(wanted)) {
        return Some(("answer-text-missing", format!("expected a message with `{wanted}`, {}", got())));
    }
    // It was compiled once when the config was written, so it compiles again.
    let is_match = |pattern: &&str| farwatch_guest::pattern::compile(pattern).is_ok_and(|regex| regex.is_match(&words));
    let pattern = config.regex.as_deref().filter(|pattern| !is_match(pattern))?;
    Some(("answer-pattern-missing", format!("expected a message that matches `{pattern}`, {}", got())))
}

#[cfg(test)]
mod tests {
    use farwatch_guest::fields::{judge, reread};

    use super::*;

    #[test]
    fn messages_are_judged_by_text_and_pattern() {
        let json = r#"{"host": "a", "expect_contains": "po", "expect_regex": "^pong [0-9]"}"#;
        let config: Config = reread(&judge::<Config>(json).unwrap()).unwrap();
        for (message, found) in [
            (b"pong 7".as_slice(), None),
            (b"ping", Some(("answer-text-missing", "expected a message with `po`, got `ping`".to_owned()))),
            (
                b"pong\n",
                Some((
                    "answer-pattern-missing",
                    r"expected a message that matches `^pong [0-9]`, got `pong\n`".to_owned(),
                )),
            ),
        ] {
            assert_eq!(mismatch(&config, message), found);
        }
        assert_eq!(missing(&config, None).0, "answer-missing");
        assert_eq!(missing(&config, Some(b"x")).0, "answer-text-missing");
    }
}
