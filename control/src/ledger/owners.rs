//! Who owned a slot under the view of its moment, and whether one of them may still bring a result.
//!
//! Nothing per stream is stored, so owners are computed anew. What that costs is bounded: beyond the bound
//! the answer is that a slot is not yet decided, which is true while anybody is silent.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use farwatch_core::placement::{Subject, owners, preference_lists};
use farwatch_proto::check::{PlacementWish, Repeat, StreamId};
use farwatch_proto::fleet::{Standing, View};
use farwatch_proto::id::{CheckId, HostId, TenantId};
use farwatch_proto::time::UnixMs;

use super::LedgerError;
use crate::spec::Spec;
use crate::store::{Store, StoreError};

/// Slots whose owners are computed to say whether one of them may still deliver.
const LOOKUPS_MAX: usize = 500;

/// A slot and the revision that made it due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owed {
    pub(super) stream: StreamId,
    pub(super) slot: UnixMs,
    pub(super) revision: u32,
}

/// What placement reads of a revision.
pub(crate) struct Placed {
    tenant: TenantId,
    repeat: Repeat,
    wish: PlacementWish,
}

impl Placed {
    /// By the spec of a revision; `None` where it does not say where it belongs.
    pub(crate) fn of(tenant: TenantId, repeat: Repeat, spec: &str) -> Option<Self> {
        Some(Self { tenant, repeat, wish: Spec::parse(spec).ok()?.placement })
    }

    /// The owners of each stream of the check under this view, by rank.
    pub(crate) fn owners(&self, check: CheckId, view: &View) -> Vec<Vec<HostId>> {
        let lists = preference_lists(&self.subject(check), view);
        lists.iter().map(|list| owners(list, view, self.repeat)).collect()
    }

    /// The check, as placement reads it.
    pub(super) fn subject(&self, check: CheckId) -> Subject<'_> {
        let Self { tenant, repeat, ref wish } = *self;
        Subject { check, tenant, wish, repeat }
    }
}

/// What placement reads of this revision; `None` where there is none, or none that says where it belongs.
pub(super) async fn placed(store: &Store, check: CheckId, revision: u32) -> Result<Option<Placed>, StoreError> {
    let stored = store.checks().revision(check, revision).await?;
    Ok(stored.and_then(|stored| Placed::of(stored.tenant, stored.repeat, &stored.spec)))
}

/// Answers for one request.
pub(super) struct Owners<'s> {
    store: &'s Store,
    /// Hosts that may hold results they have not delivered.
    absent: BTreeSet<HostId>,
    placed: HashMap<(CheckId, u32), Option<Arc<Placed>>>,
}

/// The slots whose results may still come.
pub(super) struct Awaited {
    slots: HashSet<(StreamId, UnixMs)>,
    /// Whether there were more than could be looked at.
    all: bool,
}

impl Awaited {
    pub(super) fn is_any(&self) -> bool {
        self.all || !self.slots.is_empty()
    }

    pub(super) fn is_awaited(&self, stream: StreamId, slot: UnixMs) -> bool {
        self.all || self.slots.contains(&(stream, slot))
    }
}

impl<'s> Owners<'s> {
    /// Absent are the hosts the leader does not hear, and those that the newest view holds away.
    pub(super) async fn new(store: &'s Store, silent: &BTreeSet<HostId>) -> Result<Self, LedgerError> {
        let newest = store.views().latest_in_force().await?;
        let hosts = newest.into_iter().flat_map(|newest| newest.view.hosts);
        let away = hosts.filter(|host| host.standing == Standing::Away).map(|host| host.id);
        let absent = silent.iter().copied().chain(away).collect();
        Ok(Self { store, absent, placed: HashMap::new() })
    }

    /// Which of these slots an absent owner may still bring.
    pub(super) async fn undelivered(&mut self, slots: &[Owed]) -> Result<Awaited, LedgerError> {
        let mut awaited = Awaited { slots: HashSet::new(), all: false };
        if self.absent.is_empty() {
            return Ok(awaited);
        }
        awaited.all = slots.len() > LOOKUPS_MAX;
        for owed in slots.iter().take(LOOKUPS_MAX) {
            if self.of(owed).await?.iter().any(|owner| self.absent.contains(owner)) {
                awaited.slots.insert((owed.stream, owed.slot));
            }
        }
        Ok(awaited)
    }

    /// The owners of the slot by rank; none where no view was in force yet.
    pub(super) async fn of(&mut self, owed: &Owed) -> Result<Vec<HostId>, LedgerError> {
        let (check, number) = (owed.stream.check, owed.stream.number);
        let placed = self.placed(check, owed.revision).await?;
        let (Some(placed), Some(view)) = (placed, self.view_at(owed.slot).await?) else { return Ok(Vec::new()) };
        Ok(placed.owners(check, &view).into_iter().nth(number.into()).unwrap_or_default())
    }

    async fn view_at(&self, slot: UnixMs) -> Result<Option<View>, LedgerError> {
        let in_force = self.store.views().in_force_during(slot, slot + 1).await?;
        Ok(in_force.into_iter().next_back().map(|stored| stored.view))
    }

    async fn placed(&mut self, check: CheckId, revision: u32) -> Result<Option<Arc<Placed>>, LedgerError> {
        if let Some(known) = self.placed.get(&(check, revision)) {
            return Ok(known.clone());
        }
        let placed = placed(self.store, check, revision).await?.map(Arc::new);
        self.placed.insert((check, revision), placed.clone());
        Ok(placed)
    }
}
