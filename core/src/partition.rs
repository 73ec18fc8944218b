//! Which partitions a table that is kept by ranges of a number is to have: made before a row needs them, and dropped
//! whole once everything in them has had its time.
//!
//! Ranges that are made begin and end at whole multiples of their length, so that whoever makes them makes the same ones.

/// The numbers of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Range {
    /// The first.
    pub from: i64,
    /// The one after the last.
    pub to: i64,
}

impl Range {
    /// The range of this length that a number belongs to.
    pub const fn around(number: i64, length: i64) -> Self {
        let from = number.div_euclid(length) * length;
        Self { from, to: from + length }
    }

    /// Whether a number belongs to it.
    pub const fn holds(&self, number: i64) -> bool {
        self.from <= number && number < self.to
    }

    const fn overlaps(&self, other: &Self) -> bool {
        self.from < other.to && other.from < self.to
    }
}

/// The ranges of this length to make beside those that are there, so that `count` of them from the one of `number` on
/// have a partition. What a range that is there already has a part of is left as it is.
pub fn missing(there: &[Range], number: i64, length: i64, count: u16) -> Vec<Range> {
    let first = Range::around(number, length).from;
    let wanted = (0..i64::from(count)).map(|n| Range::around(first + n * length, length));
    wanted.filter(|range| !there.iter().any(|other| other.overlaps(range))).collect()
}

/// The ranges that lie before this number altogether, lowest first.
pub fn outlived(there: &[Range], before: i64) -> Vec<Range> {
    let mut outlived: Vec<Range> = there.iter().filter(|range| range.to <= before).copied().collect();
    outlived.sort_unstable();
    outlived
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn range(from: i64, to: i64) -> Range {
        Range { from, to }
    }

    #[test]
    fn what_is_missing_begins_with_the_range_of_the_number() {
        for (there, number, expected) in [
            (vec![], 25, vec![range(20, 30), range(30, 40), range(40, 50)]),
            (vec![], 20, vec![range(20, 30), range(30, 40), range(40, 50)]),
            (vec![range(0, 30)], 29, vec![range(30, 40), range(40, 50)]),
            (vec![range(30, 40)], 25, vec![range(20, 30), range(40, 50)]),
            (vec![range(20, 30), range(30, 40), range(40, 50)], 29, vec![]),
            (vec![range(0, 25)], 25, vec![range(30, 40), range(40, 50)]),
        ] {
            assert_eq!(missing(&there, number, 10, 3), expected, "{number} beside {there:?}");
        }
    }

    #[test]
    fn only_what_lies_before_altogether_has_been_outlived() {
        let there = [range(20, 30), range(0, 20), range(30, 40)];
        for (before, expected) in
            [(19, vec![]), (20, vec![range(0, 20)]), (39, vec![range(0, 20), range(20, 30)]), (40, there.to_vec())]
        {
            let mut expected = expected;
            expected.sort_unstable();
            assert_eq!(outlived(&there, before), expected, "before {before}");
        }
    }

    proptest! {
        /// However the numbers grow: no two ranges overlap, and each number has its range when it comes.
        #[test]
        fn a_growing_number_always_has_its_partition(steps in prop::collection::vec(0..20_i64, 1..60)) {
            let (mut there, mut number) = (Vec::new(), 0);
            for step in steps {
                there.extend(missing(&there, number, 10, 3));
                number += step;
                prop_assert_eq!(there.iter().filter(|range| range.holds(number)).count(), 1);
                let outlived = outlived(&there, number);
                there.retain(|range| !outlived.contains(range));
            }
            prop_assert!(there.len() <= 5, "{:?}", there);
        }
    }
}
