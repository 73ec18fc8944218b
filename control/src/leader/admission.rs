//! Whether a host may say what it says.
//!
//! A host writes only for streams it owned under the view of the slot, or for orders it was given.
//! What is refused is counted and told to the host, and judged by nobody.

use std::collections::{HashMap, VecDeque};

use farwatch_core::fleet::is_lost;
use farwatch_core::slot::{Schedule, Timing, timing, window_end};
use farwatch_proto::fleet::View;
use farwatch_proto::id::{HostId, OrderId};
use farwatch_proto::run::{Purpose, RunResult};
use farwatch_proto::time::{Stamp, UnixMs};

use super::book::Book;

/// Orders remembered, open and answered; a late answer to an older one is refused.
const ORDERS_MAX: usize = 20_000;
/// A result may say that it started this far ahead of control's clock: clocks of hosts may differ by less.
const AHEAD_MAX_MS: i64 = 2_000;
/// Views remembered for results that come late: a fleet that changes every 20 seconds makes as many in a day.
const VIEWS_MAX: usize = 4_096;

/// Why a result is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("it names a check or revision that is not known")]
    UnknownCheck,
    #[error("it names a stream that its check does not have")]
    UnknownStream,
    #[error("it names a moment that is no slot of its stream")]
    NotASlot,
    #[error("its run did not start in the window of its slot")]
    OutsideWindow,
    #[error("it is from the future")]
    FromTheFuture,
    #[error("the host did not own the stream in the view of the slot")]
    NotAnOwner,
    #[error("it answers an order that this host was not given")]
    NotOrdered,
}

/// The orders that were given, and to whom.
#[derive(Debug, Default)]
pub(super) struct Orders {
    given: HashMap<OrderId, HostId>,
    oldest_first: VecDeque<OrderId>,
}

impl Orders {
    pub(super) fn give(&mut self, order: OrderId, host: HostId) {
        if self.given.insert(order, host).is_none() {
            self.oldest_first.push_back(order);
        }
        while self.oldest_first.len() > ORDERS_MAX {
            if let Some(oldest) = self.oldest_first.pop_front() {
                self.given.remove(&oldest);
            }
        }
    }

    pub(super) fn was_given(&self, order: OrderId, host: HostId) -> bool {
        self.given.get(&order) == Some(&host)
    }
}

/// The views that results may be of: those in force lately, oldest first, and plans some hosts act by.
#[derive(Debug, Default)]
pub(super) struct RecentViews {
    in_force: VecDeque<View>,
    plans: VecDeque<View>,
}

impl RecentViews {
    pub(super) fn put_in_force(&mut self, view: View) {
        self.in_force.push_back(view);
        if self.in_force.len() > VIEWS_MAX {
            self.in_force.pop_front();
        }
    }

    pub(super) fn put_plan(&mut self, view: View) {
        self.plans.push_back(view);
        if self.plans.len() > VIEWS_MAX {
            self.plans.pop_front();
        }
    }

    /// Whether these end with all that `others` hold, who may remember less.
    pub(super) fn ends_like(&self, others: &Self) -> bool {
        let newest_first = self.in_force.iter().rev().zip(others.in_force.iter().rev());
        self.in_force.len() >= others.in_force.len() && newest_first.into_iter().all(|(one, other)| one == other)
    }

    /// The newest in force.
    fn newest(&self) -> Option<&View> {
        self.in_force.back()
    }

    /// Whether a view of this number may have been in force, and is not known any more.
    fn is_lost(&self, number: Stamp) -> bool {
        let followers = self.in_force.iter().zip(self.in_force.iter().skip(1));
        let is_known = self.plans.iter().any(|plan| plan.number == number);
        !is_known && followers.into_iter().any(|(before, after)| is_lost(number, before.number, after.number))
    }

    /// The view in force at this slot.
    pub(super) fn at(&self, slot: UnixMs) -> Option<&View> {
        self.in_force.iter().rev().find(|view| view.in_force_from <= slot)
    }

    /// Every view under which a host may rightly have run the slot: the one in force at it; those that
    /// came into force while its window was open, for a new owner catches up; and plans in effect by then.
    fn rightful(&self, slot: UnixMs, window_end: UnixMs) -> impl Iterator<Item = &View> {
        let later =
            self.in_force.iter().filter(move |view| slot < view.in_force_from && view.in_force_from < window_end);
        let plans = self.plans.iter().filter(move |plan| plan.in_force_from < window_end);
        self.at(slot).into_iter().chain(later).chain(plans)
    }
}

/// As what a host says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SaidAs {
    /// It was ordered to.
    Voter,
    /// It owns the slot, at this rank; the other is the first of its owners.
    Owner { rank: usize, first: HostId },
    /// It holds the check, and went by a view that the database has lost: who owned by that, nobody can say.
    Holder,
}

/// Whether `host` may say this at `now`, and as what.
pub(super) fn admit(
    host: HostId,
    result: &RunResult,
    book: &Book,
    views: &RecentViews,
    orders: &Orders,
    now: UnixMs,
) -> Result<SaidAs, Refusal> {
    if let Purpose::Vote(order) = result.purpose {
        return if orders.was_given(order, host) { Ok(SaidAs::Voter) } else { Err(Refusal::NotOrdered) };
    }
    let page = book.page(result.stream.check).ok_or(Refusal::UnknownCheck)?;
    let entry = page.entries.iter().find(|entry| entry.definition.revision == result.terms.revision);
    let definition = &entry.ok_or(Refusal::UnknownCheck)?.definition;
    let streams = definition.placement.streams;
    if result.stream.number >= streams {
        return Err(Refusal::UnknownStream);
    }
    if !Schedule::of(result.stream, definition.interval, streams).is_slot(result.slot) {
        return Err(Refusal::NotASlot);
    }
    let timing = timing(result.slot, definition.interval, result.started);
    if result.outcome.status.covers() && matches!(timing, Timing::Early | Timing::Outside) {
        return Err(Refusal::OutsideWindow);
    }
    if result.started.since(now) > AHEAD_MAX_MS {
        return Err(Refusal::FromTheFuture);
    }
    let window_end = window_end(result.slot, definition.interval);
    let as_owner = |view: &View| {
        let owners = page.owners_of(result.stream, view);
        let rank = owners.iter().position(|owner| *owner == host)?;
        Some(SaidAs::Owner { rank, first: owners[0] })
    };
    let by_a_lost_view = || {
        let holds = views.is_lost(result.terms.view) && page.holders(views.newest()?, None).contains(&host);
        holds.then_some(SaidAs::Holder)
    };
    let said_as = views.rightful(result.slot, window_end).find_map(as_owner);
    said_as.or_else(by_a_lost_view).ok_or(Refusal::NotAnOwner)
}
