//! The numbers of views, where the database lost its tail.
//!
//! Hosts remember views by their numbers, and take only what is newer than what they hold. A database that failed over
//! may have forgotten views that hosts act by, and a leader that counted on from what is left would give their numbers
//! to other views: hosts would hold different ones under one name for ever. So a leader passes over more numbers than
//! could have been lost, and how many it draws: the database may lose its first view as well, and the next leader begins
//! from the same number. Where a host says that it holds a view out of the gap, or a later one than any that this leader
//! knows, all hosts are told one view at once. What was in the lost ones nobody can say.

use farwatch_proto::fleet::View;
use farwatch_proto::time::{Stamp, UnixMs};

use super::{Decision, Fleet};

/// So many views may be lost with the tail of a database: a fleet that changes every step of a leader makes 240 in a
/// minute, and a standby that is further behind is none to fail over to.
pub const LOST_VIEWS_MAX: u64 = 1_000;
/// A leader passes over so many times that number at most. Two that begin from the same one draw alike once in as many
/// times; more would bring nearer the day on which numbers end, and that is ten thousand million leaders away.
const DRAWS: u64 = 1_000_000;
/// No leader that began from the same number can have given one that is further on.
const BELIEVED_MAX: u64 = LOST_VIEWS_MAX * (DRAWS + 1);

/// Where the numbers of this leadership begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beginning {
    /// The last number in the database as it began.
    last: Stamp,
    /// The last one that it passed over.
    passed: Stamp,
    /// The latest that a host holds of those which this leadership did not give and the database does not know.
    lost: Option<Stamp>,
}

/// Whether a number lies between two of the history that follow each other, and is not theirs: a view that bore it was
/// lost, or none ever did.
pub fn is_lost(number: Stamp, before: Stamp, after: Stamp) -> bool {
    before < number && number < after
}

impl Fleet {
    /// This leader counts on from `last`, the last number of any view in the database, and passes over those that the
    /// database may have lost. `draw` is any number that no other leader has.
    pub const fn count_on_from(&mut self, last: Stamp, draw: u64) {
        if cfg!(mutant = "numbers_again") {
            return;
        }
        let passed = Stamp { era: last.era, n: last.n + LOST_VIEWS_MAX * (1 + draw % DRAWS) };
        self.beginning = Some(Beginning { last, passed, lost: None });
        self.used_up = Some(passed);
    }

    /// A host says that it holds the view of this number. Whether it can be true: a number that nobody can have given is
    /// left alone, for it would be counted on from for ever.
    pub fn hear_number(&mut self, held: Stamp, newest: &View) -> bool {
        let given = self.used_up.max(Some(newest.number)).max(self.plan().map(|plan| plan.number));
        let is_later = Some(held) > given;
        let Some(beginning) = self.beginning.as_mut() else { return !is_later };
        if is_later && (held.era != beginning.last.era || held.n > beginning.last.n + BELIEVED_MAX) {
            return false;
        }
        if is_later || (beginning.last < held && held <= beginning.passed) {
            beginning.lost = beginning.lost.max(Some(held));
        }
        true
    }

    /// The view that all are told because some hold one which the database lost: the newest it knows, under a number
    /// that is newer than what anybody holds. It was not announced, so that whoever is first by it catches up.
    pub(super) fn settle_lost(&mut self, newest: &View, wall: UnixMs) -> Option<Vec<Decision>> {
        let beginning = self.beginning.as_mut()?;
        let lost = beginning.lost.take()?;
        // Whoever holds an older one than the newest of this leader is told that, and takes it.
        if newest.number > beginning.last && newest.number > lost {
            return None;
        }
        let withdrawn = self.plan.take().map(|plan| plan.view.number);
        self.used_up = self.used_up.max(withdrawn).max(Some(lost));
        self.differs = None;
        let view = View { number: self.next_number(newest), in_force_from: wall, planned: false, ..newest.clone() };
        Some(withdrawn.map(Decision::Withdraw).into_iter().chain([Decision::Enforce(view)]).collect())
    }
}
