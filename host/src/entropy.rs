//! The only place of this crate that draws randomness: ids of boots, and jitter.

use ring::rand::{SecureRandom, SystemRandom};

/// Random bytes from the operating system.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the operating system gives randomness");
    bytes
}

/// A number below `limit`.
pub(crate) fn below(limit: u64) -> u64 {
    u64::from_le_bytes(bytes()) % limit.max(1)
}
