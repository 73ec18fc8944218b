//! The secret of a webhook channel and the signature it makes, by Standard Webhooks 1.0.
//!
//! A secret is shown to its owner once, as `whsec_` and base64, and kept sealed. It appears in no log and in no
//! recorded answer.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use farwatch_proto::id::{ChannelId, DeliveryId};
use ring::hmac;

use crate::seal::{DoesNotOpen, Sealer};
use crate::secret::random_bytes;

/// What a written secret begins with.
const PREFIX: &str = "whsec_";
/// Bytes of a secret of ours; the standard allows 24 to 64.
const SECRET_BYTES: usize = 32;
const BYTES_MIN: usize = 24;
const BYTES_MAX: usize = 64;

/// What signs the webhooks of one channel.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(Vec<u8>);

/// A text that is no signing secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a signing secret: it must be {PREFIX} followed by the base64 of {BYTES_MIN} to {BYTES_MAX} bytes")]
pub struct NotASecret;

/// Why a sealed secret cannot sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSecret {
    /// It does not open.
    #[error(transparent)]
    Sealed(#[from] DoesNotOpen),
    /// It opens, and is none.
    #[error(transparent)]
    Text(#[from] NotASecret),
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(..)")
    }
}

impl SigningSecret {
    /// A new one.
    pub fn random() -> Self {
        Self(random_bytes::<SECRET_BYTES>().to_vec())
    }

    /// Reads one as it is written.
    pub fn parse(text: &str) -> Result<Self, NotASecret> {
        let encoded = text.strip_prefix(PREFIX).ok_or(NotASecret)?;
        let bytes = BASE64.decode(encoded).map_err(|_| NotASecret)?;
        if (BYTES_MIN..=BYTES_MAX).contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(NotASecret) }
    }

    /// As its owner sees it, once.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", BASE64.encode(&self.0))
    }

    /// As the store keeps it, bound to its channel.
    pub fn seal(&self, sealer: &Sealer, channel: ChannelId) -> Vec<u8> {
        sealer.seal(channel.as_bytes(), self.reveal().as_bytes())
    }

    /// Opens what the store kept for this channel.
    pub(super) fn open(sealer: &Sealer, channel: ChannelId, sealed: &[u8]) -> Result<Self, BadSecret> {
        let text = sealer.open(channel.as_bytes(), sealed)?;
        let text = str::from_utf8(&text).map_err(|_| NotASecret)?;
        Ok(Self::parse(text)?)
    }

    /// The header `webhook-signature` of this body, sent at this second.
    pub(super) fn sign(&self, id: DeliveryId, at_s: i64, body: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let mut context = hmac::Context::with_key(&key);
        context.update(format!("{id}.{at_s}.").as_bytes());
        context.update(body);
        format!("v1,{}", BASE64.encode(context.sign()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_reads_back_and_never_shows_itself() {
        let secret = SigningSecret::random();
        assert_eq!(SigningSecret::parse(&secret.reveal()), Ok(secret.clone()));
        assert_ne!(SigningSecret::random(), secret);
        assert_eq!(format!("{secret:?}"), "SigningSecret(..)");
        for text in ["", "whsec_", "whsec_AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "whsec_%%%%"] {
            assert_eq!(SigningSecret::parse(text), Err(NotASecret), "{text}");
        }
    }

    #[test]
    fn the_signature_covers_id_second_and_body() {
        let secret = SigningSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDtjMzmMkdFnE=");
        let secret = secret.unwrap();
        let id = DeliveryId::from_bytes([1; 16]);
        let signature = secret.sign(id, 1_793_000_000, b"{}");
        assert!(signature.starts_with("v1,") && signature.len() == 47, "{signature}");
        assert_eq!(secret.sign(id, 1_793_000_000, b"{}"), signature);
        assert_ne!(secret.sign(id, 1_793_000_001, b"{}"), signature);
        assert_ne!(secret.sign(DeliveryId::from_bytes([2; 16]), 1_793_000_000, b"{}"), signature);
        assert_ne!(secret.sign(id, 1_793_000_000, b"{ }"), signature);
    }
}
