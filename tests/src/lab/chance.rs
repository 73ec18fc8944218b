//! Chance that is the same each time: whom the lab strikes, and which message is held up, follow from a seed.

/// See the file's documentation.
#[derive(Clone, Debug)]
pub(super) struct Chance {
    state: u64,
}

impl Chance {
    pub(super) const fn of(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next number of a generator that takes any seed (splitmix64, Steele 2014).
    const fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of so many.
    pub(super) const fn below(&mut self, count: usize) -> usize {
        (self.draw() % count as u64) as usize
    }

    /// True once in so many times.
    pub(super) const fn one_in(&mut self, times: u64) -> bool {
        self.draw().is_multiple_of(times)
    }

    /// A chance of its own for whoever runs beside this one.
    pub(super) const fn fork(&mut self) -> Self {
        Self::of(self.draw())
    }
}
