//! A run of a simulated host, and what a host wants done.

use farwatch_core::ownership::{Facilities, Readiness};
use farwatch_proto::check::StreamId;
use farwatch_proto::id::{HostId, ModuleHash, OrderId};
use farwatch_proto::peer::Statement;
use farwatch_proto::time::UnixMs;

use super::disk::Copied;

/// A run that is under way.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub(crate) stream: StreamId,
    pub(crate) slot: UnixMs,
    pub(crate) started: i64,
    pub(crate) started_at: UnixMs,
    pub(crate) tell: Vec<HostId>,
    pub(crate) is_disturbed: bool,
    /// The order it answers; none for a slot.
    pub(crate) vote: Option<OrderId>,
    /// Whether its target fails, as the world decides when it begins.
    pub(crate) is_down: bool,
    /// Whether it is the successor's.
    pub(crate) of_next: bool,
}

/// What a host wants done by its world.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    /// A run begins; it takes as long as its target does.
    Begins(u64),
    /// Say this to another host, with the result where there is one.
    Tell(HostId, Statement, Option<Copied>),
    /// Say to control that there is no place for this order.
    Decline(OrderId),
}

pub(super) struct Places(pub(super) usize);

impl Facilities for Places {
    type Place = ();

    fn take_place(&mut self) -> Option<()> {
        self.0 = self.0.checked_sub(1)?;
        Some(())
    }

    fn readiness(&self, _: &ModuleHash) -> Readiness {
        Readiness::Ready
    }

    fn is_sane(&self) -> bool {
        true
    }
}
