//! Which hosts cannot keep up, or see what nobody else does: standbys run too many of their slots, or votes refute too many
//! of the failures they saw first.
//!
//! A machine may live, be heard and still start too late: it lacks processor, memory or network. Its standbys notice slot
//! by slot; here it is noticed that it goes on, and the host owns nothing until it has proven itself anew. Where that is
//! so of many, it is not the hosts, and nothing is done. Knows no reason, and measures no load.

use std::collections::{BTreeSet, VecDeque};

use farwatch_proto::fleet::{Standing, View};
use farwatch_proto::id::HostId;
use farwatch_proto::time::BootMs;

use super::Fleet;

/// Slots, and rounds of votes, are counted over this long.
const COUNTED_MS: i64 = 60_000;
/// They are counted in parts of this length, of which the oldest is forgotten.
const PART_MS: i64 = 10_000;
/// More than one slot in so many run by a standby, or one failure in so many refuted, is too many.
const ONE_IN: u32 = 5;
/// Fewer slots or rounds than this tell nothing.
const SLOTS_MIN: u32 = 20;
/// No more than one host in so many, and always one, owns nothing for this reason.
const HOSTS_ONE_IN: usize = 5;

/// How the slots of one host were run of late, or its failures voted on.
#[derive(Clone, Debug, Default)]
pub(super) struct Slots {
    /// By the part of time: those that the host ran, or saw rightly, and those of which that is not so.
    parts: VecDeque<(i64, u32, u32)>,
}

impl Slots {
    fn count(&mut self, by_standby: bool, now: BootMs) {
        let part = now.0.div_euclid(PART_MS);
        if self.parts.back().is_none_or(|(newest, ..)| *newest != part) {
            self.parts.push_back((part, 0, 0));
        }
        let (_, own, hedged) = self.parts.back_mut().expect("it was just made sure of");
        let counted = if by_standby { hedged } else { own };
        *counted = counted.saturating_add(1);
        while self.parts.len() > (COUNTED_MS / PART_MS) as usize {
            self.parts.pop_front();
        }
    }

    fn are_hedged(&self, now: BootMs) -> bool {
        let oldest = (now.0 - COUNTED_MS).div_euclid(PART_MS);
        let counted = self.parts.iter().filter(|(part, ..)| *part > oldest);
        let (own, hedged) = counted.fold((0_u32, 0_u32), |(own, hedged), (_, more_own, more_hedged)| {
            (own.saturating_add(*more_own), hedged.saturating_add(*more_hedged))
        });
        let all = own.saturating_add(hedged);
        all >= SLOTS_MIN && hedged > all / ONE_IN
    }
}

impl Fleet {
    /// A slot that was this host's to run was run, by itself or by a standby.
    pub fn note_slot(&mut self, owner: HostId, by_standby: bool, now: BootMs) {
        if let Some(life) = self.hosts.get_mut(&owner) {
            life.slots.count(by_standby, now);
        }
    }

    /// A failure that this host saw first was voted on.
    pub fn note_round(&mut self, first: HostId, was_refuted: bool, now: BootMs) {
        if let Some(life) = self.hosts.get_mut(&first) {
            life.rounds.count(was_refuted, now);
        }
    }

    /// The hosts that own and cannot keep up, unless they are so many that something else is wrong.
    pub(super) fn strained(&self, newest: &View, now: BootMs) -> BTreeSet<HostId> {
        let active = newest.hosts.iter().filter(|host| host.standing == Standing::Active);
        let (mut strained, mut all) = (BTreeSet::new(), 0);
        for host in active {
            all += 1;
            if self.hosts.get(&host.id).is_some_and(|life| life.slots.are_hedged(now) || life.rounds.are_hedged(now)) {
                strained.insert(host.id);
            }
        }
        if strained.len() > (all / HOSTS_ONE_IN).max(1) { BTreeSet::new() } else { strained }
    }

    /// Whoever cannot keep up proves itself anew from now on.
    pub(super) fn heed_strain(&mut self, newest: &View, now: BootMs) {
        for host in self.strained(newest, now) {
            if let Some(life) = self.hosts.get_mut(&host) {
                life.steady_since = Some(now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::World;
    use super::*;
    use crate::placement::tests::host_id;

    /// Lets time pass in which a standby runs `hedged` of each ten slots of these hosts.
    fn pass(world: &mut World, hosts: &[u8], hedged: u32, seconds: i64) {
        for _ in 0..seconds {
            for host in hosts {
                (0..10).for_each(|slot| world.fleet.note_slot(host_id(*host), slot < hedged, BootMs(world.now)));
            }
            world.run(1_000);
        }
    }

    fn standing(world: &World, n: u8) -> Standing {
        world.newest().standing(host_id(n)).unwrap()
    }

    #[test]
    fn a_host_whose_slots_others_run_owns_nothing_until_it_has_proven_itself() {
        let mut world = World::settled(6);
        pass(&mut world, &[1], 2, 90);
        assert_eq!(standing(&world, 1), Standing::Active, "a fifth is not more than a fifth");
        pass(&mut world, &[1], 4, 90);
        assert_eq!(standing(&world, 1), Standing::Warming);
        assert!(world.newest().planned);
        world.run(COUNTED_MS + 90_000);
        assert_eq!(standing(&world, 1), Standing::Active);
    }

    #[test]
    fn where_many_cannot_keep_up_nothing_is_done() {
        let mut world = World::settled(6);
        pass(&mut world, &[1, 2], 10, 120);
        assert_eq!((standing(&world, 1), standing(&world, 2)), (Standing::Active, Standing::Active));
        world.run(2 * COUNTED_MS);
        pass(&mut world, &[1], 10, 60);
        assert_eq!(standing(&world, 1), Standing::Warming);
    }

    #[test]
    fn a_host_whose_failures_others_refute_owns_nothing_until_it_has_proven_itself() {
        let mut world = World::settled(6);
        let rounds = |world: &mut World, refuted: u32| {
            (0..20).for_each(|round| world.fleet.note_round(host_id(1), round < refuted, BootMs(world.now)));
            world.run(40_000);
        };
        rounds(&mut world, 4);
        assert_eq!(standing(&world, 1), Standing::Active, "a fifth is not more than a fifth");
        world.run(COUNTED_MS);
        rounds(&mut world, 5);
        assert_eq!(standing(&world, 1), Standing::Warming);
        world.run(COUNTED_MS + 90_000);
        assert_eq!(standing(&world, 1), Standing::Active);
    }

    #[test]
    fn few_slots_and_old_ones_tell_nothing() {
        let mut slots = Slots::default();
        (0..SLOTS_MIN - 1).for_each(|_| slots.count(true, BootMs(0)));
        assert!(!slots.are_hedged(BootMs(1_000)));
        slots.count(true, BootMs(1_000));
        assert!(slots.are_hedged(BootMs(1_000)) && !slots.are_hedged(BootMs(COUNTED_MS + PART_MS)));
    }
}
