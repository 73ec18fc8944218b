//! Who signed something: RSA (PKCS #1 v1.5) and ECDSA on P-256 and P-384, with SHA-2. By these all public issuers sign.
//!
//! It only verifies, and what it does not know it does not believe.

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use rsa::{BoxedUint, Pkcs1v15Sign, PublicKey};
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::der::{self, OBJECT_ID, Reader, SEQUENCE};

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

/// The largest RSA key that is computed with, in bits: beyond it a run would take too long, and no issuer goes there.
const RSA_BITS_MAX: usize = 8_192;
/// And the least: others can find the private half of a shorter one.
const RSA_BITS_MIN: usize = 2_048;
/// The largest exponent of an RSA key, in bytes: all use 65,537, and a long one would take too long.
const RSA_EXPONENT_BYTES_MAX: usize = 4;

#[derive(Debug, Clone, Copy)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
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
            (RSA, _) if *is_rsa => is_by_rsa(key.bits, *hash, &digest(), self.signature),
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

fn is_by_rsa(key: &[u8], hash: Hash, digest: &[u8], signature: &[u8]) -> bool {
    let scheme = match hash {
        Hash::Sha256 => Pkcs1v15Sign::new::<Sha256>(),
        Hash::Sha384 => Pkcs1v15Sign::new::<Sha384>(),
        Hash::Sha512 => Pkcs1v15Sign::new::<Sha512>(),
    };
    rsa_key(key).is_some_and(|key| key.verify(scheme, digest, signature).is_ok())
}

fn rsa_key(key: &[u8]) -> Option<PublicKey> {
    let mut numbers = Reader::new(key).within(SEQUENCE)?;
    let mut number =
        || numbers.next(der::INTEGER).map(|number| number.content.strip_prefix(&[0]).unwrap_or(number.content));
    let (modulus, exponent) = (number()?, number()?);
    if modulus.is_empty() || modulus.len() * 8 > RSA_BITS_MAX || !(1..=RSA_EXPONENT_BYTES_MAX).contains(&exponent.len())
    {
        return None;
    }
    let [modulus, exponent] = [modulus, exponent].map(BoxedUint::from_be_slice_vartime);
    PublicKey::new_with_size_limits(modulus, exponent, RSA_BITS_MIN..=RSA_BITS_MAX).ok()
}
