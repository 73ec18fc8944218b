use proptest::prelude::*;

use super::*;
use crate::placement::tests::host_id;

const STEP_MS: i64 = 100;
const HEARTBEAT_MS: i64 = 500;
const REFERENCES: u32 = 4;

/// Hosts that read their panels in turn and tell each other, and perhaps control, how they are.
struct World {
    hosts: Vec<Sanity>,
    /// Those that reach no reference.
    blind: Vec<bool>,
    /// Those that reach no reference, no peer and no control.
    cut_off: Vec<bool>,
    has_control: bool,
    now: i64,
    turns: Vec<(i64, usize, Turn)>,
    asked: Vec<Option<BootMs>>,
    under_way: Vec<Option<Reading>>,
}

impl World {
    fn of(hosts: usize) -> Self {
        let mut world = Self {
            hosts: vec![Sanity::default(); hosts],
            blind: vec![false; hosts],
            cut_off: vec![false; hosts],
            has_control: false,
            now: 0,
            turns: Vec::new(),
            asked: vec![None; hosts],
            under_way: vec![None; hosts],
        };
        world.hosts.iter_mut().for_each(|host| host.replace_panel(true));
        // They do not start at the same moment.
        for index in 0..hosts {
            let begun = BootMs(index as i64 * 613 % READ_EVERY_MS - READ_EVERY_MS);
            world.hosts[index].read(Reading { begun, good: REFERENCES, of: REFERENCES });
        }
        world.run(20_000);
        assert!(world.turns.is_empty());
        world
    }

    fn run(&mut self, for_ms: i64) {
        let until = self.now + for_ms;
        while self.now < until {
            self.now += STEP_MS;
            self.step();
        }
    }

    fn step(&mut self) {
        let now = BootMs(self.now);
        for index in 0..self.hosts.len() {
            self.read(index, now);
        }
        if self.now % HEARTBEAT_MS == 0 {
            self.beat(now);
        }
        for (index, host) in self.hosts.iter_mut().enumerate() {
            self.turns.extend(host.step(now).map(|turn| (self.now, index, turn)));
        }
    }

    /// A reading that fails takes as long as it may.
    fn read(&mut self, index: usize, now: BootMs) {
        match self.under_way[index] {
            None if self.hosts[index].reads_next(self.asked[index], now) <= now => {
                let good = if self.blind[index] || self.cut_off[index] { 0 } else { REFERENCES };
                self.under_way[index] = Some(Reading { begun: now, good, of: REFERENCES });
            }
            Some(reading) if reading.good > 0 || now.since(reading.begun) >= READ_LIMIT_MS => {
                self.under_way[index] = None;
                self.hosts[index].read(reading);
            }
            _ => {}
        }
    }

    fn beat(&mut self, now: BootMs) {
        let said: Vec<Option<PanelWord>> = self.hosts.iter().map(Sanity::word).collect();
        let heard: Vec<(usize, PanelWord)> = (0..)
            .zip(&said)
            .filter_map(|(from, word)| Some((from, (*word)?)))
            .filter(|(from, _)| !self.cut_off[*from])
            .collect();
        let with = |word| heard.iter().filter(|(_, said)| *said == word).count() as u32;
        let count = PanelCount { passing: with(PanelWord::Passes), failing: with(PanelWord::Fails) };
        for (index, host) in self.hosts.iter_mut().enumerate().filter(|(index, _)| !self.cut_off[*index]) {
            heard.iter().filter(|(from, _)| *from != index).for_each(|(from, word)| {
                host.hear(host_id(*from as u8), *word, now);
            });
            if self.has_control {
                host.hear_of_fleet(count, now);
            }
        }
    }

    fn insane(&self) -> Vec<usize> {
        (0..self.hosts.len()).filter(|index| self.hosts[*index].is_insane()).collect()
    }

    /// What becomes of a run of this host that fails after so long, and when that is known.
    fn fails(&mut self, index: usize, after_ms: i64) -> (Fate, i64) {
        let started = BootMs(self.now);
        self.run(after_ms);
        let ran = Ran { started, ended: BootMs(self.now) };
        self.asked[index] = Some(ran.ended);
        loop {
            match self.hosts[index].judge(ran, BootMs(self.now)) {
                fate @ (Fate::Told | Fate::Void) => return (fate, self.now - ran.ended.0),
                Fate::AwaitsReading | Fate::Doubted => self.run(STEP_MS),
            }
        }
    }
}

#[test]
fn a_host_that_alone_loses_its_references_is_insane_until_it_sees_them_again() {
    let mut world = World::of(6);
    world.blind[2] = true;
    world.run(READ_EVERY_MS + INSANE_AFTER_MS);
    assert_eq!(world.insane(), [2]);
    assert_eq!(world.hosts[2].judge(Ran { started: BootMs(0), ended: BootMs(1) }, BootMs(world.now)), Fate::Void);
    world.blind[2] = false;
    world.run(READ_EVERY_MS + 500);
    assert_eq!(world.insane(), [0_usize; 0]);
    let turns: Vec<(usize, bool)> =
        world.turns.iter().map(|(_, index, turn)| (*index, matches!(turn, Turn::Insane(_)))).collect();
    assert_eq!(turns, [(2, true), (2, false)]);
}

#[test]
fn a_host_that_is_cut_off_from_its_peers_as_well_goes_by_what_they_said() {
    for has_control in [false, true] {
        let mut world = World::of(6);
        world.has_control = has_control;
        world.run(5_000);
        world.cut_off[0] = true;
        world.run(60_000);
        assert_eq!(world.insane(), [0], "and stays so though nobody says anything any more");
        world.cut_off[0] = false;
        world.run(READ_EVERY_MS + 500);
        assert!(world.insane().is_empty());
    }
}

#[test]
fn a_panel_that_all_lose_is_what_broke_and_accuses_nobody() {
    for hosts in [1, 2, 3, 6, 20] {
        let mut world = World::of(hosts);
        world.blind = vec![true; hosts];
        world.run(90_000);
        assert!(world.turns.is_empty(), "{hosts} hosts: {:?}", world.turns);
        assert_eq!(world.fails(0, 3_000).0, Fate::Told, "what fails meanwhile is told");
    }
}

#[test]
fn an_insane_host_is_sane_again_when_the_panel_breaks_for_the_others_too() {
    let mut world = World::of(6);
    world.blind[0] = true;
    world.run(20_000);
    assert_eq!(world.insane(), [0]);
    world.blind = vec![true; 6];
    world.run(READ_EVERY_MS + READ_LIMIT_MS + 1_000);
    assert!(world.insane().is_empty());
}

#[test]
fn a_fifth_of_the_hosts_may_lose_the_panel_and_no_more() {
    for (hosts, blind, insane) in [(10, 2, 2), (10, 3, 0), (4, 1, 1), (4, 2, 0), (2, 1, 1), (1, 1, 0)] {
        let mut world = World::of(hosts);
        world.blind[..blind].fill(true);
        world.run(30_000);
        assert_eq!(world.insane().len(), insane, "{blind} of {hosts}");
    }
}

#[test]
fn control_sees_more_hosts_than_peers_do() {
    let mut sanity = Sanity::default();
    sanity.replace_panel(true);
    let bad = |begun| Reading { begun: BootMs(begun), good: 0, of: 3 };
    [0, 5_000, 10_000].into_iter().for_each(|begun| sanity.read(bad(begun)));
    for peer in 0..8 {
        sanity.hear(host_id(peer), if peer < 2 { PanelWord::Fails } else { PanelWord::Passes }, BootMs(11_900));
    }
    let step = |fleet: Option<PanelCount>| {
        let mut sanity = sanity.clone();
        fleet.into_iter().for_each(|count| sanity.hear_of_fleet(count, BootMs(11_900)));
        sanity.step(BootMs(12_000));
        sanity.is_insane()
    };
    assert!(!step(None), "three of nine is more than a fifth");
    assert!(step(Some(PanelCount { passing: 90, failing: 10 })));
    assert!(!step(Some(PanelCount { passing: 70, failing: 30 })));
    assert!(!step(Some(PanelCount { passing: 0, failing: 1 })), "a leader that hears nobody else says nothing");
}

#[test]
fn a_failure_is_told_once_a_reading_has_said_that_the_host_could_see() {
    let mut world = World::of(6);
    let (fate, after_ms) = world.fails(0, 3_000);
    assert_eq!(fate, Fate::Told);
    assert!(after_ms <= READ_GAP_MS + 2 * STEP_MS, "{after_ms} ms");
}

#[test]
fn the_first_failure_of_a_host_that_lost_the_world_is_void() {
    let mut world = World::of(6);
    world.cut_off[0] = true;
    let started = BootMs(world.now);
    world.run(3_000);
    let ran = Ran { started, ended: BootMs(world.now) };
    world.asked[0] = Some(ran.ended);
    world.run(READING_WAIT_MS);
    assert_eq!(world.hosts[0].judge(ran, BootMs(world.now)), Fate::Doubted, "the next owner need not wait");
    world.run(DOUBT_MAX_MS);
    assert_eq!(world.hosts[0].judge(ran, BootMs(world.now)), Fate::Void);
}

#[test]
fn a_failure_at_the_end_of_a_cut_is_void_though_the_reading_after_it_is_good() {
    let mut world = World::of(6);
    world.blind[0] = true;
    world.run(9_000);
    let started = BootMs(world.now);
    world.run(2_000);
    world.blind[0] = false;
    world.run(6_000);
    let ran = Ran { started, ended: started + 2_100 };
    assert_eq!(world.hosts[0].judge(ran, BootMs(world.now)), Fate::Void);
}

#[test]
fn without_a_panel_or_without_readings_failures_are_told() {
    let ran = Ran { started: BootMs(0), ended: BootMs(100) };
    let mut sanity = Sanity::default();
    assert_eq!((sanity.judge(ran, BootMs(100)), sanity.word()), (Fate::Told, None));
    sanity.replace_panel(true);
    assert_eq!(sanity.judge(ran, BootMs(100)), Fate::AwaitsReading);
    assert_eq!(sanity.judge(ran, BootMs(100 + READING_WAIT_MS)), Fate::Told);
}

proptest! {
    #[test]
    fn whoever_sees_its_panel_is_never_insane_and_every_failure_is_decided(
        hosts in 1_usize..12,
        blows in prop::collection::vec((0_usize..12, any::<bool>(), any::<bool>(), 100_i64..15_000), 1..12),
        has_control in any::<bool>(),
        fails in (0_usize..12, 0_i64..10_000),
    ) {
        let mut world = World::of(hosts);
        world.has_control = has_control;
        for (host, blind, cut_off, for_ms) in blows {
            let host = host % hosts;
            (world.blind[host], world.cut_off[host]) = (blind, cut_off);
            world.run(for_ms);
        }
        let (_, after_ms) = world.fails(fails.0 % hosts, fails.1);
        prop_assert!(after_ms <= DOUBT_MAX_MS.max(READING_WAIT_MS) + STEP_MS);
        world.run(READ_EVERY_MS + READ_LIMIT_MS + 1_000);
        let lost: Vec<usize> = (0..hosts).filter(|host| world.blind[*host] || world.cut_off[*host]).collect();
        prop_assert!(world.insane().iter().all(|host| lost.contains(host)));
        world.blind = vec![false; hosts];
        world.cut_off = vec![false; hosts];
        world.run(READ_EVERY_MS + READ_LIMIT_MS + 1_000);
        prop_assert!(world.insane().is_empty());
    }
}
