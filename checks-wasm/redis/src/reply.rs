//! Commands and replies of version 2 of the protocol, but for lists: no command of the check is answered by one.

use farwatch_guest::dialogue::{Said, Wrong, down, protocol_error};

/// The longest text that is read. What a server says of itself is some 7 KiB.
pub const TEXT_MAX: u32 = 65_536;

/// A command of these words.
pub fn command(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}

/// What a server answers.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// A short word, such as `OK`.
    Word(String),
    /// A refusal.
    Error(String),
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
    /// There is none.
    Nothing,
}

/// How a reply begins.
#[derive(Debug, PartialEq, Eq)]
pub enum Begun {
    /// It is whole.
    Whole(Reply),
    /// So many bytes of text follow, and the end of a line.
    Text(u32),
}

/// Reads the first line of a reply.
///
/// # Errors
/// When it is none.
pub fn begun(line: &str) -> Said<Begun> {
    let wrong = || protocol_error("a reply of Redis", line.as_bytes());
    let mut chars = line.chars();
    let kind = chars.next();
    let rest = chars.as_str();
    let number = || rest.parse::<i64>().map_err(|_| wrong());
    Ok(Begun::Whole(match kind {
        Some('+') => Reply::Word(rest.to_owned()),
        Some('-') => Reply::Error(rest.to_owned()),
        Some(':') => Reply::Number(number()?),
        Some('$') => match number()? {
            -1 => Reply::Nothing,
            length => return bounded(length).map(Begun::Text),
        },
        _ => return Err(wrong()),
    }))
}

fn bounded(length: i64) -> Result<u32, Wrong> {
    u32::try_from(length).ok().filter(|length| *length <= TEXT_MAX).ok_or_else(|| {
        down("answer-too-large", format!("expected texts of at most {TEXT_MAX} bytes, got one of {length}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_lists_of_texts() {
        assert_eq!(command(&["PING"]), b"*1\r\n$4\r\nPING\r\n");
        assert_eq!(command(&["EXISTS", "ä b"]), "*2\r\n$6\r\nEXISTS\r\n$4\r\nä b\r\n".as_bytes());
    }

    #[test]
    fn replies_are_read_and_nonsense_is_refused() {
        let whole = |reply| Ok(Begun::Whole(reply));
        for (line, expected) in [
            ("+PONG", whole(Reply::Word("PONG".to_owned()))),
            ("-ERR no", whole(Reply::Error("ERR no".to_owned()))),
            (":-7", whole(Reply::Number(-7))),
            ("$-1", whole(Reply::Nothing)),
            ("$0", Ok(Begun::Text(0))),
            ("$65536", Ok(Begun::Text(65_536))),
            ("$65537", Err("answer-too-large")),
            ("$-2", Err("answer-too-large")),
            ("$99999999999999999999", Err("protocol-error")),
            (":x", Err("protocol-error")),
            ("*2", Err("protocol-error")),
            ("HTTP/1.1 400 Bad Request", Err("protocol-error")),
            ("\u{fffd}\u{fffd}", Err("protocol-error")),
            ("", Err("protocol-error")),
        ] {
            let found = begun(line).map_err(|wrong| match wrong {
                Wrong::Found(_, code, _) => code,
                _ => "another",
            });
            assert_eq!(found, expected, "{line}");
        }
    }
}
