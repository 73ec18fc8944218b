//! How often somebody may ask: a token bucket per key, in bounded memory.
//!
//! A bucket is one number, the moment at which it is full again. Buckets of those who have not asked for longest are
//! forgotten when there are too many, which can only be to their advantage. Nothing here knows what a key stands for.

use std::collections::HashMap;
use std::hash::Hash;

use farwatch_proto::time::BootMs;

/// How often one key may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many requests may come at once.
    pub burst: u32,
    /// After how long one more may come.
    pub one_more_ms: u32,
}

/// Too much was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany {
    /// After how long the next request may come.
    pub wait_ms: i64,
}

/// The buckets of all keys.
#[derive(Debug)]
pub struct Buckets<K> {
    rate: Rate,
    /// How many keys one generation remembers; together they remember twice as many.
    generation_max: usize,
    /// When the buckets of those who asked lately are full again.
    young: HashMap<K, BootMs>,
    /// The generation before.
    old: HashMap<K, BootMs>,
}

impl Rate {
    /// How long an empty bucket takes to be full.
    fn whole_ms(self) -> i64 {
        i64::from(self.burst) * i64::from(self.one_more_ms)
    }

    /// When the bucket that is full at `full_at` is full again once one more is taken from it now.
    fn taken(self, full_at: BootMs, now: BootMs) -> Result<BootMs, TooMany> {
        let after = full_at.max(now) + i64::from(self.one_more_ms);
        let wait_ms = after.since(now) - self.whole_ms();
        if wait_ms > 0 { Err(TooMany { wait_ms }) } else { Ok(after) }
    }
}

impl<K: Eq + Hash> Buckets<K> {
    /// Buckets that are all full, of which about `keys_max` are remembered.
    pub fn new(rate: Rate, keys_max: usize) -> Self {
        Self { rate, generation_max: keys_max.div_ceil(2), young: HashMap::new(), old: HashMap::new() }
    }

    /// Takes one from the bucket of this key.
    pub fn take(&mut self, key: K, now: BootMs) -> Result<(), TooMany> {
        let known = self.young.get(&key).or_else(|| self.old.get(&key)).copied();
        let taken = self.rate.taken(known.unwrap_or_default(), now);
        let full_at = match taken {
            Ok(full_at) => full_at,
            // Whoever is refused is remembered as it stands, so that asking on does not make it forgotten.
            Err(_) => known.unwrap_or_default(),
        };
        if self.young.len() >= self.generation_max && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, full_at);
        taken.map(|_| ())
    }

    /// How many keys are remembered.
    pub fn remembered(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 3, one_more_ms: 100 };

    #[test]
    fn a_burst_passes_and_then_one_at_a_time() {
        let mut buckets = Buckets::new(RATE, 10);
        let steps = [
            (1000, Ok(())),
            (1000, Ok(())),
            (1000, Ok(())),
            (1000, Err(TooMany { wait_ms: 100 })),
            (1099, Err(TooMany { wait_ms: 1 })),
            (1100, Ok(())),
            (1100, Err(TooMany { wait_ms: 100 })),
            // A long pause fills the bucket, and no further.
            (9000, Ok(())),
            (9000, Ok(())),
            (9000, Ok(())),
            (9000, Err(TooMany { wait_ms: 100 })),
        ];
        for (number, (at, expected)) in steps.into_iter().enumerate() {
            assert_eq!(buckets.take("somebody", BootMs(at)), expected, "step {number}");
        }
    }

    #[test]
    fn keys_do_not_share_a_bucket() {
        let mut buckets = Buckets::new(Rate { burst: 1, one_more_ms: 100 }, 10);
        assert_eq!(buckets.take("one", BootMs(5)), Ok(()));
        assert_eq!(buckets.take("other", BootMs(5)), Ok(()));
        assert_eq!(buckets.take("one", BootMs(5)), Err(TooMany { wait_ms: 100 }));
    }

    #[test]
    fn memory_is_bounded_whoever_asks() {
        let mut buckets = Buckets::new(RATE, 100);
        for key in 0..10_000 {
            buckets.take(key, BootMs(7)).unwrap();
            assert!(buckets.remembered() <= 100, "{} after {key}", buckets.remembered());
        }
    }

    #[test]
    fn who_keeps_asking_is_not_forgotten() {
        let mut buckets = Buckets::new(RATE, 20);
        for _ in 0..3 {
            buckets.take(0, BootMs(7)).unwrap();
        }
        for key in 1..1000 {
            buckets.take(key, BootMs(7)).unwrap();
            assert_eq!(buckets.take(0, BootMs(7)), Err(TooMany { wait_ms: 100 }), "after {key}");
        }
    }

    #[test]
    fn a_bucket_of_nothing_lets_nobody_in() {
        let mut buckets = Buckets::new(Rate { burst: 0, one_more_ms: 100 }, 4);
        assert_eq!(buckets.take((), BootMs(7)), Err(TooMany { wait_ms: 100 }));
    }
}
