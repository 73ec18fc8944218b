//! A latency in one or two bytes, exact where it is tiny and to within 0.4 % everywhere else.
//!
//! Nobody reads a graph more finely, and whole microseconds would be half of what a block weighs.

/// Latencies below are kept as they are.
const EXACT_BELOW_US: u32 = 256;
/// Of larger ones this many leading bits are kept.
const KEPT_BITS: u32 = 8;
/// How many different values those bits have, the first of which is always set.
const STEPS: u16 = 128;

/// A latency of at most 71 minutes. Ordered as the latencies are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Latency(u16);

impl Latency {
    /// The latency nearest to this many microseconds.
    pub const fn of_us(us: u32) -> Self {
        if us < EXACT_BELOW_US {
            return Self(us as u16);
        }
        let dropped = u32::BITS - us.leading_zeros() - KEPT_BITS;
        let kept = (us >> dropped) as u16;
        Self(EXACT_BELOW_US as u16 + (dropped as u16 - 1) * STEPS + (kept - STEPS))
    }

    /// It in microseconds: the middle of all that are kept as the same.
    pub const fn us(self) -> u32 {
        let Some(above) = self.0.checked_sub(EXACT_BELOW_US as u16) else { return self.0 as u32 };
        let dropped = above / STEPS + 1;
        let kept = (above % STEPS + STEPS) as u32;
        (kept << dropped) | (1 << (dropped - 1))
    }

    /// The number it is stored as.
    pub const fn code(self) -> u16 {
        self.0
    }

    /// The latency of a stored number, if it is one.
    pub const fn from_code(code: u16) -> Option<Self> {
        if code <= Self::of_us(u32::MAX).0 { Some(Self(code)) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_stored_number_is_a_latency_of_its_own_and_none_is_left_over() {
        let last = Latency::of_us(u32::MAX).code();
        for code in 0..=last {
            let latency = Latency::from_code(code).unwrap();
            assert_eq!(Latency::of_us(latency.us()), latency, "{code}");
        }
        assert_eq!(Latency::from_code(last + 1), None);
        assert!(last < 1 << 14, "two groups of seven bits hold any of them");
    }

    proptest! {
        #[test]
        fn a_latency_is_kept_within_four_thousandths_and_in_order(us in any::<u32>(), other in any::<u32>()) {
            let kept = Latency::of_us(us);
            prop_assert!(u64::from(kept.us().abs_diff(us)) * 1000 <= u64::from(us) * 4);
            prop_assert!(us < other || kept >= Latency::of_us(other));
        }
    }
}
