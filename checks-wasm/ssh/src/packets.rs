//! Packets over a connection (RFC 4253, section 6): first in the open, then sealed.
//!
//! What they say is read elsewhere; only what may come at any time is dealt with here.

use farwatch_guest::dialogue::{Dialogue, SHOWN_MAX, Said, down, protocol_error};
use farwatch_guest::escapes::show;

use crate::sealing::{BLOCK, Seal};
use crate::wire::{Reader, Writer};
use crate::wit::farwatch::check::entropy;

/// Every implementation must take packets of this size (RFC 4253, section 6.1), and none needs larger ones to log in.
const PACKET_MAX: u32 = 35_000;
/// The least of a packet behind its length: its padding, the number of that, and a message.
const PACKET_MIN: u32 = 6;
/// No server says more that means nothing in one login.
const IDLE_MAX: usize = 64;
/// The least padding.
const PADDING_MIN: usize = 4;

const DISCONNECT: u8 = 1;
const IGNORE: u8 = 2;
const DEBUG: u8 = 4;
const EXTENSIONS: u8 = 7;
/// Why the client disconnects: because it wants to.
const BY_APPLICATION: u32 = 11;

/// Packets in both directions.
pub struct Packets<'d> {
    dialogue: &'d Dialogue,
    sent: u32,
    received: u32,
    seals: Option<(Seal, Seal)>,
}

impl<'d> Packets<'d> {
    /// In the open.
    pub fn new(dialogue: &'d Dialogue) -> Self {
        Self { dialogue, sent: 0, received: 0, seals: None }
    }

    /// From here on sealed: what is sent by the first, what is received by the second.
    pub fn seal(&mut self, sent: Seal, received: Seal) {
        self.seals = Some((sent, received));
    }

    /// Sends a message.
    pub fn send(&mut self, message: Writer) -> Said<()> {
        let message = message.into_bytes();
        let is_outside = self.seals.as_ref().is_some_and(|(seal, _)| seal.mac.is_outside);
        let noise = entropy::get((PADDING_MIN + BLOCK) as u32);
        let mut packet = packet(&message, is_outside, &noise);
        if let Some((seal, _)) = &mut self.seals {
            close(seal, self.sent, &mut packet);
        }
        self.sent = self.sent.wrapping_add(1);
        self.dialogue.send(&packet)
    }

    /// Says that it was all. Whether the server hears it makes no difference.
    pub fn end(&mut self) {
        let message = Writer::message(DISCONNECT).number(BY_APPLICATION).string("the check is over").string("");
        let _ = self.send(message);
    }

    /// The next message that means something.
    pub fn receive(&mut self, what: &str) -> Said<Vec<u8>> {
        for _ in 0..IDLE_MAX {
            let message = self.next(what)?;
            match message.first() {
                Some(&DISCONNECT) => return Err(down("disconnected", disconnected(&message, what))),
                Some(&(IGNORE | DEBUG | EXTENSIONS)) => {}
                _ => return Ok(message),
            }
        }
        Err(down("protocol-error", format!("{IDLE_MAX} messages that mean nothing came before {what}")))
    }

    /// The next message, which must be of this number.
    pub fn expect(&mut self, number: u8, what: &str) -> Said<Vec<u8>> {
        let message = self.receive(what)?;
        if message.first() == Some(&number) {
            return Ok(message);
        }
        Err(protocol_error(&format!("{what}, which is message {number}"), &message))
    }

    fn next(&mut self, what: &str) -> Said<Vec<u8>> {
        let sequence = self.received;
        self.received = sequence.wrapping_add(1);
        let body = match &mut self.seals {
            None => {
                let head = self.dialogue.bytes(4, what)?;
                self.dialogue.bytes(length(&head, what)?, what)?
            }
            Some((_, seal)) if seal.mac.is_outside => opened_outside(self.dialogue, seal, sequence, what)?,
            Some((_, seal)) => opened_inside(self.dialogue, seal, sequence, what)?,
        };
        message(&body).map(<[u8]>::to_vec).ok_or_else(|| protocol_error(&format!("a packet with {what}"), &body))
    }
}

/// A message with its length and padding. What is encrypted is a multiple of a block; its length is part of that unless
/// what vouches for it is outside.
fn packet(message: &[u8], is_outside: bool, noise: &[u8]) -> Vec<u8> {
    let framed = message.len() + if is_outside { 1 } else { 5 };
    let mut padding = BLOCK - framed % BLOCK;
    if padding < PADDING_MIN {
        padding += BLOCK;
    }
    Writer::default()
        .number((message.len() + 1 + padding) as u32)
        .byte(padding as u8)
        .raw(message)
        .raw(&noise[..padding])
        .into_bytes()
}

fn close(seal: &mut Seal, sequence: u32, packet: &mut Vec<u8>) {
    if seal.mac.is_outside {
        seal.apply(&mut packet[4..]);
        let vouched = seal.vouch(sequence, packet);
        packet.extend_from_slice(&vouched);
        return;
    }
    let vouched = seal.vouch(sequence, packet);
    seal.apply(packet);
    packet.extend_from_slice(&vouched);
}

fn opened_outside(dialogue: &Dialogue, seal: &mut Seal, sequence: u32, what: &str) -> Said<Vec<u8>> {
    let mut packet = dialogue.bytes(4, what)?;
    packet.extend(dialogue.bytes(length(&packet, what)?, what)?);
    let vouched = dialogue.bytes(seal.mac.length as u32, what)?;
    if seal.vouch(sequence, &packet) != vouched {
        return Err(unsealed(what));
    }
    seal.apply(&mut packet[4..]);
    Ok(packet.split_off(4))
}

fn opened_inside(dialogue: &Dialogue, seal: &mut Seal, sequence: u32, what: &str) -> Said<Vec<u8>> {
    let mut packet = dialogue.bytes(BLOCK as u32, what)?;
    seal.apply(&mut packet);
    let Some(rest) = (length(&packet, what)? as usize + 4).checked_sub(BLOCK) else { return Err(unsealed(what)) };
    let mut rest = dialogue.bytes(rest as u32, what)?;
    let vouched = dialogue.bytes(seal.mac.length as u32, what)?;
    seal.apply(&mut rest);
    packet.extend(rest);
    if seal.vouch(sequence, &packet) != vouched {
        return Err(unsealed(what));
    }
    Ok(packet.split_off(4))
}

fn unsealed(what: &str) -> farwatch_guest::dialogue::Wrong {
    down("protocol-error", format!("the packet with {what} is not what the server sealed"))
}

/// The length that a packet says, if it can be meant.
fn length(head: &[u8], what: &str) -> Said<u32> {
    let length = Reader::new(head).number().filter(|length| (PACKET_MIN..=PACKET_MAX).contains(length));
    length.ok_or_else(|| protocol_error(&format!("a packet with {what}"), head))
}

/// The message in what stands behind the length of a packet.
fn message(body: &[u8]) -> Option<&[u8]> {
    let (padding, rest) = body.split_first()?;
    let length = rest.len().checked_sub(usize::from(*padding))?;
    rest.get(..length).filter(|message| !message.is_empty())
}

fn disconnected(message: &[u8], what: &str) -> String {
    let mut reader = Reader::new(message);
    let _ = reader.take(5);
    let why = reader.string().unwrap_or_default();
    format!("instead of {what} the server disconnected: `{}`", show(why, SHOWN_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sealing::{MACS, Secrets};

    #[test]
    fn packets_fill_blocks_and_hold_their_message() {
        for length in 1..40 {
            for (is_outside, counted) in [(true, 0), (false, 4)] {
                let said = vec![7; length];
                let packet = packet(&said, is_outside, &[9; 20]);
                let behind = packet.len() - 4;
                assert_eq!((behind + counted) % BLOCK, 0, "{length}");
                assert_eq!(Reader::new(&packet).number(), Some(behind as u32));
                assert!(packet[4] >= 4);
                assert_eq!(message(&packet[4..]), Some(&said[..]));
            }
        }
    }

    #[test]
    fn sealed_packets_are_longer_by_what_vouches_for_them() {
        for mac in MACS {
            let mut seal = Secrets { shared: vec![1], hash: [2; 32] }.of_client(mac);
            let open = packet(b"hello", mac.is_outside, &[0; 20]);
            let mut closed = open.clone();
            close(&mut seal, 5, &mut closed);
            assert_eq!(closed.len(), open.len() + mac.length);
            assert_eq!(closed[..4] == open[..4], mac.is_outside);
        }
    }

    #[test]
    fn lengths_and_paddings_that_lie_are_refused() {
        for head in [[0, 0, 0, 0], [0, 0, 0, 5], [0, 1, 0, 0], *b"HTTP"] {
            assert!(length(&head, "x").is_err(), "{head:?}");
        }
        for body in [&[][..], &[0], &[1, 7], &[255, 1, 2]] {
            assert_eq!(message(body), None, "{body:?}");
        }
    }

    #[test]
    fn what_the_server_says_when_it_disconnects_is_told() {
        let said = Writer::message(1).number(2).string("Too many\nfailures").string("").into_bytes();
        assert_eq!(disconnected(&said, "x"), r"instead of x the server disconnected: `Too many\nfailures`");
        assert_eq!(disconnected(&[1], "x"), "instead of x the server disconnected: ``");
    }
}
