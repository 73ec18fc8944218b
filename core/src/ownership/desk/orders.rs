//! In which orders this host owns a slot, and who else does.
//!
//! Duty follows the slot: the order of the view in force at T counts, beside those of plans in effect by then. Only who is
//! first after a death catches up on slots that were due before it.

use farwatch_proto::check::{Definition, Repeat, StreamId};
use farwatch_proto::id::HostId;
use farwatch_proto::time::UnixMs;

use crate::ownership::lists::Lists;
use crate::ownership::views::{KnownView, Views};
use crate::placement::owners;

/// The owners of one slot, as one host sees them.
#[derive(Clone, Debug, Default)]
pub(super) struct Orders {
    /// The better ranks in each order in which this host owns.
    pub(super) mine: Vec<Vec<HostId>>,
    /// All other owners in any order.
    pub(super) everyone: Vec<HostId>,
}

impl Orders {
    pub(super) fn of(
        me: HostId,
        definition: &Definition,
        stream: StreamId,
        slot: UnixMs,
        now: UnixMs,
        views: &Views,
        lists: &mut Lists,
    ) -> Self {
        let mut orders = Self::default();
        let mut owners_under =
            |known: &KnownView| owners(&lists.list(definition, stream, known), &known.view, definition.repeat);
        for known in views.at(slot).into_iter().chain(views.plans_at(slot)) {
            orders.add(me, &owners_under(known), usize::MAX);
        }
        if let Some(known) = views.death_after(slot, now).filter(|_| definition.repeat == Repeat::Safe) {
            orders.add(me, &owners_under(known), 0);
        }
        orders
    }

    /// One more order, in which this host counts if its rank is at most this.
    fn add(&mut self, me: HostId, owners: &[HostId], last_rank: usize) {
        if let Some(rank) = owners.iter().position(|owner| *owner == me).filter(|rank| *rank <= last_rank) {
            self.mine.push(owners[..rank].to_vec());
        }
        for owner in owners.iter().filter(|owner| **owner != me) {
            if !self.everyone.contains(owner) {
                self.everyone.push(*owner);
            }
        }
    }
}
