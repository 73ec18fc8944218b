//! Questions and answers of SNMP versions 1 and 2c (RFC 1157, RFC 3416), and the values in them.
//!
//! It asks for values by their names and sets none.

use farwatch_guest::escapes::show;

use crate::ber::{self, Reader, element, number, tag};

const GET: u8 = 0xa0;
const RESPONSE: u8 = 0xa2;
/// More values than are ever asked for are not read.
const VALUES_MAX: usize = 64;
/// How much of a text is shown, in characters.
const TEXT_MAX: usize = 200;

/// A version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// RFC 1157.
    V1 = 0,
    /// RFC 1901.
    V2c = 1,
}

/// A value that an agent has.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number: an integer, a counter, a gauge or ticks.
    Number(i128),
    /// Bytes, which are mostly a text.
    Text(Vec<u8>),
    /// A name or an address, as it is written.
    Word(String),
    /// There is none of this name.
    Missing,
}

impl Value {
    fn read(tag: u8, inner: &[u8]) -> Option<Self> {
        Some(match tag {
            tag::INTEGER => Self::Number(ber::integer(inner)?.into()),
            // Counters, gauges and ticks of 32 bits, and counters of 64.
            0x41..=0x43 | 0x46 | 0x47 => Self::Number(ber::unsigned(inner)?.into()),
            tag::OCTETS | 0x44 => Self::Text(inner.to_vec()),
            tag::OID => Self::Word(ber::oid_text(inner)),
            0x40 => Self::Word(inner.iter().map(u8::to_string).collect::<Vec<_>>().join(".")),
            tag::NULL | 0x80..=0x82 => Self::Missing,
            _ => return None,
        })
    }

    /// For a person to read and to compare with: texts as they are, other bytes in hex digits.
    pub fn shown(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Word(word) => word.clone(),
            Self::Missing => "nothing".to_owned(),
            Self::Text(bytes) => match str::from_utf8(bytes) {
                Ok(text) if !text.chars().any(|c| c.is_control() && !c.is_whitespace()) => {
                    show(text.as_bytes(), TEXT_MAX)
                }
                _ => bytes.iter().take(TEXT_MAX / 2).map(|byte| format!("{byte:02x}")).collect(),
            },
        }
    }

    /// As a number, which texts are too when they are written as one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number as f64),
            Self::Text(bytes) => {
                str::from_utf8(bytes).ok()?.trim().parse().ok().filter(|number: &f64| number.is_finite())
            }
            _ => None,
        }
    }
}

/// What an agent answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// 0 where all is well.
    pub error: i64,
    /// Which value the error is about, counted from 1; 0 for none.
    pub error_at: i64,
    /// The values by their names.
    pub values: Vec<(Vec<u8>, Value)>,
}

/// The number of a question, from bytes that were drawn. It is never negative.
pub fn id(drawn: &[u8]) -> u32 {
    drawn.iter().take(4).fold(0, |id: u32, byte| id << 8 | u32::from(*byte)) & 0x7fff_ffff
}

/// A question for the values of these names.
pub fn question(version: Version, community: &str, id: u32, oids: &[&[u8]]) -> Vec<u8> {
    let asked: Vec<u8> = oids
        .iter()
        .flat_map(|oid| element(tag::SEQUENCE, &[element(tag::OID, oid), element(tag::NULL, &[])].concat()))
        .collect();
    let parts = [number(id), number(0), number(0), element(tag::SEQUENCE, &asked)].concat();
    let message = [number(version as u32), element(tag::OCTETS, community.as_bytes()), element(GET, &parts)].concat();
    element(tag::SEQUENCE, &message)
}

/// Reads the answer to the question of this number; none where it is not one.
pub fn answer(id: u32, datagram: &[u8]) -> Option<Answer> {
    let mut message = Reader::new(datagram).inside(tag::SEQUENCE)?;
    let (_version, _community) = (message.integer()?, message.expect(tag::OCTETS)?);
    let mut parts = message.inside(RESPONSE)?;
    if parts.integer()? != i64::from(id) {
        return None;
    }
    let (error, error_at) = (parts.integer()?, parts.integer()?);
    let mut list = parts.inside(tag::SEQUENCE)?;
    let mut values = Vec::new();
    while !list.is_at_end() && values.len() < VALUES_MAX {
        let mut pair = list.inside(tag::SEQUENCE)?;
        let name = pair.expect(tag::OID)?.to_vec();
        let (tag, inner) = pair.next()?;
        values.push((name, Value::read(tag, inner)?));
    }
    Some(Answer { error, error_at, values })
}

/// What an error of an agent is called (RFC 3416, section 3).
pub const fn error_name(error: i64) -> &'static str {
    match error {
        1 => "tooBig",
        2 => "noSuchName",
        5 => "genErr",
        6 => "noAccess",
        13 => "resourceUnavailable",
        16 => "authorizationError",
        _ => "an error",
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// An answer with one value.
    pub fn answered(id: u32, error: u32, tag: u8, inner: &[u8]) -> Vec<u8> {
        let pair = [element(tag::OID, &[0x2b, 6]), element(tag, inner)].concat();
        let list = element(tag::SEQUENCE, &element(tag::SEQUENCE, &pair));
        let parts = element(RESPONSE, &[number(id), number(error), number(u32::from(error > 0)), list].concat());
        element(tag::SEQUENCE, &[number(1), element(tag::OCTETS, b"public"), parts].concat())
    }

    #[test]
    fn a_question_is_what_agents_know() {
        let oid = ber::oid("1.3.6.1.2.1.1.3.0").unwrap();
        let expected = b"\x30\x26\x02\x01\x01\x04\x06public\xa0\x19\x02\x01\x07\x02\x01\x00\x02\x01\x00\
            \x30\x0e\x30\x0c\x06\x08\x2b\x06\x01\x02\x01\x01\x03\x00\x05\x00";
        assert_eq!(question(Version::V2c, "public", 7, &[&oid]), expected);
    }

    #[test]
    fn values_of_all_types_are_read() {
        for (tag, inner, shown, number) in [
            (tag::INTEGER, &[0xff][..], "-1", Some(-1.0)),
            (0x41, &[0, 0xff, 0xff, 0xff, 0xff], "4294967295", Some(4_294_967_295.0)),
            (0x46, &[0, 255, 255, 255, 255, 255, 255, 255, 255], "18446744073709551615", Some(u64::MAX as f64)),
            (tag::OCTETS, b"0.35\n", r"0.35\n", Some(0.35)),
            (tag::OCTETS, &[0, 0x1b, 0xff], "001bff", None),
            (tag::OID, &[0x2b, 6, 1], "1.3.6.1", None),
            (0x40, &[192, 0, 2, 7], "192.0.2.7", None),
            (0x81, &[], "nothing", None),
        ] {
            let answer = answer(9, &answered(9, 0, tag, inner)).unwrap();
            let value = &answer.values[0].1;
            assert_eq!((value.shown().as_str(), value.number()), (shown, number), "{tag:#x}");
        }
    }

    #[test]
    fn what_is_no_answer_to_the_question_is_refused() {
        let good = answered(9, 2, tag::NULL, &[]);
        let read = answer(9, &good).unwrap();
        assert_eq!((read.error, read.error_at, error_name(read.error)), (2, 1, "noSuchName"));
        assert_eq!(answer(8, &good), None);
        for length in 0..good.len() {
            assert_eq!(answer(9, &good[..length]), None, "{length}");
        }
        for garbage in [&[0xff; 40][..], b"\x30\x00", &answered(9, 0, 0x1f, &[])] {
            assert_eq!(answer(9, garbage), None, "{garbage:?}");
        }
    }
}
