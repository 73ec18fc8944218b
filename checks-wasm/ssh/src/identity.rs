//! The private key that a check logs in with, as `ssh-keygen` writes it, and what it signs.
//!
//! Kinds are Ed25519 and ECDSA on nistp256. A key for a watcher is made for it, so older kinds are not needed; and it
//! stands in a secret, so it has no passphrase.

use base64ct::{Base64, Encoding};
use ed25519_dalek::ed25519::signature::Signer;

use crate::host_key::{KeyType, scalar};
use crate::wire::{Reader, Writer};

const BEGIN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";
const END: &str = "-----END OPENSSH PRIVATE KEY-----";
/// What the format begins with.
const MAGIC: &[u8] = b"openssh-key-v1\0";

/// A private key.
pub struct Identity {
    /// The public key, as the server knows it.
    pub public: Vec<u8>,
    signer: Signing,
}

enum Signing {
    Ed25519(Box<ed25519_dalek::SigningKey>),
    Ecdsa(Box<p256::ecdsa::SigningKey>),
}

impl Identity {
    /// Reads the key.
    ///
    /// # Errors
    /// What is wrong with it, in words that show nothing of it.
    pub fn read(text: &str) -> Result<Self, &'static str> {
        let inner = text.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END)).map(|(inner, _)| inner);
        let inner = inner.ok_or("it is no private key of OpenSSH; make one by `ssh-keygen -t ed25519`")?;
        let packed: String = inner.split_whitespace().collect();
        let bytes = Base64::decode_vec(&packed).map_err(|_| "it is damaged")?;
        let mut reader = Reader::new(bytes.strip_prefix(MAGIC).ok_or("it is damaged")?);
        if reader.text().ok_or("it is damaged")? != "none" {
            return Err("it has a passphrase; take it off by `ssh-keygen -p`");
        }
        Self::opened(&mut reader).ok_or("it is damaged, or of a kind that is not known: use Ed25519 or ECDSA nistp256")
    }

    fn opened(reader: &mut Reader<'_>) -> Option<Self> {
        let (_key_derivation, _its_options) = (reader.string()?, reader.string()?);
        reader.number().filter(|keys| *keys == 1)?;
        let public = reader.string()?.to_vec();
        let mut private = Reader::new(reader.string()?);
        if private.number()? != private.number()? {
            return None;
        }
        let signer = match private.text()? {
            name if name == KeyType::Ed25519.name() => {
                let (_public, both) = (private.string()?, private.string()?);
                let seed = both.first_chunk::<32>()?;
                Signing::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(seed)))
            }
            name if name == KeyType::Ecdsa.name() => {
                let (_curve, _public) = (private.string()?, private.string()?);
                let number = scalar(private.unsigned()?)?;
                Signing::Ecdsa(Box::new(p256::ecdsa::SigningKey::from_slice(&number).ok()?))
            }
            _ => return None,
        };
        Some(Self { public, signer })
    }

    /// The name of its kind, and of its signatures.
    pub fn name(&self) -> &'static str {
        match self.signer {
            Signing::Ed25519(_) => KeyType::Ed25519.name(),
            Signing::Ecdsa(_) => KeyType::Ecdsa.name(),
        }
    }

    /// A signature, as SSH has it.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature = match &self.signer {
            Signing::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
            Signing::Ecdsa(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                let (r, s) = signature.split_bytes();
                Writer::default().unsigned(&r).unsigned(&s).into_bytes()
            }
        };
        Writer::default().string(self.name()).string(signature).into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host_key::is_signed;

    /// Keys of nobody, made by `ssh-keygen` for this test.
    const ED25519: &str = include_str!("../tests/ed25519");
    const ECDSA: &str = include_str!("../tests/ecdsa");
    const RSA: &str = include_str!("../tests/rsa");
    const WITH_PASSPHRASE: &str = include_str!("../tests/passphrase");

    #[test]
    fn what_a_key_signs_is_verified_by_its_public_half_and_by_nothing_else() {
        for (text, name) in [(ED25519, "ssh-ed25519"), (ECDSA, "ecdsa-sha2-nistp256")] {
            let identity = Identity::read(text).unwrap();
            assert_eq!(identity.name(), name);
            let signature = identity.sign(b"message");
            assert_eq!(is_signed(name, &identity.public, b"message", &signature), Some(true), "{name}");
            assert_eq!(is_signed(name, &identity.public, b"massage", &signature), Some(false), "{name}");
            assert_eq!(is_signed("rsa-sha2-512", &identity.public, b"message", &signature), None, "{name}");
            for length in 0..signature.len() {
                assert_ne!(is_signed(name, &identity.public, b"message", &signature[..length]), Some(true));
            }
        }
    }

    #[test]
    fn keys_that_cannot_be_used_are_refused_in_words_without_them() {
        let cut = ED25519.replacen("AAAA", "", 1);
        for (text, words) in [
            ("", "ssh-keygen"),
            ("-----BEGIN RSA PRIVATE KEY-----", "ssh-keygen"),
            (&cut, "damaged"),
            (RSA, "kind that is not known"),
            (WITH_PASSPHRASE, "passphrase"),
        ] {
            let problem = Identity::read(text).err().unwrap();
            assert!(problem.contains(words), "{problem}");
        }
    }
}
