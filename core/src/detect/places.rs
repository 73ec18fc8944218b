//! Places from which a check fails while it works from all others: known after some refuted rounds, shown by their
//! names, asked about seldom, and cleared by a good run from there.
//!
//! Only such a place is asked about seldom. A failure from anywhere else begins a round at once.

use farwatch_proto::id::HostId;
use farwatch_proto::interval::Interval;
use farwatch_proto::outcome::Status;
use farwatch_proto::time::UnixMs;

use super::{Detector, REFUTED_MAX, ROUND_BACKOFF_MS, Turn, Verdict};

/// A place that has said nothing bad for this many intervals, and for as long as rounds back off, does not run the
/// check any more.
const SILENT_INTERVALS: i64 = 3;

impl Detector {
    /// The places from which alone it fails, by what rounds have found.
    pub fn failing_places(&self) -> Vec<HostId> {
        self.refuted.iter().filter(|(_, rounds)| **rounds >= REFUTED_MAX).map(|(host, _)| *host).collect()
    }

    /// Whether a failure from there begins no round now.
    pub(super) fn is_quiet(&self, host: HostId, now: UnixMs) -> bool {
        self.failing_places().contains(&host) && self.quiet_until.is_some_and(|until| now < until)
    }

    /// It failed from there again.
    pub(super) fn note_failing_place(&mut self, host: HostId, now: UnixMs) {
        if self.refuted.contains_key(&host) {
            self.last_failed_at.insert(host, now);
        }
    }

    /// It worked from there.
    pub(super) fn clear_place(&mut self, host: HostId) {
        self.refuted.remove(&host);
        self.last_failed_at.remove(&host);
    }

    /// Forgets places that do not run the check any more: nothing good can come from there either.
    pub(super) fn forget_places_that_left(&mut self, interval: Interval, now: UnixMs) {
        let patience_ms = ROUND_BACKOFF_MS.max(SILENT_INTERVALS * interval.ms());
        let hosts: Vec<HostId> = self.refuted.keys().copied().collect();
        for host in hosts {
            let last = *self.last_failed_at.entry(host).or_insert(now);
            if now.since(last) > patience_ms {
                self.clear_place(host);
            }
        }
    }
}

impl Turn<'_> {
    /// What is held while no outage is: degraded from the places that fail alone, else what was found last.
    pub(super) fn settle_places(&mut self, found: Status, message: &str) {
        let failing = self.detector.failing_places();
        if failing.is_empty() {
            self.detector.quiet_until = None;
        }
        match (failing.is_empty(), found) {
            (false, _) => {
                let names: Vec<String> = failing.iter().map(|host| self.place_name(*host)).collect();
                self.turn_to(Verdict::Degraded, format!("fails from {} only", names.join(" and ")));
            }
            (true, Status::Degraded) => self.turn_to(Verdict::Degraded, message.to_owned()),
            (true, _) => self.turn_to(Verdict::Up, String::new()),
        }
    }

    /// The place as people know it; a host that was retired meanwhile is known by its id.
    fn place_name(&self, host: HostId) -> String {
        let candidate = self.panel.candidates.iter().find(|candidate| candidate.host.id == host);
        candidate.map_or_else(
            || host.to_string(),
            |candidate| {
                let facts = &candidate.host.facts;
                format!("{} ({}, {}, {})", facts.name, facts.provider, facts.region, facts.country)
            },
        )
    }
}
