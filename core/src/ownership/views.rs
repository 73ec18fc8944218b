//! The views one host acts by: those in force whose windows may be open, and plans it gains by.
//!
//! Duty follows the slot: the owners of T are those of the view in force at T. Nothing here knows of streams.

use std::hash::{Hash, Hasher};

use farwatch_proto::fleet::{Standing, View};
use farwatch_proto::id::HostId;
use farwatch_proto::time::{Stamp, UnixMs};
use xxhash_rust::xxh3::Xxh3;

/// Old views are kept this long after the next came into force: the longest window.
pub const VIEW_KEEP_MS: i64 = 86_400_000;

/// A view, and what tells apart fleets whose preference lists differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownView {
    /// It.
    pub view: View,
    /// The hash of who is registered, and as what; standings play no part. Means nothing in another process.
    pub fleet: u64,
}

impl KnownView {
    fn of(view: View) -> Self {
        let mut hasher = Xxh3::new();
        for host in &view.hosts {
            (host.id, &host.facts).hash(&mut hasher);
        }
        view.placement_version.hash(&mut hasher);
        Self { fleet: hasher.finish(), view }
    }
}

/// The views a host acts by.
#[derive(Clone, Debug, Default)]
pub struct Views {
    /// In force, oldest first; the last is the newest.
    in_force: Vec<KnownView>,
    /// Plans that this host was given; it gains by them and loses nothing.
    plans: Vec<KnownView>,
}

impl Views {
    /// A view is in force. Plans up to its number are settled by it.
    pub fn put_in_force(&mut self, view: View, now: UnixMs) {
        self.plans.retain(|plan| plan.view.number > view.number);
        if self.in_force.iter().any(|held| held.view.number >= view.number) {
            return;
        }
        self.in_force.push(KnownView::of(view));
        let keep_from = self.in_force.iter().rposition(|held| held.view.in_force_from <= now - VIEW_KEEP_MS);
        self.in_force.drain(..keep_from.unwrap_or(0));
    }

    /// A plan to act on from its moment, until it is withdrawn or in force.
    pub fn put_plan(&mut self, plan: View) {
        self.plans.retain(|held| held.view.number != plan.number);
        if self.newest().is_none_or(|newest| newest.number < plan.number) {
            self.plans.push(KnownView::of(plan));
        }
    }

    /// A plan will not be.
    pub fn withdraw(&mut self, number: Stamp) {
        self.plans.retain(|plan| plan.view.number != number);
    }

    /// The newest view in force.
    pub fn newest(&self) -> Option<&View> {
        self.in_force.last().map(|known| &known.view)
    }

    /// The newest view in force, with what is known of it.
    pub(super) fn newest_known(&self) -> Option<&KnownView> {
        self.in_force.last()
    }

    /// Whether a host belongs to the fleet, by the newest view or one that is announced. Whoever holds no view yet cannot
    /// tell, and takes everybody for one of the fleet whom the authority does.
    pub fn is_of_fleet(&self, host: HostId) -> bool {
        let mut newest = self.plans.iter().chain(self.in_force.last()).peekable();
        newest.peek().is_none() || newest.any(|known| known.view.host(host).is_some())
    }

    /// All plans.
    pub(super) fn plans(&self) -> &[KnownView] {
        &self.plans
    }

    /// The newest number held, plan or not.
    pub fn newest_number(&self) -> Option<Stamp> {
        self.plans.iter().chain(&self.in_force).map(|known| known.view.number).max()
    }

    /// All of them, for keeping on disk: those in force, oldest first, and the plans.
    pub fn parts(&self) -> (Vec<View>, Vec<View>) {
        let views = |known: &[KnownView]| known.iter().map(|known| known.view.clone()).collect();
        (views(&self.in_force), views(&self.plans))
    }

    /// The view in force at this slot.
    pub(super) fn at(&self, slot: UnixMs) -> Option<&KnownView> {
        self.in_force.iter().rev().find(|known| known.view.in_force_from <= slot)
    }

    /// The plans that count at this slot.
    pub(super) fn plans_at(&self, slot: UnixMs) -> impl Iterator<Item = &KnownView> {
        self.plans.iter().filter(move |plan| plan.view.in_force_from <= slot)
    }

    /// The newest view, where it came into force after this slot because somebody died.
    pub(super) fn death_after(&self, slot: UnixMs, now: UnixMs) -> Option<&KnownView> {
        self.in_force.last().filter(|known| {
            let view = &known.view;
            !view.planned && slot < view.in_force_from && view.in_force_from <= now
        })
    }

    /// Whether control has declared this host dead: the newest view is of a death and holds it away.
    pub(super) fn is_buried(&self, host: HostId) -> bool {
        self.newest().is_some_and(|view| !view.planned && view.standing(host) == Some(Standing::Away))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ownership::tests::view;

    const TEN: i64 = 10_000;

    #[test]
    fn the_view_of_a_slot_is_the_one_in_force_at_it() {
        let mut views = Views::default();
        views.put_in_force(view(1, 0, true, &[]), UnixMs(0));
        views.put_in_force(view(2, TEN, true, &[0]), UnixMs(TEN));
        let number = |slot: i64| views.at(UnixMs(slot)).map(|known| known.view.number.n);
        assert_eq!([number(-1), number(0), number(TEN - 1), number(TEN)], [None, Some(1), Some(1), Some(2)]);
    }

    #[test]
    fn a_plan_counts_from_its_moment_until_it_is_withdrawn_or_settled() {
        let mut views = Views::default();
        views.put_in_force(view(1, 0, true, &[]), UnixMs(0));
        views.put_plan(view(2, TEN, true, &[0]));
        assert_eq!((views.plans_at(UnixMs(TEN - 1)).count(), views.plans_at(UnixMs(TEN)).count()), (0, 1));
        let mut withdrawn = views.clone();
        withdrawn.withdraw(Stamp { era: 1, n: 2 });
        assert_eq!(withdrawn.plans_at(UnixMs(TEN)).count(), 0);
        views.put_in_force(view(2, TEN, true, &[0]), UnixMs(TEN));
        assert_eq!(views.plans_at(UnixMs(TEN)).count(), 0);
    }

    #[test]
    fn only_a_death_buries_and_only_as_the_newest_view_says() {
        let mut views = Views::default();
        views.put_in_force(view(1, 0, true, &[0]), UnixMs(0));
        assert!(!views.is_buried(crate::placement::tests::host_id(0)), "who was drained is not dead");
        views.put_in_force(view(2, TEN, false, &[1]), UnixMs(TEN));
        assert!(views.is_buried(crate::placement::tests::host_id(1)));
        assert!(views.death_after(UnixMs(TEN - 1), UnixMs(TEN)).is_some());
        assert!(views.death_after(UnixMs(TEN), UnixMs(TEN)).is_none());
    }

    #[test]
    fn whoever_the_newest_view_does_not_name_is_not_of_the_fleet() {
        let host = crate::placement::tests::host_id;
        let mut views = Views::default();
        assert!(views.is_of_fleet(host(0)), "nobody can tell yet");
        views.put_in_force(view(1, 0, true, &[]), UnixMs(0));
        let mut without = view(2, TEN, true, &[]);
        without.hosts.retain(|known| known.id != host(0));
        views.put_in_force(without, UnixMs(TEN));
        assert!(!views.is_of_fleet(host(0)) && views.is_of_fleet(host(1)));
        views.put_plan(view(3, 2 * TEN, true, &[]));
        assert!(views.is_of_fleet(host(0)), "it is about to be");
    }

    #[test]
    fn fleets_differ_by_who_is_registered_and_not_by_who_is_away() {
        let (all, fewer) = (view(1, 0, true, &[]), view(2, 0, true, &[0, 1]));
        assert_eq!(KnownView::of(all.clone()).fleet, KnownView::of(fewer).fleet);
        let mut heavier = all.clone();
        heavier.hosts[0].facts.weight += 1;
        assert_ne!(KnownView::of(all).fleet, KnownView::of(heavier).fleet);
    }

    #[test]
    fn views_whose_windows_have_all_closed_are_forgotten() {
        let mut views = Views::default();
        views.put_in_force(view(1, 0, true, &[]), UnixMs(0));
        views.put_in_force(view(2, TEN, true, &[]), UnixMs(TEN));
        views.put_in_force(view(3, 2 * VIEW_KEEP_MS, true, &[]), UnixMs(2 * VIEW_KEEP_MS));
        let kept: Vec<u64> = views.parts().0.iter().map(|view| view.number.n).collect();
        assert_eq!(kept, [2, 3]);
    }
}
