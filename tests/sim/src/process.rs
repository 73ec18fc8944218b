//! One simulated control process: it follows the lease, and leads whenever it can.

use farwatch_core::lease::{WATCH_PERIOD_MS, Watch};
use farwatch_proto::time::BootMs;

use crate::leader::Leader;
use crate::store::Lease;

/// What a process does about the lease.
pub(crate) enum Role {
    Follows,
    Leads(Box<Leader>),
}

pub(crate) struct Process {
    pub(crate) is_up: bool,
    pub(crate) paused_until: Option<i64>,
    /// Counted up whenever it begins something anew: what the database answers to an earlier turn is for nobody.
    pub(crate) turn: u32,
    pub(crate) role: Role,
    /// When the lease was asked for that it holds.
    pub(crate) acquired: i64,
    watch: Watch,
    looked_at: i64,
}

impl Process {
    pub(crate) fn new() -> Self {
        let (role, watch) = (Role::Follows, Watch::default());
        Self { is_up: true, paused_until: None, turn: 0, role, acquired: 0, watch, looked_at: 0 }
    }

    pub(crate) fn leader(&self) -> Option<&Leader> {
        match &self.role {
            Role::Leads(leader) if self.is_up => Some(leader),
            Role::Leads(_) | Role::Follows => None,
        }
    }

    pub(crate) fn leader_mut(&mut self) -> Option<&mut Leader> {
        match &mut self.role {
            Role::Leads(leader) if self.is_up => Some(leader),
            Role::Leads(_) | Role::Follows => None,
        }
    }

    /// Whether it takes in what hosts send it.
    pub(crate) const fn listens(&self) -> bool {
        self.is_up && self.paused_until.is_none() && matches!(self.role, Role::Leads(_))
    }

    /// Whether it looks at the lease now.
    pub(crate) fn looks(&mut self, now: i64) -> bool {
        let is_due = matches!(self.role, Role::Follows) && now - self.looked_at >= WATCH_PERIOD_MS;
        if is_due {
            self.looked_at = now;
        }
        is_due
    }

    /// It has seen the lease; how long it stood still.
    pub(crate) fn see(&mut self, lease: Lease, now: i64) -> i64 {
        self.watch.see(lease.counter, BootMs(now))
    }

    /// It ceases to lead, and follows.
    pub(crate) fn step_down(&mut self) {
        self.turn += 1;
        self.role = Role::Follows;
    }

    /// The process is gone, with all it knew.
    pub(crate) fn crash(&mut self) {
        *self = Self { is_up: false, turn: self.turn + 1, ..Self::new() };
    }
}
