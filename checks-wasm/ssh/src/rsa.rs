//! The public half of RSA (RFC 8017, section 8.2.2): a power of a signature, and what that has to be.
//!
//! Crates for it need more stack than a guest has. Everything here is public, so nothing has to take the same time for all
//! numbers; and nothing is signed here.

/// The sizes of keys that are verified, in bytes: 1,024 to 8,192 bits. Smaller ones can be broken, and larger ones cost more
/// than they are worth.
const SIZES: std::ops::RangeInclusive<usize> = 128..=1_024;
/// The largest exponent, in bytes. All keys in use have 65,537.
const EXPONENT_MAX: usize = 4;
/// What stands before a digest of SHA-256: its name and its length in DER.
pub const SHA256: [u8; 19] = [0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20];
/// The same of SHA-512.
pub const SHA512: [u8; 19] = [0x30, 0x51, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3, 5, 0, 4, 0x40];

/// What a signature of this digest has to be the root of. None where the key is too small for it.
pub fn padded(name: &[u8], digest: &[u8], size: usize) -> Option<Vec<u8>> {
    let filled = size.checked_sub(3 + name.len() + digest.len()).filter(|filled| *filled >= 8)?;
    Some([&[0, 1][..], &vec![0xff; filled], &[0], name, digest].concat())
}

/// The power of a number by the modulus, in as many bytes as that has. None where the numbers are not those of a key and
/// its signature.
pub fn power(base: &[u8], exponent: &[u8], modulus: &[u8]) -> Option<Vec<u8>> {
    let is_odd = modulus.last().is_some_and(|last| last & 1 == 1);
    if !SIZES.contains(&modulus.len()) || !is_odd || exponent.is_empty() || exponent.len() > EXPONENT_MAX {
        return None;
    }
    let field = Field::new(modulus);
    // Some servers leave out zeros at the front, and none writes more than there is place for.
    let base = limbs(base, field.modulus.len()).filter(|base| is_less(base, &field.modulus))?;
    let base = field.multiply(&base, &field.square);
    let bits = exponent.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1));
    let mut result: Option<Vec<u32>> = None;
    for bit in bits {
        result = match result {
            Some(number) => {
                let squared = field.multiply(&number, &number);
                Some(if bit { field.multiply(&squared, &base) } else { squared })
            }
            None => bit.then(|| base.clone()),
        };
    }
    let mut one = vec![0; field.modulus.len()];
    one[0] = 1;
    let bytes: Vec<u8> = field.multiply(&result?, &one).iter().rev().flat_map(|limb| limb.to_be_bytes()).collect();
    Some(bytes[bytes.len() - modulus.len()..].to_vec())
}

/// Numbers below an odd modulus, in limbs with the least first, multiplied as Montgomery has it.
struct Field {
    modulus: Vec<u32>,
    /// The number that makes the lowest limb of the modulus minus one.
    inverse: u32,
    /// The square of one more than the largest number that the limbs can hold.
    square: Vec<u32>,
}

impl Field {
    fn new(modulus: &[u8]) -> Self {
        let size = modulus.len().div_ceil(4);
        let modulus = limbs(modulus, size).unwrap_or_default();
        // Each round doubles the bits that are right, from the one of an odd number.
        let inverse =
            (0..5).fold(1_u32, |inverse, _| inverse.wrapping_mul(2_u32.wrapping_sub(modulus[0].wrapping_mul(inverse))));
        let mut square = vec![0; size];
        square[0] = 1;
        for _ in 0..size * 64 {
            double(&mut square, &modulus);
        }
        Self { modulus, inverse: inverse.wrapping_neg(), square }
    }

    fn multiply(&self, left: &[u32], right: &[u32]) -> Vec<u32> {
        let size = self.modulus.len();
        let mut sum = vec![0_u32; size + 2];
        for limb in left {
            add_product(&mut sum, *limb, right);
            let factor = sum[0].wrapping_mul(self.inverse);
            add_product(&mut sum, factor, &self.modulus);
            // The lowest limb is zero now.
            sum.rotate_left(1);
        }
        let is_over = sum[size] != 0 || !is_less(&sum[..size], &self.modulus);
        sum.truncate(size);
        if is_over {
            subtract(&mut sum, &self.modulus);
        }
        sum
    }
}

/// Adds a limb times a number.
fn add_product(sum: &mut [u32], limb: u32, number: &[u32]) {
    let mut carry = 0_u64;
    for (place, other) in sum.iter_mut().zip(number.iter().chain(&[0, 0])) {
        carry += u64::from(*place) + u64::from(limb) * u64::from(*other);
        *place = carry as u32;
        carry >>= 32;
    }
}

/// Doubles a number below the modulus.
fn double(number: &mut [u32], modulus: &[u32]) {
    let mut carry = 0;
    for limb in number.iter_mut() {
        let next = *limb >> 31;
        *limb = *limb << 1 | carry;
        carry = next;
    }
    if carry == 1 || !is_less(number, modulus) {
        subtract(number, modulus);
    }
}

fn subtract(number: &mut [u32], other: &[u32]) {
    let mut borrow = 0_i64;
    for (limb, other) in number.iter_mut().zip(other) {
        borrow += i64::from(*limb) - i64::from(*other);
        *limb = borrow as u32;
        borrow >>= 32;
    }
}

fn is_less(left: &[u32], right: &[u32]) -> bool {
    left.iter().rev().lt(right.iter().rev())
}

/// A number in so many limbs; none where it does not fit.
fn limbs(bytes: &[u8], size: usize) -> Option<Vec<u32>> {
    let mut limbs = vec![0_u32; size];
    for (at, byte) in bytes.iter().rev().enumerate() {
        match limbs.get_mut(at / 4) {
            Some(limb) => *limb |= u32::from(*byte) << (at % 4 * 8),
            None if *byte == 0 => {}
            None => return None,
        }
    }
    Some(limbs)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number of so many bytes that ends with this one.
    fn number(bytes: usize, first: u8, last: u8) -> Vec<u8> {
        let mut number = vec![0; bytes];
        number[0] = first;
        number[bytes - 1] |= last;
        number
    }

    #[test]
    fn powers_are_those_of_the_rule() {
        // By the modulus 2^1023 + 1, two to the 1023rd is minus one: so its square is one.
        let modulus = number(128, 0x80, 1);
        for (base, exponent, power_is) in [
            (vec![2], vec![3], number(128, 0, 8)),
            (vec![0, 0, 7], vec![1], number(128, 0, 7)),
            (number(128, 0x80, 0), vec![2], number(128, 0, 1)),
            (number(128, 0x80, 0), vec![0, 3], number(128, 0x80, 0)),
            (vec![], vec![5], number(128, 0, 0)),
        ] {
            assert_eq!(power(&base, &exponent, &modulus), Some(power_is), "{exponent:?}");
        }
        // One whose size is no whole number of limbs.
        assert_eq!(power(&[3], &[2], &number(129, 1, 1)), Some(number(129, 0, 9)));
    }

    #[test]
    fn what_is_no_key_or_no_signature_is_refused() {
        let modulus = number(128, 0x80, 1);
        for (base, exponent, modulus) in [
            (vec![2], vec![], modulus.clone()),
            (vec![2], vec![0], modulus.clone()),
            (vec![2], vec![1; 5], modulus.clone()),
            (modulus.clone(), vec![3], modulus.clone()),
            (vec![1; 130], vec![3], modulus),
            (vec![2], vec![3], number(128, 0x80, 2)),
            (vec![2], vec![3], number(127, 0x80, 1)),
            (vec![2], vec![3], number(1_025, 0x80, 1)),
            (vec![2], vec![3], vec![]),
        ] {
            assert_eq!(power(&base, &exponent, &modulus), None);
        }
        assert_eq!(padded(&SHA512, &[0; 64], 93), None);
        assert_eq!(padded(&SHA256, &[7; 32], 128).map(|padded| padded.len()), Some(128));
    }
}
