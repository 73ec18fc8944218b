//! The two messages of `grpc.health.v1` as the wire has them: a prefix of five bytes, and Protocol Buffers with one field.
//!
//! It knows no other message, but passes over fields that it does not know, as all readers must.

/// A prefix: whether the message is compressed, and its length.
const PREFIX: usize = 5;
/// The field of the question, a text with its length.
const SERVICE: u8 = 1 << 3 | 2;
/// The number of the field of the answer.
const STATUS: u64 = 1;

/// How a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It does not know itself.
    Unknown,
    /// It serves.
    Serving,
    /// It does not serve.
    NotServing,
    /// There is no such service; what servers say only to those who watch, and others nevertheless.
    ServiceUnknown,
    /// Something that this check has no word for.
    Other(u64),
}

/// Asks for a service.
pub fn question(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(SERVICE);
        number(&mut message, service.len());
        message.extend_from_slice(service.as_bytes());
    }
    let mut framed = vec![0];
    framed.extend((message.len() as u32).to_be_bytes());
    framed.extend(message);
    framed
}

fn number(message: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        message.push(value as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}

/// Reads the answer.
///
/// # Errors
/// Why it is none.
pub fn answer(body: &[u8]) -> Result<Health, &'static str> {
    let Some((prefix, message)) = body.split_first_chunk::<PREFIX>() else {
        return Err("no message");
    };
    if prefix[0] != 0 {
        return Err("a compressed message, which was not asked for");
    }
    let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]);
    if message.len() as u64 != u64::from(length) {
        return Err("a message whose length is another than it says");
    }
    let status = status(message).ok_or("a message that is no HealthCheckResponse")?;
    Ok(match status {
        0 => Health::Unknown,
        1 => Health::Serving,
        2 => Health::NotServing,
        3 => Health::ServiceUnknown,
        other => Health::Other(other),
    })
}

/// The last status in a message; 0 where there is none, as the format has it.
fn status(mut message: &[u8]) -> Option<u64> {
    let mut status = 0;
    while !message.is_empty() {
        let key = varint(&mut message)?;
        match (key >> 3, key & 7) {
            (STATUS, 0) => status = varint(&mut message)?,
            (_, 0) => drop(varint(&mut message)?),
            (_, 1) => message = message.get(8..)?,
            (_, 2) => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                message = message.get(length..)?;
            }
            (_, 5) => message = message.get(4..)?,
            _ => return None,
        }
    }
    Some(status)
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for place in 0..10 {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_what_the_libraries_send() {
        assert_eq!(question(""), b"\0\0\0\0\0");
        assert_eq!(question("a.B"), b"\0\0\0\0\x05\x0a\x03a.B");
        let long = question(&"x".repeat(300));
        assert_eq!((&long[..8], long.len()), (b"\0\0\0\x01\x2f\x0a\xac\x02".as_slice(), 308));
    }

    #[test]
    fn answers_are_read_and_what_is_none_is_refused() {
        for (body, found) in [
            (b"\0\0\0\0\x02\x08\x01".as_slice(), Ok(Health::Serving)),
            (b"\0\0\0\0\x02\x08\x02", Ok(Health::NotServing)),
            (b"\0\0\0\0\x02\x08\x03", Ok(Health::ServiceUnknown)),
            (b"\0\0\0\0\0", Ok(Health::Unknown)),
            (b"\0\0\0\0\x03\x08\xac\x02", Ok(Health::Other(300))),
            // Fields of all kinds that nobody knows yet stand before and after it.
            (b"\0\0\0\0\x16\x12\x02hi\x08\x01\x1d1234\x2112345678\x28\x07", Ok(Health::Serving)),
            (b"", Err("no message")),
            (b"\0\0\0\0", Err("no message")),
            (b"\x01\0\0\0\x02\x08\x01", Err("a compressed message, which was not asked for")),
            (b"\0\xff\xff\xff\xff\x08\x01", Err("a message whose length is another than it says")),
            (b"\0\0\0\0\x02\x08\x01x", Err("a message whose length is another than it says")),
            (b"\0\0\0\0\x01\x08", Err("a message that is no HealthCheckResponse")),
            (b"\0\0\0\0\x02\x12\x7f", Err("a message that is no HealthCheckResponse")),
            (b"\0\0\0\0\x02\x0b\x01", Err("a message that is no HealthCheckResponse")),
            (
                b"\0\0\0\0\x0b\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
                Err("a message that is no HealthCheckResponse"),
            ),
        ] {
            assert_eq!(answer(body), found, "{body:?}");
        }
    }
}
