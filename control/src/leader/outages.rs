//! How much fails at once, as the leader sees it: votes under way, rounds by the place that began them, and mass
//! failures, of which operators are told.
//!
//! Counts only, in memory: nothing here decides whether something is down.

use std::collections::BTreeMap;

use farwatch_core::mass_failure::{MassFailure, Turn, may_ask};
use farwatch_proto::check::StreamId;
use farwatch_proto::id::HostId;
use farwatch_proto::time::UnixMs;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::draft::Now;
use super::state::State;

/// Rounds about outages that failures seen by one host began, since the leader took office.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundCount {
    /// Those that others confirmed.
    pub confirmed: u64,
    /// Those that others refuted.
    pub refuted: u64,
}

impl RoundCount {
    /// The share of refuted ones; `None` while none is over.
    pub fn refuted_share(self) -> Option<f64> {
        let all = self.confirmed + self.refuted;
        (all > 0).then(|| self.refuted as f64 / all as f64)
    }
}

/// See the file's documentation.
#[derive(Debug, Default)]
pub(super) struct Outages {
    rounds: BTreeMap<HostId, RoundCount>,
    mass_failure: MassFailure,
}

impl Outages {
    /// The rounds that this host began.
    pub(super) fn rounds_of(&self, host: HostId) -> RoundCount {
        self.rounds.get(&host).copied().unwrap_or_default()
    }

    /// Since when there is a mass failure, and how many streams began to fail in the last minute.
    pub(super) fn mass_failure(&self) -> Option<(UnixMs, usize)> {
        self.mass_failure.since().map(|since| (since, self.mass_failure.newly_failing()))
    }
}

impl State {
    /// Whether one more round may begin beside so many orders that are about to go out.
    pub(super) fn may_ask(&self, ordered: usize) -> bool {
        let places: u32 = self.sessions.values().filter(|one| one.is_linked()).map(|one| one.run_places).sum();
        may_ask(self.census.votes() + ordered, places as usize)
    }

    /// Counts what a committed draft has brought.
    pub(super) fn count_outages(&mut self, rounds: &[(HostId, bool)], failing: &[StreamId], now: Now) {
        for (host, refuted) in rounds {
            self.fleet.note_round(*host, *refuted, now.boot);
            let count = self.outages.rounds.entry(*host).or_default();
            if *refuted {
                count.refuted += 1;
            } else {
                count.confirmed += 1;
            }
        }
        failing.iter().for_each(|stream| self.outages.mass_failure.note(*stream, now.wall));
    }

    /// Tells operators of the beginning and the end of a mass failure.
    pub(super) fn watch_for_mass_failure(&mut self, now: UnixMs) {
        let streams = self.census.streams();
        match self.outages.mass_failure.step(streams, now) {
            Some(Turn::Began(failing)) => warn!(failing, streams, "a mass failure began; votes take turns"),
            Some(Turn::Over(lasted_ms)) => info!(lasted_ms, "the mass failure is over"),
            None => {}
        }
    }
}
