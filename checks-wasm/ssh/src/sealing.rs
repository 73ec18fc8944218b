//! How packets are encrypted and vouched for once keys are there: AES-256 in counter mode with HMAC of SHA-2, which every
//! server of the last decade has.
//!
//! It guards nothing that lasts: a connection is for one login.

use aes::Aes256;
use aes::cipher::{KeyIvInit, StreamCipher};
use hmac::{Hmac, KeyInit, Mac as _};
use sha2::{Digest, Sha256, Sha512};

use crate::wire::Writer;

/// The one cipher.
pub const CIPHER: &str = "aes256-ctr";
/// What the cipher encrypts at once, in bytes.
pub const BLOCK: usize = 16;

/// How packets are vouched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mac {
    /// Its name.
    pub name: &'static str,
    /// Its bytes, and those of its key.
    pub length: usize,
    /// Whether it is over what was encrypted.
    pub is_outside: bool,
}

/// Those that are known, the one that is liked best first.
pub const MACS: [Mac; 4] = [
    Mac { name: "hmac-sha2-256-etm@openssh.com", length: 32, is_outside: true },
    Mac { name: "hmac-sha2-512-etm@openssh.com", length: 64, is_outside: true },
    Mac { name: "hmac-sha2-256", length: 32, is_outside: false },
    Mac { name: "hmac-sha2-512", length: 64, is_outside: false },
];

/// What both sides know after a key exchange, from which the keys follow (RFC 4253, section 7.2).
pub struct Secrets {
    /// The shared secret, as the exchange hash has it.
    pub shared: Vec<u8>,
    /// The exchange hash.
    pub hash: [u8; 32],
}

impl Secrets {
    /// So many bytes of the key of this letter. The exchange is the first, so its hash is the name of the session too.
    fn key(&self, letter: u8, length: usize) -> Vec<u8> {
        let seed = Writer::default().raw(&self.shared).raw(&self.hash).into_bytes();
        let mut key =
            Sha256::new().chain_update(&seed).chain_update([letter]).chain_update(self.hash).finalize().to_vec();
        while key.len() < length {
            let more = Sha256::new().chain_update(&seed).chain_update(&key).finalize();
            key.extend_from_slice(&more);
        }
        key.truncate(length);
        key
    }

    /// What seals the packets of the client.
    pub fn of_client(&self, mac: Mac) -> Seal {
        self.seal(mac, [b'A', b'C', b'E'])
    }

    /// What seals the packets of the server.
    pub fn of_server(&self, mac: Mac) -> Seal {
        self.seal(mac, [b'B', b'D', b'F'])
    }

    fn seal(&self, mac: Mac, [start, cipher, vouch]: [u8; 3]) -> Seal {
        let cipher = ctr::Ctr128BE::<Aes256>::new_from_slices(&self.key(cipher, 32), &self.key(start, BLOCK))
            .expect("the keys were made this long");
        Seal { cipher, key: self.key(vouch, mac.length), mac }
    }
}

/// Encrypts one direction, and vouches for it.
pub struct Seal {
    cipher: ctr::Ctr128BE<Aes256>,
    key: Vec<u8>,
    /// How it vouches.
    pub mac: Mac,
}

impl Seal {
    /// Encrypts bytes, or decrypts them, where they are.
    pub fn apply(&mut self, bytes: &mut [u8]) {
        self.cipher.apply_keystream(bytes);
    }

    /// What vouches for bytes of the packet of this number.
    pub fn vouch(&self, sequence: u32, bytes: &[u8]) -> Vec<u8> {
        let number = sequence.to_be_bytes();
        if self.mac.length == 32 {
            let hmac = Hmac::<Sha256>::new_from_slice(&self.key).expect("any length will do");
            return hmac.chain_update(number).chain_update(bytes).finalize().into_bytes().to_vec();
        }
        let hmac = Hmac::<Sha512>::new_from_slice(&self.key).expect("any length will do");
        hmac.chain_update(number).chain_update(bytes).finalize().into_bytes().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_have_the_same_keys_and_each_direction_its_own() {
        for mac in MACS {
            let secrets = Secrets { shared: vec![0, 0, 0, 1, 7], hash: [9; 32] };
            let (mut there, mut here) = (secrets.of_client(mac), secrets.of_client(mac));
            let mut bytes = *b"0123456789abcdef0123456789abcdef";
            there.apply(&mut bytes);
            assert_ne!(&bytes, b"0123456789abcdef0123456789abcdef");
            // In parts, as packets are read.
            let (first, rest) = bytes.split_at_mut(BLOCK);
            here.apply(first);
            here.apply(rest);
            assert_eq!(&bytes, b"0123456789abcdef0123456789abcdef");
            let vouched = here.vouch(3, &bytes);
            assert_eq!((vouched.len(), &vouched), (mac.length, &there.vouch(3, &bytes)));
            assert_ne!(vouched, there.vouch(4, &bytes));
            assert_ne!(vouched, secrets.of_server(mac).vouch(3, &bytes));
        }
    }
}
