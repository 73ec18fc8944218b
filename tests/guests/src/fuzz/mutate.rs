//! Changes bytes at random, in the ways in which parsers break: flipped bits, numbers at the edge of their types, pieces
//! that are missing, doubled, moved or another's.

/// Longer bytes say nothing new, and take long to read.
const BYTES_MAX: usize = 8_192;
/// Changes that are made to an entry at once.
const CHANGES_MAX: usize = 6;
/// A piece that is moved about.
const PIECE_MAX: usize = 64;
/// Numbers at which sizes, counts and signs go wrong.
const EDGES: [u32; 12] = [0, 1, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
/// Words at which texts go wrong.
const WORDS: [&[u8]; 10] =
    [b"\r\n", b"\0", b"4294967296", b"-1", b"99999999999999999999", b"\xff\xfe", b"{\"a\":[", b"\xc3", b"250-", b" "];

/// The changes that a seed makes, always the same ones.
#[derive(Debug)]
pub struct Mutator(u64);

impl Mutator {
    /// See the type's documentation.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound` (SplitMix64).
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) as usize % bound.max(1)
    }

    /// An entry of these, changed.
    pub fn change(&mut self, pool: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = pool[self.below(pool.len())].clone();
        for _ in 0..=self.below(CHANGES_MAX) {
            self.once(&mut bytes, pool);
        }
        bytes.truncate(BYTES_MAX);
        bytes
    }

    fn once(&mut self, bytes: &mut Vec<u8>, pool: &[Vec<u8>]) {
        let (kind, at) = (self.below(9), self.below(bytes.len() + 1));
        match kind {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            1 if at < bytes.len() => bytes[at] = self.below(256) as u8,
            2 => self.edge(bytes, at),
            3 => bytes.truncate(at),
            4 => drop(bytes.drain(at..(at + self.below(PIECE_MAX)).min(bytes.len()))),
            5 => Self::insert(bytes, at, WORDS[self.below(WORDS.len())]),
            6 => {
                let piece = bytes[at..(at + self.below(PIECE_MAX)).min(bytes.len())].to_vec();
                let to = self.below(bytes.len() + 1);
                Self::insert(bytes, to, &piece);
            }
            7 => {
                let other = &pool[self.below(pool.len())];
                let from = self.below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => Self::insert(bytes, at, &[self.0 as u8]),
        }
    }

    fn insert(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
        bytes.splice(at..at, piece.iter().copied());
    }

    /// Writes a number of one, two, three or four bytes, in either order, over what stands there.
    fn edge(&mut self, bytes: &mut [u8], at: usize) {
        let number = EDGES[self.below(EDGES.len())];
        let width = 1 + self.below(4);
        let digits = if self.below(2) == 0 { number.to_be_bytes() } else { number.to_le_bytes() };
        let digits = &digits[if self.below(2) == 0 { 4 - width..4 } else { 0..width }];
        for (place, digit) in bytes[at..].iter_mut().zip(digits) {
            *place = *digit;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_the_same_changes_each_time() {
        let pool = [b"220 ready\r\n".to_vec(), Vec::new(), vec![0; 300]];
        let made = |seed| {
            let mut mutator = Mutator::new(seed);
            (0..2_000).map(|_| mutator.change(&pool)).collect::<Vec<_>>()
        };
        assert_eq!(made(7), made(7));
        assert_ne!(made(7), made(8));
        assert!(made(7).iter().all(|bytes| bytes.len() <= BYTES_MAX));
    }
}
