//! A host that has lost the world, as its desk has it: its slots are left to the others, and taken back.

use super::*;

#[test]
fn an_insane_host_leaves_its_slots_to_the_others_and_runs_them_again_once_it_is_sane() {
    let mut first = Owner::at(0);
    first.machine.is_sane = false;
    assert_eq!(first.step(0), [Did::Yielded]);
    assert_eq!(first.machine.places, 9, "and takes no place for it");
    first.hear(1, Said::Started, 100);
    first.hear(1, Said::Done, 900);
    assert_eq!(first.first(TEN - 51), None, "another ran it");

    let mut alone = Owner::at(0);
    (1..list().len()).for_each(|place| alone.hear(place, Said::Yields, 0));
    alone.machine.is_sane = false;
    assert_eq!(alone.step(0), [Did::Yielded]);
    assert!(alone.step(3_000).is_empty(), "nobody else can, and what it saw would still say nothing");
    alone.machine.is_sane = true;
    assert_eq!(alone.step(3_100), [Did::Ran(0)]);
}

#[test]
fn a_standby_that_is_insane_lets_the_one_behind_it_go_at_once() {
    let mut second = Owner::at(1);
    second.machine.is_sane = false;
    second.hear(0, Said::Yields, 10);
    assert_eq!(second.step(10), [Did::Yielded]);
    let mut third = Owner::at(2);
    (0..2).for_each(|place| third.hear(place, Said::Yields, 20));
    assert_eq!(third.step(20), [Did::Ran(0)]);
}

#[test]
fn what_no_sane_host_ran_is_put_on_record_with_its_reason() {
    let mut first = Owner::at(0);
    first.machine.is_sane = false;
    assert_eq!(first.step(0), [Did::Yielded]);
    assert_eq!(first.step(TEN), [Did::GaveUp(Lack::Sanity)]);
}
