//! How much fails at once, as the leader sees it: votes under way, rounds by the place that began them, and mass
//! failures, of which operators are told.
//!
//! Counts only, in memory: nothing here decides whether something is down.

use std::collections::{BTreeMap, HashMap};

use farwatch_core::detect::{Detector, Verdict};
use farwatch_core::mass_failure::{MassFailure, STREAMS_MIN, Turn, may_ask};
use farwatch_proto::check::{Activity, StreamId};
use farwatch_proto::id::{CheckId, HostId};
use farwatch_proto::time::UnixMs;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

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
    votes_under_way: usize,
    rounds: BTreeMap<HostId, RoundCount>,
    mass_failure: MassFailure,
}

impl Outages {
    /// As they stand by these detectors, with nothing counted yet.
    pub(super) fn of(detectors: &HashMap<CheckId, Detector>) -> Self {
        Self { votes_under_way: votes_under_way(detectors), ..Self::default() }
    }

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
        may_ask(self.outages.votes_under_way + ordered, places as usize)
    }

    /// Counts what a committed draft has brought.
    pub(super) fn count_outages(&mut self, rounds: &[(HostId, bool)], failing: &[StreamId], now: UnixMs) {
        for (host, refuted) in rounds {
            let count = self.outages.rounds.entry(*host).or_default();
            if *refuted {
                count.refuted += 1;
            } else {
                count.confirmed += 1;
            }
        }
        failing.iter().for_each(|stream| self.outages.mass_failure.note(*stream, now));
        self.outages.votes_under_way = votes_under_way(&self.detectors);
    }

    /// Tells operators of the beginning and the end of a mass failure.
    pub(super) fn watch_for_mass_failure(&mut self, now: UnixMs) {
        let mass = &self.outages.mass_failure;
        // Fewer are none, however many streams there are, so these need not be counted every time.
        let may_turn = mass.since().is_some() || mass.newly_failing() >= STREAMS_MIN;
        let streams = if may_turn { self.streams(now) } else { 0 };
        match self.outages.mass_failure.step(streams, now) {
            Some(Turn::Began(failing)) => warn!(failing, streams, "a mass failure began; votes take turns"),
            Some(Turn::Over(lasted_ms)) => info!(lasted_ms, "the mass failure is over"),
            None => {}
        }
    }

    fn streams(&self, now: UnixMs) -> usize {
        let active = self.book.pages().filter_map(|(_, page)| page.in_force_at(now)).map(|entry| &entry.definition);
        let active = active.filter(|definition| definition.activity == Activity::Active);
        active.map(|definition| usize::from(definition.placement.streams)).sum()
    }

    /// Checks that fail and of which too few vantage points could say whether they do.
    pub(super) fn unconfirmed(&self) -> usize {
        self.detectors.values().filter(|detector| detector.verdict == Verdict::Unconfirmed).count()
    }
}

fn votes_under_way(detectors: &HashMap<CheckId, Detector>) -> usize {
    let rounds = detectors.values().filter_map(|detector| detector.round.as_ref());
    rounds.map(|round| round.open_orders().count()).sum()
}
