use farwatch_proto::fleet::ViewHost;

use super::*;
use crate::placement::tests::{fleet as placed, host_id};

const STEP_MS: i64 = 250;

/// A leader over hosts that speak or do not, stepped like the real one.
pub(super) struct World {
    pub(super) fleet: Fleet,
    views: Vec<View>,
    pub(super) speaking: BTreeSet<HostId>,
    /// Whom those that speak say they hear.
    pub(super) hearing: BTreeSet<HostId>,
    acknowledging: bool,
    pub(super) now: i64,
    decisions: Vec<(i64, Decision)>,
}

impl World {
    fn of(count: u8) -> Self {
        Self::proving(count, Proving::USUAL)
    }

    fn proving(count: u8, proving: Proving) -> Self {
        let registered = placed(count);
        let mut fleet = Fleet::new(proving, BootMs(0));
        fleet.register(
            registered.hosts.iter().map(|host| (host.id, Registered { facts: host.facts.clone(), drained: false })),
        );
        let empty = View { hosts: Vec::new(), ..registered.clone() };
        Self {
            fleet,
            views: vec![empty],
            speaking: registered.hosts.iter().map(|host| host.id).collect(),
            hearing: BTreeSet::new(),
            acknowledging: true,
            now: 0,
            decisions: Vec::new(),
        }
    }

    /// A fleet whose hosts have all been active for a while.
    pub(super) fn settled(count: u8) -> Self {
        let mut world = Self::of(count);
        world.run(20_000);
        assert_eq!(world.standings(), vec![Standing::Active; usize::from(count)]);
        world
    }

    pub(super) fn drain(&mut self, drained: HostId) {
        let all = self.newest().hosts.clone();
        let registered = |host: &ViewHost| Registered { facts: host.facts.clone(), drained: host.id == drained };
        self.fleet.register(all.iter().map(|host| (host.id, registered(host))));
    }

    pub(super) fn newest(&self) -> &View {
        self.views.last().unwrap()
    }

    fn standings(&self) -> Vec<Standing> {
        self.newest().hosts.iter().map(|host| host.standing).collect()
    }

    pub(super) fn run(&mut self, for_ms: i64) {
        let until = self.now + for_ms;
        while self.now < until {
            self.now += STEP_MS;
            self.step();
        }
    }

    fn step(&mut self) {
        let now = BootMs(self.now);
        for host in self.speaking.clone() {
            self.fleet.hear(host, now);
            self.fleet.hear_of(host, &self.hearing);
        }
        if let (true, Some(plan)) = (self.acknowledging, self.fleet.plan().cloned()) {
            for host in &self.speaking {
                self.fleet.acknowledge(*host, plan.number);
            }
        }
        let newest = self.newest().clone();
        // In this world whoever becomes active gains, and nobody else does.
        let gains = |view: &View| {
            let active = view.hosts.iter().filter(|host| host.standing == Standing::Active);
            active.map(|host| host.id).filter(|id| newest.standing(*id) != Some(Standing::Active)).collect()
        };
        for decision in self.fleet.step(&newest, now, UnixMs(self.now), gains) {
            if let Decision::Enforce(view) = &decision {
                assert!(view.number > self.newest().number, "numbers only grow");
                self.views.push(view.clone());
            }
            self.decisions.push((self.now, decision));
        }
    }

    fn silence(&mut self, host: u8) {
        self.speaking.remove(&host_id(host));
    }

    fn revive(&mut self, host: u8) {
        self.speaking.insert(host_id(host));
    }

    /// Milliseconds until the host stands like this.
    fn until(&mut self, host: u8, standing: Standing) -> i64 {
        let from = self.now;
        while self.newest().standing(host_id(host)) != Some(standing) {
            assert!(self.now - from < 10_000_000, "it never came to {standing:?}");
            self.run(STEP_MS);
        }
        self.now - from
    }
}

#[test]
fn a_fleet_that_begins_owns_at_once_in_one_view() {
    let mut world = World::of(5);
    world.run(3_000);
    assert_eq!(world.views.len(), 2);
    assert_eq!(world.standings(), [Standing::Active; 5]);
    assert!(!world.newest().planned);
}

#[test]
fn five_seconds_of_silence_are_death_and_in_force_at_once() {
    let mut world = World::settled(5);
    world.silence(2);
    let took = world.until(2, Standing::Away);
    assert!((SILENCE_MS..=SILENCE_MS + STEP_MS).contains(&took), "{took}");
    let view = world.newest();
    assert!(!view.planned && view.in_force_from == UnixMs(world.now));
}

#[test]
fn a_returned_host_warms_and_then_owns_by_a_plan_with_notice() {
    let mut world = World::settled(5);
    world.silence(2);
    world.until(2, Standing::Away);
    world.revive(2);
    let warming_after = world.until(2, Standing::Warming);
    assert!(warming_after <= 2 * GATHER_MS, "{warming_after}");
    let active_after = world.until(2, Standing::Active) + warming_after;
    assert!((WARMUP_MS..WARMUP_MS + 3_000).contains(&active_after), "{active_after}");
    let view = world.newest().clone();
    assert!(view.planned);
    let proposed = world.decisions.iter().find_map(|(at, decision)| match decision {
        Decision::Propose(plan) if plan.number == view.number => Some(*at),
        _ => None,
    });
    assert_eq!(view.in_force_from.0 - proposed.unwrap(), NOTICE_MS);
}

#[test]
fn a_flapping_host_is_held_down_longer_each_time() {
    let mut world = World::settled(5);
    let mut proving = Vec::new();
    for _ in 0..4 {
        world.silence(1);
        world.until(1, Standing::Away);
        world.revive(1);
        proving.push(world.until(1, Standing::Active) / HOLD_DOWN_MS);
    }
    assert_eq!(proving, [1, 1, 2, 4]);
}

#[test]
fn no_host_is_held_down_longer_than_the_operator_allows() {
    let proving = Proving { hold_down_max_ms: 90_000, ..Proving::USUAL };
    let mut world = World::proving(5, proving);
    world.run(20_000);
    let mut proved = Vec::new();
    for _ in 0..4 {
        world.silence(1);
        world.until(1, Standing::Away);
        world.revive(1);
        proved.push(world.until(1, Standing::Active));
    }
    assert!(proved[1] < 90_000 && proved[2..].iter().all(|ms| (90_000..120_000).contains(ms)), "{proved:?}");
}

#[test]
fn a_new_leader_and_one_that_was_paused_accuse_nobody_at_first() {
    let mut world = World::settled(5);
    let views = world.views.len();
    world.now += 20_000;
    world.silence(3);
    world.run(LEADER_PATIENCE_MS - STEP_MS);
    assert_eq!(world.views.len(), views);
    world.until(3, Standing::Away);
    assert_eq!(world.standings().iter().filter(|standing| **standing == Standing::Away).count(), 1);
}

#[test]
fn a_leader_that_hears_nobody_blames_itself() {
    let mut world = World::settled(5);
    let views = world.views.len();
    world.speaking.clear();
    world.run(60_000);
    assert_eq!(world.views.len(), views);
    world.revive(0);
    world.until(1, Standing::Away);
    assert_eq!(world.newest().standing(host_id(0)), Some(Standing::Active));
}

#[test]
fn hosts_that_fall_silent_together_and_return_one_by_one_are_not_dead() {
    let mut world = World::settled(5);
    let views = world.views.len();
    for n in 0..4 {
        world.silence(n);
        world.run(STEP_MS);
    }
    world.silence(4);
    world.run(20_000);
    for n in 0..5 {
        world.revive(n);
        world.run(1_000);
    }
    assert_eq!((world.views.len(), world.standings()), (views, vec![Standing::Active; 5]));
}

#[test]
fn a_death_withdraws_the_plan_and_the_plan_is_made_anew() {
    let mut world = World::settled(5);
    world.silence(2);
    world.until(2, Standing::Away);
    world.revive(2);
    world.acknowledging = false;
    world.run(WARMUP_MS + 2_000);
    let plan = world.fleet.plan().cloned().expect("a plan is pending");
    world.silence(4);
    world.until(4, Standing::Away);
    assert!(world.decisions.iter().any(|(_, decision)| *decision == Decision::Withdraw(plan.number)));
    assert!(world.newest().number > plan.number);
    world.acknowledging = true;
    world.until(2, Standing::Active);
}

#[test]
fn a_plan_that_nobody_acknowledges_is_withdrawn_and_its_gainer_proves_itself_anew() {
    let mut world = World::settled(5);
    world.silence(2);
    world.until(2, Standing::Away);
    world.revive(2);
    world.acknowledging = false;
    world.run(WARMUP_MS + 2_000 + GAINER_PATIENCE_MS);
    assert!(world.fleet.plan().is_none());
    let Some((_, Decision::Withdraw(number))) = world.decisions.last().cloned() else { panic!("it is withdrawn") };
    world.acknowledging = true;
    world.until(2, Standing::Active);
    assert_eq!(world.newest().number, number.next(), "a number is used up, whatever became of its plan");
}

#[test]
fn draining_registering_and_retiring_are_planned() {
    let mut world = World::settled(4);
    let mut registered = placed(5);
    registered.hosts.remove(1);
    let drained = host_id(0);
    world.fleet.register(
        registered
            .hosts
            .iter()
            .map(|host| (host.id, Registered { facts: host.facts.clone(), drained: host.id == drained })),
    );
    world.until(0, Standing::Away);
    assert!(world.newest().planned);
    assert_eq!(world.newest().standing(host_id(1)), None);
    assert_eq!(world.newest().standing(host_id(4)), Some(Standing::Away));
}

/// A leader takes over whose database knows views up to the first one, while hosts hold later ones.
fn after_a_lost_tail(last: u64) -> World {
    let mut world = World::settled(5);
    let number = Stamp { era: 1, n: last };
    let newest = View { number, ..world.newest().clone() };
    world.fleet.count_on_from(number, 0);
    world.views = vec![newest];
    world
}

#[test]
fn a_leader_whose_database_lost_a_view_that_a_host_holds_tells_all_hosts_a_newer_one() {
    let mut world = after_a_lost_tail(7);
    let newest = world.newest().clone();
    assert!(world.fleet.hear_number(Stamp { era: 1, n: 9 }, &newest));
    world.run(STEP_MS);
    let told = world.newest().clone();
    assert_eq!(told.number, Stamp { era: 1, n: 7 + LOST_VIEWS_MAX + 1 });
    assert_eq!((told.planned, &told.hosts), (false, &newest.hosts));
    assert!(is_lost(Stamp { era: 1, n: 9 }, newest.number, told.number));
    world.fleet.hear_number(Stamp { era: 1, n: 9 }, &told);
    world.run(5_000);
    assert_eq!(world.views.len(), 2, "whoever says so later is told the same view");
}

#[test]
fn a_leader_whose_hosts_hold_what_the_database_knows_tells_nothing_and_gives_no_lost_number() {
    let mut world = after_a_lost_tail(7);
    let newest = world.newest().clone();
    assert!(world.fleet.hear_number(Stamp { era: 1, n: 7 }, &newest));
    world.run(20_000);
    assert_eq!(world.views.len(), 1);
    world.silence(2);
    world.until(2, Standing::Away);
    assert_eq!(world.newest().number.n, 7 + LOST_VIEWS_MAX + 1);
}

#[test]
fn a_number_that_nobody_can_have_given_is_left_alone() {
    let mut world = after_a_lost_tail(7);
    let newest = world.newest().clone();
    for (era, n) in [(1, 7 + LOST_VIEWS_MAX * 1_000_001 + 1), (2, 1)] {
        assert!(!world.fleet.hear_number(Stamp { era, n }, &newest));
    }
    world.run(5_000);
    assert_eq!(world.views.len(), 1);
}

#[test]
fn a_view_that_was_lost_with_the_leader_who_gave_it_has_a_number_of_its_own() {
    let (mut world, mut other) = (after_a_lost_tail(7), after_a_lost_tail(7));
    other.fleet.count_on_from(Stamp { era: 1, n: 7 }, 5);
    for world in [&mut world, &mut other] {
        world.silence(2);
        world.until(2, Standing::Away);
    }
    let (lost, newest) = (other.newest().number, world.newest().clone());
    assert!(lost > newest.number);
    assert!(world.fleet.hear_number(lost, &newest), "another leader, of whom nothing is left, may have given it");
    world.run(STEP_MS);
    assert_eq!(world.newest().number, lost.next());
}
