//! Packets of the protocol: those that the check sends, and what it reads of a server's.
//!
//! Nothing that a server says of lengths is believed beyond the bytes that came.

use crate::proof::Way;

/// The longest packet that is read. Rows that a check judges are far shorter.
pub const PACKET_MAX: u32 = 65_536;
/// And before anything was asked, when packets hold names and nonces: many other protocols begin with what looks longer.
pub const LOGIN_PACKET_MAX: u32 = 4_096;
/// More columns than any table can have are no answer.
pub const COLUMNS_MAX: u64 = 4_096;
/// The only version of the greeting that servers of this century send.
const PROTOCOL: u8 = 10;
/// Both sides take nonces of this length, and a zero behind it.
const NONCE_BYTES: usize = 20;
/// What MariaDB puts before its version, for replicas that are old.
const OLD_PREFIX: &str = "5.5.5-";
/// `utf8mb4_general_ci`, which all servers know.
const CHARSET: u8 = 45;
/// The longest packet that the client takes, as it tells the server.
const CLIENT_PACKET_MAX: u32 = 1 << 24;

/// Long passwords, long flags, version 4.1 of the protocol, transactions, nonces, and ways of logging in by name.
const ABILITIES: u32 = 0x1 | 0x4 | 0x200 | 0x2000 | 0x8000 | 0x8_0000;
const WITH_DATABASE: u32 = 0x8;
const TLS: u32 = 0x800;

/// What a server says first.
#[derive(Debug, PartialEq, Eq)]
pub struct Greeting {
    /// Its version.
    pub version: String,
    /// What the password is to be proven after.
    pub nonce: Vec<u8>,
    /// Whether it speaks TLS.
    pub can_tls: bool,
    /// The way to log in that it likes best, by its name.
    pub way: String,
}

/// Reads the greeting; none where it is none.
pub fn greeting(packet: &[u8]) -> Option<Greeting> {
    let mut rest = Rest(packet);
    if rest.take(1)? != [PROTOCOL] {
        return None;
    }
    let version = rest.text()?;
    rest.take(4)?;
    let mut nonce = rest.take(8)?.to_vec();
    rest.take(1)?;
    let low = rest.take(2)?;
    rest.take(3)?;
    let high = rest.take(2)?;
    let abilities = u32::from_le_bytes([low[0], low[1], high[0], high[1]]);
    rest.take(11)?;
    nonce.extend_from_slice(rest.take(NONCE_BYTES - 8)?);
    rest.take(1)?;
    // The name ends with a zero, or in some servers with the packet.
    let way = rest.text().unwrap_or_else(|| String::from_utf8_lossy(rest.0).into_owned());
    let version = version.strip_prefix(OLD_PREFIX).unwrap_or(&version).to_owned();
    Some(Greeting { version, nonce, can_tls: abilities & TLS != 0, way })
}

/// Who logs in, and how.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a> {
    /// The user.
    pub user: &'a str,
    /// The database; none if none is needed.
    pub database: Option<&'a str>,
    /// Whether the connection is or is to be encrypted.
    pub is_encrypted: bool,
}

impl Reply<'_> {
    fn head(&self) -> Vec<u8> {
        let database = if self.database.is_some() { WITH_DATABASE } else { 0 };
        let abilities = ABILITIES | database | if self.is_encrypted { TLS } else { 0 };
        let mut body = abilities.to_le_bytes().to_vec();
        body.extend_from_slice(&CLIENT_PACKET_MAX.to_le_bytes());
        body.push(CHARSET);
        body.extend_from_slice(&[0; 23]);
        body
    }

    /// The request to turn to TLS.
    pub fn tls_request(&self) -> Vec<u8> {
        self.head()
    }

    /// The answer to the greeting.
    pub fn login(&self, way: Way, proof: &[u8]) -> Vec<u8> {
        let mut body = self.head();
        put_text(&mut body, self.user);
        // Proofs by hashes are 20 or 32 bytes.
        body.push(proof.len() as u8);
        body.extend_from_slice(proof);
        if let Some(database) = self.database {
            put_text(&mut body, database);
        }
        put_text(&mut body, way.name());
        body
    }
}

/// A statement.
pub fn query(statement: &str) -> Vec<u8> {
    [&[3], statement.as_bytes()].concat()
}

/// The end of the conversation.
pub const END: &[u8] = &[1];

/// A packet with its head.
pub fn framed(sequence: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = (body.len() as u32).to_le_bytes()[..3].to_vec();
    bytes.push(sequence);
    bytes.extend_from_slice(body);
    bytes
}

/// The length and the number of a packet, by its head.
pub fn head(head: &[u8]) -> Option<(u32, u8)> {
    let [a, b, c, sequence] = *head else { return None };
    Some((u32::from_le_bytes([a, b, c, 0]), sequence))
}

/// What a server answers to a login.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// It lets in.
    Welcome,
    /// It refuses; the packet has the reason.
    Refused,
    /// It wants to be proven the password in another way, of this name, after this nonce.
    Switch(&'a str, &'a [u8]),
    /// A word of the way that has begun.
    More(&'a [u8]),
}

/// Reads it; none where it is none.
pub fn answer(packet: &[u8]) -> Option<Answer<'_>> {
    let (kind, rest) = packet.split_first()?;
    Some(match kind {
        0x00 => Answer::Welcome,
        0xff => Answer::Refused,
        0x01 => Answer::More(rest),
        0xfe => {
            // Without a name it is the way of servers before 4.1.
            let end = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
            let nonce = rest.get(end + 1..).unwrap_or_default();
            let nonce = nonce.strip_suffix(&[0]).unwrap_or(nonce);
            Answer::Switch(str::from_utf8(&rest[..end]).ok()?, nonce)
        }
        _ => return None,
    })
}

/// Whether the packet ends columns or rows.
pub fn is_end(packet: &[u8]) -> bool {
    packet.first() == Some(&0xfe) && packet.len() < 9
}

/// How many columns the rows have that are to come.
pub fn columns(packet: &[u8]) -> Option<u64> {
    Rest(packet).length()?.filter(|columns| (1..=COLUMNS_MAX).contains(columns))
}

/// The first value of a row, which is none for NULL; none where the row is malformed.
pub fn first_value(packet: &[u8]) -> Option<Option<String>> {
    let mut rest = Rest(packet);
    let Some(length) = rest.length()? else { return Some(None) };
    let value = rest.take(usize::try_from(length).ok()?)?;
    Some(Some(String::from_utf8_lossy(value).into_owned()))
}

fn put_text(body: &mut Vec<u8>, text: &str) {
    body.extend_from_slice(text.as_bytes());
    body.push(0);
}

/// What is left of a packet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// A text that ends with a zero.
    fn text(&mut self) -> Option<String> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let text = self.take(end + 1)?;
        Some(String::from_utf8_lossy(&text[..end]).into_owned())
    }

    /// A length in the packed form of the protocol, of which one stands for NULL.
    fn length(&mut self) -> Option<Option<u64>> {
        let bytes = match self.take(1)?[0] {
            0xfb => return Some(None),
            0xfc => self.take(2)?,
            0xfd => self.take(3)?,
            0xfe => self.take(8)?,
            0xff => return None,
            small => return Some(Some(small.into())),
        };
        Some(Some(bytes.iter().rev().fold(0, |length, byte| length << 8 | u64::from(*byte))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeted(abilities: [u8; 4], name: &[u8]) -> Vec<u8> {
        let mut packet = b"\x0a5.5.5-10.11.19-MariaDB\0\x07\0\0\0abcdefgh\0".to_vec();
        packet.extend_from_slice(&abilities[..2]);
        packet.extend_from_slice(&[45, 2, 0]);
        packet.extend_from_slice(&abilities[2..]);
        packet.extend_from_slice(&[21, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        packet.extend_from_slice(b"ijklmnopqrst\0");
        packet.extend_from_slice(name);
        packet
    }

    #[test]
    fn greetings_are_read_and_nonsense_is_none() {
        let expected = |can_tls| Greeting {
            version: "10.11.19-MariaDB".to_owned(),
            nonce: b"abcdefghijklmnopqrst".to_vec(),
            can_tls,
            way: "mysql_native_password".to_owned(),
        };
        for (abilities, can_tls) in [([0xff, 0xf7, 0xff, 0x81], false), ([0xff, 0xff, 0xff, 0x81], true)] {
            assert_eq!(greeting(&greeted(abilities, b"mysql_native_password\0")), Some(expected(can_tls)));
            assert_eq!(greeting(&greeted(abilities, b"mysql_native_password")), Some(expected(can_tls)));
        }
        let whole = greeted([0; 4], b"");
        for length in 0..whole.len() {
            assert_eq!(greeting(&whole[..length]), None, "{length}");
        }
        assert_eq!(greeting(b"\x09x\0"), None);
    }

    #[test]
    fn what_is_sent_is_as_the_protocol_has_it() {
        let mut reply = Reply { user: "me", database: None, is_encrypted: false };
        let login = reply.login(Way::Native, b"ab");
        assert_eq!(login[..9], [0x05, 0xa2, 0x08, 0, 0, 0, 0, 1, 45]);
        assert_eq!(&login[32..], b"me\0\x02abmysql_native_password\0");
        (reply.database, reply.is_encrypted) = (Some("shop"), true);
        let login = reply.login(Way::CachingSha2, b"");
        assert_eq!(login[..4], [0x0d, 0xaa, 0x08, 0]);
        assert_eq!(&login[32..], b"me\0\0shop\0caching_sha2_password\0");
        assert_eq!((reply.tls_request().len(), query("q")), (32, b"\x03q".to_vec()));
        assert_eq!(framed(1, b"abc"), b"\x03\0\0\x01abc");
        assert_eq!((head(b"\x03\x01\0\x05"), head(b"\x03")), (Some((259, 5)), None));
    }

    #[test]
    fn answers_to_a_login_are_read_and_nonsense_is_none() {
        for (packet, expected) in [
            (b"\0\0\0".as_slice(), Some(Answer::Welcome)),
            (b"\xff\x15\x04", Some(Answer::Refused)),
            (b"\x01\x04", Some(Answer::More(b"\x04"))),
            (b"\xfename\0nonce\0", Some(Answer::Switch("name", b"nonce"))),
            (b"\xfename", Some(Answer::Switch("name", b""))),
            (b"\xfe", Some(Answer::Switch("", b""))),
            (b"\xfe\xff\0", None),
            (b"\x07", None),
            (b"", None),
        ] {
            assert_eq!(answer(packet), expected, "{packet:?}");
        }
    }

    #[test]
    fn rows_are_read_within_what_came() {
        for (packet, value) in [
            (b"\x0212\x0134".as_slice(), Some(Some("12".to_owned()))),
            (b"\xfb\x011", Some(None)),
            (b"\0", Some(Some(String::new()))),
            (b"\xfc\x02\x0012", Some(Some("12".to_owned()))),
            (b"\xfd\x02\0\x0012", Some(Some("12".to_owned()))),
            (b"\x0312", None),
            (b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff12", None),
            (b"\xfc\x02", None),
            (b"\xff", None),
            (b"", None),
        ] {
            assert_eq!(first_value(packet), value, "{packet:?}");
        }
        for (packet, count) in [
            (b"\x03".as_slice(), Some(3)),
            (b"\0", None),
            (b"\xfb", None),
            (b"\xfc\0\x10", Some(4_096)),
            (b"\xfc\x01\x10", None),
            (b"\xff", None),
        ] {
            assert_eq!(columns(packet), count, "{packet:?}");
        }
        assert!(is_end(b"\xfe\0\0\0\0") && !is_end(b"\xfe12345678") && !is_end(b"\0"));
    }
}
