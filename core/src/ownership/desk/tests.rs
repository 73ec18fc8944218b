mod insane;
mod restarts;

use std::collections::BTreeMap;

use farwatch_proto::check::{Activity, Definition, Repeat};
use farwatch_proto::fleet::View;
use farwatch_proto::id::ModuleHash;
use farwatch_proto::time::BootMs;
use proptest::prelude::*;

use super::*;
use crate::held::tests::{STREAM, definition};
use crate::ownership::tests::view;
use crate::placement::{Subject, preference_lists};

const TEN: i64 = 10_000;

/// A host that has places and modules as the test says.
struct Machine {
    places: usize,
    readiness: Readiness,
    is_sane: bool,
}

impl Facilities for Machine {
    type Place = ();

    fn take_place(&mut self) -> Option<()> {
        self.places = self.places.checked_sub(1)?;
        Some(())
    }

    fn readiness(&self, _: &ModuleHash) -> Readiness {
        self.readiness
    }

    fn is_sane(&self) -> bool {
        self.is_sane
    }
}

fn checked(repeat: Repeat) -> Definition {
    Definition { timeout_ms: 3_000, repeat, ..definition(1, 10, Activity::Active, Some(0)) }
}

/// The preference list of the one stream of these tests.
fn list() -> Vec<HostId> {
    let checked = checked(Repeat::Safe);
    let subject =
        Subject { check: checked.check, tenant: checked.tenant, wish: &checked.placement, repeat: checked.repeat };
    preference_lists(&subject, &view(1, 0, true, &[])).remove(0)
}

/// A view in which those at these places of the list are away.
fn view_without(n: u64, from: i64, planned: bool, places: &[usize]) -> View {
    let away: Vec<u8> = places.iter().map(|place| list()[*place].as_bytes()[15]).collect();
    view(n, from, planned, &away)
}

/// One owner with its clocks: CLOCK_BOOTTIME shows what the wall shows.
struct Owner {
    desk: Desk,
    peers: Peers,
    machine: Machine,
    views: Views,
}

/// What one owner did.
#[derive(Debug, PartialEq)]
enum Did {
    Ran(u32),
    Yielded,
    GaveUp(Lack),
}

/// The slot of the tests, in the middle of the life of its owners.
fn slot() -> UnixMs {
    Held::new(vec![checked(Repeat::Safe)]).next_slot(STREAM, UnixMs(10 * TEN)).unwrap()
}

impl Owner {
    /// The owner at this place, that has heard everybody all along.
    fn at(place: usize) -> Self {
        Self::of(place, Repeat::Safe)
    }

    fn of(place: usize, repeat: Repeat) -> Self {
        let mut views = Views::default();
        views.put_in_force(view(1, 0, true, &[]), UnixMs(0));
        let desk = Desk::new(list()[place]);
        let machine = Machine { places: 9, readiness: Readiness::Ready, is_sane: true };
        let mut owner = Self { desk, peers: Peers::new([], BootMs(0)), machine, views };
        owner.hold(repeat, slot() - 2 * TEN);
        owner.step(-1);
        for host in list() {
            owner.peers.hear(host, BootMs(slot().0 - 100));
        }
        owner
    }

    fn hold(&mut self, repeat: Repeat, now: UnixMs) {
        let held = Arc::new(Held::new(vec![checked(repeat)]));
        self.desk.hold([(STREAM, held)], Arc::new(self.views.clone()), now);
    }

    fn put_in_force(&mut self, view: View, after_ms: i64) {
        self.views.put_in_force(view, slot() + after_ms);
        self.hold(Repeat::Safe, slot() + after_ms);
    }

    fn hear(&mut self, place: usize, said: Said, after_ms: i64) {
        let receipt = Receipt { slot: slot(), from: list()[place], said };
        self.desk.hear(STREAM, receipt, slot() + after_ms);
    }

    /// What it does about the slot of the tests at this moment; slots before are completed at once.
    fn step(&mut self, after_ms: i64) -> Vec<Did> {
        let now = Now { wall: slot() + after_ms, boot: BootMs(slot().0 + after_ms) };
        let acts = self.desk.step(now, &self.peers, &mut self.machine);
        let mut did = Vec::new();
        for act in acts {
            match act {
                Act::Run(run) if run.slot < slot() => {
                    self.desk.ended(STREAM, run.slot, Ended::Covers, now.wall);
                }
                Act::Run(run) => did.push(Did::Ran(run.attempt)),
                Act::Yield { slot: of, .. } if of == slot() => did.push(Did::Yielded),
                Act::GiveUp { slot: of, lack, .. } if of == slot() => did.push(Did::GaveUp(lack)),
                Act::Yield { .. } | Act::GiveUp { .. } => {}
            }
        }
        did
    }

    /// When it first does something, by waking as it asks to, until this moment.
    fn first(&mut self, until_ms: i64) -> Option<(i64, Vec<Did>)> {
        loop {
            let at = self.desk.next_wake()?.since(slot());
            if at > until_ms {
                return None;
            }
            let did = self.step(at);
            if !did.is_empty() {
                return Some((at, did));
            }
        }
    }
}

#[test]
fn the_first_owner_runs_at_t_and_the_others_wait_by_their_rank() {
    for (place, after) in [(0, Some(0)), (1, Some(1_500)), (2, Some(3_000)), (3, None), (4, None)] {
        assert_eq!(Owner::at(place).first(TEN).map(|(at, _)| at), after, "place {place}");
    }
}

#[test]
fn a_silent_better_rank_costs_no_wait() {
    let mut second = Owner::at(1);
    second.peers = Peers::new(list(), BootMs(0));
    assert_eq!(second.first(TEN), Some((0, vec![Did::Ran(0)])));
}

#[test]
fn a_better_rank_that_falls_silent_after_t_is_not_waited_for_any_longer() {
    let mut second = Owner::at(1);
    second.peers.hear(list()[0], BootMs(slot().0 - 3_000));
    second.peers.paused(BootMs(0));
    second.peers.hear(list()[0], BootMs(slot().0 - 3_000));
    assert_eq!(second.first(TEN), Some((500, vec![Did::Ran(0)])));
}

#[test]
fn one_that_began_is_waited_for_and_only_a_completed_run_cancels() {
    let mut second = Owner::at(1);
    second.hear(0, Said::Started, 100);
    assert_eq!(second.first(TEN), Some((3_750, vec![Did::Ran(0)])));
    let mut second = Owner::at(1);
    second.hear(0, Said::Started, 100);
    second.step(100);
    second.hear(0, Said::Done, 3_000);
    assert_eq!(second.first(TEN - 51), None);
    let mut third = Owner::at(2);
    third.hear(1, Said::Done, 3_000);
    assert_eq!(third.first(TEN - 51), None);
}

#[test]
fn what_a_stranger_says_cancels_nothing() {
    let mut second = Owner::at(1);
    second.hear(4, Said::Done, 0);
    assert_eq!(second.first(TEN), Some((1_500, vec![Did::Ran(0)])));
}

#[test]
fn one_that_yields_is_not_waited_for() {
    let mut second = Owner::at(1);
    second.step(0);
    second.hear(0, Said::Yields, 200);
    assert_eq!(second.first(TEN), Some((200, vec![Did::Ran(0)])));
}

#[test]
fn whom_one_was_never_linked_to_only_control_can_declare_dead() {
    let mut second = Owner::at(1);
    second.peers = Peers::new([], BootMs(0));
    assert_eq!(second.first(TEN - 51), None);
    let mut second = Owner::at(1);
    second.peers = Peers::new([], BootMs(0));
    second.step(0);
    second.put_in_force(view_without(2, slot().0 + 5_000, false, &[0]), 5_000);
    assert_eq!(second.first(TEN), Some((5_000, vec![Did::Ran(0)])));
}

#[test]
fn after_a_death_whoever_is_first_now_catches_up_unless_the_dead_had_completed_it() {
    let death = || view_without(2, slot().0 + 5_000, false, &[0, 1, 2]);
    let mut fourth = Owner::at(3);
    fourth.step(0);
    fourth.put_in_force(death(), 5_000);
    assert_eq!(fourth.first(TEN), Some((5_000, vec![Did::Ran(0)])));
    let mut second = Owner::at(1);
    second.hear(0, Said::Done, 20);
    second.step(20);
    second.put_in_force(view_without(2, slot().0 + 5_000, false, &[0]), 5_000);
    assert_eq!(second.first(TEN - 51), None);
    let mut second = Owner::at(1);
    second.hear(0, Said::Started, 20);
    second.step(20);
    second.put_in_force(view_without(2, slot().0 + 3_000, false, &[0]), 3_000);
    assert_eq!(second.first(TEN), Some((3_000, vec![Did::Ran(0)])), "the dead complete nothing");
}

#[test]
fn a_plan_adds_an_owner_and_takes_none_away_until_it_is_in_force() {
    let mut views = Views::default();
    views.put_in_force(view_without(1, 0, true, &[0]), UnixMs(0));
    views.put_plan(view_without(2, slot().0 - 1, true, &[]));
    for (place, runs_at_once) in [(0, true), (1, true), (2, false)] {
        let mut owner = Owner::at(place);
        owner.views = views.clone();
        owner.hold(Repeat::Safe, slot() - 1);
        assert_eq!(owner.step(0) == vec![Did::Ran(0)], runs_at_once, "place {place}");
    }
    views.put_in_force(view_without(2, slot().0 - 1, true, &[]), slot() - 1);
    let mut second = Owner::at(1);
    second.views = views;
    second.hold(Repeat::Safe, slot() - 1);
    assert!(second.step(0).is_empty());
}

#[test]
fn a_host_without_a_place_says_so_at_once_and_comes_last() {
    let mut first = Owner::at(0);
    first.machine.places = 0;
    assert_eq!(first.step(0), [Did::Yielded]);
    first.machine.places = 1;
    assert_eq!(first.first(TEN), Some((1_500, vec![Did::Ran(0)])), "the second may be about to begin");
    let mut first = Owner::at(0);
    first.machine.places = 0;
    first.step(0);
    first.machine.places = 1;
    first.hear(1, Said::Started, 200);
    assert_eq!(first.first(TEN), Some((5_250, vec![Did::Ran(0)])));
    let mut first = Owner::at(0);
    first.machine.places = 0;
    first.step(0);
    first.hear(1, Said::Done, 200);
    assert_eq!(first.first(TEN - 51), None);
}

#[test]
fn what_is_never_run_is_put_on_record() {
    let mut alone = Owner::at(0);
    alone.machine.places = 0;
    assert_eq!(alone.step(0), [Did::Yielded]);
    assert_eq!(alone.first(TEN), Some((TEN - 50, vec![Did::GaveUp(Lack::Place)])));
    let mut without = Owner::at(0);
    without.machine.readiness = Readiness::Never;
    assert_eq!(without.step(0), [Did::Yielded, Did::GaveUp(Lack::Module)]);
}

#[test]
fn a_disturbed_run_is_tried_again_where_nobody_else_can() {
    let mut alone = Owner::at(0);
    alone.peers = Peers::new(list(), BootMs(0));
    let mut began = Vec::new();
    while let Some((at, did)) = alone.first(TEN - 51) {
        began.push((at, did));
        assert_eq!(alone.desk.ended(STREAM, slot(), Ended::Disturbed, slot() + at), Said::Yields);
    }
    let at: Vec<i64> = began.iter().map(|(at, _)| *at).collect();
    assert_eq!(at, [0, 250, 750, 1_750, 3_750]);
    let mut once = Owner::of(0, Repeat::Unsafe);
    assert_eq!(once.step(0), [Did::Ran(0)]);
    once.desk.ended(STREAM, slot(), Ended::Disturbed, slot() + 1);
    assert_eq!(once.first(TEN - 51), None, "what does harm twice is run once");
}

#[test]
fn an_unsafe_check_has_no_standby_and_is_never_run_after_a_restart() {
    assert_eq!(Owner::of(1, Repeat::Unsafe).first(TEN), None);
    let mut first = Owner::of(0, Repeat::Unsafe);
    first.desk = Desk::new(list()[0]);
    first.hold(Repeat::Unsafe, slot() + 1);
    assert_eq!(first.first(TEN - 51), None);
}

#[test]
fn a_restart_runs_the_open_slot_again_as_first_and_not_as_a_standby_who_could_not_hear() {
    for (place, after) in [(0, Some(6_200)), (1, None)] {
        let mut owner = Owner::at(place);
        owner.desk = Desk::new(list()[place]);
        owner.hold(Repeat::Safe, slot() + 6_000);
        assert_eq!(owner.first(TEN - 51).map(|(at, _)| at), after, "place {place}");
    }
}

#[test]
fn what_was_said_of_open_slots_is_said_again_to_an_owner_that_connects() {
    let mut first = Owner::at(0);
    first.step(0);
    let recap = |first: &mut Owner, place: usize, after_ms: i64| -> Vec<Said> {
        let all = first.desk.recap(list()[place], slot() + after_ms);
        all.into_iter().filter(|statement| statement.slot == slot()).map(|statement| statement.said).collect()
    };
    assert_eq!(recap(&mut first, 1, 100), [Said::Started]);
    assert!(recap(&mut first, 4, 100).is_empty(), "it is no owner");
    first.desk.ended(STREAM, slot(), Ended::Covers, slot() + 200);
    assert_eq!(recap(&mut first, 2, 300), [Said::Done]);
    assert_eq!(recap(&mut first, 2, 6_000), [Said::Done], "whoever was away would run it yet");
    assert!(recap(&mut first, 2, TEN).is_empty());
}

#[test]
fn companions_are_those_who_own_or_would_after_a_death() {
    let mut fifth = Owner::at(4);
    let companions: BTreeSet<HostId> = list()[..4].iter().copied().collect();
    assert_eq!(fifth.desk.companions(), companions);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Three owners of one slot, each of which may be dead from some moment on, with links that take up to 300 ms: as long
    /// as one lives the slot is completed in its window, and one death makes it late by no more than the bound.
    #[test]
    fn the_slot_is_run_while_any_owner_lives(
        deaths in prop::collection::vec(prop::option::weighted(0.5, -4_000..9_000_i64), 3..4),
        delays in prop::collection::vec(0..300_i64, 9..10),
        took in prop::collection::vec(1..3_000_i64, 3..4),
    ) {
        let (mut owners, list): (Vec<Owner>, _) = ((0..3).map(Owner::at).collect(), list());
        let dies = |place: usize| deaths[place].unwrap_or(i64::MAX);
        let mut words: BTreeMap<(i64, usize), Vec<(usize, Said)>> = BTreeMap::new();
        let mut ends: BTreeMap<(i64, usize), ()> = BTreeMap::new();
        let mut done: Option<i64> = None;
        let mut began = Vec::new();
        for now in 0..TEN - 50 {
            for place in 0..3 {
                if now >= dies(place) {
                    continue;
                }
                for (from, said) in words.remove(&(now, place)).unwrap_or_default() {
                    owners[place].hear(from, said, now);
                }
                for from in (0..3).filter(|_| now % 100 == 0) {
                    let heard = (now - delays[place * 3 + from]).min(dies(from));
                    owners[place].peers.hear(list[from], BootMs(slot().0 + heard));
                }
                let mut said = Vec::new();
                if ends.remove(&(now, place)).is_some() {
                    done = done.or(Some(now));
                    said.push(owners[place].desk.ended(STREAM, slot(), Ended::Covers, slot() + now));
                }
                let is_awake = owners[place].desk.next_wake().is_some_and(|wake| wake <= slot() + now);
                for did in if is_awake { owners[place].step(now) } else { Vec::new() } {
                    if matches!(did, Did::Ran(_)) {
                        began.push(now);
                        ends.insert((now + took[place], place), ());
                        said.push(Said::Started);
                    }
                }
                for (other, word) in (0..3).filter(|other| *other != place).flat_map(|other| said.iter().map(move |word| (other, *word))) {
                    words.entry((now + delays[other * 3 + place] + 1, other)).or_default().push((place, word));
                }
            }
        }
        let dead = deaths.iter().flatten().count();
        prop_assert!(dead == 3 || done.is_some(), "began at {began:?}");
        if dead <= 1 {
            prop_assert!(done.is_some_and(|done| done <= 3_750 + 300 + 3_000), "began at {began:?}, done at {done:?}");
        }
        if dead == 0 {
            prop_assert_eq!(began.len(), 1, "no false hedge");
        }
    }
}
