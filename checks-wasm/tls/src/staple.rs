//! What an issuer says of a certificate by a stapled answer of its revocation service (RFC 6960), and whether it said so.
//!
//! An answer counts when it is about this certificate, signed by its issuer or by whom that lets speak, and not over. It asks
//! nobody: what is not stapled is not known.

mod certificate;
mod der;
mod rsa;
mod signature;

use sha1::{Digest, Sha1};
use sha2::Sha256;

use self::certificate::Certificate;
use self::der::{ENUMERATED, GENERALIZED_TIME, INTEGER, OCTET_STRING, Reader, SEQUENCE, TAGGED_0, TAGGED_1};
use self::signature::Signed;

/// The status of an answer that has an answer in it.
const SUCCESSFUL: u8 = 0;
/// The tags of what can be said of a certificate.
const GOOD: u8 = 0x80;
const REVOKED: u8 = 0xa1;
/// How far the clocks of an issuer may be ahead of ours.
const CLOCKS_S: i64 = 300;
/// Answers are about one certificate, and a few more at most.
const ANSWERS_MAX: usize = 16;

/// What a staple says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// The certificate is not revoked.
    Good,
    /// It is revoked since that day.
    Revoked(String),
    /// The staple counts for nothing, for this reason.
    Invalid(&'static str),
    /// The server left out its issuer, by whose key the staple would be judged.
    NotJudged,
}

impl Word {
    /// As an attribute has it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Revoked(_) => "revoked",
            Self::Invalid(_) => "invalid",
            Self::NotJudged => "not-judged",
        }
    }
}

/// Judges the staple of a chain whose first certificate is the server's own.
pub fn judge(staple: &[u8], chain: &[Vec<u8>], now_ms: u64) -> Word {
    let now_s = i64::try_from(now_ms / 1_000).unwrap_or(i64::MAX);
    said(staple, chain, now_s).unwrap_or_else(|word| word)
}

fn said(staple: &[u8], chain: &[Vec<u8>], now_s: i64) -> Result<Word, Word> {
    let unreadable = || Word::Invalid("no answer can be read in it");
    let response = Response::read(staple).ok_or_else(unreadable)?;
    let (own, rest) = chain.split_first().ok_or_else(unreadable)?;
    let own = Certificate::read(own).ok_or_else(unreadable)?;
    let mut others = rest.iter().filter_map(|der| Certificate::read(der));
    let is_issuer = |other: &Certificate<'_>| other.subject == own.issuer && own.signed.is_by(other.key);
    let issuer = others.find(is_issuer).ok_or(Word::NotJudged)?;
    if !response.is_by(&issuer, now_s) {
        return Err(Word::Invalid("it is not signed by the issuer of the certificate, nor by whom that lets speak"));
    }
    let answer = response.about(&own, &issuer).ok_or(Word::Invalid("it is about another certificate"))?;
    answer.word(now_s)
}

/// An answer of a revocation service.
struct Response<'a> {
    signed: Signed<'a>,
    /// One or more certificates, of which the first that may speak for the issuer counts.
    certificates: Reader<'a>,
    answers: Reader<'a>,
}

impl<'a> Response<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut outer = Reader::new(bytes).within(SEQUENCE)?;
        if outer.next(ENUMERATED)?.content != [SUCCESSFUL] {
            return None;
        }
        let mut typed = outer.within(TAGGED_0)?.within(SEQUENCE)?;
        // There is but one type of answer that anybody gives.
        typed.any()?;
        let mut basic = Reader::new(typed.next(OCTET_STRING)?.content).within(SEQUENCE)?;
        let signed = Signed::read(&mut basic)?;
        let certificates = match basic.optional(TAGGED_0) {
            Some(element) => Reader::new(element.content).within(SEQUENCE)?,
            None => Reader::new(&[]),
        };
        let mut body = Reader::new(signed.body).within(SEQUENCE)?;
        body.optional(TAGGED_0);
        // Who answers, and when: the signature tells the one, and each answer the other.
        body.any()?;
        body.next(GENERALIZED_TIME)?;
        let answers = body.within(SEQUENCE)?;
        Some(Self { signed, certificates, answers })
    }

    fn is_by(&self, issuer: &Certificate<'_>, now_s: i64) -> bool {
        if self.signed.is_by(issuer.key) {
            return true;
        }
        let mut certificates = self.certificates;
        let speaker = certificates.any().and_then(|element| Certificate::read(element.whole));
        speaker.is_some_and(|speaker| {
            let (from_s, until_s) = speaker.validity;
            speaker.may_tell_revocations()
                && (from_s - CLOCKS_S..=until_s).contains(&now_s)
                && speaker.issuer == issuer.subject
                && speaker.signed.is_by(issuer.key)
                && self.signed.is_by(speaker.key)
        })
    }

    fn about(&self, own: &Certificate<'_>, issuer: &Certificate<'_>) -> Option<Answer<'a>> {
        let mut answers = self.answers;
        std::iter::from_fn(|| Answer::read(&mut answers.within(SEQUENCE)?))
            .take(ANSWERS_MAX)
            .find(|answer| answer.serial == own.serial && is_hash_of(answer.issuer_key_hash, issuer.key.bits))
    }
}

/// Issuers are told apart by the hashes of their keys: SHA-1 by usage, which need not be safe here, or SHA-256.
fn is_hash_of(hash: &[u8], key: &[u8]) -> bool {
    hash == Sha1::digest(key).as_slice() || hash == Sha256::digest(key).as_slice()
}

/// What is said of one certificate.
struct Answer<'a> {
    issuer_key_hash: &'a [u8],
    serial: &'a [u8],
    state: der::Element<'a>,
    from_s: i64,
    until_s: Option<i64>,
}

impl<'a> Answer<'a> {
    fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let mut id = reader.within(SEQUENCE)?;
        id.next(SEQUENCE)?;
        id.next(OCTET_STRING)?;
        let issuer_key_hash = id.next(OCTET_STRING)?.content;
        let serial = id.next(INTEGER)?.content;
        let state = reader.any()?;
        let from_s = der::moment_s(reader.next(GENERALIZED_TIME)?)?;
        let until_s = match reader.optional(TAGGED_0) {
            Some(element) => Some(der::moment_s(Reader::new(element.content).next(GENERALIZED_TIME)?)?),
            None => None,
        };
        reader.optional(TAGGED_1);
        Some(Self { issuer_key_hash, serial, state, from_s, until_s })
    }

    fn word(&self, now_s: i64) -> Result<Word, Word> {
        if self.from_s > now_s + CLOCKS_S {
            return Err(Word::Invalid("it is not valid yet"));
        }
        if self.until_s.is_some_and(|until_s| until_s < now_s) {
            return Err(Word::Invalid("it is over"));
        }
        match self.state.tag {
            GOOD => Ok(Word::Good),
            REVOKED => {
                let since = Reader::new(self.state.content).next(GENERALIZED_TIME);
                since.and_then(day).map(Word::Revoked).ok_or(Word::Invalid("it cannot be read"))
            }
            _ => Err(Word::Invalid("its issuer says that it does not know the certificate")),
        }
    }
}

/// The day of a moment, as `2024-01-31`.
fn day(moment: der::Element<'_>) -> Option<String> {
    der::moment_s(moment)?;
    let digits = str::from_utf8(moment.content).ok()?;
    Some(format!("{}-{}-{}", digits.get(..4)?, digits.get(4..6)?, digits.get(6..8)?))
}

#[cfg(test)]
#[path = "staple/tests.rs"]
mod tests;
