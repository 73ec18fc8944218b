//! A run of a simulated host, and what a host wants done.

use farwatch_core::ownership::{Ended, Facilities, Now, Readiness};
use farwatch_proto::check::StreamId;
use farwatch_proto::id::{HostId, ModuleHash, OrderId};
use farwatch_proto::link::Order;
use farwatch_proto::peer::{Said, Statement};
use farwatch_proto::time::UnixMs;

use super::disk::{Copied, Found};
use super::{Host, WRITTEN_AFTER_MS};

/// Votes take at most one in so many places.
const VOTES_SHARE: usize = 4;

/// A run that is under way.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub(crate) stream: StreamId,
    pub(crate) slot: UnixMs,
    pub(crate) started: i64,
    /// By its own clocks.
    pub(super) began: Now,
    /// Once it is over; it may still wait to be believed.
    pub(super) ended: Option<Now>,
    pub(crate) tell: Vec<HostId>,
    pub(crate) is_disturbed: bool,
    /// The order it answers; none for a slot.
    pub(crate) vote: Option<OrderId>,
    /// Whether its target fails, as the world decides when it begins.
    pub(crate) is_down: bool,
    /// Whether it is the successor's.
    pub(crate) of_next: bool,
    /// Whether the others were let to run the slot, for this host doubts what it saw.
    pub(super) was_yielded: bool,
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

pub(super) struct Places {
    pub(super) free: usize,
    pub(super) is_sane: bool,
}

impl Facilities for Places {
    type Place = ();

    fn take_place(&mut self) -> Option<()> {
        self.free = self.free.checked_sub(1)?;
        Some(())
    }

    fn readiness(&self, _: &ModuleHash) -> Readiness {
        Readiness::Ready
    }

    fn is_sane(&self) -> bool {
        self.is_sane
    }
}

impl Host {
    /// Whether the target of this run fails.
    pub(crate) fn sees(&mut self, run: u64, is_down: bool) {
        if let Some(running) = self.running.get_mut(&run) {
            running.is_down = is_down;
        }
    }

    pub(super) fn begin(
        &mut self,
        stream: StreamId,
        slot: UnixMs,
        tell: Vec<HostId>,
        vote: Option<OrderId>,
        of_next: bool,
        now: i64,
    ) {
        let (started, began, ended) = (now, self.now(now), None);
        let (is_disturbed, is_down, was_yielded) = (false, false, false);
        let running =
            Running { stream, slot, started, began, ended, tell, is_disturbed, vote, is_down, of_next, was_yielded };
        self.running.insert(self.next_run, running);
        self.next_run += 1;
    }

    /// Control orders a run. One that was answered is answered again, and one that is under way goes on.
    pub(crate) fn order(&mut self, order: &Order, now: i64) -> Vec<Effect> {
        if let Some(found) = self.answered.get(&order.id).copied() {
            self.disk.write(now + WRITTEN_AFTER_MS, found);
            return Vec::new();
        }
        let under_way = self.running.values().filter(|running| running.ended.is_none());
        if self.running.values().any(|running| running.vote == Some(order.id)) {
            return Vec::new();
        }
        let asked = under_way.clone().filter(|running| running.vote.is_some()).count();
        if asked >= self.places / VOTES_SHARE || under_way.count() >= self.places {
            return vec![Effect::Decline(order.id)];
        }
        let effects = vec![Effect::Begins(self.next_run)];
        self.begin(order.stream, order.ordered_at, Vec::new(), Some(order.id), self.next.is_some(), now);
        effects
    }

    /// Control does not need this order any more.
    pub(crate) fn cancel(&mut self, order: OrderId) {
        self.running.retain(|_, running| running.vote != Some(order));
    }

    /// A run is over, and gives back its place. Answers whether there was one.
    pub(crate) fn end(&mut self, run: u64, now: i64) -> bool {
        let ended = self.now(now);
        self.running.get_mut(&run).map(|running| running.ended = Some(ended)).is_some()
    }

    /// A run whose result is to be told: that is in the spool, and the other owners hear of it.
    pub(super) fn finish(&mut self, running: Running, ended: Now, now: i64) -> (Found, Vec<Effect>) {
        let Running { stream, slot, started, began, tell, is_disturbed, vote, is_down, of_next, was_yielded, .. } =
            running;
        let (covers, has_detail, started_at, ended_at) = (!is_disturbed, !self.disk.is_full, began.wall, ended.wall);
        let found = Found { stream, slot, started, started_at, ended_at, covers, is_down, vote, has_detail };
        let mark = self.disk.write(now + WRITTEN_AFTER_MS, found);
        if let Some(order) = vote {
            self.answered.insert(order, found);
            return (found, Vec::new());
        }
        // What was left to the others and is void after all leaves nothing more to say.
        if was_yielded && !covers {
            return (found, Vec::new());
        }
        let ended = if covers { Ended::Covers } else { Ended::Disturbed };
        let said = self.ended(stream, slot, ended, of_next, now);
        let copy = (said == Said::Done).then_some(Copied { id: (self.id, mark), found });
        let tells = tell.into_iter().map(|to| Effect::Tell(to, Statement { stream, slot, said }, copy));
        (found, tells.collect())
    }

    /// What the other owners are to hear of a run that ended so.
    pub(super) fn ended(&mut self, stream: StreamId, slot: UnixMs, ended: Ended, of_next: bool, now: i64) -> Said {
        let wall = self.wall(now);
        let desk = self.next.as_mut().filter(|_| of_next).map_or(&mut self.desk, |next| &mut next.desk);
        desk.ended(stream, slot, ended, wall)
    }
}
