//! Looking back at failures that came too late to be judged, as the leader of these worlds does now and then.
//!
//! What was an outage is decided by `core`. Here is what it is told: how the record of a check stands.

use std::collections::BTreeMap;

use farwatch_core::afterwards::{Finding, HOSTS_MIN, KnownIncident, PastFailure, PastSlot, look_back};
use farwatch_core::incident::{Ending, IncidentEvent, incident_id};
use farwatch_core::ledger::{InForce, due_slots};
use farwatch_core::revision::Cadence;
use farwatch_core::uptime::Period;
use farwatch_proto::id::{CheckId, IncidentId};
use farwatch_proto::time::UnixMs;

use crate::fleet::{BEGIN, Watched};
use crate::host::disk::Found;
use crate::store::Tables;

/// The leader looks for late failures this often.
pub(crate) const PERIOD_MS: i64 = 20_000;
/// A check is looked back at when none came for this long.
const QUIET_MS: i64 = 30_000;

/// Late failures of a check that nobody has looked back at: when the last one came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Late {
    pub(crate) noted: UnixMs,
}

/// What is written once somebody has looked back at a check.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LookedBack {
    pub(crate) check: CheckId,
    /// The late failures that were there when it was read.
    pub(crate) late: Late,
    pub(crate) events: Vec<IncidentEvent>,
    pub(crate) seen_since: Vec<(IncidentId, UnixMs)>,
}

/// What there is to be written at this moment, of all checks that are quiet and that nobody is being asked about.
pub(crate) fn look(tables: &Tables, watched: &[Watched], now: UnixMs) -> Vec<LookedBack> {
    let is_asked_about = |check: &CheckId| {
        tables.detectors.get(check).is_some_and(|detector| detector.round.is_some() || detector.waiting.is_some())
    };
    let quiet = tables.late.iter().filter(|(check, late)| now.since(late.noted) >= QUIET_MS && !is_asked_about(check));
    quiet.map(|(check, late)| looked_back(tables, watched, *check, *late, now)).collect()
}

fn looked_back(tables: &Tables, watched: &[Watched], check: CheckId, late: Late, now: UnixMs) -> LookedBack {
    let (mut events, mut seen_since) = (Vec::new(), Vec::new());
    for finding in findings(tables, watched, check, now) {
        match finding {
            Finding::SeenEarlier { incident, seen_since: since } => seen_since.push((incident, since)),
            Finding::Outage { period, failures } => {
                let (incident, first_failed_slot) = (incident_id(check, period.from), period.from);
                let (code, message, of) = (String::new(), String::new(), failures.len() as u8);
                let (need, voices, seen_afterwards) = (HOSTS_MIN as u8, Vec::new(), true);
                events.push(IncidentEvent::Opened {
                    incident,
                    first_failed_slot,
                    at: now,
                    code,
                    message,
                    need,
                    of,
                    voices,
                    seen_afterwards,
                });
                let (at, ending, voices) = (period.to, Ending::Recovered, Vec::new());
                events.push(IncidentEvent::Resolved { incident, first_failed_slot, at, ending, voices });
            }
        }
    }
    LookedBack { check, late, events, seen_since }
}

/// What the record of a check shows, up to this moment.
pub(crate) fn findings(tables: &Tables, watched: &[Watched], check: CheckId, now: UnixMs) -> Vec<Finding> {
    let mut slots: BTreeMap<(UnixMs, u16), PastSlot> = BTreeMap::new();
    for (index, watched) in watched.iter().enumerate().filter(|(_, watched)| watched.stream.check == check) {
        let definition = &watched.held.revisions()[0];
        let (activity, interval, streams) = (definition.activity, definition.interval, definition.placement.streams);
        let history = [InForce { from: UnixMs(BEGIN), cadence: Cadence { activity, interval, streams } }];
        for due in due_slots(watched.stream, &history, UnixMs(BEGIN), now) {
            let past = past_slot(tables, index, due.slot, watched);
            slots.insert((due.slot, watched.stream.number), past);
        }
    }
    let known = tables.incidents.iter().filter(|(_, incident)| incident.check == check).map(|(id, incident)| {
        let to = incident.resolved.unwrap_or(UnixMs(i64::MAX));
        KnownIncident { id: *id, period: Period { from: incident.seen_since, to } }
    });
    look_back(&slots.into_values().collect::<Vec<_>>(), &known.collect::<Vec<_>>())
}

fn past_slot(tables: &Tables, index: usize, slot: UnixMs, watched: &Watched) -> PastSlot {
    let key = (index, slot.0);
    let runs = tables.results.get(&key).map_or(&[][..], Vec::as_slice);
    let works = |found: &Found| found.covers && !found.is_down;
    let is_settled = tables.judged.contains(&key) || runs.iter().any(|(_, found)| works(found));
    let mut failures: Vec<PastFailure> = Vec::new();
    for (host, _) in runs.iter().filter(|(_, found)| found.covers && found.is_down) {
        if failures.iter().all(|failure| failure.host != *host) {
            failures.push(PastFailure { host: *host, code: String::new(), message: String::new() });
        }
    }
    PastSlot { slot, interval: watched.interval, failures, is_settled }
}
