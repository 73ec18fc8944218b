//! What one host alone can read: HPKE (RFC 9180) with X25519, HKDF-SHA256 and ChaCha20-Poly1305.
//!
//! The key by which it is opened stays with the host; the other one is told to control over the host's own link. What is
//! sealed says what it belongs to, so that it cannot be passed off for anything else.

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable, single_shot_open, single_shot_seal};

/// What a sealed value is for, so that it opens nowhere else.
const INFO: &[u8] = b"farwatch: a secret of a check, for one host";
/// Random bytes that a key is made of.
pub const SEED_BYTES: usize = 32;
/// An encapsulated key of X25519, which stands before the ciphertext.
const ENCAPSULATED_BYTES: usize = 32;

type PrivateKey = <X25519HkdfSha256 as Kem>::PrivateKey;
type PublicKey = <X25519HkdfSha256 as Kem>::PublicKey;
type EncapsulatedKey = <X25519HkdfSha256 as Kem>::EncappedKey;

/// The key that opens. It is never shown.
pub struct OpeningKey {
    private: PrivateKey,
    public: PublicKey,
}

/// The key that seals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealingKey(PublicKey);

impl OpeningKey {
    /// The key that follows from these random bytes.
    pub fn of_seed(seed: &[u8; SEED_BYTES]) -> Self {
        let (private, public) = X25519HkdfSha256::derive_keypair(seed);
        Self { private, public }
    }

    /// Its other half, as it is told to control.
    pub fn sealing_key(&self) -> Vec<u8> {
        self.public.to_bytes().to_vec()
    }

    /// Opens what was sealed for this key and belongs to that; none when it does not.
    pub fn open(&self, belongs_to: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (encapsulated, ciphertext) = sealed.split_at_checked(ENCAPSULATED_BYTES)?;
        let encapsulated = EncapsulatedKey::from_bytes(encapsulated).ok()?;
        single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.private,
            &encapsulated,
            INFO,
            ciphertext,
            belongs_to,
        )
        .ok()
    }
}

impl SealingKey {
    /// The key that these bytes are; none when they are none.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        PublicKey::from_bytes(bytes).ok().map(Self)
    }

    /// Seals a secret that belongs to that; none where the key is one that no host could have (a point of low order).
    pub fn seal(&self, belongs_to: &[u8], secret: &[u8]) -> Option<Vec<u8>> {
        let (encapsulated, ciphertext) = single_shot_seal::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Base,
            &self.0,
            INFO,
            secret,
            belongs_to,
        )
        .ok()?;
        Some([encapsulated.to_bytes().as_slice(), &ciphertext].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_for_its_host_and_its_owner_only() {
        let key = OpeningKey::of_seed(&[1; SEED_BYTES]);
        let to = SealingKey::from_bytes(&key.sealing_key()).unwrap();
        let sealed = to.seal(b"check-1", b"hunter2").unwrap();
        assert_eq!(key.open(b"check-1", &sealed).as_deref(), Some(b"hunter2".as_slice()));
        assert_eq!(key.open(b"check-2", &sealed), None);
        assert_eq!(OpeningKey::of_seed(&[2; SEED_BYTES]).open(b"check-1", &sealed), None);
        assert_ne!(to.seal(b"check-1", b"hunter2").unwrap(), sealed);
        for end in 0..sealed.len() {
            assert_eq!(key.open(b"check-1", &sealed[..end]), None);
        }
    }

    #[test]
    fn what_is_no_key_seals_nothing() {
        assert!(SealingKey::from_bytes(&[9; 31]).is_none());
        let low_order = SealingKey::from_bytes(&[0; 32]);
        assert!(low_order.is_none_or(|key| key.seal(b"a", b"b").is_none()));
    }
}
