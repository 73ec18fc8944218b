//! As much of a certificate (RFC 5280) as it takes to tell who signed what.

use super::der::{self, OBJECT_ID, OCTET_STRING, Reader, SEQUENCE, TAGGED_0, TAGGED_3};
use super::signature::{Key, Signed};

/// The extension that says what a key may be used for, and the use that lets it speak for its issuer (RFC 6960, 4.2.2.2).
const KEY_USES: &[u8] = &[0x55, 0x1d, 0x25];
const TELLS_REVOCATIONS: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x09];

/// One certificate.
#[derive(Debug, Clone, Copy)]
pub struct Certificate<'a> {
    /// What its issuer signed.
    pub signed: Signed<'a>,
    /// The number that its issuer gave it.
    pub serial: &'a [u8],
    /// The name of its issuer.
    pub issuer: &'a [u8],
    /// The name of its holder.
    pub subject: &'a [u8],
    /// The key of its holder.
    pub key: Key<'a>,
    /// From when until when it is good, in Unix seconds.
    pub validity: (i64, i64),
    /// The sequence of its extensions.
    extensions: Option<&'a [u8]>,
}

impl<'a> Certificate<'a> {
    /// Reads one.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let signed = Signed::read(&mut Reader::new(bytes).within(SEQUENCE)?)?;
        let mut body = Reader::new(signed.body).within(SEQUENCE)?;
        body.optional(TAGGED_0);
        let serial = body.next(der::INTEGER)?.content;
        body.next(SEQUENCE)?;
        let issuer = body.next(SEQUENCE)?.content;
        let mut validity = body.within(SEQUENCE)?;
        let validity = (der::moment_s(validity.any()?)?, der::moment_s(validity.any()?)?);
        let subject = body.next(SEQUENCE)?.content;
        let key = Key::read(&mut body.within(SEQUENCE)?)?;
        let mut extensions = None;
        while let Some(element) = body.any() {
            if element.tag == TAGGED_3 {
                extensions = Some(Reader::new(element.content).next(SEQUENCE)?.content);
            }
        }
        Some(Self { signed, serial, issuer, subject, key, validity, extensions })
    }

    /// Whether its holder may tell in the name of its issuer which certificates are revoked.
    pub fn may_tell_revocations(&self) -> bool {
        let uses = self.extensions.and_then(|extensions| extension(extensions, KEY_USES));
        let uses = uses.and_then(|uses| Reader::new(uses).within(SEQUENCE));
        uses.is_some_and(|mut uses| {
            std::iter::from_fn(|| uses.next(OBJECT_ID)).any(|id| id.content == TELLS_REVOCATIONS)
        })
    }
}

/// What an extension of this name says.
fn extension<'a>(extensions: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut list = Reader::new(extensions);
    while let Some(mut extension) = list.within(SEQUENCE) {
        if extension.next(OBJECT_ID)?.content == name {
            return std::iter::from_fn(|| extension.any())
                .find(|element| element.tag == OCTET_STRING)
                .map(|element| element.content);
        }
    }
    None
}
