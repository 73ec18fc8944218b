//! Whether a simulated host may believe what it sees: its panel of references, by `core/sanity`.
//!
//! Two processes of one host share it here. What the references answer is the world's to say.

use farwatch_core::ownership::{Ended, Now};
use farwatch_core::sanity::{Fate, READ_LIMIT_MS, Ran, Reading, Sanity, Turn};
use farwatch_proto::id::HostId;
use farwatch_proto::panel::{PanelCount, PanelWord};
use farwatch_proto::peer::Statement;
use farwatch_proto::time::BootMs;

use super::disk::Found;
use super::{Effect, Host};

/// A reading that took longer than it may by this much was made by a host that stood still.
const STOOD_STILL_MS: i64 = 250;
/// References of the panel.
const REFERENCES: u32 = 3;

/// What a host knows of its panel.
#[derive(Clone, Debug, Default)]
pub(super) struct Senses {
    sanity: Sanity,
    /// When the last failure was over that waits for a reading.
    asked: Option<BootMs>,
    /// When the reading began that is under way.
    reading: Option<BootMs>,
}

impl Senses {
    pub(super) fn of(has_panel: bool) -> Self {
        let mut senses = Self::default();
        senses.sanity.replace_panel(has_panel);
        senses
    }

    pub(super) fn hear(&mut self, peer: HostId, word: PanelWord, now: BootMs) {
        self.sanity.hear(peer, word, now);
    }

    pub(super) fn word(&self) -> Option<PanelWord> {
        self.sanity.word()
    }
}

/// What became of runs that were over.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// Slots that the others may run, for this host doubts what it saw.
    pub(crate) yields: Vec<Effect>,
    /// What is told, and how.
    pub(crate) told: Vec<(Found, Vec<Effect>)>,
}

impl Host {
    pub(crate) const fn is_insane(&self) -> bool {
        self.senses.sanity.is_insane()
    }

    /// Control says what the panel is, and how it looks to the fleet.
    pub(crate) fn hear_of_panel(&mut self, fleet: PanelCount, now: i64) {
        let boot = self.boot_time(now);
        if !self.disk.knows_panel {
            self.disk.knows_panel = true;
            self.senses.sanity.replace_panel(true);
        }
        self.senses.sanity.hear_of_fleet(fleet, boot);
    }

    /// When it reads its panel next, by the true clock.
    pub(super) fn reads_next(&self, now: i64) -> Option<i64> {
        let boot = self.boot_time(now);
        let reads = self.senses.sanity.is_on() && self.senses.reading.is_none();
        reads.then(|| now + self.senses.sanity.reads_next(self.senses.asked, boot).since(boot).max(0))
    }

    /// Begins to read its panel, if that is due.
    pub(crate) fn begins_reading(&mut self, now: i64) -> bool {
        let is_due = self.reads_next(now).is_some_and(|at| at <= now);
        if is_due {
            self.senses.reading = Some(self.boot_time(now));
        }
        is_due
    }

    /// It has read its panel, which passes or not.
    pub(crate) fn has_read(&mut self, passes: bool, now: i64) -> Option<Turn> {
        let begun = self.senses.reading.take()?;
        if self.boot_time(now).since(begun) <= READ_LIMIT_MS + STOOD_STILL_MS {
            let good = if passes { REFERENCES } else { 0 };
            self.senses.sanity.read(Reading { begun, good, of: REFERENCES });
        }
        self.step_senses(now)
    }

    /// Time has passed for its senses.
    pub(crate) fn step_senses(&mut self, now: i64) -> Option<Turn> {
        let boot = self.boot_time(now);
        self.senses.sanity.step(boot)
    }

    /// What becomes of the runs that are over. A target that is up was reached; anything else waits for a reading.
    pub(crate) fn settle(&mut self, now: i64) -> Settled {
        let mut settled = Settled::default();
        let over = self.running.iter().filter_map(|(run, running)| Some((*run, running.ended?)));
        for (run, ended) in over.collect::<Vec<_>>() {
            let running = &self.running[&run];
            let ran = Ran { started: running.began.boot, ended: ended.boot };
            let is_believed = !running.is_down || running.is_disturbed;
            match if is_believed { Fate::Told } else { self.judge(ran, now) } {
                Fate::Told => settled.told.extend(self.tell(run, ended, now)),
                Fate::Void => {
                    self.running.entry(run).and_modify(|running| running.is_disturbed = true);
                    settled.told.extend(self.tell(run, ended, now));
                }
                Fate::AwaitsReading => {}
                Fate::Doubted => settled.yields.extend(self.leave_to_others(run, now)),
            }
        }
        settled
    }

    /// What becomes of a failure as things stand. One that waits for a reading gets it soon.
    fn judge(&mut self, ran: Ran, now: i64) -> Fate {
        let fate = self.senses.sanity.judge(ran, self.boot_time(now));
        if fate == Fate::AwaitsReading {
            self.senses.asked = self.senses.asked.max(Some(ran.ended));
        }
        fate
    }

    fn tell(&mut self, run: u64, ended: Now, now: i64) -> Option<(Found, Vec<Effect>)> {
        let running = self.running.remove(&run)?;
        Some(self.finish(running, ended, now))
    }

    /// The next owner may run the slot at once. What this host found is kept, for it may be right.
    fn leave_to_others(&mut self, run: u64, now: i64) -> Vec<Effect> {
        let Some(running) = self.running.get_mut(&run) else { return Vec::new() };
        if std::mem::replace(&mut running.was_yielded, true) || running.vote.is_some() {
            return Vec::new();
        }
        let (stream, slot, of_next, tell) = (running.stream, running.slot, running.of_next, running.tell.clone());
        let said = self.ended(stream, slot, Ended::Disturbed, of_next, now);
        tell.into_iter().map(|to| Effect::Tell(to, Statement { stream, slot, said }, None)).collect()
    }
}
