//! The two rules of an owner, for one slot and one order of owners.
//!
//! 1. Rank r starts at T + d for each better rank that is heard, unless a better one has said that it began.
//! 2. Whoever began it, rank r runs it at T + timeout + 0.75 s + (r - 1) d if nobody has completed it by then.
//!
//! Whoever comes only after T, the first rank too, gives the others one d to say what they did of it meanwhile. Neither
//! that nor waiting for silence to mean something goes so far that the run could not end inside the window.
//!
//! Design: the analysis behind the numbers is that a standby of an interval always finishes inside the window, because
//! `2 * timeout + 0.75 s + d <= interval`. A completed run is no matter of this file: it ends the slot.

use farwatch_proto::interval::{Interval, RECEIPT_ALLOWANCE_MS};
use farwatch_proto::time::UnixMs;

use crate::placement::OWNERS;
use crate::slot::window_end;

/// One slot, as far as the rules ask.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) slot: UnixMs,
    pub(super) interval: Interval,
    pub(super) timeout_ms: u32,
}

/// How a better rank stands to this host at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Better {
    /// It is heard, and will be taken for silent then.
    Heard { silent_from: UnixMs },
    /// It is not heard, or control has declared it dead.
    Silent,
    /// It is heard and said that it began.
    Began,
    /// It said that it cannot.
    Yielded,
    /// No heartbeat was ever exchanged: only control can tell whether it lives.
    Unlinked,
}

/// When this host should start the slot by what it knows now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// At `start`; but at `look_again`, if that is sooner, silence may have changed it.
    At { start: UnixMs, look_again: UnixMs },
    /// Not before control says that somebody died.
    WaitsForView,
}

/// The moment at which rank r runs a slot that somebody began and nobody completed.
pub(super) fn backstop(terms: &Terms, rank: usize) -> UnixMs {
    let better_standbys = rank.saturating_sub(1) as i64;
    terms.slot
        + (i64::from(terms.timeout_ms) + i64::from(RECEIPT_ALLOWANCE_MS))
        + better_standbys * terms.interval.rank_delay_ms()
}

/// After this nobody that stands by is still waiting for anybody.
pub(super) fn last_backstop(terms: &Terms) -> UnixMs {
    backstop(terms, OWNERS - 1)
}

/// A run that begins by then ends in its window, whatever its target does, and the others hear of it.
fn last_start(terms: &Terms) -> UnixMs {
    window_end(terms.slot, terms.interval) - i64::from(terms.timeout_ms) - i64::from(RECEIPT_ALLOWANCE_MS)
}

/// When a host starts a slot that was due before it could hear the others say anything of it: at the earliest then,
/// whatever its rank.
pub(super) fn arrival(terms: &Terms, since: UnixMs, others: &[Better]) -> UnixMs {
    let may_tell = others.iter().any(|other| matches!(other, Better::Heard { .. } | Better::Silent));
    let told = if may_tell { (since + terms.interval.rank_delay_ms()).min(last_start(terms)) } else { since };
    if others.contains(&Better::Began) { told.max(last_backstop(terms)) } else { told }
}

/// When a host with these better ranks starts the slot. Silence says nothing before `settled_from`.
pub(super) fn moment(terms: &Terms, better: &[Better], settled_from: UnixMs) -> Moment {
    if better.contains(&Better::Unlinked) || (cfg!(mutant = "hedge_off") && !better.is_empty()) {
        return Moment::WaitsForView;
    }
    if better.is_empty() {
        return Moment::At { start: terms.slot, look_again: terms.slot };
    }
    let (backstop, settled_from) = (backstop(terms, better.len()), settled_from.min(last_start(terms)));
    if better.contains(&Better::Began) {
        if cfg!(mutant = "started_cancels") {
            return Moment::WaitsForView;
        }
        let start = backstop.max(settled_from);
        return Moment::At { start, look_again: start };
    }
    let heard = better.iter().filter_map(|better| match better {
        Better::Heard { silent_from } => Some(*silent_from),
        _ => None,
    });
    let waits_ms = heard.clone().count() as i64 * terms.interval.rank_delay_ms();
    let start = (terms.slot + waits_ms).min(backstop);
    // A better rank that yielded was heard just now; for the others silence has to mean something.
    let start = if better.contains(&Better::Silent) { start.max(settled_from) } else { start };
    Moment::At { start, look_again: heard.min().map_or(start, |silent| silent.min(start)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const T: UnixMs = UnixMs(100_000);

    fn terms(seconds: u32, timeout_ms: u32) -> Terms {
        Terms { slot: T, interval: Interval::from_seconds(seconds).unwrap(), timeout_ms }
    }

    fn start(better: &[Better]) -> Option<i64> {
        match moment(&terms(10, 3_000), better, T - 1_000) {
            Moment::At { start, .. } => Some(start.since(T)),
            Moment::WaitsForView => None,
        }
    }

    const HEARD: Better = Better::Heard { silent_from: UnixMs(200_000) };

    #[test]
    fn each_better_rank_that_is_heard_costs_one_delay_and_a_silent_one_nothing() {
        for (better, after_ms) in [
            (&[][..], 0),
            (&[HEARD], 1_500),
            (&[Better::Silent], 0),
            (&[HEARD, HEARD], 3_000),
            (&[HEARD, Better::Silent], 1_500),
            (&[Better::Yielded, Better::Silent], 0),
            (&[Better::Yielded, HEARD], 1_500),
        ] {
            assert_eq!(start(better), Some(after_ms), "{better:?}");
        }
    }

    #[test]
    fn one_that_began_is_waited_for_until_its_timeout_has_passed() {
        assert_eq!(start(&[Better::Began]), Some(3_750));
        assert_eq!(start(&[Better::Silent, Better::Began]), Some(5_250));
        assert_eq!(start(&[Better::Began, Better::Yielded]), Some(5_250));
    }

    #[test]
    fn whom_one_was_never_linked_to_only_control_can_declare_dead() {
        assert_eq!(start(&[Better::Silent, Better::Unlinked]), None);
    }

    #[test]
    fn silence_means_nothing_right_after_a_pause() {
        let settled = T + 700;
        let at = |better: &[Better]| moment(&terms(10, 3_000), better, settled);
        assert_eq!(at(&[Better::Silent]), Moment::At { start: settled, look_again: settled });
        assert_eq!(at(&[]), Moment::At { start: T, look_again: T });
    }

    #[test]
    fn a_silence_that_will_count_earlier_is_looked_at_again() {
        let silent_from = T + 400;
        let at = moment(&terms(10, 3_000), &[Better::Heard { silent_from }], T);
        assert_eq!(at, Moment::At { start: T + 1_500, look_again: silent_from });
    }

    #[test]
    fn whoever_comes_after_t_lets_the_others_tell_first_and_waits_for_one_that_runs_it() {
        let since = T + 400;
        let after = |others: &[Better]| arrival(&terms(10, 3_000), since, others).since(since);
        for (others, after_ms) in [
            (&[][..], 0),
            (&[Better::Unlinked, Better::Yielded], 0),
            (&[Better::Silent], 1_500),
            (&[HEARD, Better::Silent], 1_500),
            (&[HEARD, Better::Began], 4_850),
        ] {
            assert_eq!(after(others), after_ms, "{others:?}");
        }
    }

    #[test]
    fn nobody_waits_so_long_that_the_run_could_not_end_in_its_window() {
        let last = T + (10_000 - 50 - 3_000 - 750);
        assert_eq!(arrival(&terms(10, 3_000), T + 6_000, &[HEARD]), last);
        let at = moment(&terms(10, 3_000), &[Better::Silent], T + 6_900);
        assert_eq!(at, Moment::At { start: last, look_again: last });
    }

    fn any_better() -> impl Strategy<Value = Better> {
        prop_oneof![Just(HEARD), Just(Better::Silent), Just(Better::Began), Just(Better::Yielded)]
    }

    proptest! {
        #[test]
        fn whatever_is_known_every_owner_can_finish_inside_the_window(
            better in prop::collection::vec(any_better(), 0..2),
            seconds in prop::sample::select(&farwatch_proto::interval::INTERVALS_S[..]),
            settled_ms in -5_000..90_000_000_i64,
            since_ms in 0..90_000_000_i64,
        ) {
            let interval = Interval::from_seconds(seconds).unwrap();
            let timeout_ms = interval.largest_timeout_ms();
            let terms = Terms { slot: T, interval, timeout_ms };
            let Moment::At { start, .. } = moment(&terms, &better, T) else { panic!("nobody is unlinked") };
            prop_assert!(start >= T && start <= backstop(&terms, better.len()).max(T));
            prop_assert!(start.since(T) + i64::from(timeout_ms) <= interval.ms());
            let settled = moment(&terms, &better, T + settled_ms);
            let Moment::At { start, .. } = settled else { panic!("nobody is unlinked") };
            prop_assert!(start.since(T) + i64::from(timeout_ms) <= interval.ms(), "however long it settles");
            let arrived = arrival(&terms, T + since_ms, &better);
            let room_ms = i64::from(timeout_ms) + i64::from(RECEIPT_ALLOWANCE_MS);
            let could_ms = interval.ms() - since_ms - interval.rank_delay_ms() - room_ms;
            prop_assert!(could_ms < 0 || arrived.since(T) + i64::from(timeout_ms) <= interval.ms());
        }
    }
}
