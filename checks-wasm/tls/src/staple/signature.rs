//! Who signed something: RSA (PKCS #1 v1.5) and ECDSA on P-256 and P-384, with SHA-2. By these all public issuers sign.
//!
//! It only verifies, and what it does not know it does not believe.

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::der::{self, OBJECT_ID, Reader, SEQUENCE};
use super::rsa;

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const ELLIPTIC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];

/// How something was hashed and signed: by RSA or not.
const ALGORITHMS: [(&[u8], bool, Hash); 6] = [
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b], true, Hash::Sha256),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c], true, Hash::Sha384),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d], true, Hash::Sha512),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02], false, Hash::Sha256),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03], false, Hash::Sha384),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04], false, Hash::Sha512),
];

#[derive(Debug, Clone, Copy)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    /// What stands before a digest that is signed by RSA (RFC 8017, section 9.2).
    const fn name(self) -> &'static [u8] {
        match self {
            Self::Sha256 => &[0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20],
            Self::Sha384 => &[0x30, 0x41, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2, 5, 0, 4, 0x30],
            Self::Sha512 => &[0x30, 0x51, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3, 5, 0, 4, 0x40],
        }
    }

    fn of(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
            Self::Sha384 => Sha384::digest(bytes).to_vec(),
            Self::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }
}

/// A public key.
#[derive(Debug, Clone, Copy)]
pub struct Key<'a> {
    algorithm: &'a [u8],
    curve: Option<&'a [u8]>,
    /// The key itself, by whose hash issuers are told apart.
    pub bits: &'a [u8],
}

impl<'a> Key<'a> {
    /// Reads what is in a `SubjectPublicKeyInfo`.
    pub fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let mut algorithm = reader.within(SEQUENCE)?;
        let name = algorithm.next(OBJECT_ID)?.content;
        let curve = algorithm.optional(OBJECT_ID).map(|curve| curve.content);
        Some(Self { algorithm: name, curve, bits: der::bits(reader)? })
    }
}

/// Something signed.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// All that was signed, with its tag.
    pub body: &'a [u8],
    algorithm: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Signed<'a> {
    /// Reads a body, the algorithm and the signature, in that order.
    pub fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let body = reader.next(SEQUENCE)?.whole;
        let algorithm = reader.within(SEQUENCE)?.next(OBJECT_ID)?.content;
        Some(Self { body, algorithm, signature: der::bits(reader)? })
    }

    /// Whether whoever holds this key signed it.
    pub fn is_by(&self, key: Key<'_>) -> bool {
        let Some((_, is_rsa, hash)) = ALGORITHMS.iter().find(|(name, ..)| *name == self.algorithm) else {
            return false;
        };
        let digest = || hash.of(self.body);
        match (key.algorithm, key.curve) {
            (RSA, _) if *is_rsa => rsa::is_signed(key.bits, hash.name(), &digest(), self.signature),
            (ELLIPTIC, Some(P256)) if !is_rsa => {
                let verifier = p256::ecdsa::VerifyingKey::from_sec1_bytes(key.bits);
                let signature = p256::ecdsa::DerSignature::try_from(self.signature);
                let pair = verifier.ok().zip(signature.ok());
                pair.is_some_and(|(verifier, signature)| verifier.verify_prehash(&digest(), &signature).is_ok())
            }
            (ELLIPTIC, Some(P384)) if !is_rsa => {
                let verifier = p384::ecdsa::VerifyingKey::from_sec1_bytes(key.bits);
                let signature = p384::ecdsa::DerSignature::try_from(self.signature);
                let pair = verifier.ok().zip(signature.ok());
                pair.is_some_and(|(verifier, signature)| verifier.verify_prehash(&digest(), &signature).is_ok())
            }
            _ => false,
        }
    }
}
