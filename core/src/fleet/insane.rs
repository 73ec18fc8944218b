//! Which hosts have lost the world: what each says of its panel of references, counted for all.
//!
//! A host knows of itself that it is insane, and leaves its slots to others; here it is noticed that it goes on, and the
//! host owns nothing until it has proven itself anew. Whether a host is insane is its own word, by `core/sanity`.

use std::collections::BTreeSet;

use farwatch_proto::fleet::{Standing, View};
use farwatch_proto::id::HostId;
use farwatch_proto::panel::{PanelCount, PanelWord};
use farwatch_proto::time::BootMs;

use super::{Fleet, VOTER_SILENCE_MS};

/// A host that has been insane for this long is planned around; shorter cuts are not worth moving streams for.
pub const INSANE_FOR_MS: i64 = 30_000;

/// What a host last said of its panel.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PanelSaid {
    word: Option<PanelWord>,
    insane_since: Option<BootMs>,
}

impl Fleet {
    /// What a host says of its panel. Returns whether it has become insane, or sane, by that.
    pub fn hear_of_panel(
        &mut self,
        from: HostId,
        word: Option<PanelWord>,
        is_insane: bool,
        now: BootMs,
    ) -> Option<bool> {
        let said = &mut self.hosts.get_mut(&from)?.panel;
        said.word = word;
        let was_insane = said.insane_since.is_some();
        said.insane_since = is_insane.then(|| said.insane_since.unwrap_or(now));
        (was_insane != is_insane).then_some(is_insane)
    }

    /// What the host last said of its panel.
    pub fn panel_word(&self, host: HostId) -> Option<PanelWord> {
        self.hosts.get(&host).and_then(|life| life.panel.word)
    }

    /// Whether the host has said that it is insane.
    pub fn is_insane(&self, host: HostId) -> bool {
        self.hosts.get(&host).is_some_and(|life| life.panel.insane_since.is_some())
    }

    /// How the panel looks to those that are heard.
    pub fn panel_count(&self, now: BootMs) -> PanelCount {
        let mut count = PanelCount::default();
        for life in self.hosts.iter().filter(|(id, _)| self.is_heard(**id, VOTER_SILENCE_MS, now)).map(|(_, life)| life)
        {
            match life.panel.word {
                Some(PanelWord::Passes) => count.passing += 1,
                Some(PanelWord::Fails) => count.failing += 1,
                Some(PanelWord::Unknown) | None => {}
            }
        }
        count
    }

    /// The hosts that own and have been insane for long. They are few by their own rule: where many lose the panel,
    /// nobody is insane.
    pub(super) fn insane_for_long(&self, newest: &View, now: BootMs) -> BTreeSet<HostId> {
        let active = newest.hosts.iter().filter(|host| host.standing == Standing::Active).map(|host| host.id);
        let since = |host: &HostId| self.hosts.get(host).and_then(|life| life.panel.insane_since);
        active.filter(|host| since(host).is_some_and(|since| now.since(since) >= INSANE_FOR_MS)).collect()
    }

    /// Whoever is insane and owns nothing, or soon will not, proves itself from its recovery on.
    pub(super) fn heed_insanity(&mut self, newest: &View, now: BootMs) {
        let long = self.insane_for_long(newest, now);
        for (id, life) in self.hosts.iter_mut().filter(|(_, life)| life.panel.insane_since.is_some()) {
            let owns = newest.standing(*id) == Some(Standing::Active);
            if life.steady_since.is_some() && (!owns || long.contains(id)) {
                life.steady_since = Some(now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::WARMUP_MS;
    use super::super::tests::World;
    use super::*;
    use crate::placement::tests::host_id;

    fn standing(world: &World, n: u8) -> Standing {
        world.newest().standing(host_id(n)).unwrap()
    }

    fn say(world: &mut World, n: u8, is_insane: bool) -> Option<bool> {
        let word = if is_insane { PanelWord::Fails } else { PanelWord::Passes };
        world.fleet.hear_of_panel(host_id(n), Some(word), is_insane, BootMs(world.now))
    }

    #[test]
    fn a_host_that_stays_insane_owns_nothing_until_it_has_been_sane_for_a_while() {
        let mut world = World::settled(6);
        assert_eq!((say(&mut world, 1, true), say(&mut world, 1, true)), (Some(true), None));
        world.run(INSANE_FOR_MS - 1_000);
        assert_eq!(standing(&world, 1), Standing::Active, "a short cut moves nothing");
        world.run(30_000);
        assert_eq!(standing(&world, 1), Standing::Warming);
        assert!(world.newest().planned);
        world.run(2 * WARMUP_MS);
        assert_eq!(standing(&world, 1), Standing::Warming);
        assert_eq!(say(&mut world, 1, false), Some(false));
        world.run(WARMUP_MS - 1_000);
        assert_eq!(standing(&world, 1), Standing::Warming);
        world.run(30_000);
        assert_eq!(standing(&world, 1), Standing::Active);
    }

    #[test]
    fn those_are_counted_that_are_heard_and_have_read_their_panel() {
        let mut world = World::settled(6);
        for (n, is_insane) in [(0, false), (1, false), (2, true), (3, false)] {
            say(&mut world, n, is_insane);
        }
        world.fleet.hear_of_panel(host_id(4), None, false, BootMs(world.now));
        world.speaking.remove(&host_id(3));
        world.run(VOTER_SILENCE_MS);
        assert_eq!(world.fleet.panel_count(BootMs(world.now)), PanelCount { passing: 2, failing: 1 });
    }
}
