//! Which failed runs a host lets show what came from the target: as many as are kept anyway, for it weighs more than all else
//! that a run says.

use std::collections::HashMap;

use farwatch_proto::id::CheckId;
use farwatch_proto::time::UnixMs;

use super::THINNED_MS;

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
        let is_known =
            self.0.get(&check).is_some_and(|(shown, at)| shown == code && (0..THINNED_MS).contains(&now.since(*at)));
        if !is_known {
            self.0.insert(check, (code.to_owned(), now));
        }
        !is_known
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
    fn a_check_that_was_well_shows_its_next_failure() {
        let mut showing = Showing::default();
        assert!(showing.is_due(CHECK, "a", UnixMs(0)));
        showing.is_well(CHECK);
        assert!(showing.is_due(CHECK, "a", UnixMs(1)));
    }
}
