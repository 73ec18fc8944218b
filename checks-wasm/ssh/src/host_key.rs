//! Host keys: which kinds there are, how a server proves that it holds one, and the fingerprint that people know it by.
//!
//! Nothing is remembered of a key; what it should be is said by the config, or it may be any.

use base64ct::{Base64Unpadded, Encoding};
use ed25519_dalek::{Signature, VerifyingKey};
use p256::ecdsa::signature::Verifier;
use sha2::{Digest, Sha256, Sha512};

use crate::rsa;
use crate::wire::Reader;

/// A kind of key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    /// RFC 8709.
    Ed25519,
    /// RFC 5656, on the curve that every server has.
    Ecdsa,
    /// RFC 8332: with SHA-2, never with SHA-1.
    Rsa,
}

impl KeyType {
    /// The one that is liked best first.
    pub const ALL: [Self; 3] = [Self::Ed25519, Self::Ecdsa, Self::Rsa];

    /// The names of its signatures.
    pub const fn signatures(self) -> &'static [&'static str] {
        match self {
            Self::Ed25519 => &["ssh-ed25519"],
            Self::Ecdsa => &["ecdsa-sha2-nistp256"],
            Self::Rsa => &["rsa-sha2-512", "rsa-sha2-256"],
        }
    }

    /// The name of its keys.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rsa => "ssh-rsa",
            other => other.signatures()[0],
        }
    }
}

/// The fingerprint of a key, as `ssh-keygen -l` shows it.
pub fn fingerprint(key: &[u8]) -> String {
    format!("SHA256:{}", Base64Unpadded::encode_string(&Sha256::digest(key)))
}

/// Whether a text can be a fingerprint.
pub fn is_fingerprint(text: &str) -> bool {
    text.strip_prefix("SHA256:").is_some_and(|digest| Base64Unpadded::decode_vec(digest).is_ok_and(|d| d.len() == 32))
}

/// Whether the holder of this key signed the message in the way that was agreed on. None where key or signature are not
/// of that kind, or cannot be read.
pub fn is_signed(algorithm: &str, key: &[u8], message: &[u8], signature: &[u8]) -> Option<bool> {
    let key_type = KeyType::ALL.into_iter().find(|key_type| key_type.signatures().contains(&algorithm))?;
    let (mut key, mut signature) = (Reader::new(key), Reader::new(signature));
    if key.text()? != key_type.name() || signature.text()? != algorithm {
        return None;
    }
    let signature = signature.string()?;
    match key_type {
        KeyType::Ed25519 => {
            let key = VerifyingKey::from_bytes(key.string()?.try_into().ok()?).ok()?;
            Some(key.verify_strict(message, &Signature::from_slice(signature).ok()?).is_ok())
        }
        KeyType::Ecdsa => {
            key.text().filter(|curve| *curve == "nistp256")?;
            let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(key.string()?).ok()?;
            let mut numbers = Reader::new(signature);
            let (r, s) = (scalar(numbers.unsigned()?)?, scalar(numbers.unsigned()?)?);
            let signature = p256::ecdsa::Signature::from_scalars(r, s).ok()?;
            Some(key.verify(message, &signature).is_ok())
        }
        KeyType::Rsa => {
            let (exponent, modulus) = (key.unsigned()?, key.unsigned()?);
            let padded = match algorithm {
                "rsa-sha2-512" => rsa::padded(&rsa::SHA512, &Sha512::digest(message), modulus.len())?,
                _ => rsa::padded(&rsa::SHA256, &Sha256::digest(message), modulus.len())?,
            };
            Some(rsa::power(signature, exponent, modulus)? == padded)
        }
    }
}

/// A number of 32 bytes.
pub fn scalar(number: &[u8]) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    bytes[32_usize.checked_sub(number.len())?..].copy_from_slice(number);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use base64ct::Base64;

    use super::*;

    fn read(text: &str) -> Vec<u8> {
        Base64::decode_vec(text.trim()).unwrap()
    }

    #[test]
    fn signatures_of_rsa_are_verified() {
        let key = read(include_str!("../tests/rsa-public"));
        let (long, short) = (read(include_str!("../tests/rsa-sha2-512")), read(include_str!("../tests/rsa-sha2-256")));
        for (algorithm, signature, other) in [("rsa-sha2-512", &long, &short), ("rsa-sha2-256", &short, &long)] {
            assert_eq!(is_signed(algorithm, &key, b"message", signature), Some(true), "{algorithm}");
            assert_eq!(is_signed(algorithm, &key, b"massage", signature), Some(false), "{algorithm}");
            assert_eq!(is_signed(algorithm, &key, b"message", other), None, "{algorithm}");
            for at in [20, 100, signature.len() - 1] {
                let mut bent = signature.clone();
                bent[at] ^= 1;
                assert_ne!(is_signed(algorithm, &key, b"message", &bent), Some(true), "{algorithm}");
            }
            for length in 0..signature.len() {
                assert_ne!(is_signed(algorithm, &key, b"message", &signature[..length]), Some(true));
            }
            for length in 0..key.len() {
                assert_ne!(is_signed(algorithm, &key[..length], b"message", signature), Some(true));
            }
        }
    }

    #[test]
    fn fingerprints_are_those_of_ssh_keygen() {
        let key = read(include_str!("../tests/rsa-public"));
        let shown = fingerprint(&key);
        assert_eq!(shown, "SHA256:HIVB9xGYEthsVyRCmMbGe6GP2zx/I41bq+fVyH/+QKs");
        assert!(is_fingerprint(&shown));
        for text in ["", "SHA256:", "MD5:00", "SHA256:AAAA", &shown[..49], &format!("{shown}=")] {
            assert!(!is_fingerprint(text), "{text}");
        }
    }
}
