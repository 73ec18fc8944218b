//! Numbers in as few bytes as they need: little-endian base 128, signed ones folded first.

use super::PackError;

/// A u64 needs at most this many groups of seven bits.
const VARINT_MAX_BYTES: u32 = 10;

/// Appends a number.
pub fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Appends a number that may be negative; a small one of either sign is short.
pub fn put_signed(bytes: &mut Vec<u8>, number: i64) {
    put(bytes, ((number << 1) ^ (number >> 63)) as u64);
}

/// Reads what was written, in the same order.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Begins at the first of these bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next byte, or `None` at the end, where a record may start but none does.
    pub fn next_byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// So many bytes as they are.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], PackError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(PackError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// As many bytes as the array has.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], PackError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(PackError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// A number.
    pub fn varint(&mut self) -> Result<u64, PackError> {
        let mut number = 0_u64;
        for group in 0..VARINT_MAX_BYTES {
            let byte = self.next_byte().ok_or(PackError::Truncated)?;
            number |= u64::from(byte & 0x7f) << (7 * group);
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(PackError::OutOfRange("number"))
    }

    /// A number that may be negative.
    pub fn signed(&mut self) -> Result<i64, PackError> {
        let folded = self.varint()?;
        Ok((folded >> 1) as i64 ^ -((folded & 1) as i64))
    }

    /// A number of a narrower type; `field` names it where it does not fit.
    pub fn narrow<T: TryFrom<u64>>(&mut self, field: &'static str) -> Result<T, PackError> {
        T::try_from(self.varint()?).map_err(|_| PackError::OutOfRange(field))
    }
}
