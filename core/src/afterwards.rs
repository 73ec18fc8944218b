//! Outages that nobody could judge while they lasted, found in results that came late.
//!
//! Late results are history: they open nothing by themselves and never rewrite an incident. Where two or more
//! successive slots failed, seen by two hosts, and nobody had judged them in time, that was an outage; it is told
//! once, as one that is over. Everything here follows from the slots alone, so doing it again finds nothing new.

use std::collections::BTreeSet;

use farwatch_proto::id::{HostId, IncidentId};
use farwatch_proto::interval::Interval;
use farwatch_proto::time::UnixMs;

use crate::uptime::Period;

/// So many successive slots must have failed.
pub const SLOTS_MIN: usize = 2;
/// So many hosts must have seen it.
pub const HOSTS_MIN: usize = 2;

/// What one host saw of a slot that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastFailure {
    /// The host.
    pub host: HostId,
    /// The module's code.
    pub code: String,
    /// The module's sentence.
    pub message: String,
}

/// One due slot of a check, of any of its streams, as the record shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastSlot {
    /// Its T.
    pub slot: UnixMs,
    /// The interval in force.
    pub interval: Interval,
    /// What those hosts said that saw it fail.
    pub failures: Vec<PastFailure>,
    /// Whether it speaks for itself no more: it was judged in time, or it worked from somewhere.
    pub is_settled: bool,
}

impl PastSlot {
    const fn has_failed(&self) -> bool {
        !self.is_settled && !self.failures.is_empty()
    }
}

/// An incident of the check that is known already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownIncident {
    /// Its id.
    pub id: IncidentId,
    /// From the earliest failure known, to its end; one that goes on has its end far ahead.
    pub period: Period,
}

/// What the record shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// An outage that is over.
    Outage {
        /// From its first failed slot, which names it, to the slot after its last one.
        period: Period,
        /// What was seen, in order of slots; each host once.
        failures: Vec<PastFailure>,
    },
    /// An incident that is known began earlier than was known.
    SeenEarlier {
        /// It.
        incident: IncidentId,
        /// Since when it has been seen now.
        seen_since: UnixMs,
    },
}

/// What the due slots of a check, in order, show beside the incidents that are known.
pub fn look_back(slots: &[PastSlot], known: &[KnownIncident]) -> Vec<Finding> {
    let runs = slots.chunk_by(|one, next| one.has_failed() == next.has_failed());
    let mut findings = Vec::new();
    let mut begins = 0;
    for run in runs {
        begins += run.len();
        if run[0].has_failed() {
            let next = slots.get(begins).map(|next| next.slot);
            findings.extend(finding(run, next, known));
        }
    }
    findings
}

/// What one row of failed slots shows; `next` is the due slot after them.
fn finding(run: &[PastSlot], next: Option<UnixMs>, known: &[KnownIncident]) -> Option<Finding> {
    let (first, last) = (run.first()?, run.last()?);
    let period = Period { from: first.slot, to: next.unwrap_or(last.slot + last.interval.ms()) };
    // What reaches up to an incident was its beginning.
    let touched = known.iter().find(|known| period.from < known.period.to && known.period.from <= period.to);
    if let Some(KnownIncident { id, period: seen }) = touched {
        let is_earlier = period.from < seen.from;
        return is_earlier.then_some(Finding::SeenEarlier { incident: *id, seen_since: period.from });
    }
    let failures = by_host(run);
    let is_outage = run.len() >= SLOTS_MIN && failures.len() >= HOSTS_MIN;
    is_outage.then_some(Finding::Outage { period, failures })
}

/// What each host saw first.
fn by_host(run: &[PastSlot]) -> Vec<PastFailure> {
    let mut hosts = BTreeSet::new();
    let failures = run.iter().flat_map(|slot| &slot.failures);
    failures.filter(|failure| hosts.insert(failure.host)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use farwatch_proto::id::CheckId;
    use proptest::prelude::*;

    use super::*;
    use crate::incident::incident_id;

    const STEP_MS: i64 = 10_000;

    fn host(n: u8) -> HostId {
        HostId::from_bytes([n; 16])
    }

    fn slot(n: i64, failed_from: &[u8], is_settled: bool) -> PastSlot {
        let failure = |number: &u8| PastFailure { host: host(*number), code: "timeout".into(), message: String::new() };
        PastSlot {
            slot: UnixMs(n * STEP_MS),
            interval: Interval::from_seconds(10).unwrap(),
            failures: failed_from.iter().map(failure).collect(),
            is_settled,
        }
    }

    fn known(from: i64, to: i64) -> KnownIncident {
        let period = Period { from: UnixMs(from * STEP_MS), to: UnixMs(to * STEP_MS) };
        KnownIncident { id: incident_id(CheckId::from_bytes([1; 16]), period.from), period }
    }

    fn outages(findings: &[Finding]) -> Vec<(i64, i64, usize)> {
        let outage = |finding: &Finding| match finding {
            Finding::Outage { period, failures } => {
                Some((period.from.0 / STEP_MS, period.to.0 / STEP_MS, failures.len()))
            }
            Finding::SeenEarlier { .. } => None,
        };
        findings.iter().filter_map(outage).collect()
    }

    #[test]
    fn two_successive_slots_seen_by_two_hosts_were_an_outage() {
        let good = |n| slot(n, &[], true);
        for (slots, expected) in [
            (vec![good(0), slot(1, &[1], false), slot(2, &[2], false), good(3)], vec![(1, 3, 2)]),
            (vec![good(0), slot(1, &[1, 2], false), good(2)], vec![]),
            (vec![slot(1, &[1], false), slot(2, &[1], false), slot(3, &[1], false)], vec![]),
            (vec![slot(1, &[1], false), good(2), slot(3, &[2], false)], vec![]),
            (vec![slot(1, &[1], false), slot(2, &[], false), slot(3, &[2], false)], vec![]),
            (vec![slot(1, &[1], true), slot(2, &[1, 2], true)], vec![]),
            (vec![slot(1, &[1], false), slot(2, &[1, 2], false)], vec![(1, 3, 2)]),
        ] {
            assert_eq!(outages(&look_back(&slots, &[])), expected, "{slots:?}");
        }
    }

    #[test]
    fn what_leads_up_to_an_incident_was_its_beginning() {
        let slots: Vec<PastSlot> = (3..6).map(|n| slot(n, &[1], false)).chain([slot(6, &[1], true)]).collect();
        let live = known(6, 20);
        let earlier = Finding::SeenEarlier { incident: live.id, seen_since: UnixMs(3 * STEP_MS) };
        assert_eq!(look_back(&slots, &[live]), [earlier]);
        assert_eq!(look_back(&slots, &[known(3, 20)]), [], "that is known already");
        assert_eq!(look_back(&slots, &[known(0, 20)]), []);
        assert_eq!(look_back(&slots, &[known(8, 20)]), [], "apart from it, and only one host saw it");
    }

    #[test]
    fn a_new_outage_after_an_incident_is_one_of_its_own() {
        let slots = [slot(5, &[1], false), slot(6, &[2], false)];
        assert_eq!(outages(&look_back(&slots, &[known(1, 5)])), [(5, 7, 2)]);
    }

    /// A slot by who saw it fail and whether it is settled.
    fn any_slot() -> impl Strategy<Value = (BTreeSet<u8>, bool)> {
        (prop::collection::btree_set(1..4_u8, 0..3), prop::bool::weighted(0.2))
    }

    proptest! {
        /// Whatever came late: each outage has the slots and the hosts it takes, none lies over another or over an
        /// incident, and once all is written down a second look finds nothing.
        #[test]
        fn nothing_is_found_twice_and_nothing_by_too_few(
            drawn in prop::collection::vec(any_slot(), 0..30), borders in prop::option::of((0..30_i64, 1..9_i64)),
        ) {
            let slots: Vec<PastSlot> = (0..).zip(&drawn).map(|(n, (hosts, is_settled))| {
                slot(n, &hosts.iter().copied().collect::<Vec<_>>(), *is_settled)
            }).collect();
            let mut incidents: Vec<KnownIncident> =
                borders.iter().map(|(from, length)| known(*from, from + length)).collect();
            for finding in look_back(&slots, &incidents.clone()) {
                match finding {
                    Finding::Outage { period, failures } => {
                        let within: Vec<_> =
                            slots.iter().filter(|one| period.from <= one.slot && one.slot < period.to).collect();
                        prop_assert!(within.len() >= SLOTS_MIN && within.iter().all(|one| one.has_failed()));
                        prop_assert!(failures.len() >= HOSTS_MIN);
                        prop_assert!(incidents.iter().all(|known| known.period.within(period).is_none()));
                        let id = incident_id(CheckId::from_bytes([1; 16]), period.from);
                        incidents.push(KnownIncident { id, period });
                    }
                    Finding::SeenEarlier { incident, seen_since } => {
                        let known = incidents.iter_mut().find(|known| known.id == incident).unwrap();
                        prop_assert!(seen_since < known.period.from);
                        known.period.from = seen_since;
                    }
                }
            }
            prop_assert_eq!(look_back(&slots, &incidents), vec![]);
        }
    }
}
