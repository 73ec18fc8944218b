//! Who confirms an outage of a check, and the places from which alone it fails, as people know them.

use std::collections::BTreeSet;

use farwatch_core::placement::{Subject, eligibility};
use farwatch_proto::check::{PlacementWish, Repeat};
use farwatch_proto::fleet::{Standing, ViewHost};
use farwatch_proto::id::HostId;
use schemars::JsonSchema;
use serde::Serialize;

use super::Held;
use crate::store::{Host, Revision};

/// A place from which a check is run.
#[derive(Serialize, JsonSchema)]
pub(super) struct PlaceView {
    host: HostId,
    name: String,
    provider: String,
    region: String,
    country: String,
}

impl Held {
    /// These places, by the names of their hosts.
    pub(super) fn places(&self, hosts: &[HostId]) -> Vec<PlaceView> {
        let known = self.hosts.iter().filter(|host| hosts.contains(&host.id));
        known
            .map(|host| PlaceView {
                host: host.id,
                name: host.facts.name.clone(),
                provider: host.facts.provider.clone(),
                region: host.facts.region.clone(),
                country: host.facts.country.clone(),
            })
            .collect()
    }
}

/// Whether two machines at least may run the check. It follows from who is registered, never from who lives.
pub(super) fn is_independent(latest: &Revision, placement: &PlacementWish, hosts: &[Host]) -> bool {
    let subject = Subject { check: latest.check, tenant: latest.tenant, wish: placement, repeat: latest.repeat };
    let registered = hosts.iter().filter(|host| host.retired.is_none());
    let eligible = registered.filter(|host| {
        let host = ViewHost { id: host.id, standing: Standing::Active, facts: host.facts.clone() };
        eligibility(&subject, &host).is_ok()
    });
    let machine = |host: &Host| host.facts.shared_machine.clone().unwrap_or_else(|| host.id.to_string());
    latest.repeat == Repeat::Safe && !latest.is_heartbeat() && eligible.map(machine).collect::<BTreeSet<_>>().len() > 1
}
