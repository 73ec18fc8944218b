//! The key exchange: a secret that both sides have and nobody else, and the proof that the server holds its host key
//! (RFC 4253, section 8; RFC 5656; RFC 8731).
//!
//! It makes the numbers and the hash; the messages are sent elsewhere.

use curve25519_dalek::montgomery::MontgomeryPoint;
use p256::SecretKey;
use sha2::{Digest, Sha256};

use crate::offer::Exchange;
use crate::wire::Writer;
use crate::wit::farwatch::check::entropy;

/// How often a number is drawn until it is one of the curve. One draw in four thousand million is none.
const DRAWS_MAX: usize = 4;

/// The half of the exchange that is never sent.
pub enum Half {
    /// Any bytes.
    Curve25519([u8; 32]),
    /// A number of the curve.
    NistP256(Box<SecretKey>),
}

impl Half {
    /// Draws one.
    pub fn draw(exchange: Exchange) -> Option<Self> {
        let draw = || entropy::get(32).first_chunk::<32>().copied();
        match exchange {
            Exchange::Curve25519 => draw().map(Self::Curve25519),
            Exchange::NistP256 => {
                let key = (0..DRAWS_MAX).find_map(|_| SecretKey::from_slice(&draw()?).ok());
                key.map(|key| Self::NistP256(Box::new(key)))
            }
        }
    }

    /// What is sent.
    pub fn public(&self) -> Vec<u8> {
        match self {
            Self::Curve25519(half) => MontgomeryPoint::mul_base_clamped(*half).to_bytes().to_vec(),
            Self::NistP256(half) => {
                p256::ecdsa::VerifyingKey::from(half.public_key()).to_sec1_point(false).as_bytes().to_vec()
            }
        }
    }

    /// The secret, with what the server sent; none where that is no point, or one that gives the secret away.
    pub fn shared(&self, theirs: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Curve25519(half) => {
                let shared = MontgomeryPoint(theirs.try_into().ok()?).mul_clamped(*half).to_bytes();
                shared.iter().any(|byte| *byte != 0).then(|| shared.to_vec())
            }
            Self::NistP256(half) => {
                let theirs = p256::PublicKey::from_sec1_bytes(theirs).ok()?;
                Some(half.diffie_hellman(&theirs).raw_secret_bytes().to_vec())
            }
        }
    }
}

/// What both sides said, from which the exchange hash is made.
pub struct Said<'a> {
    /// The versions, ours first.
    pub versions: [&'a str; 2],
    /// The offers.
    pub offers: [&'a [u8]; 2],
    /// The host key of the server.
    pub host_key: &'a [u8],
    /// The public halves.
    pub halves: [&'a [u8]; 2],
}

impl Said<'_> {
    /// The hash that the server signs, with the secret as it is written.
    pub fn hash(&self, shared: &[u8]) -> [u8; 32] {
        let all = Writer::default()
            .string(self.versions[0])
            .string(self.versions[1])
            .string(self.offers[0])
            .string(self.offers[1])
            .string(self.host_key)
            .string(self.halves[0])
            .string(self.halves[1])
            .raw(shared)
            .into_bytes();
        Sha256::digest(&all).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_come_to_the_same_secret() {
        let number = |byte| Box::new(SecretKey::from_slice(&[byte; 32]).unwrap());
        for (here, there) in [
            (Half::Curve25519([1; 32]), Half::Curve25519([2; 32])),
            (Half::NistP256(number(1)), Half::NistP256(number(2))),
        ] {
            let shared = here.shared(&there.public()).unwrap();
            assert_eq!(Some(&shared), there.shared(&here.public()).as_ref());
            assert_ne!(Some(&shared), there.shared(&there.public()).as_ref());
        }
    }

    #[test]
    fn points_that_are_none_or_give_the_secret_away_are_refused() {
        let half = Half::NistP256(Box::new(SecretKey::from_slice(&[1; 32]).unwrap()));
        for theirs in [&[][..], &[0], &[4; 65], &[2; 33][..32]] {
            assert_eq!(half.shared(theirs), None, "{theirs:?}");
        }
        for theirs in [&[][..], &[9; 31], &[0; 32]] {
            assert_eq!(Half::Curve25519([1; 32]).shared(theirs), None, "{theirs:?}");
        }
    }
}
