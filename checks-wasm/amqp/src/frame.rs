//! Frames of AMQP 0-9-1: a type, a channel, a length, the payload, and a byte that ends it.

/// What a client says first.
pub const GREETING: [u8; 8] = *b"AMQP\0\0\x09\x01";
/// The length of what stands before the payload.
pub const HEAD: u32 = 7;
/// The byte that ends a frame.
pub const END: u8 = 0xce;
/// A frame that holds a method.
pub const METHOD: u8 = 1;
/// A frame that says only that somebody is there.
pub const HEARTBEAT: u8 = 8;
/// The longest payload that is read, in bytes, which is also what common brokers send at most.
pub const PAYLOAD_MAX: u32 = 128 << 10;

/// What stands before a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// What the frame holds.
    pub kind: u8,
    /// On which channel.
    pub channel: u16,
    /// How long the payload is.
    pub length: u32,
}

impl Head {
    /// Reads it; none where it is not one. A broker that does not speak this version answers with its own greeting, which is
    /// none either.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let [kind @ (1..=3 | HEARTBEAT), a, b, c, d, e, f] = *bytes else { return None };
        Some(Self { kind, channel: u16::from_be_bytes([a, b]), length: u32::from_be_bytes([c, d, e, f]) })
    }
}

/// A frame with a method.
pub fn method(channel: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![METHOD];
    frame.extend(channel.to_be_bytes());
    frame.extend((payload.len() as u32).to_be_bytes());
    frame.extend_from_slice(payload);
    frame.push(END);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_have_head_and_end() {
        assert_eq!(method(1, b"ab"), b"\x01\0\x01\0\0\0\x02ab\xce");
        assert_eq!(Head::read(b"\x01\0\x01\0\0\0\x02"), Some(Head { kind: METHOD, channel: 1, length: 2 }));
        assert_eq!(Head::read(b"\x08\0\0\0\0\0\0").map(|head| head.kind), Some(HEARTBEAT));
        for other in [b"AMQP\0\0\x09".as_slice(), b"HTTP/1.", b"\x04\0\0\0\0\0\0", b"\x01\0\0"] {
            assert_eq!(Head::read(other), None, "{other:?}");
        }
    }
}
