//! One simulated host: the desk, peers and views of `core`, a disk, and a clock of its own.
//!
//! It does what `farwatch host` does and decides nothing itself.

pub(crate) mod disk;
mod handover;
mod run;
mod senses;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use farwatch_core::clocks::{FleetClock, Source};
use farwatch_core::ownership::{Act, Desk, Now, Peers, Receipt, Views};
use farwatch_proto::fleet::View;
use farwatch_proto::id::{HostId, OrderId};
use farwatch_proto::panel::PanelWord;
use farwatch_proto::peer::{Said, Statement};
use farwatch_proto::time::{BootMs, UnixMs};

use crate::fleet::{BEGIN, Watched, host_id};
use crate::program::Program;
use crate::word::{Report, Word};
use disk::{Copied, CopyId, Disk, Found, Mark};
use handover::Next;
pub(crate) use run::Effect;
use run::{Places, Running};
use senses::Senses;

/// Results are on disk after this long; what a crash finds in memory is gone.
pub(crate) const WRITTEN_AFTER_MS: i64 = 200;
/// A host that waits for the fleet's time looks again after this long.
const UNTRUSTED_WAKE_MS: i64 = 100;
/// Run places of a host: more than its streams could ever take, unless a fault takes them.
pub(crate) const PLACES: usize = 64;

pub(crate) struct Host {
    pub(crate) id: HostId,
    pub(crate) is_alive: bool,
    pub(crate) paused_until: Option<i64>,
    /// Starts of its process; what was meant for an earlier one is for nobody.
    pub(crate) boot: u32,
    pub(crate) places: usize,
    /// How far its machine's wall clock is from the true one.
    pub(crate) offset_ms: i64,
    /// How much too fast its machine counts, in millionths.
    pub(crate) drift_ppm: i64,
    /// Whatever it runs fails until then: it has lost the world, but not its peers.
    pub(crate) blind_until: i64,
    /// It reaches no reference until then, whatever else it reaches.
    pub(crate) unreferenced_until: i64,
    pub(crate) running: BTreeMap<u64, Running>,
    /// What it runs, and starts with.
    pub(crate) program: Program,
    /// Orders it has answered, so that none is run twice.
    answered: BTreeMap<OrderId, Found>,
    /// When its machine was switched on.
    switched_on: i64,
    acknowledged: Mark,
    clock: FleetClock,
    /// As slots were last planned by it.
    clock_steps: u64,
    desk: Desk,
    peers: Peers,
    /// The views that its process goes by; of a predecessor, those it had when its successor began.
    views: Arc<Views>,
    next: Option<Next>,
    /// The order to take the new program that it could not carry out last.
    failed: Option<UnixMs>,
    disk: Disk,
    senses: Senses,
    next_run: u64,
}

impl Host {
    pub(crate) fn new(index: usize, linked: BTreeSet<HostId>, has_panel: bool) -> Self {
        let id = host_id(index);
        Self {
            id,
            is_alive: false,
            paused_until: None,
            boot: 0,
            places: PLACES,
            offset_ms: 0,
            drift_ppm: 0,
            blind_until: 0,
            unreferenced_until: 0,
            clock: FleetClock::new(UnixMs(BEGIN), None, BootMs(0)),
            clock_steps: 0,
            running: BTreeMap::new(),
            program: Program::Old,
            answered: BTreeMap::new(),
            switched_on: 0,
            acknowledged: Mark::default(),
            desk: Desk::new(id),
            peers: Peers::new([], BootMs(0)),
            views: Arc::default(),
            next: None,
            failed: None,
            disk: Disk::of(linked, has_panel),
            senses: Senses::default(),
            next_run: 0,
        }
    }

    pub(crate) const fn is_up(&self) -> bool {
        self.is_alive && self.paused_until.is_none()
    }

    /// Whether what it runs counts: one that is insane runs nothing, and one that is blind only what it will not believe,
    /// where it has a panel to know it by.
    pub(crate) const fn is_able(&self, now: i64) -> bool {
        let sees = self.blind_until <= now || !self.disk.knows_panel;
        self.is_up() && self.places > 0 && sees && !self.is_insane()
    }

    /// CLOCK_BOOTTIME of its machine.
    const fn boot_time(&self, now: i64) -> BootMs {
        let on_ms = now - self.switched_on;
        BootMs(on_ms + on_ms * self.drift_ppm / 1_000_000)
    }

    /// What its machine takes for the time.
    pub(crate) const fn machine(&self, now: i64) -> UnixMs {
        UnixMs(BEGIN + self.switched_on + self.boot_time(now).0 + self.offset_ms)
    }

    pub(crate) fn wall(&mut self, now: i64) -> UnixMs {
        self.clock.wall(self.boot_time(now))
    }

    fn now(&mut self, now: i64) -> Now {
        Now { wall: self.wall(now), boot: self.boot_time(now) }
    }

    /// Steers its clock, and plans anew where that was set.
    pub(crate) fn steer(&mut self, watched: &[Watched], now: i64) {
        self.clock.steer(self.machine(now), self.boot_time(now));
        self.disk.ahead = Some(self.clock.ahead());
        if std::mem::replace(&mut self.clock_steps, self.clock.steps()) != self.clock.steps() {
            self.desk.forget();
            self.next.iter_mut().for_each(|next| next.desk.forget());
            self.hold(watched, now);
        }
    }

    /// The process starts, with what is on disk.
    pub(crate) fn start(&mut self, watched: &[Watched], now: i64) {
        self.is_alive = true;
        self.boot += 1;
        self.next = None;
        self.running.clear();
        self.answered.clear();
        self.senses = Senses::of(self.disk.knows_panel);
        self.acknowledged = Mark { life: self.disk.life(), place: 0 };
        self.desk = Desk::placing_by(self.id, self.program.rules());
        self.peers = Peers::new(self.disk.linked.iter().copied(), self.boot_time(now));
        self.clock = FleetClock::new(self.machine(now), self.disk.ahead, self.boot_time(now));
        self.clock_steps = 0;
        let remembered = self.disk.remembered().by(self.wall(now));
        self.desk.remember(remembered);
        self.hold(watched, now);
    }

    /// The process is gone, and with it what was not written.
    pub(crate) fn crash(&mut self, now: i64) {
        self.is_alive = false;
        self.paused_until = None;
        self.disk.crash(now);
    }

    /// The machine is switched off in mid-write: what it knew of the fleet's time means nothing on its next start, and
    /// the end of its spool is torn.
    pub(crate) fn switch_off(&mut self, now: i64, on_again: i64) {
        self.crash(now);
        self.disk.ahead = None;
        self.switched_on = on_again;
    }

    /// The machine is gone, and its disk with it. What comes in its place has its name, and nothing else.
    pub(crate) fn lose_disk(&mut self, now: i64, on_again: i64) {
        self.switch_off(now, on_again);
        self.disk.lose();
    }

    /// There is room on its disk for more than bare results, or not.
    pub(crate) const fn fill_disk(&mut self, is_full: bool) {
        self.disk.is_full = is_full;
    }

    /// The process goes on after a pause: whatever it measured meanwhile means nothing.
    pub(crate) fn wake_up(&mut self, now: i64) {
        self.paused_until = None;
        let boot = self.boot_time(now);
        self.peers.paused(boot);
        self.next.iter_mut().for_each(|next| next.peers.paused(boot));
        let under_way = self.running.values_mut().filter(|running| running.ended.is_none());
        under_way.for_each(|running| running.is_disturbed = true);
    }

    /// Its process holds the streams and goes by the views on disk; where it has a successor, that does, and it goes on
    /// by those it has.
    fn hold(&mut self, watched: &[Watched], now: i64) {
        let streams = || watched.iter().map(|watched| (watched.stream, watched.held.clone()));
        let wall = self.wall(now);
        let views = Arc::new(self.disk.views.clone());
        match &mut self.next {
            Some(next) => next.desk.hold(streams(), views, wall),
            None => self.views = views,
        }
        self.desk.hold(streams(), self.views.clone(), wall);
    }

    /// Changes the views it holds.
    pub(crate) fn change_views(&mut self, watched: &[Watched], now: i64, change: impl FnOnce(&mut Views)) {
        change(&mut self.disk.views);
        self.hold(watched, now);
    }

    /// Whether its program knows by which rule the view is read. It does not take in one that it cannot read.
    pub(crate) fn can_read(&self, view: &View) -> bool {
        self.newest_program().rules().can_place(view)
    }

    pub(crate) const fn views(&self) -> &Views {
        &self.disk.views
    }

    /// What it says to control of itself and of those it hears.
    pub(crate) fn beat(&self, now: i64) -> Report {
        let (view, hears) = (self.disk.views.newest_number(), self.peers.heard(self.boot_time(now)).collect());
        let (program, failed, panel) = (self.newest_program(), self.failed, self.senses.word());
        Report::Beat { view, hears, program, failed, panel, is_insane: self.is_insane() }
    }

    /// A sign of life of another host.
    pub(crate) fn hear(&mut self, other: HostId, now: i64) {
        let boot = self.boot_time(now);
        self.peers.hear(other, boot);
        if let Some(next) = &mut self.next {
            next.peers.hear(other, boot);
        }
        self.disk.linked.insert(other);
    }

    /// What it says to other hosts: its clock, how far the database holds its spool, and how its panel is.
    pub(crate) fn sign_of_life(&self, now: i64) -> Word {
        Word::Beat(self.machine(now), self.acknowledged, self.senses.word())
    }

    /// Control says how far the database holds its spool.
    pub(crate) fn committed(&mut self, mark: Mark) {
        if mark.life == self.disk.life() {
            self.acknowledged = mark;
        }
    }

    /// A sign of life with what the other's clock shows, how far the database holds what it ran, and how its panel is.
    pub(crate) fn hear_beat(
        &mut self,
        other: HostId,
        (wall, mark, panel): (UnixMs, Mark, Option<PanelWord>),
        now: i64,
    ) {
        self.hear(other, now);
        self.disk.release(other, mark);
        let boot = self.boot_time(now);
        self.clock.hear(Source::Peer(other), wall, 0, boot);
        panel.into_iter().for_each(|word| self.senses.hear(other, word, boot));
    }

    /// Control says what time it is.
    pub(crate) fn hear_control(&mut self, wall: UnixMs, now: i64) {
        self.clock.hear(Source::Control, wall, 0, self.boot_time(now));
    }

    pub(crate) fn take_in(&mut self, from: HostId, statement: Statement, copy: Option<Copied>, now: i64) {
        self.hear(from, now);
        copy.into_iter().for_each(|copy| self.disk.keep(copy, now));
        let receipt = Receipt { slot: statement.slot, from, said: statement.said };
        let wall = self.wall(now);
        self.desk.hear(statement.stream, receipt, wall);
        self.next.iter_mut().for_each(|next| next.desk.hear(statement.stream, receipt, wall));
    }

    pub(crate) fn recap(&mut self, to: HostId, now: i64) -> Vec<(Statement, Option<Copied>)> {
        let wall = self.wall(now);
        let mut statements = self.desk.recap(to, wall);
        statements.extend(self.next.iter_mut().flat_map(|next| next.desk.recap(to, wall)));
        let ran = |said: &Statement| {
            let is_done = said.said == Said::Done;
            is_done.then(|| self.disk.run_of(self.id, said.stream, said.slot)).flatten()
        };
        statements.into_iter().map(|said| (said, ran(&said))).collect()
    }

    /// What it keeps of these hosts, for control that asks.
    pub(crate) fn hand_over(&self, origins: &[HostId]) -> Vec<Copied> {
        origins.iter().flat_map(|origin| self.disk.copies_of(*origin)).collect()
    }

    /// Control has these.
    pub(crate) fn received(&mut self, copies: &[CopyId]) {
        copies.iter().for_each(|id| self.disk.received(*id));
    }

    /// When it has something to do next, by the true clock.
    pub(crate) fn next_wake(&mut self, now: i64) -> Option<i64> {
        let wall = self.wall(now);
        if !self.clock.is_trusted(self.boot_time(now)) {
            return Some(now + UNTRUSTED_WAKE_MS);
        }
        let wakes = [self.desk.next_wake(), self.next.as_ref().and_then(|next| next.desk.next_wake())];
        let wakes = wakes.into_iter().flatten().map(|wake| now + wake.since(wall).max(0));
        wakes.chain(self.reads_next(now)).min()
    }

    pub(crate) fn step(&mut self, now: i64) -> Vec<Effect> {
        let now_by_its_clocks = self.now(now);
        let under_way = self.running.values().filter(|running| running.ended.is_none()).count();
        let mut places = Places { free: self.places.saturating_sub(under_way), is_sane: !self.is_insane() };
        let acts = self.desk.step(now_by_its_clocks, &self.peers, &mut places);
        let mut effects = self.act(acts, false, now);
        if let Some(next) = &mut self.next {
            let acts = next.desk.step(now_by_its_clocks, &next.peers, &mut places);
            effects.extend(self.act(acts, true, now));
        }
        effects
    }

    fn act(&mut self, acts: Vec<Act<()>>, of_next: bool, now: i64) -> Vec<Effect> {
        let mut effects = Vec::new();
        for act in acts {
            match act {
                Act::Run(run) => {
                    let (stream, slot) = (run.stream, run.slot);
                    let statement = Statement { stream, slot, said: Said::Started };
                    effects.extend(run.tell.iter().map(|to| Effect::Tell(*to, statement, None)));
                    effects.push(Effect::Begins(self.next_run));
                    self.begin(stream, slot, run.tell, None, of_next, now);
                }
                Act::Yield { stream, slot, tell } => {
                    let statement = Statement { stream, slot, said: Said::Yields };
                    effects.extend(tell.into_iter().map(|to| Effect::Tell(to, statement, None)));
                }
                Act::GiveUp { .. } => {}
            }
        }
        effects
    }

    /// Its disk, from which it sends.
    pub(crate) const fn disk(&self) -> &Disk {
        &self.disk
    }
}
