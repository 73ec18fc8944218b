//! Whom the events of one flush are told, and with what they began: asked of the database once for all of them.
//!
//! In a mass failure a flush brings thousands of events, and a question for each would take longer than they may.

use std::collections::{BTreeSet, HashMap};

use anyhow::Context;
use farwatch_core::incident::{IncidentEvent, Step, delivery_id};
use farwatch_proto::fleet::View;
use farwatch_proto::id::{CheckId, ContactId, IncidentId, TenantId};
use farwatch_proto::outcome::Shown;
use farwatch_proto::time::UnixMs;

use super::book::Entry;
use crate::store::{Channel, NewDelivery, Step as StoredStep, Store};
use crate::tell::event::{Opening, Subject, TellEvent};

/// The channels of contacts, under the contact and whose it is.
#[derive(Default)]
pub(super) struct Channels(HashMap<(TenantId, ContactId), Vec<Channel>>);

impl Channels {
    /// Those over which the contacts of these entries are reached.
    pub(super) async fn of<'e>(store: &Store, entries: impl Iterator<Item = &'e Entry>) -> anyhow::Result<Self> {
        let contacts: BTreeSet<ContactId> = entries.flat_map(|entry| entry.contacts.iter().copied()).collect();
        let mut channels = Self::default();
        for (tenant, channel) in store.contacts().channels_of_all(&Vec::from_iter(contacts)).await? {
            channels.0.entry((tenant, channel.contact)).or_default().push(channel);
        }
        Ok(channels)
    }

    /// Those of this entry's contacts, in order of contact and age. A contact of somebody else is nobody.
    fn reaching(&self, entry: &Entry) -> impl Iterator<Item = &Channel> {
        let contacts: BTreeSet<ContactId> = entry.contacts.iter().copied().collect();
        let tenant = entry.definition.tenant;
        contacts.into_iter().filter_map(move |contact| self.0.get(&(tenant, contact))).flatten()
    }
}

/// The events that opened incidents.
pub(super) struct Openings(HashMap<IncidentId, IncidentEvent>);

impl Openings {
    /// Those of the incidents that these events are of: one of the same events, or one that was committed before.
    pub(super) async fn of(store: &Store, events: &[(CheckId, IncidentEvent)]) -> anyhow::Result<Self> {
        let opening = |event: &&IncidentEvent| matches!(event, IncidentEvent::Opened { .. });
        let begun = events.iter().map(|(_, event)| event).filter(opening);
        let mut openings: HashMap<_, _> = begun.map(|event| (event.incident(), event.clone())).collect();
        let incidents: BTreeSet<IncidentId> = events.iter().map(|(_, event)| event.incident()).collect();
        let before: Vec<IncidentId> =
            incidents.into_iter().filter(|incident| !openings.contains_key(incident)).collect();
        for stored in store.incidents().openings(&before).await? {
            let event = serde_json::from_str(&stored.body).context("the opening of an incident")?;
            openings.insert(stored.incident, event);
        }
        Ok(Self(openings))
    }

    /// The one of this incident.
    pub(super) fn of_incident(&self, incident: IncidentId) -> anyhow::Result<&IncidentEvent> {
        self.0.get(&incident).context("an incident that was never opened")
    }
}

/// Who is to be told of the event, and what: one delivery for each of their channels. The event comes with the one that opened
/// its incident, and `shown` is what came from the target.
pub(super) fn deliveries_of(
    channels: &Channels,
    view: &View,
    entry: &Entry,
    (event, opening): (&IncidentEvent, &IncidentEvent),
    shown: Vec<Shown>,
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
    let told = serde_json::to_string(&TellEvent::new(event, opening, &subject, view).showing(shown))?;
    let step = match event.step() {
        Step::Opened => StoredStep::Opened,
        Step::Resolved => StoredStep::Resolved,
    };
    let deliveries = channels.reaching(entry).map(|channel| NewDelivery {
        id: delivery_id(event.incident(), event.step(), channel.contact, channel.id),
        tenant: definition.tenant,
        incident: event.incident(),
        step,
        contact: channel.contact,
        channel: channel.id,
        due: now,
        created: now,
        event: told.clone(),
    });
    Ok(deliveries.collect())
}
