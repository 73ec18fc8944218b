//! Messages of version 3 of the protocol: those that the check sends, and what it reads of a server's.

use crate::ber::{ENUMERATED, Elements, INTEGER, OCTETS, SEQUENCE, boolean, element, number};

/// The longest message that is read. Entries come without attributes, so they are short.
pub const MESSAGE_MAX: u32 = 65_536;
/// The version of the protocol.
const VERSION: u32 = 3;
/// What asks for TLS (RFC 4511, section 4.14).
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";
/// What asks for entries without their attributes (RFC 4511, section 4.5.1.8).
const NO_ATTRIBUTES: &[u8] = b"1.1";

/// The request for TLS.
pub fn start_tls(id: u32) -> Vec<u8> {
    message(id, 0x77, &element(0x80, START_TLS))
}

/// A simple bind; of nobody where name and password are empty.
pub fn bind(id: u32, name: &str, password: &str) -> Vec<u8> {
    let parts = [number(INTEGER, VERSION), element(OCTETS, name.as_bytes()), element(0x80, password.as_bytes())];
    message(id, 0x60, &parts.concat())
}

/// What is searched for.
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    /// From where.
    pub base: &'a str,
    /// How far down, by the number of the protocol.
    pub scope: u32,
    /// Which entries, as servers read it.
    pub filter: &'a [u8],
    /// No more of them than that.
    pub entries_max: u32,
    /// For no longer than that.
    pub seconds_max: u32,
}

impl Search<'_> {
    /// The request. Aliases are not followed.
    pub fn request(&self, id: u32) -> Vec<u8> {
        let parts = [
            element(OCTETS, self.base.as_bytes()),
            number(ENUMERATED, self.scope),
            number(ENUMERATED, 0),
            number(INTEGER, self.entries_max),
            number(INTEGER, self.seconds_max),
            boolean(true),
            self.filter.to_vec(),
            element(SEQUENCE, &element(OCTETS, NO_ATTRIBUTES)),
        ];
        message(id, 0x63, &parts.concat())
    }
}

/// The end of the conversation.
pub fn unbind(id: u32) -> Vec<u8> {
    message(id, 0x42, &[])
}

fn message(id: u32, tag: u8, content: &[u8]) -> Vec<u8> {
    element(SEQUENCE, &[number(INTEGER, id), element(tag, content)].concat())
}

/// What a server answers.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// An entry that was found.
    Entry,
    /// Something on the way that does not count: a reference to another server, or a notice.
    Aside,
    /// The end of a bind, of a search, or of the request for TLS.
    Done(Done),
}

/// How something ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Done {
    /// Its code; 0 is good.
    pub code: u32,
    /// What the server has to say.
    pub words: String,
}

/// Reads the content of a message; none where it is none that a server sends.
pub fn answer(content: &[u8]) -> Option<Answer> {
    let mut elements = Elements(content);
    elements.number(INTEGER)?;
    let (tag, content) = elements.next()?;
    match tag {
        0x64 => Some(Answer::Entry),
        0x73 | 0x79 => Some(Answer::Aside),
        0x61 | 0x65 | 0x78 => {
            let mut elements = Elements(content);
            let code = elements.number(ENUMERATED)?;
            elements.expect(OCTETS)?;
            let words = String::from_utf8_lossy(elements.expect(OCTETS)?).into_owned();
            Some(Answer::Done(Done { code, words }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_as_the_protocol_has_it() {
        assert_eq!(start_tls(1), b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037");
        assert_eq!(bind(2, "cn=a", "pw"), b"\x30\x12\x02\x01\x02\x60\x0d\x02\x01\x03\x04\x04cn=a\x80\x02pw");
        assert_eq!(bind(1, "", ""), b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\0\x80\0");
        let search = Search { base: "o=x", scope: 2, filter: b"\x87\x01a", entries_max: 1, seconds_max: 9 };
        assert_eq!(
            search.request(3),
            b"\x30\x23\x02\x01\x03\x63\x1e\x04\x03o=x\x0a\x01\x02\x0a\x01\0\x02\x01\x01\x02\x01\x09\x01\x01\xff\x87\x01a\x30\x05\x04\x031.1"
        );
        assert_eq!(unbind(4), b"\x30\x05\x02\x01\x04\x42\0");
    }

    #[test]
    fn answers_are_read_and_nonsense_is_none() {
        let done = |code, words: &str| Some(Answer::Done(Done { code, words: words.to_owned() }));
        for (content, expected) in [
            (b"\x02\x01\x01\x61\x07\x0a\x01\0\x04\0\x04\0".as_slice(), done(0, "")),
            (b"\x02\x01\x02\x65\x09\x0a\x01\x20\x04\0\x04\x02no", done(32, "no")),
            (b"\x02\x01\0\x78\x07\x0a\x01\x34\x04\0\x04\0", done(52, "")),
            (b"\x02\x01\x02\x64\x02\x04\0", Some(Answer::Entry)),
            (b"\x02\x01\x02\x73\0", Some(Answer::Aside)),
            (b"\x02\x01\x02\x79\0", Some(Answer::Aside)),
            (b"\x02\x01\x02\x63\0", None),
            (b"\x02\x01\x02\x65\x03\x0a\x01\x20", None),
            (b"\x02\x01\x02\x65\x09\x0a\x01\x20\x04\0\x04\x02n", None),
            (b"\x02\x01", None),
            (b"", None),
        ] {
            assert_eq!(answer(content), expected, "{content:?}");
        }
    }
}
