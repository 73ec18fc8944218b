//! Looks back at failures that came too late to be judged, and writes down the outages they were.
//!
//! The rows say where to look; what happened there is read from the journal, and `core` decides what it was. Whatever
//! is done twice finds nothing the second time. A live incident is never touched but for when it was first seen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use farwatch_core::afterwards::{Finding, HOSTS_MIN, KnownIncident, PastFailure, PastSlot, look_back};
use farwatch_core::confirm::Answer;
use farwatch_core::detect::{Detector, is_fresh};
use farwatch_core::incident::{Ending, IncidentEvent, Voice, incident_id};
use farwatch_core::ledger::{InForce, due_slots};
use farwatch_core::revision::Cadence;
use farwatch_core::uptime::Period;
use farwatch_proto::check::StreamId;
use farwatch_proto::fleet::View;
use farwatch_proto::id::{CheckId, HostId, ProcessId};
use farwatch_proto::outcome::Status;
use farwatch_proto::run::{Purpose, RunResult};
use farwatch_proto::time::UnixMs;
use tokio::sync::Notify;
use tracing::info;

use super::LeaderHandle;
use super::book::Entry;
use super::checkpoint::{LastSlots, remember};
use super::commit::{incident_of, stored_event};
use super::takeover::entry_of;
use super::telling::{Channels, deliveries_of};
use crate::clock::Clock;
use crate::ledger::Scan;
use crate::spawn::Spawner;
use crate::store::{
    Epoch, Incident, IncidentState, LateFailure, LedgerRevision, LedgerScope, LookBack, PastOutages, Store,
};
use crate::tasks::TaskList;

/// How often rows are looked for.
const PERIOD: Duration = Duration::from_secs(20);
/// A spool that comes back brings its results piece by piece; a check is looked back at when none came for this long,
const QUIET_MS: i64 = 30_000;
/// or the first came this long ago.
const WAIT_MAX_MS: i64 = 15 * 60_000;
/// Checks looked back at together: their results of a day fit in some tens of megabytes.
const CHECKS_AT_ONCE: u32 = 50;
/// The record is read from this long before the late failures to this long after them, so that what leads up to them
/// and what followed is seen as well.
const MARGIN_MS: i64 = 30 * 60_000;
/// Of a check with a long interval, so many of its slots.
const MARGIN_SLOTS: i64 = 3;

/// What is looked back by, and for whom.
#[derive(Debug)]
pub struct Afterwards<'s> {
    /// The database.
    pub store: &'s Store,
    /// The leadership that writes.
    pub leader: Epoch,
    /// The moment.
    pub now: UnixMs,
}

/// Looks back, now and then, while this process leads.
pub(crate) fn start(
    spawner: &Spawner,
    tasks: &TaskList,
    store: Store,
    (clock, process): (Clock, ProcessId),
    handle: LeaderHandle,
) {
    let about = ("afterwards", "Finds outages in failures that came too late to be judged.", PERIOD);
    tasks.run(spawner, about, Arc::new(Notify::new()), move || {
        let (store, handle) = (store.clone(), handle.clone());
        async move {
            let lease = store.lease().read().await?;
            if lease.holder == Some(process)
                && (Afterwards { store: &store, leader: lease.epoch, now: clock.wall() }).run().await? > 0
            {
                handle.deliveries_due.notify_one();
            }
            Ok(())
        }
    });
}

/// One check, and what is needed to look back at it.
struct Past {
    late: LateFailure,
    entry: Entry,
    /// What was due, in order.
    due: Vec<(UnixMs, StreamId, PastSlot)>,
    /// From when to when the record is read.
    period: Period,
}

impl Afterwards<'_> {
    /// One run. Says how many outages it found.
    pub async fn run(&self) -> anyhow::Result<usize> {
        let when = LookBack { quiet_since: self.now - QUIET_MS, waits_since: self.now - WAIT_MAX_MS };
        let late = self.store.late_failures().due(when, CHECKS_AT_ONCE).await?;
        let mut pasts = BTreeMap::new();
        for late in late {
            if let Some(past) = self.past(late).await? {
                pasts.insert(late.check, past);
            }
        }
        if pasts.is_empty() {
            return Ok(0);
        }
        self.read_record(&mut pasts).await.context("reading late results")?;
        let newest = self.store.views().latest_in_force().await?.context("results without a view")?.view;
        let mut found = 0;
        for past in pasts.values() {
            found += self.settle(past, &newest).await?;
        }
        Ok(found)
    }

    /// What there is to look back at; nothing of a check that is gone, and nothing yet of one that is being asked about.
    async fn past(&self, late: LateFailure) -> anyhow::Result<Option<Past>> {
        let rows = self.store.detectors().of_checks(&[late.check]).await?;
        let detectors = rows.iter().map(|row| serde_json::from_str::<Detector>(&row.body));
        if detectors.flatten().any(|detector| detector.round.is_some() || detector.waiting.is_some()) {
            return Ok(None);
        }
        let Some(latest) = self.store.checks().latest_live(late.check).await? else {
            self.store.late_failures().looked_back(self.leader, &late, &PastOutages::default()).await?;
            return Ok(None);
        };
        let entry = entry_of(latest)?;
        let margin_ms = MARGIN_MS.max(MARGIN_SLOTS * entry.definition.interval.ms());
        let to = (late.slots.last + margin_ms).min(self.now);
        let period = Period { from: late.slots.first - margin_ms, to };
        let scope = LedgerScope::Check(entry.definition.tenant, late.check);
        let revisions = self.store.checks().revisions_in_force_between(scope, period.from, period.to).await?;
        let due = due_of(late.check, &revisions, period);
        Ok(Some(Past { late, entry, due, period }))
    }

    /// Enters what the journal holds of these checks.
    async fn read_record(&self, pasts: &mut BTreeMap<CheckId, Past>) -> anyhow::Result<()> {
        let from = pasts.values().map(|past| past.period.from).min().unwrap_or(self.now);
        let to = pasts.values().map(|past| past.period.to).max().unwrap_or(self.now);
        let mut last_slots = LastSlots::new();
        let mut scan = Scan::new(self.store, from, to, 0);
        while let Some(row) = scan.next().await? {
            for section in row.sections {
                let slots = section.results.iter().filter(|result| result.purpose == Purpose::Slot);
                for result in slots {
                    if let Some(past) = pasts.get_mut(&result.stream.check) {
                        past.enter(section.host, result, row.committed, &mut last_slots);
                    }
                }
            }
        }
        Ok(())
    }

    async fn settle(&self, past: &Past, newest: &View) -> anyhow::Result<usize> {
        let Period { from, to } = past.period;
        let known = self.store.incidents().overlapping(past.late.check, from, to).await?;
        let known: Vec<KnownIncident> = known.iter().map(known_incident).collect();
        let slots: Vec<PastSlot> = past.due.iter().map(|(_, _, slot)| slot.clone()).collect();
        let mut found = PastOutages::default();
        for finding in look_back(&slots, &known) {
            match finding {
                Finding::SeenEarlier { incident, seen_since } => found.seen_since.push((incident, seen_since)),
                Finding::Outage { period, failures } => {
                    found.outages.push(self.outage(&past.entry, period, &failures, newest).await?);
                }
            }
        }
        self.store.late_failures().looked_back(self.leader, &past.late, &found).await?;
        for (incident, ..) in &found.outages {
            info!(incident = %incident.id, check = %past.late.check, name = past.entry.name, "seen afterwards");
        }
        Ok(found.outages.len())
    }

    /// The rows of an outage: it is opened and resolved at once, and told by one message.
    async fn outage(
        &self,
        entry: &Entry,
        period: Period,
        failures: &[PastFailure],
        newest: &View,
    ) -> anyhow::Result<(Incident, Vec<crate::store::IncidentEvent>, Vec<crate::store::NewDelivery>)> {
        let incident = incident_id(entry.definition.check, period.from);
        let first = failures.first().context("an outage that nobody saw")?;
        let voice = |seen: &PastFailure| Voice {
            host: seen.host,
            answer: Answer::Bad,
            code: seen.code.clone(),
            message: seen.message.clone(),
        };
        let opened = IncidentEvent::Opened {
            incident,
            first_failed_slot: period.from,
            at: self.now,
            code: first.code.clone(),
            message: first.message.clone(),
            need: HOSTS_MIN as u8,
            of: u8::try_from(failures.len()).unwrap_or(u8::MAX),
            voices: failures.iter().map(voice).collect(),
            seen_afterwards: true,
        };
        let (first_failed_slot, at) = (period.from, period.to);
        let voices = failures.iter().map(voice).collect();
        let resolved = IncidentEvent::Resolved { incident, first_failed_slot, at, ending: Ending::Recovered, voices };
        let channels = Channels::of(self.store, std::iter::once(entry)).await?;
        let deliveries = deliveries_of(&channels, newest, entry, (&resolved, &opened), Vec::new(), self.now)?;
        let events = vec![stored_event(&opened)?, stored_event(&resolved)?];
        Ok((incident_of(entry, &resolved, &opened)?, events, deliveries))
    }
}

impl Past {
    /// Enters one result, by the rule the leader judged it by when its row was committed.
    fn enter(&mut self, host: HostId, result: &RunResult, committed: UnixMs, last_slots: &mut LastSlots) {
        let key = (result.slot, result.stream);
        let Ok(index) = self.due.binary_search_by_key(&key, |(slot, stream, _)| (*slot, *stream)) else { return };
        let past = &mut self.due[index].2;
        let last = last_slots.get(&result.stream).copied();
        remember(last_slots, result.stream, result.slot);
        if is_fresh(result.slot, past.interval, last, committed) {
            past.is_settled |= !matches!(result.outcome.status, Status::Unknown(_));
        }
        match result.outcome.status {
            Status::Up | Status::Degraded => past.is_settled = true,
            Status::Down if past.failures.iter().all(|failure| failure.host != host) => {
                let (code, message) = (result.outcome.code().to_owned(), result.outcome.message().to_owned());
                past.failures.push(PastFailure { host, code, message });
            }
            Status::Down | Status::Unknown(_) => {}
        }
    }
}

/// The due slots of all streams of a check, in order.
fn due_of(check: CheckId, revisions: &[LedgerRevision], period: Period) -> Vec<(UnixMs, StreamId, PastSlot)> {
    let history: Vec<InForce> = revisions
        .iter()
        .map(|revision| InForce {
            from: revision.in_force_from,
            cadence: Cadence { activity: revision.activity, interval: revision.interval, streams: revision.streams },
        })
        .collect();
    let numbers = 0..revisions.iter().map(|revision| revision.streams).max().unwrap_or(0);
    let streams: BTreeSet<StreamId> = numbers.map(|number| StreamId { check, number }).collect();
    let slots = streams.iter().flat_map(|stream| {
        due_slots(*stream, &history, period.from, period.to).into_iter().map(|due| {
            let past = PastSlot { slot: due.slot, interval: due.interval, failures: Vec::new(), is_settled: false };
            (due.slot, *stream, past)
        })
    });
    let mut due: Vec<_> = slots.collect();
    due.sort_by_key(|(slot, stream, _)| (*slot, *stream));
    due
}

fn known_incident(incident: &Incident) -> KnownIncident {
    let to = match incident.state {
        IncidentState::Open => UnixMs(i64::MAX),
        IncidentState::Resolved { at, .. } => at,
    };
    KnownIncident { id: incident.id, period: Period { from: incident.seen_since, to } }
}
