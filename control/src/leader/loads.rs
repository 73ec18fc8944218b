//! How much each host has to bear by the newest view: the sum over the streams that it is the first owner of.
//!
//! It is warned of and nothing else: placement is by the view alone. A host that cannot bear it says so slot by slot, and is
//! planned around where its standbys run too many.

use std::collections::BTreeMap;

use farwatch_core::capacity::Load;
use farwatch_proto::check::Activity;
use farwatch_proto::id::HostId;
use farwatch_proto::time::UnixMs;

use super::state::State;

/// It is added up this often: in the largest cell that takes some hundredths of a second.
pub(super) const LOAD_PERIOD_MS: i64 = 10_000;

impl State {
    /// Adds up what the first owners of all streams that are due have to bear.
    pub(super) fn add_up_loads(&mut self, now: UnixMs) {
        let mut loads: BTreeMap<HostId, Load> = BTreeMap::new();
        for (_, page) in self.book.pages() {
            let Some(entry) = page.in_force_at(now).filter(|entry| entry.definition.activity == Activity::Active)
            else {
                continue;
            };
            let definition = &entry.definition;
            for owners in page.owners(&self.newest) {
                if let Some(first) = owners.first() {
                    loads.entry(*first).or_default().add(definition.interval, definition.timeout_ms);
                }
            }
        }
        self.loads = loads;
    }

    /// Whether the host has more to bear than half of its run places.
    pub(super) fn is_beyond_capacity(&self, host: HostId) -> bool {
        let places = self.sessions.get(&host).map(|session| session.run_places);
        self.loads.get(&host).zip(places).is_some_and(|(load, places)| load.is_beyond(places))
    }
}
