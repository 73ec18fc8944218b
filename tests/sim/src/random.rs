//! The randomness of one simulated world: everything follows from its seed.

/// SplitMix64 (Steele, Lea, Flood 2014): small, fast, and the same everywhere.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Any number, to tell one thing from another.
    pub(crate) const fn any(&mut self) -> u64 {
        self.next()
    }

    /// A number in `[from, to)`.
    pub(crate) const fn between(&mut self, from: i64, to: i64) -> i64 {
        from + (self.next() % (to - from).unsigned_abs()).cast_signed()
    }

    /// An index below `count`.
    pub(crate) fn index(&mut self, count: usize) -> usize {
        self.between(0, count as i64) as usize
    }

    /// True so many times in a thousand.
    pub(crate) const fn chance(&mut self, in_a_thousand: i64) -> bool {
        self.between(0, 1_000) < in_a_thousand
    }
}
