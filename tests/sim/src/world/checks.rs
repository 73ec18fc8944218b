//! What must hold at any moment: of a slot whenever a result of it comes, and of everything each ten seconds.
//!
//! A world that breaks it ends there, so that what led to it is what it remembers last.

use farwatch_core::ledger::settled_at;
use farwatch_proto::fleet::View;
use farwatch_proto::time::UnixMs;

use super::{Event, World};
use crate::account::owed;
use crate::books::Kept;
use crate::fleet::{BEGIN, host_id};
use crate::incidents::complain_of_incidents;
use crate::program::{NEXT_RULE, Program};

/// Everything is looked at this often.
pub(super) const CHECK_MS: i64 = 10_000;

impl World {
    /// Looks at everything that can be judged by now.
    pub(super) fn check_in_full(&mut self) {
        self.at(self.now + CHECK_MS, Event::Check);
        let now = UnixMs(BEGIN + self.now);
        let views: Vec<View> = self.store.tables.in_force().cloned().collect();
        let mut told = Vec::new();
        for index in 0..self.watched.len() {
            let period = (UnixMs(BEGIN), now);
            let kept = Kept::of(self, index, period, |_| (now, true));
            told.extend(kept.differences(self, index, &views, period, now));
            told.extend(self.newly_missed(index, &kept));
        }
        told.extend(complain_of_incidents(self));
        told.into_iter().for_each(|what| self.record.violates(what));
        self.checked_at = self.now;
    }

    /// Slots of a stream whose time has passed since the last look, that nobody completed and somebody could have.
    fn newly_missed(&self, index: usize, kept: &Kept) -> Vec<String> {
        let passed = (UnixMs(BEGIN + self.checked_at), UnixMs(BEGIN + self.now));
        let has_passed = |settled: UnixMs| passed.0 <= settled && settled < passed.1;
        let slots = kept.slots.iter().filter(|(due, ..)| has_passed(settled_at(*due))).map(|(due, ..)| due.slot);
        let missed = slots.filter(|slot| !self.record.completed.contains_key(&(index, slot.0)));
        missed.filter_map(|slot| owed(self, index, slot)).collect()
    }

    /// Looks at one slot, of which a result was committed.
    pub(super) fn check_slot(&mut self, index: usize, slot: UnixMs) {
        let now = UnixMs(BEGIN + self.now);
        let period = (slot, slot + 1);
        let kept = Kept::of(self, index, period, |_| (now, true));
        let told = kept.differences(self, index, &[], period, now);
        told.into_iter().for_each(|what| self.record.violates(what));
    }

    /// No view is read by a rule that some host never knew.
    pub(super) fn check_rule(&mut self, view: &View) {
        if view.placement_version == NEXT_RULE
            && let Some(host) = self.hosts.iter().find(|host| !self.record.ran_new.contains(&host.id))
        {
            let told = format!("view {} is read by a rule that some host never knew: {:?}", view.number, host.id);
            self.record.violates(told);
        }
    }

    /// The host has begun a process of its program.
    pub(super) fn note_program(&mut self, host: usize) {
        if self.hosts[host].newest_program() == Program::New {
            self.record.ran_new.insert(host_id(host));
        }
    }
}
