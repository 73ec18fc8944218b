//! Frames of RFC 6455 as the wire has them: those that a client sends, and the heads of those that a server sends.
//!
//! It reads no more than a head says, and a head that breaks the rules is none.

/// The rest of a message.
pub const CONTINUATION: u8 = 0;
/// A message of text.
pub const TEXT: u8 = 1;
/// A message of bytes.
pub const BINARY: u8 = 2;
/// The end of the conversation.
pub const CLOSE: u8 = 8;
/// Asks for a pong.
pub const PING: u8 = 9;
/// Answers a ping.
pub const PONG: u8 = 10;

/// What a client says when it has what it wanted: 1000, a normal end.
pub const NORMAL_END: [u8; 2] = 1_000_u16.to_be_bytes();
/// The longest frame that is no part of a message.
const CONTROL_MAX: u8 = 125;

/// What the first two bytes of a frame say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Whether the message ends with it.
    pub is_last: bool,
    /// What it is.
    pub opcode: u8,
    /// Its length where that is below 126; else that stands in the two bytes, or for 127 in the eight, that follow.
    pub length: u8,
}

impl Head {
    /// Reads it.
    ///
    /// # Errors
    /// Which rule it breaks.
    pub fn read(first: u8, second: u8) -> Result<Self, &'static str> {
        let head = Self { is_last: first & 0x80 != 0, opcode: first & 0x0f, length: second & 0x7f };
        if first & 0x70 != 0 {
            return Err("a frame of an extension that was not agreed on");
        }
        if second & 0x80 != 0 {
            return Err("a masked frame, which only clients may send");
        }
        match head.opcode {
            CONTINUATION | TEXT | BINARY => Ok(head),
            CLOSE | PING | PONG if head.is_last && head.length <= CONTROL_MAX => Ok(head),
            CLOSE | PING | PONG => Err("a control frame that is in parts or too long"),
            _ => Err("a frame of an unknown kind"),
        }
    }

    /// How many bytes its length takes beyond the head.
    pub fn length_bytes(self) -> u32 {
        match self.length {
            126 => 2,
            127 => 8,
            _ => 0,
        }
    }
}

/// A whole frame of a client, masked as all of them must be.
pub fn masked(opcode: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        short @ 0..=125 => frame.push(0x80 | short as u8),
        // Configs hold no text that is longer than this can say.
        long => {
            frame.push(0x80 | 126);
            frame.extend((long as u16).to_be_bytes());
        }
    }
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// Why a server closes, by the payload of its frame: a code and words.
pub fn closing(payload: &[u8]) -> String {
    let Some((code, words)) = payload.split_first_chunk::<2>() else { return "without a code".to_owned() };
    let code = u16::from_be_bytes(*code);
    match words {
        [] => format!("with code {code}"),
        words => format!("with code {code}: {}", farwatch_guest::escapes::show(words, usize::from(CONTROL_MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_masked_and_long_ones_say_so() {
        // The example of RFC 6455, section 5.7.
        let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(masked(TEXT, b"Hello", [0x37, 0xfa, 0x21, 0x3d]), hello);
        let long = masked(TEXT, &[b'x'; 300], [0; 4]);
        assert_eq!((&long[..4], long.len()), ([0x81, 0xfe, 1, 44].as_slice(), 308));
    }

    #[test]
    fn heads_keep_to_the_rules_or_are_none() {
        for (first, second, read) in [
            (0x81, 5, Ok((true, TEXT, 0))),
            (0x02, 126, Ok((false, BINARY, 2))),
            (0x80, 127, Ok((true, CONTINUATION, 8))),
            (0x8a, 125, Ok((true, PONG, 0))),
            (0xc1, 5, Err("an extension")),
            (0x81, 0x85, Err("masked")),
            (0x09, 0, Err("in parts")),
            (0x88, 126, Err("too long")),
            (0x83, 0, Err("unknown kind")),
            (0x8f, 0, Err("unknown kind")),
        ] {
            match (Head::read(first, second), read) {
                (Ok(head), Ok(read)) => assert_eq!((head.is_last, head.opcode, head.length_bytes()), read),
                (Err(rule), Err(words)) => assert!(rule.contains(words), "{rule}"),
                (found, _) => panic!("{first:x} {second:x}: {found:?}"),
            }
        }
    }

    #[test]
    fn why_a_server_closes_is_told() {
        assert_eq!(closing(b""), "without a code");
        assert_eq!(closing(b"\x03"), "without a code");
        assert_eq!(closing(b"\x03\xf0"), "with code 1008");
        assert_eq!(closing(b"\x03\xf0go\n"), r"with code 1008: go\n");
    }
}
