//! When a delivery is tried, and when it is given up.
//!
//! What the other side said to it and the number of tries decide; sending is somebody else's work.

/// Waits between the first tries, in seconds; then hourly.
const WAITS_S: [i64; 7] = [5, 15, 45, 120, 300, 900, 1800];
const HOURLY_S: i64 = 3600;
/// A delivery that has not gone out a day after it was written tells nobody anything new.
pub const GIVE_UP_MS: i64 = 24 * 3_600_000;
/// Waits are stretched or shrunk by up to a fifth, so that a recovered endpoint is not stormed.
const JITTER_FIFTH: i64 = 5;

/// Whether the other side took the message of one try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// It took the message.
    Taken,
    /// It did not, and may later.
    Later,
    /// It never will.
    Never,
}

/// What becomes of the delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is done.
    Sent,
    /// It is tried again after so many milliseconds.
    RetryAfterMs(i64),
    /// It is shown among the dead letters.
    Dead,
}

/// What becomes of a delivery written `age_ms` ago after its `tries`-th try, counted from 1.
///
/// `random` spreads the waits; any value will do.
pub const fn after_try(acceptance: Acceptance, tries: u32, age_ms: i64, random: u32) -> Next {
    match acceptance {
        Acceptance::Taken => Next::Sent,
        Acceptance::Never => Next::Dead,
        Acceptance::Later if age_ms >= GIVE_UP_MS => Next::Dead,
        Acceptance::Later => Next::RetryAfterMs(wait_ms(tries, random)),
    }
}

const fn wait_ms(tries: u32, random: u32) -> i64 {
    let index = tries.saturating_sub(1) as usize;
    let base_ms = 1000 * if index < WAITS_S.len() { WAITS_S[index] } else { HOURLY_S };
    let spread = base_ms / JITTER_FIFTH;
    base_ms - spread + random as i64 % (2 * spread + 1)
}

/// What an HTTP status says: 2xx took it; 408, 425, 429 and the server's own faults may take it
/// later; any other refusal is final.
pub const fn acceptance_of_http(status: u16) -> Acceptance {
    match status {
        200..300 => Acceptance::Taken,
        408 | 425 | 429 | 500..600 => Acceptance::Later,
        _ => Acceptance::Never,
    }
}

/// What an SMTP reply says (RFC 5321, 4.2.1): 2yz took it, 5yz never will.
pub const fn acceptance_of_smtp(code: u16) -> Acceptance {
    match code {
        200..300 => Acceptance::Taken,
        500..600 => Acceptance::Never,
        _ => Acceptance::Later,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_an_hour_and_stay_within_a_fifth() {
        for (tries, base) in [(1, 5_000), (3, 45_000), (7, 1_800_000), (8, 3_600_000), (30, 3_600_000)] {
            for random in [0, 1, 12_345, u32::MAX] {
                let Next::RetryAfterMs(wait) = after_try(Acceptance::Later, tries, 0, random) else {
                    panic!("a delivery that may be taken later was given up");
                };
                assert!((base * 4 / 5..=base * 6 / 5).contains(&wait), "{tries}: {wait}");
            }
        }
    }

    #[test]
    fn a_final_refusal_and_a_day_end_a_delivery() {
        assert_eq!(after_try(Acceptance::Never, 1, 0, 0), Next::Dead);
        assert_eq!(after_try(Acceptance::Later, 40, GIVE_UP_MS, 0), Next::Dead);
        assert_eq!(after_try(Acceptance::Taken, 40, GIVE_UP_MS, 0), Next::Sent);
    }

    #[test]
    fn statuses_and_replies_are_told_apart() {
        assert_eq!(
            [200, 204, 404, 410, 429, 503, 302].map(acceptance_of_http),
            [
                Acceptance::Taken,
                Acceptance::Taken,
                Acceptance::Never,
                Acceptance::Never,
                Acceptance::Later,
                Acceptance::Later,
                Acceptance::Never,
            ]
        );
        assert_eq!(
            [250, 421, 450, 550].map(acceptance_of_smtp),
            [Acceptance::Taken, Acceptance::Later, Acceptance::Later, Acceptance::Never]
        );
    }
}
