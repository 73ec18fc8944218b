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

/// The longest wait that the other side may ask for; what asks for more is tried then nevertheless.
pub const ASKED_WAIT_MAX_MS: i64 = 3_600_000;

/// Whether the other side took the message of one try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// It took the message.
    Taken,
    /// It did not, and may later.
    Later,
    /// It never will.
    Never,
    /// It is gone for good, and asks to be told nothing more.
    Gone,
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
    /// So is this one, and nothing more is sent over its channel.
    DeadWithChannel,
}

/// One try of a delivery, and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// What the other side said.
    pub acceptance: Acceptance,
    /// How long it asked to be left alone, in milliseconds.
    pub asked_wait_ms: Option<i64>,
    /// The number of this try, counted from 1.
    pub tries: u32,
    /// How long ago the delivery was written, in milliseconds.
    pub age_ms: i64,
}

/// What becomes of a delivery after this try. `random` spreads the waits; any value will do.
pub fn after_try(attempt: &Attempt, random: u32) -> Next {
    match attempt.acceptance {
        Acceptance::Taken => Next::Sent,
        Acceptance::Never => Next::Dead,
        Acceptance::Gone => Next::DeadWithChannel,
        Acceptance::Later if attempt.age_ms >= GIVE_UP_MS => Next::Dead,
        Acceptance::Later => {
            let asked_ms = attempt.asked_wait_ms.map_or(0, |asked_ms| asked_wait_ms(asked_ms, random));
            Next::RetryAfterMs(wait_ms(attempt.tries, random).max(asked_ms))
        }
    }
}

/// What was asked for, within the limit, and up to a fifth more: all who were turned away are told the same moment.
fn asked_wait_ms(asked_ms: i64, random: u32) -> i64 {
    let asked_ms = asked_ms.clamp(0, ASKED_WAIT_MAX_MS);
    asked_ms + i64::from(random) % (asked_ms / JITTER_FIFTH + 1)
}

const fn wait_ms(tries: u32, random: u32) -> i64 {
    let index = tries.saturating_sub(1) as usize;
    let base_ms = 1000 * if index < WAITS_S.len() { WAITS_S[index] } else { HOURLY_S };
    let spread = base_ms / JITTER_FIFTH;
    base_ms - spread + random as i64 % (2 * spread + 1)
}

/// What an HTTP status says: 2xx took it; 408, 425, 429 and the server's own faults may take it
/// later; any other refusal is final, and 410 is so for all that would follow (Standard Webhooks).
pub const fn acceptance_of_http(status: u16) -> Acceptance {
    match status {
        200..300 => Acceptance::Taken,
        408 | 425 | 429 | 500..600 => Acceptance::Later,
        410 => Acceptance::Gone,
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

    fn later(tries: u32, asked_wait_ms: Option<i64>) -> Attempt {
        Attempt { acceptance: Acceptance::Later, asked_wait_ms, tries, age_ms: 0 }
    }

    #[test]
    fn waits_grow_to_an_hour_and_stay_within_a_fifth() {
        for (tries, base) in [(1, 5_000), (3, 45_000), (7, 1_800_000), (8, 3_600_000), (30, 3_600_000)] {
            for random in [0, 1, 12_345, u32::MAX] {
                let Next::RetryAfterMs(wait) = after_try(&later(tries, None), random) else {
                    panic!("a delivery that may be taken later was given up");
                };
                assert!((base * 4 / 5..=base * 6 / 5).contains(&wait), "{tries}: {wait}");
            }
        }
    }

    #[test]
    fn a_final_refusal_and_a_day_end_a_delivery() {
        for (acceptance, age_ms, next) in [
            (Acceptance::Never, 0, Next::Dead),
            (Acceptance::Later, GIVE_UP_MS, Next::Dead),
            (Acceptance::Taken, GIVE_UP_MS, Next::Sent),
            (Acceptance::Gone, 0, Next::DeadWithChannel),
        ] {
            let attempt = Attempt { acceptance, asked_wait_ms: Some(1), tries: 40, age_ms };
            assert_eq!(after_try(&attempt, 0), next);
        }
    }

    #[test]
    fn nobody_is_tried_before_they_asked_to_be_and_nobody_may_ask_for_days() {
        let hour = ASKED_WAIT_MAX_MS;
        for (tries, asked, range) in [
            (1, 60_000, 60_000..=72_000),
            (1, 1_000, 4_000..=6_000),
            (1, -5, 4_000..=6_000),
            (7, 60_000, 1_440_000..=2_160_000),
            (1, i64::MAX, hour..=hour * 6 / 5),
        ] {
            for random in [0, 7, 99_999, u32::MAX] {
                let Next::RetryAfterMs(wait) = after_try(&later(tries, Some(asked)), random) else {
                    panic!("a delivery that may be taken later was given up");
                };
                assert!(range.contains(&wait), "{tries}, {asked}: {wait}");
            }
        }
    }

    #[test]
    fn statuses_and_replies_are_told_apart() {
        assert_eq!(
            [200, 204, 404, 410, 429, 503, 302].map(acceptance_of_http),
            [
                Acceptance::Taken,
                Acceptance::Taken,
                Acceptance::Never,
                Acceptance::Gone,
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
