//! By which rule of placement the next view is read, and who can read it.
//!
//! The version is raised by a planned view once every registered host has said that it knows it, whether it is up or not:
//! whoever returns is to find a view that it can read. It is never lowered: a host that does not know the rule in force,
//! for somebody went back to an earlier program on it, is planned around like one that is away.

use std::collections::BTreeSet;

use farwatch_proto::fleet::View;
use farwatch_proto::id::HostId;

use super::{Fleet, Life};
use crate::placement::Rules;

impl Fleet {
    /// A fleet whose leader knows these rules.
    pub fn placing_by(self, rules: Rules) -> Self {
        Self { rules, ..self }
    }

    /// The host says that it knows these versions, and no others.
    pub fn hear_rules(&mut self, host: HostId, versions: BTreeSet<u16>) {
        if let Some(life) = self.hosts.get_mut(&host) {
            life.places_by = Some(versions);
        }
    }

    /// Whether this leader can read the view. One that cannot is not to lead.
    pub fn can_place(&self, view: &View) -> bool {
        self.rules.can_place(view)
    }

    /// The latest version that this leader and all hosts know, where it is later than the view's.
    pub(super) fn version_after(&self, newest: &View) -> u16 {
        let knows = |life: &Life, version: u16| life.places_by.as_ref().is_some_and(|known| known.contains(&version));
        let all_know =
            |version: &u16| cfg!(mutant = "rule_unread") || self.hosts.values().all(|life| knows(life, *version));
        let later = self.rules.versions().filter(|version| *version > newest.placement_version);
        later.filter(all_know).max().unwrap_or(newest.placement_version)
    }
}

impl Life {
    /// Whether the host has said that it cannot read this view.
    pub(super) fn cannot_read(&self, view: &View) -> bool {
        self.places_by.as_ref().is_some_and(|known| !known.contains(&view.placement_version))
    }
}

#[cfg(test)]
mod tests {
    use farwatch_proto::fleet::Standing;

    use super::super::tests::World;
    use super::*;
    use crate::placement::tests::host_id;
    use crate::placement::{Rule, Subject};

    const NONE: Rule = |_: &Subject<'_>, _: &View| Vec::new();

    /// Four hosts, and a leader that knows the rule in force and the next.
    fn world() -> World {
        let mut world = World::settled(4);
        world.fleet.rules = Rules::of(&[(1, NONE), (2, NONE)]);
        world
    }

    fn say(world: &mut World, hosts: &[u8], versions: &[u16]) {
        for host in hosts {
            world.fleet.hear_rules(host_id(*host), versions.iter().copied().collect());
        }
        world.run(30_000);
    }

    #[test]
    fn the_version_is_raised_by_a_plan_once_every_host_knows_it() {
        let mut world = world();
        say(&mut world, &[0, 1, 2], &[1, 2]);
        assert_eq!(world.newest().placement_version, 1, "one has not said so");
        say(&mut world, &[3], &[1]);
        assert_eq!(world.newest().placement_version, 1, "one does not know it");
        say(&mut world, &[3], &[1, 2, 3]);
        assert_eq!(world.newest().placement_version, 2, "and the leader does not know the third");
        assert!(world.newest().planned);
    }

    #[test]
    fn whoever_is_away_is_waited_for_as_well() {
        let mut world = world();
        world.speaking.remove(&host_id(3));
        say(&mut world, &[0, 1, 2], &[1, 2]);
        assert_eq!((world.newest().standing(host_id(3)), world.newest().placement_version), (Some(Standing::Away), 1));
    }

    #[test]
    fn whoever_cannot_read_the_rule_in_force_owns_nothing_and_the_version_stays() {
        let mut world = world();
        say(&mut world, &[0, 1, 2, 3], &[1, 2]);
        say(&mut world, &[3], &[1]);
        assert_eq!((world.newest().standing(host_id(3)), world.newest().placement_version), (Some(Standing::Away), 2));
        assert!(world.newest().planned, "it lives, and runs on until others have taken over");
        say(&mut world, &[3], &[1, 2]);
        world.run(120_000);
        assert_eq!(world.newest().standing(host_id(3)), Some(Standing::Active));
    }

    #[test]
    fn a_leader_that_cannot_read_a_view_says_so() {
        let world = world();
        let view = |version| View { placement_version: version, ..world.newest().clone() };
        assert!(world.fleet.can_place(&view(2)) && !world.fleet.can_place(&view(3)));
    }
}
