//! Whether this host runs a slot, and when: the rules of one owner.
//!
//! A host holds the view in force, views before it whose windows may be open, and plans it gains by.
//! Duty follows the slot: the owners of T are those of the view in force at T. Nothing here sends or
//! waits; the driver asks and acts.

use farwatch_proto::check::Repeat;
use farwatch_proto::fleet::View;
use farwatch_proto::id::HostId;
use farwatch_proto::interval::Interval;
use farwatch_proto::time::{Stamp, UnixMs};

use crate::placement::ranked;
use crate::slot::window_end;

/// Old views are kept this long after the next came into force: the longest window.
pub const VIEW_KEEP_MS: i64 = 86_400_000;

/// The views a host acts by.
#[derive(Clone, Debug, Default)]
pub struct Views {
    /// In force, oldest first; the last is the newest.
    in_force: Vec<View>,
    /// Plans that this host was given; it gains by them and loses nothing.
    plans: Vec<View>,
}

impl Views {
    /// A view is in force. Plans up to its number are settled by it.
    pub fn put_in_force(&mut self, view: View, now: UnixMs) {
        self.plans.retain(|plan| plan.number > view.number);
        if self.in_force.iter().any(|held| held.number >= view.number) {
            return;
        }
        self.in_force.push(view);
        let keep_from = self.in_force.iter().rposition(|held| held.in_force_from <= now - VIEW_KEEP_MS);
        self.in_force.drain(..keep_from.unwrap_or(0));
    }

    /// A plan to act on from its moment, until it is withdrawn or in force.
    pub fn put_plan(&mut self, plan: View) {
        self.plans.retain(|held| held.number != plan.number);
        if self.newest().is_none_or(|newest| newest.number < plan.number) {
            self.plans.push(plan);
        }
    }

    /// A plan will not be.
    pub fn withdraw(&mut self, number: Stamp) {
        self.plans.retain(|plan| plan.number != number);
    }

    /// The newest view in force.
    pub fn newest(&self) -> Option<&View> {
        self.in_force.last()
    }

    /// The newest number held, plan or not.
    pub fn newest_number(&self) -> Option<Stamp> {
        self.plans.iter().chain(&self.in_force).map(|view| view.number).max()
    }

    /// All of them, for keeping on disk: those in force, oldest first, and the plans.
    pub fn parts(&self) -> (&[View], &[View]) {
        (&self.in_force, &self.plans)
    }

    /// The view in force at this slot.
    pub fn at(&self, slot: UnixMs) -> Option<&View> {
        self.in_force.iter().rev().find(|view| view.in_force_from <= slot)
    }

    fn plans_at(&self, slot: UnixMs) -> impl Iterator<Item = &View> {
        self.plans.iter().filter(move |plan| plan.in_force_from <= slot)
    }
}

/// What this host owes a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// It runs it, at T.
    Run,
    /// It took over while the window is open, and runs it at once.
    CatchUp,
    /// Nothing.
    None,
}

/// What `me` owes the slot of a stream with this preference list under each view, at `now`.
///
/// `preference` computes the list under a view; it depends only on who is registered.
pub fn duty<'v, L: AsRef<[HostId]>>(
    me: HostId,
    slot: UnixMs,
    interval: Interval,
    now: UnixMs,
    views: &'v Views,
    repeat: Repeat,
    preference: impl Fn(&'v View) -> L,
) -> Duty {
    let first_is_me = |view: &'v View| ranked(preference(view).as_ref(), view).next() == Some(me);
    if views.at(slot).is_some_and(first_is_me) || views.plans_at(slot).any(first_is_me) {
        return Duty::Run;
    }
    // A death changed the view after T: whoever owned the slot may be gone, and its window is open.
    let death = views.newest().filter(|newest| {
        !newest.planned && slot < newest.in_force_from && newest.in_force_from <= now && repeat == Repeat::Safe
    });
    match death {
        Some(newest) if now < window_end(slot, interval) && first_is_me(newest) => Duty::CatchUp,
        _ => Duty::None,
    }
}

#[cfg(test)]
mod tests {
    use farwatch_proto::fleet::Standing;

    use super::*;
    use crate::placement::tests::{fleet, host_id};

    const TEN: i64 = 10_000;

    fn interval() -> Interval {
        Interval::from_seconds(10).unwrap()
    }

    fn view(n: u64, from: i64, planned: bool, away: &[u8]) -> View {
        let mut view = fleet(3);
        view.number = Stamp { era: 1, n };
        view.in_force_from = UnixMs(from);
        view.planned = planned;
        for host in &mut view.hosts {
            if away.iter().any(|gone| host_id(*gone) == host.id) {
                host.standing = Standing::Away;
            }
        }
        view
    }

    fn duty_of(host: u8, slot: i64, now: i64, views: &Views) -> Duty {
        let list = || vec![host_id(0), host_id(1), host_id(2)];
        duty(host_id(host), UnixMs(slot), interval(), UnixMs(now), views, Repeat::Safe, |_| list())
    }

    #[test]
    fn the_first_owner_of_the_view_at_the_slot_runs_it_and_nobody_else() {
        let mut views = Views::default();
        views.put_in_force(view(1, 0, true, &[]), UnixMs(0));
        let duties: Vec<Duty> = (0..3).map(|host| duty_of(host, TEN, TEN, &views)).collect();
        assert_eq!(duties, [Duty::Run, Duty::None, Duty::None]);
    }

    #[test]
    fn after_a_death_the_next_owner_catches_up_while_the_window_is_open() {
        let mut views = Views::default();
        views.put_in_force(view(1, 0, true, &[]), UnixMs(0));
        views.put_in_force(view(2, TEN + 6000, false, &[0]), UnixMs(TEN + 6000));
        assert_eq!(duty_of(1, TEN, TEN + 6001, &views), Duty::CatchUp);
        assert_eq!(duty_of(1, TEN, TEN + 9950, &views), Duty::None);
        assert_eq!(duty_of(2, TEN, TEN + 6001, &views), Duty::None);
        assert_eq!(duty_of(1, 2 * TEN, 2 * TEN, &views), Duty::Run);
    }

    #[test]
    fn a_plan_adds_duty_and_takes_none_away_until_it_is_in_force() {
        let mut views = Views::default();
        views.put_in_force(view(1, 0, true, &[0]), UnixMs(0));
        views.put_plan(view(2, TEN, true, &[]));
        assert_eq!(duty_of(0, TEN, TEN, &views), Duty::Run);
        assert_eq!(duty_of(1, TEN, TEN, &views), Duty::Run);
        let mut withdrawn = views.clone();
        withdrawn.withdraw(Stamp { era: 1, n: 2 });
        assert_eq!(duty_of(0, TEN, TEN, &withdrawn), Duty::None);
        views.put_in_force(view(2, TEN, true, &[]), UnixMs(TEN));
        assert_eq!(duty_of(1, TEN, TEN, &views), Duty::None);
        assert_eq!(duty_of(1, 0, TEN, &views), Duty::Run, "the old view holds for slots before the border");
    }

    #[test]
    fn a_planned_view_makes_nobody_catch_up() {
        let mut views = Views::default();
        views.put_in_force(view(1, 0, true, &[]), UnixMs(0));
        views.put_in_force(view(2, TEN + 5000, true, &[0]), UnixMs(TEN));
        assert_eq!(duty_of(1, TEN, TEN + 6000, &views), Duty::None);
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
