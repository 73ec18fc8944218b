//! Verifies signatures by RSA (PKCS #1 v1.5, RFC 8017, section 8.2.2), in memory that is not the stack.
//!
//! The stack of a module is too small for the libraries there are, once keys are of 4,096 bits. Nothing here is secret, so
//! nothing has to take the same time.

use super::der::{INTEGER, Reader, SEQUENCE};

/// The largest key that is computed with, in bits: beyond it a run would take too long, and no issuer goes there.
const BITS_MAX: usize = 8_192;
/// And the least: others can find the private half of a shorter one.
const BITS_MIN: usize = 2_048;
/// Bytes of the exponent: all use 65,537, and a long one would take too long.
const EXPONENT_BYTES_MAX: usize = 4;

/// Whether whoever holds this key signed this digest, before which the name of its hash stands.
pub fn is_signed(key: &[u8], hash: &[u8], digest: &[u8], signature: &[u8]) -> bool {
    is_as_signed(key, &[hash, digest].concat(), signature).unwrap_or(false)
}

fn is_as_signed(key: &[u8], named: &[u8], signature: &[u8]) -> Option<bool> {
    let mut numbers = Reader::new(key).within(SEQUENCE)?;
    let mut number = || numbers.next(INTEGER).map(|it| it.content.strip_prefix(&[0]).unwrap_or(it.content));
    let (modulus, exponent) = (number()?, number()?);
    // The calculation wants an odd modulus of whole words, as all are whose halves are secret primes.
    let is_usual = modulus.first()? >= &0x80 && modulus.len() % 4 == 0 && modulus.last()? & 1 == 1;
    let is_sized = (BITS_MIN / 8..=BITS_MAX / 8).contains(&modulus.len()) && signature.len() == modulus.len();
    if !is_usual || !is_sized || !(1..=EXPONENT_BYTES_MAX).contains(&exponent.len()) {
        return None;
    }
    let exponent = exponent.iter().fold(0, |all, byte| all << 8 | u32::from(*byte));
    let padding = modulus.len().checked_sub(named.len() + 3)?;
    let expected = [&[0, 1], vec![0xff; padding].as_slice(), &[0], named].concat();
    Some(Modulus::new(words(modulus)).power(&words(signature), exponent)? == words(&expected))
}

/// A number as words, the least first.
fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.rchunks(4).map(|word| word.iter().fold(0, |all, byte| all << 8 | u32::from(*byte))).collect()
}

fn is_less(one: &[u32], other: &[u32]) -> bool {
    one.iter().rev().lt(other.iter().rev())
}

/// Takes the other away, and drops what was borrowed beyond the last word.
fn subtract(from: &mut [u32], other: &[u32]) {
    let mut borrowed = false;
    for (word, less) in from.iter_mut().zip(other) {
        let (once, first) = word.overflowing_sub(*less);
        let (twice, second) = once.overflowing_sub(u32::from(borrowed));
        (*word, borrowed) = (twice, first || second);
    }
}

/// A number by which all is divided, in Montgomery's way.
struct Modulus {
    words: Vec<u32>,
    /// The negative inverse of its least word.
    inverse: u32,
}

impl Modulus {
    fn new(words: Vec<u32>) -> Self {
        // Each step doubles the bits that are right; an odd number is its own inverse in the last three.
        let least = words[0];
        let inverse =
            (0..4).fold(least, |inverse, _| inverse.wrapping_mul(2_u32.wrapping_sub(least.wrapping_mul(inverse))));
        Self { words, inverse: inverse.wrapping_neg() }
    }

    /// The base to this power; none where it is not below the modulus.
    fn power(&self, base: &[u32], exponent: u32) -> Option<Vec<u32>> {
        if !is_less(base, &self.words) {
            return None;
        }
        let bits = 32 * self.words.len();
        let one = self.doubled(bits);
        let base = self.times(base, &self.doubled(2 * bits));
        let power = (0..32).rev().fold(one, |power, bit| {
            let square = self.times(&power, &power);
            if exponent >> bit & 1 == 1 { self.times(&square, &base) } else { square }
        });
        let mut plain = vec![0; self.words.len()];
        plain[0] = 1;
        Some(self.times(&power, &plain))
    }

    /// One, doubled so many times.
    fn doubled(&self, times: usize) -> Vec<u32> {
        let mut number = vec![0; self.words.len()];
        number[0] = 1_u32;
        for _ in 0..times {
            let mut carry = 0;
            for word in &mut number {
                (*word, carry) = (*word << 1 | carry, *word >> 31);
            }
            if carry == 1 || !is_less(&number, &self.words) {
                subtract(&mut number, &self.words);
            }
        }
        number
    }

    /// The product of two numbers, divided by two to the power of all bits.
    fn times(&self, one: &[u32], other: &[u32]) -> Vec<u32> {
        let (size, mut sum, mut top) = (self.words.len(), vec![0_u32; self.words.len()], 0_u64);
        for factor in other {
            let mut carry = 0;
            for (word, digit) in sum.iter_mut().zip(one) {
                let all = u64::from(*word) + u64::from(*digit) * u64::from(*factor) + carry;
                (*word, carry) = (all as u32, all >> 32);
            }
            top += carry;
            // A multiple of the modulus that leaves nothing in the least word, which is then dropped.
            let multiple = u64::from(sum[0].wrapping_mul(self.inverse));
            let mut carry = (u64::from(sum[0]) + multiple * u64::from(self.words[0])) >> 32;
            for at in 1..size {
                let all = u64::from(sum[at]) + multiple * u64::from(self.words[at]) + carry;
                (sum[at - 1], carry) = (all as u32, all >> 32);
            }
            let all = top + carry;
            (sum[size - 1], top) = (all as u32, all >> 32);
        }
        if top == 1 || !is_less(&sum, &self.words) {
            subtract(&mut sum, &self.words);
        }
        sum
    }
}
