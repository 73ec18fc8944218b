//! Secrets at rest: sealed under the master key, which is a file and never in the database.
//!
//! ChaCha20-Poly1305 (RFC 8439) with a random nonce before the ciphertext. What a secret belongs to is
//! authenticated with it, so that a row's secret cannot be moved to another row.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, ensure};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::secret::random_bytes;

/// Bytes of a key.
pub(crate) const KEY_BYTES: usize = 32;

/// Seals and opens secrets.
pub struct Sealer {
    key: LessSafeKey,
}

/// A sealed secret that does not open: another master key, another owner, or damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the secret does not open with this master key; was the master-key file replaced?")]
pub struct DoesNotOpen;

impl Sealer {
    /// The master key in this file, which is made with mode 0600 where there is none.
    pub fn from_file(path: &Path) -> anyhow::Result<Self> {
        if !path.exists() {
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            let file = file.as_mut().map_err(|error| anyhow::anyhow!("cannot make {}: {error}", path.display()))?;
            file.write_all(&random_bytes::<KEY_BYTES>())?;
            file.sync_all()?;
        }
        let key = fs::read(path).with_context(|| format!("cannot read the master key {}", path.display()))?;
        ensure!(key.len() == KEY_BYTES, "{} is no master key: it must hold {KEY_BYTES} bytes", path.display());
        Ok(Self::new(&key))
    }

    /// Seals by a key of its own, such as that of a tenant.
    pub(crate) fn of_key(key: &[u8; KEY_BYTES]) -> Self {
        Self::new(key)
    }

    fn new(key: &[u8]) -> Self {
        let key = UnboundKey::new(&CHACHA20_POLY1305, key).expect("the key has the length of the algorithm");
        Self { key: LessSafeKey::new(key) }
    }

    /// Seals a secret that belongs to `owner`.
    pub fn seal(&self, owner: &[u8], secret: &[u8]) -> Vec<u8> {
        let nonce = random_bytes::<NONCE_LEN>();
        let mut sealed = secret.to_vec();
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(owner), &mut sealed)
            .expect("a secret is far below the algorithm's limit");
        [&nonce[..], &sealed].concat()
    }

    /// Opens what was sealed for `owner`.
    pub fn open(&self, owner: &[u8], sealed: &[u8]) -> Result<Vec<u8>, DoesNotOpen> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(DoesNotOpen)?;
        let mut opened = sealed.to_vec();
        let secret = self
            .key
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(owner), &mut opened)
            .map_err(|_| DoesNotOpen)?
            .len();
        opened.truncate(secret);
        Ok(opened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_for_its_owner_under_its_key_only() {
        let sealer = Sealer::new(&[1; KEY_BYTES]);
        let sealed = sealer.seal(b"channel-1", b"whsec_abc");
        assert_eq!(sealer.open(b"channel-1", &sealed).unwrap(), b"whsec_abc");
        assert_eq!(sealer.open(b"channel-2", &sealed), Err(DoesNotOpen));
        assert_eq!(Sealer::new(&[2; KEY_BYTES]).open(b"channel-1", &sealed), Err(DoesNotOpen));
        assert_eq!(sealer.open(b"channel-1", &sealed[..9]), Err(DoesNotOpen));
        assert_ne!(sealer.seal(b"channel-1", b"whsec_abc"), sealed);
    }
}
