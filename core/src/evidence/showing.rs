//! Which failed runs a host lets show what came from the target: as many as are kept anyway, for it weighs more than all else
//! that a run says.

use std::collections::HashMap;

use farwatch_proto::id::CheckId;
use farwatch_proto::time::UnixMs;

use super::THINNED_MS;

/// Checks that are remembered at once: more fail on one host only when all do, and then few say enough.
const CHECKS_MAX: usize = 10_000;

/// What was shown last of each check that goes on failing.
#[derive(Debug, Default)]
pub struct Showing(HashMap<CheckId, (String, UnixMs)>);

impl Showing {
    /// The check is well again: its next failure is shown.
    pub fn is_well(&mut self, check: CheckId) {
        self.0.remove(&check);
    }

    /// Whether a run that failed with this code is to show what came: the first of its kind, and then one in ten minutes.
    pub fn is_due(&mut self, check: CheckId, code: &str, now: UnixMs) -> bool {
        let is_fresh = |at: UnixMs| (0..THINNED_MS).contains(&now.since(at));
        if self.0.get(&check).is_some_and(|(shown, at)| shown == code && is_fresh(*at)) {
            return false;
        }
        if self.0.len() >= CHECKS_MAX {
            // Checks that went to other hosts are never well here.
            self.0.retain(|_, (_, at)| is_fresh(*at));
        }
        let has_room = self.0.len() < CHECKS_MAX || self.0.contains_key(&check);
        if has_room {
            self.0.insert(check, (code.to_owned(), now));
        }
        has_room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECK: CheckId = CheckId::from_bytes([1; 16]);

    #[test]
    fn the_first_of_a_kind_is_shown_and_then_one_in_ten_minutes() {
        let mut showing = Showing::default();
        let mut at = |code: &str, ms: i64| showing.is_due(CHECK, code, UnixMs(ms));
        assert!(at("a", 0) && !at("a", 10_000) && at("b", 20_000) && at("a", 30_000));
        assert!(!at("a", 30_000 + THINNED_MS - 1) && at("a", 30_000 + THINNED_MS));
        assert!(at("a", 0), "a clock that was set back hides nothing");
    }

    #[test]
    fn so_many_checks_are_remembered_and_old_ones_make_room() {
        let mut showing = Showing::default();
        let check = |n: usize| CheckId::from_bytes((n as u128).to_be_bytes());
        assert!((0..CHECKS_MAX).all(|n| showing.is_due(check(n), "a", UnixMs(0))));
        assert!(!showing.is_due(check(CHECKS_MAX), "a", UnixMs(1)) && showing.is_due(check(0), "b", UnixMs(1)));
        assert!(showing.is_due(check(CHECKS_MAX), "a", UnixMs(THINNED_MS)));
    }

    #[test]
    fn a_check_that_was_well_shows_its_next_failure() {
        let mut showing = Showing::default();
        assert!(showing.is_due(CHECK, "a", UnixMs(0)));
        showing.is_well(CHECK);
        assert!(showing.is_due(CHECK, "a", UnixMs(1)));
    }
}
