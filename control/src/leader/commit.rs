//! From a draft to the database, and from the commit to the world.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use farwatch_core::incident::{Ending, IncidentEvent};
use farwatch_proto::id::{CheckId, HostId, IncidentId};
use farwatch_proto::link::{FromControl, Mark, Order};
use farwatch_proto::time::UnixMs;
use tracing::info;

use super::book::Entry;
use super::checkpoint::remember;
use super::draft::{Draft, Now};
use super::journal_body;
use super::state::State;
use super::telling::{Channels, Openings, deliveries_of};
use crate::secret::random_bytes;
use crate::store::{
    DetectorChange, Flush, FlushId, Incident, IncidentEvent as StoredEvent, IncidentState, JournalHead, NewDelivery,
    SlotRange, Store,
};

/// How a journal body is written; see `journal_body`.
const JOURNAL_VERSION: u8 = 1;
/// Orders of one message: some 250 bytes of JSON each, and a frame holds 256 KiB.
const ORDERS_PER_MESSAGE_MAX: usize = 250;

/// The flush of a draft.
pub(super) async fn flush_of(store: &Store, state: &State, draft: &Draft, now: UnixMs) -> anyhow::Result<Flush> {
    let Outcome { incidents, events, deliveries } = outcome_of(store, state, draft, now).await?;
    let slots = draft.sections.iter().flat_map(|section| &section.results).map(|result| result.slot);
    let slots = slots.clone().min().zip(slots.max()).map(|(first, last)| SlotRange { first, last });
    let detectors = draft.detectors.iter().map(|(check, detector)| {
        let change = if detector.is_plain() {
            DetectorChange::Clear
        } else {
            DetectorChange::Put(serde_json::to_string(detector).expect("a detector is plain data"))
        };
        (*check, change)
    });
    Ok(Flush {
        id: FlushId(random_bytes()),
        after: state.head,
        epoch: state.epoch,
        committed: now,
        slots,
        results: u32::try_from(draft.results()).unwrap_or(u32::MAX),
        version: JOURNAL_VERSION,
        body: journal_body::encode(&draft.sections),
        detectors: detectors.collect(),
        first_judged: draft.first_judged.clone(),
        late: draft.late.clone(),
        evidence: draft.evidence.clone(),
        incidents,
        events,
        deliveries,
        marks: marks_of(draft),
    })
}

/// What the events of a draft come to.
#[derive(Default)]
struct Outcome {
    incidents: Vec<Incident>,
    events: Vec<StoredEvent>,
    deliveries: Vec<NewDelivery>,
}

async fn outcome_of(store: &Store, state: &State, draft: &Draft, now: UnixMs) -> anyhow::Result<Outcome> {
    if draft.events.is_empty() {
        return Ok(Outcome::default());
    }
    let entry_of = |check: &CheckId| {
        let entry = state.book.page(*check).map(|page| page.in_force_at(now).unwrap_or(page.latest()));
        entry.context("an incident of a check that is not in the book")
    };
    let entries = draft.events.iter().map(|(check, _)| entry_of(check)).collect::<anyhow::Result<Vec<&Entry>>>()?;
    let openings = Openings::of(store, &draft.events).await?;
    let channels = Channels::of(store, entries.iter().copied()).await?;
    // Each incident once, as its last event leaves it.
    let mut incidents: BTreeMap<IncidentId, Incident> = BTreeMap::new();
    let (mut events, mut deliveries) = (Vec::new(), Vec::new());
    for (entry, (check, event)) in entries.into_iter().zip(&draft.events) {
        let opening = openings.of_incident(event.incident())?;
        incidents.insert(event.incident(), incident_of(entry, event, opening)?);
        events.push(stored_event(event)?);
        deliveries.extend(deliveries_of(
            &channels,
            &state.newest,
            entry,
            (event, opening),
            draft.shown_of(*check),
            now,
        )?);
    }
    Ok(Outcome { incidents: incidents.into_values().collect(), events, deliveries })
}

fn marks_of(draft: &Draft) -> Vec<(HostId, Mark)> {
    let marks = draft.marks.iter();
    marks
        .map(|((host, boot, segment), offset)| (*host, Mark { boot: *boot, segment: *segment, offset: *offset }))
        .collect()
}

pub(super) fn incident_of(entry: &Entry, event: &IncidentEvent, opening: &IncidentEvent) -> anyhow::Result<Incident> {
    let definition = &entry.definition;
    let (state, first_failed_slot) = match event {
        IncidentEvent::Opened { first_failed_slot, .. } => (IncidentState::Open, *first_failed_slot),
        IncidentEvent::Resolved { first_failed_slot, at, ending, .. } => {
            (IncidentState::Resolved { at: *at, reason: ending_word(*ending).to_owned() }, *first_failed_slot)
        }
    };
    Ok(Incident {
        id: event.incident(),
        tenant: definition.tenant,
        check: definition.check,
        state,
        first_failed_slot,
        seen_since: first_failed_slot,
        opened: opening.at(),
        summary: serde_json::to_string(opening)?,
    })
}

const fn ending_word(ending: Ending) -> &'static str {
    match ending {
        Ending::Recovered => "recovered",
        Ending::Paused => "paused",
        Ending::Deleted => "deleted",
    }
}

pub(super) fn stored_event(event: &IncidentEvent) -> anyhow::Result<StoredEvent> {
    let n = match event {
        IncidentEvent::Opened { .. } => 0,
        IncidentEvent::Resolved { .. } => 1,
    };
    let body = serde_json::to_string(event)?;
    Ok(StoredEvent { incident: event.incident(), n, at: event.at(), kind: event.step().word().to_owned(), body })
}

/// Makes a committed draft true in memory, and tells the hosts.
pub(super) fn apply(state: &mut State, draft: Draft, head: JournalHead, now: Now) {
    state.head = head;
    state.results += draft.results() as u64;
    state.marks.extend(draft.marks);
    for (stream, slot) in draft.last_slots {
        remember(&mut state.last_slots, stream, slot);
    }
    state.evidence.take_over(draft.remembered);
    for check in draft.first_judged.keys() {
        state.never_judged.remove(check);
    }
    let changed: BTreeSet<CheckId> = draft.first_judged.keys().chain(draft.detectors.keys()).copied().collect();
    for (check, detector) in draft.detectors {
        if detector.is_plain() {
            state.detectors.remove(&check);
        } else {
            state.detectors.insert(check, detector);
        }
    }
    changed.into_iter().for_each(|check| state.recount(check, now.wall));
    state.count_outages(&draft.rounds, &draft.failing, now);
    for (check, event) in &draft.events {
        log_incident(state, *check, event, now);
    }
    for (host, mark) in draft.acknowledge {
        if let Some(session) = state.sessions.get_mut(&host) {
            session.send_to(host, mark.boot, FromControl::Committed { mark });
        }
    }
    draft.carried.into_iter().for_each(|run| state.carried.note(run));
    for (carrier, batch) in draft.received {
        send(state, carrier, FromControl::Received { batch });
    }
    for (host, orders) in by_host(draft.cancels) {
        send(state, host, FromControl::Cancel { orders });
    }
    order_runs(state, draft.orders);
}

/// Sends orders to their hosts: few messages, for in a mass failure there are thousands, and a host whose outbox is
/// full loses its link.
pub(super) fn order_runs(state: &mut State, orders: Vec<(HostId, Order)>) {
    for (host, orders) in by_host(orders) {
        orders.iter().for_each(|order| state.orders.give(order.id, host));
        send(state, host, FromControl::Run { orders });
    }
}

/// What is meant for each host, in order and in parts that fit a frame.
fn by_host<T: Clone>(all: Vec<(HostId, T)>) -> Vec<(HostId, Vec<T>)> {
    let mut hosts: BTreeMap<HostId, Vec<T>> = BTreeMap::new();
    for (host, one) in all {
        hosts.entry(host).or_default().push(one);
    }
    let parts = hosts.into_iter().flat_map(|(host, all)| {
        let parts: Vec<Vec<T>> = all.chunks(ORDERS_PER_MESSAGE_MAX).map(<[T]>::to_vec).collect();
        parts.into_iter().map(move |part| (host, part))
    });
    parts.collect()
}

fn send(state: &mut State, host: HostId, message: FromControl) {
    if let Some(session) = state.sessions.get_mut(&host) {
        session.send(host, message);
    }
}

fn log_incident(state: &State, check: CheckId, event: &IncidentEvent, now: Now) {
    let name = state.book.page(check).map_or("", |page| page.latest().name.as_str());
    let took_ms = now.wall.since(event.at());
    info!(incident = %event.incident(), %check, name, step = event.step().word(), took_ms, "incident");
}
