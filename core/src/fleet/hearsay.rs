//! What the hosts say of one that control does not hear.
//!
//! Silence that its neighbours contradict is control's own fault, or that of the way between: the host goes on with its
//! work and is not accused, and while that lasts nothing is placed anew by plan. Silence that they confirm is acted upon
//! at once. Where nobody ever heard a host, its silence is all there is to go by.

use std::collections::BTreeSet;

use farwatch_proto::fleet::{Standing, View};
use farwatch_proto::id::HostId;
use farwatch_proto::time::BootMs;

use super::{Fleet, SILENCE_MS, VOTER_SILENCE_MS};

/// Nothing is planned until the last contradiction was so long ago.
pub const BRAKE_MS: i64 = 10_000;
/// A host that its neighbours alone have heard for this long is planned around: control can tell it nothing new.
pub const CUT_OFF_MS: i64 = 60_000;
/// What a host ran is asked of its neighbours once it has been silent for this long: three heartbeats.
pub const ASK_AFTER_MS: i64 = 1_500;
/// And for so long: that is what the ledger waits for a result while a leader is up.
pub const ASK_FOR_MS: i64 = 900_000;

impl Fleet {
    /// Whom this host says it hears.
    pub fn hear_of(&mut self, from: HostId, hears: &BTreeSet<HostId>) {
        if let Some(life) = self.hosts.get_mut(&from) {
            life.neighbours.extend(hears);
            life.hears.clone_from(hears);
        }
    }

    /// Whether most of those neighbours that could say say that they hear this host.
    fn is_heard_by_neighbours(&self, host: HostId, now: BootMs) -> bool {
        let could_say = |(id, life): &(&HostId, &super::Life)| {
            **id != host && life.neighbours.contains(&host) && self.is_heard(**id, VOTER_SILENCE_MS, now)
        };
        let says = self.hosts.iter().filter(could_say).map(|(_, life)| life.hears.contains(&host));
        let (hear, do_not): (Vec<bool>, Vec<bool>) = says.partition(|hears| *hears);
        hear.len() > do_not.len()
    }

    /// Whether the host is silent to control alone.
    pub fn is_contradicted(&self, host: HostId, now: BootMs) -> bool {
        self.silent_ms(host, now) >= SILENCE_MS && self.is_heard_by_neighbours(host, now)
    }

    /// Whether nothing is placed anew by plan because silence was contradicted of late.
    pub fn is_braked(&self, now: BootMs) -> bool {
        self.contradicted_at.is_some_and(|at| now.since(at) < BRAKE_MS)
    }

    /// Whether the host has been silent to control alone for so long that it is planned around. Where that is so of half
    /// of those that own, it is control that is cut off, and it changes nothing.
    pub(super) fn is_cut_off(&self, host: HostId, newest: &View, now: BootMs) -> bool {
        let is = |id: HostId| self.silent_ms(id, now) >= CUT_OFF_MS && self.is_heard_by_neighbours(id, now);
        let owning = || newest.hosts.iter().filter(|host| host.standing != Standing::Away);
        is(host) && 2 * owning().filter(|host| is(host.id)).count() < owning().count()
    }

    /// Keeps the brake on while hosts that own are silent to control alone; the silent ones that are dead.
    pub(super) fn heed_contradictions(
        &mut self,
        silent: BTreeSet<HostId>,
        newest: &View,
        now: BootMs,
    ) -> BTreeSet<HostId> {
        let (contradicted, dead): (BTreeSet<HostId>, BTreeSet<HostId>) =
            silent.into_iter().partition(|host| self.is_heard_by_neighbours(*host, now));
        if contradicted.iter().any(|host| !self.is_cut_off(*host, newest, now)) {
            self.contradicted_at = Some(now);
        }
        dead
    }

    /// Hosts whose neighbours are to be asked for what they ran: results that did not come may have come to them.
    pub fn to_ask_after(&self, now: BootMs) -> impl Iterator<Item = HostId> {
        let is_silent = move |host: &HostId| (ASK_AFTER_MS..ASK_FOR_MS).contains(&self.silent_ms(*host, now));
        self.hosts.keys().copied().filter(is_silent)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::World;
    use super::*;
    use crate::placement::tests::host_id;

    /// A world in which everybody hears everybody, until `unheard` do not any more.
    fn world() -> World {
        let mut world = World::settled(6);
        world.hearing = (0..6).map(host_id).collect();
        world.run(1_000);
        world
    }

    fn standing(world: &World, n: u8) -> Standing {
        world.newest().standing(host_id(n)).unwrap()
    }

    #[test]
    fn a_host_that_nobody_hears_is_dead_at_once() {
        let mut world = world();
        world.speaking.remove(&host_id(1));
        world.hearing.remove(&host_id(1));
        world.run(SILENCE_MS + 500);
        assert_eq!(standing(&world, 1), Standing::Away);
        assert!(!world.fleet.is_braked(BootMs(world.now)));
    }

    #[test]
    fn silence_that_neighbours_contradict_accuses_nobody_and_stops_plans() {
        let mut world = world();
        let before = world.newest().number;
        world.speaking.remove(&host_id(1));
        world.run(20_000);
        assert_eq!((standing(&world, 1), world.newest().number), (Standing::Active, before));
        assert!(world.fleet.is_contradicted(host_id(1), BootMs(world.now)));
        world.drain(host_id(2));
        world.run(20_000);
        assert_eq!(standing(&world, 2), Standing::Active, "no plan is made while the brake is on");
        world.speaking.insert(host_id(1));
        world.run(BRAKE_MS - 1_000);
        assert!(world.fleet.is_braked(BootMs(world.now)));
        world.run(30_000);
        assert_eq!((standing(&world, 1), standing(&world, 2)), (Standing::Active, Standing::Away));
    }

    #[test]
    fn a_death_is_acted_upon_while_another_host_is_silent_to_control_alone() {
        let mut world = world();
        world.speaking.remove(&host_id(1));
        world.run(10_000);
        world.speaking.remove(&host_id(2));
        world.hearing.remove(&host_id(2));
        world.run(SILENCE_MS + 500);
        assert_eq!((standing(&world, 1), standing(&world, 2)), (Standing::Active, Standing::Away));
    }

    #[test]
    fn a_host_that_is_cut_off_for_long_is_planned_around_and_returns() {
        let mut world = world();
        world.speaking.remove(&host_id(1));
        world.run(CUT_OFF_MS + BRAKE_MS + 30_000);
        assert_eq!(standing(&world, 1), Standing::Away);
        assert!(world.newest().planned, "make before break");
        world.speaking.insert(host_id(1));
        world.run(120_000);
        assert_eq!(standing(&world, 1), Standing::Active);
    }

    #[test]
    fn control_that_hears_a_minority_alone_plans_around_nobody() {
        let mut world = world();
        let before = world.newest().number;
        (1..=4).for_each(|n| {
            world.speaking.remove(&host_id(n));
        });
        world.run(200_000);
        assert_eq!(world.newest().number, before);
    }

    #[test]
    fn neighbours_are_asked_after_whoever_falls_silent() {
        let mut world = world();
        let asked = |world: &World| world.fleet.to_ask_after(BootMs(world.now)).collect::<Vec<_>>();
        assert!(asked(&world).is_empty());
        world.speaking.remove(&host_id(3));
        world.run(ASK_AFTER_MS + 500);
        assert_eq!(asked(&world), [host_id(3)]);
        world.run(ASK_FOR_MS);
        assert!(asked(&world).is_empty());
    }
}
