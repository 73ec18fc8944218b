//! When whoever torments strikes: drawn by a seed, so that the same seed makes the same ordeal.

use std::time::Duration;

/// The longest while that control is left alone. Short enough that most blows meet work half done.
const ALONE_MAX_MS: u64 = 3_000;

/// See the file's documentation.
pub(super) struct Instants {
    random: u64,
}

impl Instants {
    pub(super) const fn of(seed: u64) -> Self {
        Self { random: seed | 1 }
    }

    /// The next number of a xorshift generator (Marsaglia, 2003).
    pub(super) const fn draw(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    /// How long control is left alone now.
    pub(super) const fn alone(&mut self) -> Duration {
        Duration::from_millis(self.draw() % ALONE_MAX_MS)
    }
}
