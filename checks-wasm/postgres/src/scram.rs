//! SCRAM-SHA-256 (RFC 5802, RFC 7677) from the client's side, without channel binding: both sides prove that they know the
//! password, and neither says it.
//!
//! The nonce is given, for a guest draws no randomness by itself.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// Of the mechanisms that a server offers, the one that this is.
pub const NAME: &str = "SCRAM-SHA-256";
/// What is asked of the client beyond this is refused, for a run has little time: servers ask for 4,096 by themselves.
pub const ITERATIONS_MAX: u32 = 100_000;
/// No channel is bound, and nobody else is spoken for.
const HEADER: &str = "n,,";

/// Why there is no next step.
#[derive(Debug, PartialEq, Eq)]
pub enum Broken {
    /// The server's message is not as it should be.
    Malformed,
    /// It wants more work than is allowed.
    TooManyIterations(u32),
}

/// A login that has begun.
pub struct Scram {
    nonce: String,
}

/// The client's last word, and what the server's must be.
pub struct Last {
    /// To be sent.
    pub message: String,
    signature: Hmac<Sha256>,
}

impl Scram {
    /// Begins with these random bytes.
    pub fn new(entropy: &[u8]) -> Self {
        Self { nonce: STANDARD.encode(entropy) }
    }

    /// The first message. The server knows the user already.
    pub fn first(&self) -> String {
        format!("{HEADER}{}", self.first_bare())
    }

    fn first_bare(&self) -> String {
        format!("n=,r={}", self.nonce)
    }

    /// Answers the server's first message.
    ///
    /// # Errors
    /// When it cannot be answered.
    pub fn last(&self, server_first: &[u8], password: &str) -> Result<Last, Broken> {
        let server_first = str::from_utf8(server_first).map_err(|_| Broken::Malformed)?;
        let (nonce, salt, iterations) = challenge(server_first).ok_or(Broken::Malformed)?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(Broken::Malformed);
        }
        if iterations > ITERATIONS_MAX {
            return Err(Broken::TooManyIterations(iterations));
        }
        // What the rules for passwords do not allow is taken as it is, and so do servers.
        let password = stringprep::saslprep(password).unwrap_or_else(|_| password.into());
        let salted = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password.as_bytes(), &salt, iterations);
        let without_proof = format!("c={},r={nonce}", STANDARD.encode(HEADER));
        let authenticated = format!("{},{server_first},{without_proof}", self.first_bare());
        let client_key = keyed(&salted, b"Client Key").finalize().into_bytes();
        let signature = keyed(&Sha256::digest(client_key), authenticated.as_bytes()).finalize().into_bytes();
        let proof: Vec<u8> = client_key.iter().zip(signature).map(|(key, signature)| key ^ signature).collect();
        let server_key = keyed(&salted, b"Server Key").finalize().into_bytes();
        Ok(Last {
            message: format!("{without_proof},p={}", STANDARD.encode(proof)),
            signature: keyed(&server_key, authenticated.as_bytes()),
        })
    }
}

impl Last {
    /// Whether this last message of the server proves that it knows the password too.
    pub fn accepts(self, server_last: &[u8]) -> bool {
        let proof = server_last.strip_prefix(b"v=").and_then(|proof| STANDARD.decode(proof).ok());
        proof.is_some_and(|proof| self.signature.verify_slice(&proof).is_ok())
    }
}

/// The nonce, the salt and the number of iterations.
fn challenge(server_first: &str) -> Option<(&str, Vec<u8>, u32)> {
    let mut parts = server_first.split(',');
    let nonce = parts.next()?.strip_prefix("r=")?;
    let salt = STANDARD.decode(parts.next()?.strip_prefix("s=")?).ok()?;
    let iterations = parts.next()?.strip_prefix("i=")?.parse().ok().filter(|iterations| *iterations > 0)?;
    Some((nonce, salt, iterations))
}

fn keyed(key: &[u8], message: &[u8]) -> Hmac<Sha256> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677, but that its client names its user.
    const SERVER_FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    fn begun() -> Scram {
        Scram { nonce: "rOprNGfwEbeRWgbNEkqO".to_owned() }
    }

    #[test]
    fn both_sides_prove_that_they_know_the_password() {
        let last = begun().last(SERVER_FIRST.as_bytes(), "pencil").unwrap();
        let (message, proof) = last.message.rsplit_once(",p=").unwrap();
        assert_eq!(message, "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
        // Reckoned with Python's hashlib for a client that names no user.
        assert_eq!(proof, "qvT2SWdEH5Q06albL+hjSYuUhCG7VndFyzIb7CK4n9k=");
        assert!(last.accepts(b"v=3HO6Qt1M4MKJrmlKaoOqLAI0/0TV0HZe7J9H3MBtSOg="));
        for wrong in [b"v=".as_slice(), b"v=AAAA", b"e=other-error", b"", b"v=\xff"] {
            assert!(!begun().last(SERVER_FIRST.as_bytes(), "pencil").unwrap().accepts(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn what_a_server_may_not_say_is_refused() {
        let broken = |first: &[u8]| begun().last(first, "pencil").err();
        for first in [
            b"".as_slice(),
            b"\xff",
            b"r=rOprNGfwEbeRWgbNEkqO,s=AAAA,i=1",
            b"r=another,s=AAAA,i=1",
            b"r=rOprNGfwEbeRWgbNEkqO1,s=!,i=1",
            b"r=rOprNGfwEbeRWgbNEkqO1,s=AAAA,i=0",
            b"r=rOprNGfwEbeRWgbNEkqO1,s=AAAA,i=-1",
            b"r=rOprNGfwEbeRWgbNEkqO1,s=AAAA",
        ] {
            assert_eq!(broken(first), Some(Broken::Malformed), "{first:?}");
        }
        let too_many = b"r=rOprNGfwEbeRWgbNEkqO1,s=AAAA,i=100001";
        assert_eq!(broken(too_many), Some(Broken::TooManyIterations(100_001)));
    }

    #[test]
    fn the_first_message_has_the_nonce() {
        assert_eq!(Scram::new(&[0; 3]).first(), "n,,n=,r=AAAA");
    }
}
