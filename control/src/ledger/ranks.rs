//! Who owned a slot by which rank, for many slots of a few hours at a time.
//!
//! Nothing per stream is stored, so owners are computed anew, once per check, revision and view.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use farwatch_core::block::Rank;
use farwatch_proto::check::StreamId;
use farwatch_proto::fleet::View;
use farwatch_proto::id::{CheckId, HostId};
use farwatch_proto::time::{Stamp, UnixMs};

use super::{Placed, revision_at};
use crate::store::{LedgerRevision, Store, StoreError};

/// The revisions of one check that counted, oldest first, and where each wanted to be.
struct Placements {
    revisions: Vec<LedgerRevision>,
    placed: HashMap<u32, Placed>,
}

/// See the file's documentation.
pub(crate) struct Ranks {
    views: Arc<Vec<View>>,
    checks: BTreeMap<CheckId, Placements>,
    /// The owners of each stream, by rank.
    owners: HashMap<(CheckId, u32, Stamp), Vec<Vec<HostId>>>,
}

impl Ranks {
    /// For slots in the period of the checks of these revisions, in order of check and revision.
    pub(crate) async fn load(
        store: &Store,
        revisions: &[LedgerRevision],
        period: (UnixMs, UnixMs),
    ) -> Result<Self, StoreError> {
        Self::under(views_of(store, period).await?, store, revisions, period).await
    }

    /// The same where the views of the period are known: one question for all of the checks.
    pub(crate) async fn under(
        views: Arc<Vec<View>>,
        store: &Store,
        revisions: &[LedgerRevision],
        (from, to): (UnixMs, UnixMs),
    ) -> Result<Self, StoreError> {
        let of_checks = || revisions.chunk_by(|one, next| one.check == next.check);
        let ids: Vec<CheckId> = of_checks().map(|of_check| of_check[0].check).collect();
        let placements =
            of_checks().map(|of_check| Placements { revisions: of_check.to_vec(), placed: HashMap::new() });
        let mut checks: BTreeMap<CheckId, Placements> = ids.iter().copied().zip(placements).collect();
        for spec in store.checks().specs_in_force_between(&ids, from, to).await? {
            let placed = Placed::of(spec.tenant, spec.repeat, &spec.spec);
            if let (Some(placements), Some(placed)) = (checks.get_mut(&spec.check), placed) {
                placements.placed.insert(spec.revision, placed);
            }
        }
        Ok(Self { views, checks, owners: HashMap::new() })
    }

    /// The rank of the host under the view in force at the slot. Where none was, everybody is a stranger.
    pub(crate) fn rank(&mut self, stream: StreamId, slot: UnixMs, host: HostId) -> Rank {
        self.owners(stream, slot).map_or(Rank::STRANGER, |owners| Rank::among(owners, host))
    }

    /// Who owned the slot first. Where no view was in force, or nobody in it could, it was nobody's.
    pub(crate) fn first_owner(&mut self, stream: StreamId, slot: UnixMs) -> Option<HostId> {
        self.owners(stream, slot)?.first().copied()
    }

    fn owners(&mut self, stream: StreamId, slot: UnixMs) -> Option<&[HostId]> {
        let Self { views, checks, owners } = self;
        let view = views.iter().rev().find(|view| view.in_force_from <= slot)?;
        let placements = checks.get(&stream.check)?;
        let revision = revision_at(&placements.revisions, slot).revision;
        let placed = placements.placed.get(&revision)?;
        let of_streams =
            owners.entry((stream.check, revision, view.number)).or_insert_with(|| placed.owners(stream.check, view));
        of_streams.get(usize::from(stream.number)).map(Vec::as_slice)
    }
}

/// The views that were in force in the period, in order.
pub(crate) async fn views_of(store: &Store, (from, to): (UnixMs, UnixMs)) -> Result<Arc<Vec<View>>, StoreError> {
    let in_force = store.views().in_force_during(from, to).await?;
    Ok(Arc::new(in_force.into_iter().map(|stored| stored.view).collect()))
}
