//! Packets of MQTT 3.1.1 and 5 as the wire has them: those that a client sends, and those that a broker answers.
//!
//! It holds no conversation. What comes is taken to be hostile: a packet that does not hold what it says is none.

use farwatch_guest::escapes::show;

/// The kinds of packets, from the upper half of the first byte.
const CONNACK: u8 = 2;
const PUBLISH: u8 = 3;
const PUBACK: u8 = 4;
const SUBACK: u8 = 9;
const DISCONNECT: u8 = 14;
/// The user properties and texts of version 5 that a message shows, in characters.
const REASON_SHOWN_MAX: usize = 120;
/// What a client says last.
pub const GOODBYE: [u8; 2] = [DISCONNECT << 4, 0];
/// The property of version 5 by which a broker says why in words.
const REASON_STRING: u8 = 0x1f;

/// The version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 3.1.1, which calls itself 4.
    V311,
    /// 5.
    V5,
}

impl Version {
    const fn level(self) -> u8 {
        match self {
            Self::V311 => 4,
            Self::V5 => 5,
        }
    }
}

/// What a broker answers, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// Whether the client may come in.
    Connack(Reason),
    /// Whether a subscription stands. Of the levels that it may grant only that it grants one is kept.
    Suback(u16, Reason),
    /// Whether a message was taken.
    Puback(u16, Reason),
    /// A message.
    Publish(Message),
    /// The broker throws the client out.
    Disconnect(Reason),
    /// Anything else that a broker may say.
    Other,
}

/// A code, and the words that came with it in version 5.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reason {
    /// 0 is good; from 0x80 on it is a refusal, and in an answer of version 3.1.1 to CONNECT from 1 on.
    pub code: u8,
    /// What the broker says about it.
    pub text: String,
}

/// A message from a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it was published.
    pub topic: String,
    /// What it says.
    pub payload: Vec<u8>,
    /// By which number it has to be acknowledged, where it has to be.
    pub id: Option<u16>,
}

/// Asks to come in, without a session that would be kept.
pub fn connect(version: Version, client_id: &str, username: Option<&str>, password: Option<&str>) -> Vec<u8> {
    let mut flags = 0x02;
    if username.is_some() {
        flags |= 0x80;
    }
    if password.is_some() {
        flags |= 0x40;
    }
    let mut body = Vec::new();
    text(&mut body, "MQTT");
    // No keep-alive: a check is over long before one would matter.
    body.extend([version.level(), flags, 0, 0]);
    no_properties(&mut body, version);
    for part in [Some(client_id), username, password].into_iter().flatten() {
        text(&mut body, part);
    }
    framed(0x10, &body)
}

/// Asks for the messages of a topic.
pub fn subscribe(version: Version, id: u16, topic: &str, qos: u8) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    no_properties(&mut body, version);
    text(&mut body, topic);
    body.push(qos);
    framed(0x82, &body)
}

/// Sends a message.
pub fn publish(version: Version, id: u16, topic: &str, qos: u8, payload: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, topic);
    if qos > 0 {
        body.extend(id.to_be_bytes());
    }
    no_properties(&mut body, version);
    body.extend_from_slice(payload);
    framed(0x30 | qos << 1, &body)
}

/// Says that a message has come.
pub fn puback(id: u16) -> Vec<u8> {
    framed(PUBACK << 4, &id.to_be_bytes())
}

fn no_properties(body: &mut Vec<u8>, version: Version) {
    if version == Version::V5 {
        body.push(0);
    }
}

fn text(body: &mut Vec<u8>, text: &str) {
    // Configs hold none that is longer; a secret that is would be cut, and the broker refuse it.
    let bytes = &text.as_bytes()[..text.len().min(usize::from(u16::MAX))];
    body.extend((bytes.len() as u16).to_be_bytes());
    body.extend_from_slice(bytes);
}

fn framed(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut left = body.len();
    loop {
        let digit = (left % 128) as u8;
        left /= 128;
        packet.push(if left > 0 { digit | 0x80 } else { digit });
        if left == 0 {
            break;
        }
    }
    packet.extend_from_slice(body);
    packet
}

/// Whether this byte begins the answer to CONNECT.
pub fn begins_connack(first: u8) -> bool {
    first >> 4 == CONNACK
}

/// Reads a packet by its first byte and by what follows its length; none where it is not one.
pub fn parse(version: Version, first: u8, body: &[u8]) -> Option<Packet> {
    let mut rest = Rest(body);
    let has_properties = version == Version::V5;
    Some(match first >> 4 {
        CONNACK => {
            rest.byte()?;
            let code = rest.byte()?;
            let text = if has_properties { rest.reason_text() } else { String::new() };
            Packet::Connack(Reason { code, text })
        }
        SUBACK => {
            let id = rest.word()?;
            let text = if has_properties { rest.reason_text() } else { String::new() };
            Packet::Suback(id, Reason { code: rest.byte()?, text })
        }
        PUBACK => Packet::Puback(rest.word()?, rest.optional_reason()),
        PUBLISH => {
            let topic = rest.text()?;
            let id = if first & 0x06 == 0 { None } else { Some(rest.word()?) };
            if has_properties {
                rest.properties()?;
            }
            Packet::Publish(Message { topic, payload: rest.0.to_vec(), id })
        }
        DISCONNECT if has_properties => Packet::Disconnect(rest.optional_reason()),
        // PUBREC to PUBCOMP, UNSUBACK and PINGRESP are never asked for, and harmless.
        5..=7 | 11 | 13 => Packet::Other,
        _ => return None,
    })
}

/// What is still to be read of a packet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn word(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes([self.byte()?, self.byte()?]))
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn text(&mut self) -> Option<String> {
        let length = self.word()?;
        Some(String::from_utf8_lossy(self.take(length.into())?).into_owned())
    }

    fn length(&mut self) -> Option<usize> {
        let mut value = 0;
        for place in 0..4 {
            let byte = self.byte()?;
            value |= usize::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn properties(&mut self) -> Option<&'a [u8]> {
        let length = self.length()?;
        self.take(length)
    }

    /// The words among the properties, where they stand where they can be found. That they cannot is no fault worth an
    /// alarm.
    fn reason_text(&mut self) -> String {
        let mut properties = Rest(self.properties().unwrap_or_default());
        properties.find_reason().map_or_else(String::new, |text| show(text.as_bytes(), REASON_SHOWN_MAX))
    }

    /// Goes through the properties by their sizes until that which says why.
    fn find_reason(&mut self) -> Option<String> {
        loop {
            match self.byte()? {
                REASON_STRING => return self.text(),
                // One byte, two bytes, four bytes.
                0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2a => drop(self.take(1)?),
                0x13 | 0x21 | 0x22 | 0x23 => drop(self.take(2)?),
                0x02 | 0x11 | 0x18 | 0x27 => drop(self.take(4)?),
                0x0b => drop(self.length()?),
                // A text or bytes; a pair of texts.
                0x03 | 0x08 | 0x09 | 0x12 | 0x15 | 0x16 | 0x1a | 0x1c => drop(self.text()?),
                0x26 => drop((self.text()?, self.text()?)),
                _ => return None,
            }
        }
    }

    /// A code and its properties, which stand there only where something is wrong.
    fn optional_reason(&mut self) -> Reason {
        let code = self.byte().unwrap_or(0);
        Reason { code, text: self.reason_text() }
    }
}

#[cfg(test)]
#[path = "packet_tests.rs"]
mod tests;
