//! The one hash that schedules and placement are made of.
//!
//! xxh3-64 with seed 0. Not for secrets: whoever can choose ids can choose hashes.

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// xxh3-64 of these bytes with seed 0.
pub fn hash64(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// xxh3-64 of these parts laid end to end; every part but the last must have a fixed length.
pub fn hash64_of(parts: &[&[u8]]) -> u64 {
    let mut hasher = Xxh3::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors of the reference implementation's seed-0 hash; if they change, every schedule moves.
    #[test]
    fn the_hash_is_pinned() {
        assert_eq!(hash64(b""), 0x2d06_8005_38d3_94c2);
        assert_eq!(hash64(b"a"), 0xe6c6_32b6_1e96_4e1f);
        assert_eq!(hash64(b"abc"), 0x78af_5f94_892f_3950);
        assert_eq!(hash64_of(&[b"a", b"bc"]), hash64(b"abc"));
    }
}
