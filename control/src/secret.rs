//! The only place of this crate that draws randomness.

use ring::rand::{SecureRandom, SystemRandom};

/// Random bytes of the operating system.
///
/// # Panics
/// Where the operating system has none to give: nothing secure can be done then.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the operating system gives randomness");
    bytes
}
