//! A canary: a newer version of a module run beside the one that a check is run by, on the same slots, until it is known
//! whether the check can be run by it.
//!
//! What two runs found of one slot is one reading; readings make a canary pass or fail. Nothing here runs a module, knows
//! versions, or changes a check.

use farwatch_proto::interval::Interval;
use farwatch_proto::outcome::{Blame, Status};

/// Slots on which both versions must find the same: fewer would let pass what goes wrong on every third.
const AGREEMENTS: i64 = 5;
/// A check that is seldom due passes by as many slots as fall into this time, and by one at least, so that no version
/// waits for days.
const WHILE_MS: i64 = 600_000;
/// Slots on which they may differ. Two runs of one version do, where a target fails between them; twice in a few slots is
/// no accident.
const DIFFERENCES_MAX: u32 = 1;
/// Slots of which nothing can be said, after which a canary has failed: the version cannot be loaded, or the check is not
/// run at all.
const EMPTY_MAX: u32 = 20;

/// What one slot says of the newer version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Both found the same, or the newer one an answer where the older had none.
    Same,
    /// The older one found the first, the newer one the second.
    Different(Status, Status),
    /// The newer one trapped, ran out of its limits or gave up, where the older one found something.
    Stopped,
    /// Nothing: one of them was not run, or neither could tell.
    Empty,
}

/// Why a version is not to be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It found something else, more often than two runs of one version do.
    Different(Status, Status),
    /// It gave no answer.
    Stopped,
    /// It was compared on no slot of many.
    NeverCompared,
}

/// How far a canary is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Canary {
    wanted: u32,
    same: u32,
    different: u32,
    empty: u32,
}

/// What follows from a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Another slot is compared.
    GoOn(Canary),
    /// The check may be run by the newer version.
    Passed,
    /// It stays with the one it has, and no other check is to try.
    Failed(Failure),
}

impl Reading {
    /// What two runs of one slot say; a run that was not made has no status.
    pub fn of(older: Option<Status>, newer: Option<Status>) -> Self {
        let (Some(older), Some(newer)) = (older, newer) else { return Self::Empty };
        match (older, newer) {
            (Status::Unknown(Blame::Host), _) | (_, Status::Unknown(Blame::Host)) => Self::Empty,
            (Status::Unknown(Blame::Module), Status::Unknown(Blame::Module)) => Self::Empty,
            (_, Status::Unknown(Blame::Module)) => Self::Stopped,
            (Status::Unknown(Blame::Module), _) => Self::Same,
            (older, newer) if older == newer => Self::Same,
            (older, newer) => Self::Different(older, newer),
        }
    }
}

impl Canary {
    /// One of a check with this interval.
    pub fn of(interval: Interval) -> Self {
        let wanted = (WHILE_MS / interval.ms()).clamp(1, AGREEMENTS) as u32;
        Self { wanted, same: 0, different: 0, empty: 0 }
    }

    /// What follows from one more slot.
    #[must_use]
    pub fn read(mut self, reading: Reading) -> Step {
        match reading {
            Reading::Same => self.same += 1,
            Reading::Different(..) => self.different += 1,
            Reading::Stopped => return Step::Failed(Failure::Stopped),
            Reading::Empty => self.empty += 1,
        }
        match reading {
            Reading::Different(older, newer) if self.different > DIFFERENCES_MAX => {
                Step::Failed(Failure::Different(older, newer))
            }
            _ if self.same >= self.wanted => Step::Passed,
            _ if self.empty >= EMPTY_MAX => Step::Failed(Failure::NeverCompared),
            _ => Step::GoOn(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP: Option<Status> = Some(Status::Up);
    const DOWN: Option<Status> = Some(Status::Down);
    const TRAP: Option<Status> = Some(Status::Unknown(Blame::Module));
    const PAUSE: Option<Status> = Some(Status::Unknown(Blame::Host));

    fn every(seconds: u32) -> Canary {
        Canary::of(Interval::from_seconds(seconds).unwrap())
    }

    /// What becomes of a canary by these readings, which must end it and not before the last.
    fn end(canary: Canary, readings: &[Reading]) -> Step {
        let (last, before) = readings.split_last().unwrap();
        let so_far = before.iter().fold(canary, |canary, reading| match canary.read(*reading) {
            Step::GoOn(canary) => canary,
            ended => panic!("{ended:?} by {reading:?}"),
        });
        so_far.read(*last)
    }

    #[test]
    fn two_runs_of_a_slot_are_compared_by_what_they_found_of_the_target() {
        for (older, newer, reading) in [
            (UP, UP, Reading::Same),
            (DOWN, DOWN, Reading::Same),
            (UP, DOWN, Reading::Different(Status::Up, Status::Down)),
            (UP, TRAP, Reading::Stopped),
            (TRAP, UP, Reading::Same),
            (TRAP, TRAP, Reading::Empty),
            (PAUSE, DOWN, Reading::Empty),
            (UP, PAUSE, Reading::Empty),
            (None, UP, Reading::Empty),
            (UP, None, Reading::Empty),
        ] {
            assert_eq!(Reading::of(older, newer), reading, "{older:?} {newer:?}");
        }
    }

    #[test]
    fn five_slots_pass_a_canary_and_one_that_is_seldom_due_passes_by_fewer() {
        assert_eq!(end(every(10), &[Reading::Same; 5]), Step::Passed);
        assert_eq!(end(every(300), &[Reading::Same; 2]), Step::Passed);
        assert_eq!(end(every(3600), &[Reading::Same]), Step::Passed);
    }

    #[test]
    fn one_difference_may_be_the_target_and_two_are_the_version() {
        let differs = Reading::Different(Status::Up, Status::Down);
        let same = Reading::Same;
        assert_eq!(end(every(10), &[same, differs, same, same, same, same]), Step::Passed);
        let failed = Step::Failed(Failure::Different(Status::Up, Status::Down));
        assert_eq!(end(every(10), &[differs, same, same, differs]), failed);
    }

    #[test]
    fn a_version_that_gives_no_answer_or_never_runs_fails() {
        assert_eq!(end(every(10), &[Reading::Same, Reading::Stopped]), Step::Failed(Failure::Stopped));
        assert_eq!(end(every(10), &[Reading::Empty; 20]), Step::Failed(Failure::NeverCompared));
    }
}
