//! From a draft to the database, and from the commit to the world.

use std::collections::BTreeSet;

use anyhow::Context;
use farwatch_core::incident::{Ending, IncidentEvent, delivery_id};
use farwatch_proto::fleet::View;
use farwatch_proto::id::{CheckId, HostId, TenantId};
use farwatch_proto::link::{FromControl, Mark, Order};
use farwatch_proto::time::UnixMs;
use tracing::info;

use super::book::Entry;
use super::checkpoint::remember;
use super::draft::{Draft, Now};
use super::journal_body;
use super::state::State;
use crate::secret::random_bytes;
use crate::store::{
    DetectorChange, Flush, FlushId, Incident, IncidentEvent as StoredEvent, IncidentState, JournalHead, NewDelivery,
    SlotRange, Step, Store,
};
use crate::tell::event::{Opening, Subject, TellEvent};

/// How a journal body is written; see `journal_body`.
const JOURNAL_VERSION: u8 = 1;

/// The flush of a draft.
pub(super) async fn flush_of(store: &Store, state: &State, draft: &Draft, now: UnixMs) -> anyhow::Result<Flush> {
    let mut incidents = Vec::new();
    let mut events = Vec::new();
    let mut deliveries = Vec::new();
    for (check, event) in &draft.events {
        let entry = state.book.page(*check).map(|page| page.in_force_at(now).unwrap_or(page.latest()));
        let entry = entry.context("an incident of a check that is not in the book")?;
        let opening = opening_of(store, draft, entry.definition.tenant, event).await?;
        incidents.retain(|incident: &Incident| incident.id != event.incident());
        incidents.push(incident_of(entry, event, &opening)?);
        events.push(stored_event(event)?);
        deliveries.extend(deliveries_of(store, &state.newest, entry, event, &opening, now).await?);
    }
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
        incidents,
        events,
        deliveries,
        marks: marks_of(draft),
    })
}

fn marks_of(draft: &Draft) -> Vec<(HostId, Mark)> {
    let marks = draft.marks.iter();
    marks
        .map(|((host, boot, segment), offset)| (*host, Mark { boot: *boot, segment: *segment, offset: *offset }))
        .collect()
}

/// The event that opened the incident of this one: itself, another of this draft, or one committed before.
async fn opening_of(
    store: &Store,
    draft: &Draft,
    tenant: TenantId,
    event: &IncidentEvent,
) -> anyhow::Result<IncidentEvent> {
    let in_draft = draft
        .events
        .iter()
        .map(|(_, other)| other)
        .find(|other| other.incident() == event.incident() && matches!(other, IncidentEvent::Opened { .. }));
    if let Some(opening) = in_draft {
        return Ok(opening.clone());
    }
    let (_, events) =
        store.incidents().get(tenant, event.incident()).await?.context("an incident that was never opened")?;
    let first = events.into_iter().find(|stored| stored.n == 0).context("an incident without its opening")?;
    serde_json::from_str(&first.body).context("the opening of an incident")
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

/// Who is to be told of the event, and what: one delivery for each of their channels.
pub(super) async fn deliveries_of(
    store: &Store,
    view: &View,
    entry: &Entry,
    event: &IncidentEvent,
    opening: &IncidentEvent,
    now: UnixMs,
) -> anyhow::Result<Vec<NewDelivery>> {
    if entry.contacts.is_empty() {
        return Ok(Vec::new());
    }
    let definition = &entry.definition;
    let subject = Subject {
        tenant: definition.tenant,
        check: definition.check,
        check_name: &entry.name,
        target: entry.target.as_deref(),
    };
    let opening = Opening::of(opening).context("an opening that is none")?;
    let told = TellEvent::new(event, opening, &subject, view);
    let json = serde_json::to_string(&told)?;
    let step = match event.step() {
        farwatch_core::incident::Step::Opened => Step::Opened,
        farwatch_core::incident::Step::Resolved => Step::Resolved,
    };
    let channels = store.contacts().channels_of(definition.tenant, &entry.contacts).await?;
    let deliveries = channels.into_iter().map(|channel| NewDelivery {
        id: delivery_id(event.incident(), event.step(), channel.contact, channel.id),
        tenant: definition.tenant,
        incident: event.incident(),
        step,
        contact: channel.contact,
        channel: channel.id,
        due: now,
        created: now,
        event: json.clone(),
    });
    Ok(deliveries.collect())
}

/// Makes a committed draft true in memory, and tells the hosts.
pub(super) fn apply(state: &mut State, draft: Draft, head: JournalHead, now: Now) {
    state.head = head;
    state.results += draft.results() as u64;
    state.marks.extend(draft.marks);
    for (stream, slot) in draft.last_slots {
        remember(&mut state.last_slots, stream, slot);
    }
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
    state.count_outages(&draft.rounds, &draft.failing, now.wall);
    for (check, event) in &draft.events {
        log_incident(state, *check, event, now);
    }
    for (host, mark) in draft.acknowledge {
        send(state, host, FromControl::Committed { mark });
    }
    for (host, order) in draft.cancels {
        send(state, host, FromControl::Cancel { orders: vec![order] });
    }
    order_runs(state, draft.orders);
}

/// Sends orders to their hosts.
pub(super) fn order_runs(state: &mut State, orders: Vec<(HostId, Order)>) {
    for (host, order) in orders {
        state.orders.give(order.id, host);
        send(state, host, FromControl::Run { orders: vec![order] });
    }
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
