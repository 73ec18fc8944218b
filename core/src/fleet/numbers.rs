//! The numbers of views, where the database lost its tail.
//!
//! Hosts remember views by their numbers, and take only what is newer than what they hold. A database that failed over
//! may have forgotten views that hosts act by, and a leader that counted on from what is left would give their numbers
//! to other views: hosts would hold different ones under one name for ever. So a leader passes over as many numbers as
//! could have been lost, and the gap that stays in the history says which were. Where a host says that it holds a view
//! out of the gap, all hosts are told one view at once. What was in the lost ones nobody can say.

use farwatch_proto::fleet::View;
use farwatch_proto::time::{Stamp, UnixMs};

use super::{Decision, Fleet};

/// So many views may be lost with the tail of a database: a fleet that changes every step of a leader makes 240 in a
/// minute, and a standby that is further behind is none to fail over to.
pub const LOST_VIEWS_MAX: u64 = 1_000;

/// Where the numbers of this leadership begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beginning {
    /// The last number in the database as it began.
    last: Stamp,
    /// Whether a host holds a later one that this leadership did not give.
    is_behind: bool,
}

/// Whether a view of this number was given out and is lost, between two of the history that follow each other: the last
/// one before it and the first one after it.
pub fn is_lost(number: Stamp, before: Stamp, after: Stamp) -> bool {
    before < number && number < after && number.n <= before.n + LOST_VIEWS_MAX
}

impl Fleet {
    /// This leader counts on from `last`, the last number of any view in the database, and passes over those that the
    /// database may have lost.
    pub const fn count_on_from(&mut self, last: Stamp) {
        self.beginning = Some(Beginning { last, is_behind: false });
        self.used_up = Some(Stamp { era: last.era, n: last.n + LOST_VIEWS_MAX });
    }

    /// A host says that it holds the view of this number. Whether it can be true: a number that nobody can have given is
    /// left alone, for it would be counted on from for ever.
    pub fn hear_number(&mut self, held: Stamp, newest: &View) -> bool {
        let given = self.used_up.max(Some(newest.number)).max(self.plan().map(|plan| plan.number));
        if Some(held) > given {
            return false;
        }
        if let Some(beginning) = self.beginning.as_mut().filter(|beginning| is_behind(beginning.last, held)) {
            beginning.is_behind = true;
        }
        true
    }

    /// The view that all are told because some hold one which the database lost: the newest it knows, under a number
    /// that is newer than what anybody holds. It was not announced, so that whoever is first by it catches up.
    pub(super) fn settle_lost(&mut self, newest: &View, wall: UnixMs) -> Option<Vec<Decision>> {
        let beginning = self.beginning.filter(|beginning| beginning.is_behind)?;
        self.beginning = None;
        if newest.number > beginning.last {
            return None;
        }
        let withdrawn = self.plan.take().map(|plan| plan.view.number);
        self.used_up = withdrawn.max(self.used_up);
        self.differs = None;
        let view = View { number: self.next_number(newest), in_force_from: wall, planned: false, ..newest.clone() };
        Some(withdrawn.map(Decision::Withdraw).into_iter().chain([Decision::Enforce(view)]).collect())
    }
}

const fn is_behind(last: Stamp, held: Stamp) -> bool {
    held.era == last.era && last.n < held.n && held.n <= last.n + LOST_VIEWS_MAX
}
