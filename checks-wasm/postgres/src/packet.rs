//! Messages of version 3 of the protocol: those that the check sends, and what it reads of a server's.
//!
//! Nothing that a server says of lengths is believed beyond the bytes that came.

/// The version of the protocol, 3.0.
const VERSION: u32 = 3 << 16;
/// Where a usual client has the version: the request to turn to TLS.
const TLS_REQUEST: u32 = (1234 << 16) | 5679;
/// The longest message that is read. Rows that a check judges are far shorter.
pub const MESSAGE_MAX: u32 = 65_536;
/// The length of a message counts itself.
const LENGTH_BYTES: u32 = 4;

/// The request to turn to TLS.
pub fn tls_request() -> Vec<u8> {
    framed(None, &TLS_REQUEST.to_be_bytes())
}

/// The first message: who wants to talk to which database.
pub fn startup(user: &str, database: &str) -> Vec<u8> {
    let mut body = VERSION.to_be_bytes().to_vec();
    for text in ["user", user, "database", database, "application_name", "farwatch", "client_encoding", "UTF8"] {
        put_text(&mut body, text);
    }
    body.push(0);
    framed(None, &body)
}

/// An answer to what the server asked for when it was logged in to, as it is.
pub fn proof(body: &[u8]) -> Vec<u8> {
    framed(Some(b'p'), body)
}

/// A password, or what stands for it.
pub fn password(text: &str) -> Vec<u8> {
    let mut body = Vec::new();
    put_text(&mut body, text);
    proof(&body)
}

/// The first message of a mechanism.
pub fn mechanism(name: &str, first: &str) -> Vec<u8> {
    let mut body = Vec::new();
    put_text(&mut body, name);
    body.extend_from_slice(&(first.len() as u32).to_be_bytes());
    body.extend_from_slice(first.as_bytes());
    proof(&body)
}

/// Statements of the check's own, of which no rows are wanted.
pub fn statements(text: &str) -> Vec<u8> {
    let mut body = Vec::new();
    put_text(&mut body, text);
    framed(Some(b'Q'), &body)
}

/// One statement, of which one row is wanted. The server takes no second statement this way.
pub fn query(statement: &str) -> Vec<u8> {
    let mut parse = vec![0];
    put_text(&mut parse, statement);
    parse.extend_from_slice(&[0, 0]);
    let mut bytes = framed(Some(b'P'), &parse);
    // No names, no formats, no parameters: all is text.
    bytes.extend(framed(Some(b'B'), &[0; 8]));
    bytes.extend(framed(Some(b'E'), &[0, 0, 0, 0, 1]));
    bytes.extend(framed(Some(b'S'), &[]));
    bytes
}

/// The end of the conversation.
pub fn end() -> Vec<u8> {
    framed(Some(b'X'), &[])
}

fn put_text(body: &mut Vec<u8>, text: &str) {
    body.extend_from_slice(text.as_bytes());
    body.push(0);
}

fn framed(kind: Option<u8>, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(body.len() + 5);
    bytes.extend(kind);
    bytes.extend_from_slice(&(body.len() as u32 + LENGTH_BYTES).to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// How many bytes follow the head of a message, or none where it is the head of none.
pub fn body_length(head: &[u8]) -> Option<u32> {
    let (kind, length) = head.split_first()?;
    let length = u32::from_be_bytes(length.try_into().ok()?).checked_sub(LENGTH_BYTES)?;
    kind.is_ascii_alphanumeric().then_some(length)
}

/// What the server asks for before it lets somebody in.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked<'a> {
    /// Nothing more.
    Nothing,
    /// The password itself.
    Password,
    /// What MD5 makes of it and of this.
    Md5([u8; 4]),
    /// One of these mechanisms.
    Mechanism(Vec<&'a str>),
    /// The next step of the mechanism, after this.
    Next(&'a [u8]),
    /// Whether its last word is right.
    Last(&'a [u8]),
    /// What this check does not know, by its number.
    Other(u32),
}

/// Reads what is asked for; none where it is malformed.
pub fn asked(body: &[u8]) -> Option<Asked<'_>> {
    let (number, rest) = body.split_first_chunk()?;
    Some(match u32::from_be_bytes(*number) {
        0 => Asked::Nothing,
        3 => Asked::Password,
        5 => Asked::Md5(rest.try_into().ok()?),
        10 => Asked::Mechanism(texts(rest)),
        11 => Asked::Next(rest),
        12 => Asked::Last(rest),
        other => Asked::Other(other),
    })
}

/// A setting that the server tells of itself: its name and its value.
pub fn setting(body: &[u8]) -> Option<(&str, &str)> {
    let texts = texts(body);
    Some((texts.first().copied()?, texts.get(1).copied()?))
}

/// The texts that end with a zero each; one that is no UTF-8 is an empty one.
pub fn texts(body: &[u8]) -> Vec<&str> {
    body.split(|byte| *byte == 0).map(|text| str::from_utf8(text).unwrap_or_default()).collect()
}

/// The first value of a row, which is none for NULL; none where the row is malformed.
pub fn first_value(body: &[u8]) -> Option<Option<String>> {
    let (count, rest) = body.split_first_chunk()?;
    if u16::from_be_bytes(*count) == 0 {
        return Some(None);
    }
    let (length, rest) = rest.split_first_chunk()?;
    let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else { return Some(None) };
    Some(Some(String::from_utf8_lossy(rest.get(..length)?).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_as_the_protocol_has_it() {
        assert_eq!(tls_request(), [0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f]);
        let startup = startup("me", "shop");
        assert_eq!(startup[..8], [0, 0, 0, startup.len() as u8, 0, 3, 0, 0]);
        assert!(startup[8..].starts_with(b"user\0me\0database\0shop\0") && startup.ends_with(b"UTF8\0\0"));
        assert_eq!(password("x"), b"p\0\0\0\x06x\0");
        assert_eq!(mechanism("M", "ab"), b"p\0\0\0\x0cM\0\0\0\0\x02ab");
        assert_eq!(query("q"), b"P\0\0\0\x09\0q\0\0\0B\0\0\0\x0c\0\0\0\0\0\0\0\0E\0\0\0\x09\0\0\0\0\x01S\0\0\0\x04");
        assert_eq!(end(), b"X\0\0\0\x04");
    }

    #[test]
    fn lengths_are_read_and_nonsense_is_none() {
        for (head, length) in [
            (b"Z\0\0\0\x05".as_slice(), Some(1)),
            (b"C\0\0\0\x04", Some(0)),
            (b"C\0\0\0\x03", None),
            (b"C\xff\xff\xff\xff", Some(u32::MAX - 4)),
            (b"\0\0\0\0\x05", None),
            (b"Z\0", None),
            (b"", None),
        ] {
            assert_eq!(body_length(head), length, "{head:?}");
        }
    }

    #[test]
    fn what_is_asked_for_is_read_and_nonsense_is_none() {
        for (body, expected) in [
            (b"\0\0\0\0".as_slice(), Some(Asked::Nothing)),
            (b"\0\0\0\x03", Some(Asked::Password)),
            (b"\0\0\0\x05abcd", Some(Asked::Md5(*b"abcd"))),
            (b"\0\0\0\x05abc", None),
            (b"\0\0\0\x0aX\0Y\0\0", Some(Asked::Mechanism(vec!["X", "Y", "", ""]))),
            (b"\0\0\0\x0br=1", Some(Asked::Next(b"r=1"))),
            (b"\0\0\0\x0cv=1", Some(Asked::Last(b"v=1"))),
            (b"\0\0\0\x07", Some(Asked::Other(7))),
            (b"\0\0", None),
        ] {
            assert_eq!(asked(body), expected, "{body:?}");
        }
    }

    #[test]
    fn rows_and_settings_are_read_within_what_came() {
        for (body, value) in [
            (b"\0\x01\0\0\0\x0212".as_slice(), Some(Some("12".to_owned()))),
            (b"\0\x02\0\0\0\x011\0\0\0\x012", Some(Some("1".to_owned()))),
            (b"\0\x01\xff\xff\xff\xff", Some(None)),
            (b"\0\0", Some(None)),
            (b"\0\x01\0\0\0\x0312", None),
            (b"\0\x01\x7f\xff\xff\xff12", None),
            (b"\0\x01\0\0", None),
            (b"", None),
        ] {
            assert_eq!(first_value(body), value, "{body:?}");
        }
        assert_eq!(setting(b"server_version\x0015.1\0"), Some(("server_version", "15.1")));
        assert_eq!(setting(b"x"), None);
    }
}
