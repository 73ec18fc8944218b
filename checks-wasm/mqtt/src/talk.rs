//! The conversation with a broker, from CONNECT to DISCONNECT.
//!
//! What its packets hold is read in `packet`, and what its refusals mean stands in `refusal`.

use farwatch_guest::dialogue::{Dialogue, Said, Wrong, down, protocol_error};
use farwatch_guest::escapes::show;
use farwatch_guest::outcome::{Finding, integer, slow};
use farwatch_guest::service::Heard;

use crate::config::{Config, Task};
use crate::packet::{self, GOODBYE, Message, Packet, Version};
use crate::refusal;
use crate::wit::farwatch::check::types::Status;

/// The largest packet that is read, in bytes: what a check compares is short, and its memory is small.
const PACKET_MAX: usize = 64 << 10;
/// How many packets are read while something is waited for. A broker sends a few at most to a client of one topic.
const PACKETS_MAX: u32 = 64;
/// The numbers of the two packets of a run that have one.
const SUBSCRIPTION: u16 = 1;
const PUBLICATION: u16 = 2;
/// How much of a message is shown, in characters.
const SHOWN_MAX: usize = 160;

/// What is random in a run, so that runs of many hosts at once never meet.
pub struct Names {
    client_id: String,
    topic: String,
    payload: String,
}

impl Names {
    /// How many random bytes it takes.
    pub const DRAWN: u32 = 23;

    /// Makes the names. That of the client has 22 letters and digits; every broker takes those.
    pub fn of(drawn: &[u8]) -> Self {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let (client, rest) = drawn.split_at(drawn.len().min(7));
        let (topic, payload) = rest.split_at(rest.len() / 2);
        Self { client_id: format!("farwatch{}", hex(client)), topic: hex(topic), payload: hex(payload) }
    }
}

/// Holds the conversation.
pub fn converse(config: &Config, names: &Names, dialogue: &Dialogue) -> Said<Heard> {
    let mut session = Session { version: config.version, dialogue, heard: 0 };
    session.log_in(config, names)?;
    let logged_in_us = session.now_us();
    let mut heard = match &config.task {
        Task::RoundTrip { topic, qos, degraded_above_ms } => {
            let topic = format!("{topic}/{}", names.topic);
            let took_us = session.round_trip(&topic, *qos, names.payload.as_bytes())?;
            let finding = slow("the message came back", took_us, *degraded_above_ms);
            Heard { finding, attributes: vec![integer("mqtt.round-trip-us", took_us as i64)] }
        }
        Task::Retained { topic, contains, regex } => {
            let message = session.retained(topic)?;
            let attributes = vec![integer("mqtt.payload-bytes", message.payload.len() as i64)];
            Heard { finding: judge(&message, contains.as_deref(), regex.as_deref()), attributes }
        }
    };
    heard.attributes.push(integer("mqtt.login-us", logged_in_us as i64));
    dialogue.send(&GOODBYE)?;
    Ok(heard)
}

/// A client that talks with its broker.
struct Session<'a> {
    version: Version,
    dialogue: &'a Dialogue,
    heard: u32,
}

impl Session<'_> {
    fn now_us(&self) -> u64 {
        self.dialogue.evidence().times.total.into()
    }

    fn log_in(&mut self, config: &Config, names: &Names) -> Said<()> {
        let password = config.password.as_ref().map(|secret| secret.reveal()).transpose()?;
        let client_id = config.client_id.as_deref().unwrap_or(&names.client_id);
        let username = config.username.as_deref();
        self.dialogue.send(&packet::connect(self.version, client_id, username, password.as_deref()))?;
        let first = self.byte("the answer to CONNECT")?;
        if !packet::begins_connack(first) {
            return Err(protocol_error("the answer of an MQTT broker to CONNECT", &[first]));
        }
        match self.packet(first)? {
            Packet::Connack(reason) => match refusal::of_connect(self.version, &reason) {
                Some((code, words)) => Err(down(code, format!("the broker answered CONNECT with {words}"))),
                None => Ok(()),
            },
            other => Err(out_of_turn("the answer to CONNECT", &other)),
        }
    }

    /// Sends a message to itself, and says how long it was on its way.
    fn round_trip(&mut self, topic: &str, qos: u8, payload: &[u8]) -> Said<u64> {
        self.dialogue.send(&packet::subscribe(self.version, SUBSCRIPTION, topic, qos))?;
        while !self.subscribed(topic)? {}
        let sent_us = self.now_us();
        self.dialogue.send(&packet::publish(self.version, PUBLICATION, topic, qos, payload))?;
        let (mut is_taken, mut is_back) = (qos == 0, false);
        while !(is_taken && is_back) {
            match self.next().map_err(|wrong| lost(wrong, topic, is_taken))? {
                Packet::Puback(PUBLICATION, reason) => {
                    if let Some(words) = refusal::of_other(self.version, &reason) {
                        let message = format!("the broker answered the message to `{topic}` with {words}");
                        return Err(down("publish-refused", message));
                    }
                    is_taken = true;
                }
                Packet::Publish(message) => is_back |= message.topic == topic && message.payload == payload,
                _ => {}
            }
        }
        Ok(self.now_us().saturating_sub(sent_us))
    }

    /// The retained message of a topic, which may come before the subscription is confirmed.
    fn retained(&mut self, topic: &str) -> Said<Message> {
        self.dialogue.send(&packet::subscribe(self.version, SUBSCRIPTION, topic, 0))?;
        let missing = |wrong| {
            instead_of_silence(wrong, "retained-missing", || {
                format!("expected a retained message on `{topic}`, got none")
            })
        };
        loop {
            match self.next().map_err(missing)? {
                Packet::Publish(message) if message.topic == topic => return Ok(message),
                Packet::Suback(_, reason) => self.granted(topic, &reason)?,
                _ => {}
            }
        }
    }

    /// Whether the next packet says that the subscription stands.
    fn subscribed(&mut self, topic: &str) -> Said<bool> {
        match self.next()? {
            Packet::Suback(SUBSCRIPTION, reason) => self.granted(topic, &reason).map(|()| true),
            _ => Ok(false),
        }
    }

    fn granted(&self, topic: &str, reason: &packet::Reason) -> Said<()> {
        match refusal::of_other(self.version, reason) {
            Some(words) => Err(down(
                "subscribe-refused",
                format!("the broker answered the subscription to `{topic}` with {words}"),
            )),
            None => Ok(()),
        }
    }

    /// The next packet, which is acknowledged where the broker wants that. One that throws us out ends the conversation.
    fn next(&mut self) -> Said<Packet> {
        let first = self.byte("the next packet")?;
        let packet = self.packet(first)?;
        match &packet {
            Packet::Disconnect(reason) => {
                let words = refusal::of_goodbye(reason);
                Err(down("disconnected", format!("the broker ended the session with {words}")))
            }
            Packet::Publish(Message { id: Some(id), .. }) => {
                self.dialogue.send(&packet::puback(*id))?;
                Ok(packet)
            }
            _ => Ok(packet),
        }
    }

    /// The packet that begins with this byte.
    fn packet(&mut self, first: u8) -> Said<Packet> {
        self.heard += 1;
        if self.heard > PACKETS_MAX {
            return Err(down(
                "protocol-error",
                format!("{PACKETS_MAX} packets came, and not the one that was waited for"),
            ));
        }
        let length = self.length(first)?;
        if length > PACKET_MAX {
            let message = format!("a packet of {length} bytes came; at most {PACKET_MAX} are read");
            return Err(down("answer-too-large", message));
        }
        let body = self.dialogue.more(length as u32, "the end of a packet")?;
        packet::parse(self.version, first, &body)
            .ok_or_else(|| protocol_error("a packet of MQTT", &[&[first], body.as_slice()].concat()))
    }

    fn length(&self, first: u8) -> Said<usize> {
        let mut length = 0;
        for place in 0..4 {
            let byte = only(&self.dialogue.more(1, "the length of a packet")?);
            length |= usize::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                return Ok(length);
            }
        }
        Err(protocol_error("the length of a packet of MQTT", &[first, 0xff, 0xff, 0xff, 0xff]))
    }

    fn byte(&self, what: &str) -> Said<u8> {
        Ok(only(&self.dialogue.bytes(1, what)?))
    }
}

/// The byte of an answer that has one.
fn only(bytes: &[u8]) -> u8 {
    bytes.first().copied().unwrap_or_default()
}

fn out_of_turn(expected: &str, got: &Packet) -> Wrong {
    down(
        "protocol-error",
        format!("expected {expected}, got another packet: `{}`", show(format!("{got:?}").as_bytes(), SHOWN_MAX)),
    )
}

/// That a message does not come back is told, and not that nothing was heard for so long.
fn lost(wrong: Wrong, topic: &str, is_taken: bool) -> Wrong {
    let taken = if is_taken { ", which the broker took," } else { "" };
    instead_of_silence(wrong, "message-missing", || format!("the message to `{topic}`{taken} did not come back"))
}

/// What silence means at this point of the conversation.
fn instead_of_silence(wrong: Wrong, code: &'static str, message: impl FnOnce() -> String) -> Wrong {
    match wrong {
        Wrong::Failed(failure) if failure.code.ends_with("-timeout") => down(code, message()),
        other => other,
    }
}

/// What is wrong with a retained message.
fn judge(message: &Message, contains: Option<&str>, regex: Option<&str>) -> Finding {
    let text = String::from_utf8_lossy(&message.payload);
    let got = || format!("got `{}` on `{}`", show(&message.payload, SHOWN_MAX), message.topic);
    if let Some(wanted) = contains.filter(|wanted| !text.contains(wanted)) {
        return Some((Status::Down, "answer-text-missing", format!("expected a text with `{wanted}`, {}", got())));
    }
    // It was compiled once when the config was written, so it compiles again.
    let is_match = |pattern: &str| farwatch_guest::pattern::compile(pattern).is_ok_and(|regex| regex.is_match(&text));
    let pattern = regex.filter(|pattern| !is_match(pattern))?;
    Some((Status::Down, "answer-pattern-missing", format!("expected a text that matches `{pattern}`, {}", got())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_random_as_what_was_drawn() {
        let drawn: Vec<u8> = (0..Names::DRAWN as u8).collect();
        let names = Names::of(&drawn);
        assert_eq!(names.client_id, "farwatch00010203040506");
        assert_eq!((names.topic.as_str(), names.payload.as_str()), ("0708090a0b0c0d0e", "0f10111213141516"));
    }

    #[test]
    fn retained_messages_are_judged_by_text_and_pattern() {
        let message = Message { topic: "a/b".to_owned(), payload: b"version 2\0".to_vec(), id: None };
        for (contains, regex, code) in [
            (None, None, None),
            (Some("version"), Some("^v.* [0-9]"), None),
            (Some("3"), None, Some("answer-text-missing")),
            (Some("2"), Some("^2"), Some("answer-pattern-missing")),
        ] {
            let finding = judge(&message, contains, regex);
            assert_eq!(finding.as_ref().map(|(_, code, _)| *code), code, "{contains:?} {regex:?}");
            assert!(finding.is_none_or(|(_, _, words)| words.ends_with(r"got `version 2\0` on `a/b`")));
        }
    }
}
