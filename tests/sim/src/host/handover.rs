//! Two processes of one simulated host: the old program's, and that of its successor, by `core`'s borders.

use farwatch_core::ownership::{Desk, Peers, Tenure, border};
use farwatch_proto::time::UnixMs;

use super::Host;
use crate::fleet::Watched;
use crate::program::Program;

/// From when a successor was begun it takes so long to fetch, to start and to load what it needs.
const READY_AFTER_MS: i64 = 3_000;

/// The successor of a host's process.
pub(super) struct Next {
    pub(super) desk: Desk,
    pub(super) peers: Peers,
    /// The order that it was begun for.
    ordered_at: UnixMs,
    ready_from: i64,
    border: Option<UnixMs>,
}

impl Host {
    /// The program of its newest process, as control is told.
    pub(crate) const fn newest_program(&self) -> Program {
        if self.next.is_some() { Program::New } else { self.program }
    }

    /// Control orders it to take the new program. One that runs it, or is at it, does not mind.
    pub(crate) fn take_program(&mut self, watched: &[Watched], ordered_at: UnixMs, now: i64) {
        if self.newest_program() == Program::New || self.failed == Some(ordered_at) {
            return;
        }
        let mut desk = Desk::placing_by(self.id, Program::New.rules());
        let wall = self.wall(now);
        desk.serve_in(Tenure::NOTHING_YET, wall);
        let peers = Peers::new(self.disk.linked.iter().copied(), self.boot_time(now));
        self.next = Some(Next { desk, peers, ordered_at, ready_from: now + READY_AFTER_MS, border: None });
        self.hold(watched, now);
    }

    /// Takes the handover further, where there is one. Answers whether it is over.
    pub(crate) fn hand_over_further(&mut self, now: i64) -> bool {
        let (wall, boot) = (self.wall(now), self.boot_time(now));
        let Some(next) = &mut self.next else { return false };
        let Some(border_at) = next.border else {
            let hears_all = self.peers.heard(boot).all(|host| next.peers.is_heard(host, boot));
            if now >= next.ready_from && hears_all {
                let border_at = border(wall);
                next.border = Some(border_at);
                self.desk.serve_in(Tenure::until(border_at), wall);
                next.desk.serve_in(Tenure::from(border_at), wall);
            }
            return false;
        };
        let runs = self.running.values().any(|running| !running.of_next);
        let is_over = wall >= border_at && !runs && self.desk.owes_nothing(wall);
        if is_over {
            self.succeed();
        }
        is_over
    }

    /// Only the successor is left.
    fn succeed(&mut self) {
        if let Some(next) = self.next.take() {
            self.desk = next.desk;
            self.peers = next.peers;
            self.views = self.disk.views.clone().into();
            self.program = Program::New;
            self.running.values_mut().for_each(|running| running.of_next = false);
        }
    }

    pub(crate) const fn hands_over(&self) -> bool {
        self.next.is_some()
    }

    /// The successor is gone: its predecessor has every slot again.
    pub(crate) fn lose_successor(&mut self, now: i64) {
        let wall = self.wall(now);
        if let Some(next) = self.next.take() {
            self.running.retain(|_, running| !running.of_next);
            self.failed = Some(next.ordered_at);
            // What it cannot read it does not hold.
            self.disk.views = (*self.views).clone();
            self.desk.serve_in(Tenure::WHOLE, wall);
        }
    }

    /// The predecessor is gone: its successor runs what is open.
    pub(crate) fn lose_predecessor(&mut self, now: i64) {
        let wall = self.wall(now);
        self.running.retain(|_, running| running.of_next);
        if let Some(next) = &mut self.next {
            next.desk.remember(self.disk.remembered().by(wall));
            next.desk.inherit(wall);
            if next.border.is_none() {
                next.desk.serve_in(Tenure::WHOLE, wall);
            }
        }
        self.succeed();
    }
}
