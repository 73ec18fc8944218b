//! Which slots are those of this process, where a host's process hands over to its successor on the same machine.
//!
//! Both are the same host to everybody else, so neither cancels the other's runs: a border in time says whose a slot
//! is. Slots before it are the predecessor's, slots from it on the successor's, and each is exactly one's.

use farwatch_proto::time::UnixMs;

/// A border lies at least this far ahead, so that both know of it before the first slot behind it is due.
pub const BORDER_AHEAD_MS: i64 = 2_000;
/// Borders lie on whole seconds, which read well in logs; any moment would do.
const BORDER_GRID_MS: i64 = 1_000;

/// The slots of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenure {
    from: UnixMs,
    until: UnixMs,
}

impl Tenure {
    /// Every slot: the process has no other beside it.
    pub const WHOLE: Self = Self { from: UnixMs(i64::MIN), until: UnixMs(i64::MAX) };
    /// No slot: a successor that is not told its border yet.
    pub const NOTHING_YET: Self = Self { from: UnixMs(i64::MAX), until: UnixMs(i64::MAX) };

    /// Those from the border on: of a successor.
    pub const fn from(border: UnixMs) -> Self {
        Self { from: border, ..Self::WHOLE }
    }

    /// Those before the border: of a predecessor.
    pub const fn until(border: UnixMs) -> Self {
        Self { until: border, ..Self::WHOLE }
    }

    /// Whether this slot is one of them.
    pub fn has(self, slot: UnixMs) -> bool {
        self.from <= slot && slot < self.until
    }

    /// The first moment whose slots may be its own, where it has a border behind it.
    pub(super) fn begins(self) -> Option<UnixMs> {
        Some(self.from).filter(|_| self.from != Self::WHOLE.from && self != Self::NOTHING_YET)
    }

    /// Whether a slot comes after its last one.
    pub(super) fn is_over_at(self, slot: UnixMs) -> bool {
        slot >= self.until
    }
}

/// Where a process that is asked now hands over.
pub fn border(now: UnixMs) -> UnixMs {
    UnixMs((now.0 + BORDER_AHEAD_MS).div_euclid(BORDER_GRID_MS) * BORDER_GRID_MS + BORDER_GRID_MS)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use farwatch_proto::check::{Activity, Definition, Repeat};
    use farwatch_proto::id::{HostId, ModuleHash};
    use farwatch_proto::peer::Said;
    use farwatch_proto::time::BootMs;
    use proptest::prelude::*;

    use super::*;
    use crate::held::Held;
    use crate::held::tests::{STREAM, definition};
    use crate::ownership::tests::view;
    use crate::ownership::{Act, Desk, Ended, Facilities, Now, Peers, Readiness, Receipt, Views};
    use crate::placement::{Subject, preference_lists};

    const TEN: i64 = 10_000;

    struct Machine;

    impl Facilities for Machine {
        type Place = ();

        fn take_place(&mut self) -> Option<()> {
            Some(())
        }

        fn readiness(&self, _: &ModuleHash) -> Readiness {
            Readiness::Ready
        }

        fn is_sane(&self) -> bool {
            true
        }
    }

    fn checked(repeat: Repeat) -> Definition {
        Definition { timeout_ms: 3_000, repeat, ..definition(1, 10, Activity::Active, Some(0)) }
    }

    fn list() -> Vec<HostId> {
        let checked = checked(Repeat::Safe);
        let (tenant, wish, repeat) = (checked.tenant, &checked.placement, checked.repeat);
        preference_lists(&Subject { check: checked.check, tenant, wish, repeat }, &view(1, 0, true, &[])).remove(0)
    }

    /// A process of the host at this place of the list, which has just started.
    fn process(place: usize, repeat: Repeat, now: UnixMs) -> Desk {
        let mut views = Views::default();
        views.put_in_force(view(1, 0, true, &[]), UnixMs(0));
        let mut desk = Desk::new(list()[place]);
        desk.hold([(STREAM, Arc::new(Held::new(vec![checked(repeat)])))], Arc::new(views), now);
        desk
    }

    /// What a process runs at this moment, each run completed after so long.
    fn step(desk: &mut Desk, at: UnixMs, takes_ms: i64, ran: &mut Vec<UnixMs>) {
        let now = Now { wall: at, boot: BootMs(at.0) };
        for act in desk.step(now, &Peers::new([], BootMs(0)), &mut Machine) {
            if let Act::Run(run) = act {
                ran.push(run.slot);
                desk.ended(STREAM, run.slot, Ended::Covers, at + takes_ms);
            }
        }
    }

    #[test]
    fn a_border_is_a_whole_second_and_far_enough_ahead() {
        for now in [0, 1, 999, 1_000, 123_456] {
            let border = border(UnixMs(now));
            assert_eq!(border.0 % 1_000, 0);
            assert!((BORDER_AHEAD_MS..=BORDER_AHEAD_MS + 1_000).contains(&border.since(UnixMs(now))), "{now}");
        }
    }

    #[test]
    fn each_slot_is_exactly_one_processes() {
        let border = UnixMs(5 * TEN);
        for slot in [0, 5 * TEN - 1, 5 * TEN, 9 * TEN].map(UnixMs) {
            assert_ne!(Tenure::until(border).has(slot), Tenure::from(border).has(slot), "{slot}");
            assert!(Tenure::WHOLE.has(slot) && !Tenure::NOTHING_YET.has(slot));
        }
    }

    proptest! {
        /// Whenever the successor starts and wherever the border is, each slot is run once and none is left out.
        #[test]
        fn a_handover_neither_misses_nor_doubles(
            starts in 20_000i64..60_000, waits in 0i64..15_000, is_safe: bool, step_ms in 20i64..900,
        ) {
            let repeat = if is_safe { Repeat::Safe } else { Repeat::Unsafe };
            let mut predecessor = process(0, repeat, UnixMs(TEN));
            let (mut successor, mut told) = (None, false);
            let mut ran = Vec::new();
            let mut now = UnixMs(TEN);
            while now < UnixMs(12 * TEN) {
                if now.0 >= starts && successor.is_none() {
                    let mut process = process(0, repeat, now);
                    process.serve_in(Tenure::NOTHING_YET, now);
                    successor = Some(process);
                }
                if let Some(successor) = successor.as_mut().filter(|_| !told && now.0 >= starts + waits) {
                    let border = border(now);
                    predecessor.serve_in(Tenure::until(border), now);
                    successor.serve_in(Tenure::from(border), now);
                    told = true;
                }
                step(&mut predecessor, now, 100, &mut ran);
                if let Some(successor) = &mut successor {
                    step(successor, now, 100, &mut ran);
                }
                now = now + step_ms;
            }
            prop_assert!(told && predecessor.owes_nothing(now));
            let mut times: BTreeMap<UnixMs, usize> = BTreeMap::new();
            ran.iter().for_each(|slot| *times.entry(*slot).or_default() += 1);
            let slots: Vec<i64> = times.keys().map(|slot| slot.0).collect();
            prop_assert!(times.values().all(|runs| *runs == 1), "{times:?}");
            prop_assert!(slots.windows(2).all(|pair| pair[1] - pair[0] == TEN), "{slots:?}");
            prop_assert!(slots.len() >= 9, "{slots:?}");
        }
    }

    #[test]
    fn a_predecessor_stands_by_for_its_last_slots_until_they_are_decided() {
        let slot = Held::new(vec![checked(Repeat::Safe)]).next_slot(STREAM, UnixMs(10 * TEN)).unwrap();
        let mut desk = process(1, Repeat::Safe, slot - TEN);
        step(&mut desk, slot - 1, 0, &mut Vec::new());
        desk.serve_in(Tenure::until(slot + 1), slot);
        assert!(!desk.owes_nothing(slot));
        desk.hear(STREAM, Receipt { slot, from: list()[0], said: Said::Done }, slot + 50);
        let mut ran = Vec::new();
        step(&mut desk, slot + 60, 0, &mut ran);
        assert!(desk.owes_nothing(slot + 60) && ran.is_empty());
    }

    #[test]
    fn who_only_holds_a_stream_for_others_owes_nothing_of_it() {
        let slot = Held::new(vec![checked(Repeat::Safe)]).next_slot(STREAM, UnixMs(10 * TEN)).unwrap();
        for (place, owes) in [(0, true), (2, true), (3, false)] {
            let mut desk = process(place, Repeat::Safe, slot - TEN);
            desk.serve_in(Tenure::until(slot + 1), slot - 5);
            assert_eq!(desk.owes_nothing(slot - 5), !owes, "{place}");
        }
    }

    #[test]
    fn a_predecessor_whose_successor_has_gone_goes_on_as_if_nothing_had_been() {
        let slot = Held::new(vec![checked(Repeat::Safe)]).next_slot(STREAM, UnixMs(10 * TEN)).unwrap();
        let mut desk = process(0, Repeat::Safe, slot - TEN + 1);
        desk.serve_in(Tenure::until(slot), slot - 100);
        let mut ran = Vec::new();
        step(&mut desk, slot + 10, 0, &mut ran);
        assert!(ran.iter().all(|ran| *ran < slot), "{ran:?}");
        ran.clear();
        desk.serve_in(Tenure::WHOLE, slot + 700);
        step(&mut desk, slot + 710, 0, &mut ran);
        assert_eq!(ran, [slot]);
    }

    #[test]
    fn a_successor_whose_predecessor_died_over_its_last_slots_runs_what_is_open() {
        let slot = Held::new(vec![checked(Repeat::Safe)]).next_slot(STREAM, UnixMs(10 * TEN)).unwrap();
        let mut desk = process(0, Repeat::Safe, slot - 100);
        desk.serve_in(Tenure::from(slot + 1_000), slot - 50);
        let mut ran = Vec::new();
        step(&mut desk, slot + 2_000, 0, &mut ran);
        assert!(ran.is_empty());
        desk.inherit(slot + 2_100);
        step(&mut desk, slot + 2_110, 0, &mut ran);
        assert_eq!(ran, [slot]);
        step(&mut desk, slot + TEN + 10, 0, &mut ran);
        assert_eq!(ran, [slot, slot + TEN]);
    }
}
