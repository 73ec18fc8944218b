//! One simulated host: the desk, peers and views of `core`, a disk, and a clock of its own.
//!
//! It does what `farwatch host` does and decides nothing itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use farwatch_core::clocks::{AheadMs, FleetClock, Source};
use farwatch_core::ownership::{Act, Desk, Ended, Facilities, Now, Peers, Readiness, Receipt, Views};
use farwatch_proto::check::StreamId;
use farwatch_proto::id::{HostId, ModuleHash, OrderId};
use farwatch_proto::link::Order;
use farwatch_proto::outcome::{Blame, Outcome, Status};
use farwatch_proto::peer::{Said, Statement};
use farwatch_proto::time::{BootMs, UnixMs};

use crate::fleet::{BEGIN, Watched, host_id};
use crate::word::Report;

/// Results are on disk after this long; what a crash finds in memory is gone.
pub(crate) const WRITTEN_AFTER_MS: i64 = 200;
/// A host that waits for the fleet's time looks again after this long.
const UNTRUSTED_WAKE_MS: i64 = 100;
/// Run places of a host: more than its streams could ever take, unless a fault takes them.
pub(crate) const PLACES: usize = 64;
/// Votes take at most one in so many of them.
const VOTES_SHARE: usize = 4;

/// A result in a host's spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) stream: StreamId,
    pub(crate) slot: UnixMs,
    /// By the true clock.
    pub(crate) started: i64,
    /// By the clock of the host, which is the one on record.
    pub(crate) started_at: UnixMs,
    pub(crate) covers: bool,
    /// Whether it saw its target fail.
    pub(crate) is_down: bool,
    /// The order it answers; none for a slot.
    pub(crate) vote: Option<OrderId>,
    /// Whether there was room on the disk for more than that.
    pub(crate) has_detail: bool,
}

impl Found {
    pub(crate) fn status(&self) -> Status {
        match (self.covers, self.is_down) {
            (false, _) => Status::Unknown(Blame::Host),
            (true, true) => Status::Down,
            (true, false) => Status::Up,
        }
    }

    pub(crate) fn outcome(&self) -> Outcome {
        match self.status() {
            Status::Up => Outcome::up(0),
            status if self.has_detail => Outcome::told(status, 0, "simulated", "the target does not answer"),
            status => Outcome::told(status, 0, "", ""),
        }
    }
}

/// A run that is under way.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub(crate) stream: StreamId,
    pub(crate) slot: UnixMs,
    pub(crate) started: i64,
    pub(crate) started_at: UnixMs,
    pub(crate) tell: Vec<HostId>,
    pub(crate) is_disturbed: bool,
    /// The order it answers; none for a slot.
    pub(crate) vote: Option<OrderId>,
    /// Whether its target fails, as the world decides when it begins.
    pub(crate) is_down: bool,
}

/// What is left of a host that is switched off.
#[derive(Clone, Debug, Default)]
struct Disk {
    views: Views,
    linked: BTreeSet<HostId>,
    /// What it knew of the fleet's time.
    ahead: Option<AheadMs>,
    /// Results with the moment from which on they are safe.
    spool: Vec<(i64, Found)>,
    /// There is room for results, and for nothing more.
    is_full: bool,
}

/// What a host wants done by its world.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    /// A run begins; it takes as long as its target does.
    Begins(u64),
    /// Say this to another host.
    Tell(HostId, Statement),
    /// Say to control that there is no place for this order.
    Decline(OrderId),
}

struct Places(usize);

impl Facilities for Places {
    type Place = ();

    fn take_place(&mut self) -> Option<()> {
        self.0 = self.0.checked_sub(1)?;
        Some(())
    }

    fn readiness(&self, _: &ModuleHash) -> Readiness {
        Readiness::Ready
    }
}

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
    pub(crate) running: BTreeMap<u64, Running>,
    /// Orders it has answered, so that none is run twice.
    answered: BTreeMap<OrderId, Found>,
    /// When its machine was switched on.
    switched_on: i64,
    pub(crate) acknowledged: usize,
    clock: FleetClock,
    /// As slots were last planned by it.
    clock_steps: u64,
    desk: Desk,
    peers: Peers,
    disk: Disk,
    next_run: u64,
}

impl Host {
    pub(crate) fn new(index: usize, linked: BTreeSet<HostId>) -> Self {
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
            clock: FleetClock::new(UnixMs(BEGIN), None, BootMs(0)),
            clock_steps: 0,
            running: BTreeMap::new(),
            answered: BTreeMap::new(),
            switched_on: 0,
            acknowledged: 0,
            desk: Desk::new(id),
            peers: Peers::new([], BootMs(0)),
            disk: Disk { linked, ..Disk::default() },
            next_run: 0,
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.is_alive && self.paused_until.is_none()
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
            self.hold(watched, now);
        }
    }

    /// The process starts, with what is on disk.
    pub(crate) fn start(&mut self, watched: &[Watched], now: i64) {
        self.is_alive = true;
        self.boot += 1;
        self.running.clear();
        self.answered.clear();
        self.acknowledged = 0;
        self.desk = Desk::new(self.id);
        self.peers = Peers::new(self.disk.linked.iter().copied(), self.boot_time(now));
        self.clock = FleetClock::new(self.machine(now), self.disk.ahead, self.boot_time(now));
        self.clock_steps = 0;
        self.hold(watched, now);
    }

    /// The process is gone, and with it what was not written.
    pub(crate) fn crash(&mut self, now: i64) {
        self.is_alive = false;
        self.paused_until = None;
        self.disk.spool.retain(|(written, _)| *written <= now);
    }

    /// The machine is switched off in mid-write: what it knew of the fleet's time means nothing on its next start, and
    /// the end of its spool is torn.
    pub(crate) fn switch_off(&mut self, now: i64, on_again: i64) {
        self.crash(now);
        self.disk.ahead = None;
        self.switched_on = on_again;
    }

    /// There is room on its disk for more than bare results, or not.
    pub(crate) const fn fill_disk(&mut self, is_full: bool) {
        self.disk.is_full = is_full;
    }

    /// The process goes on after a pause: whatever it measured meanwhile means nothing.
    pub(crate) fn wake_up(&mut self, now: i64) {
        self.paused_until = None;
        self.peers.paused(self.boot_time(now));
        self.running.values_mut().for_each(|running| running.is_disturbed = true);
    }

    fn hold(&mut self, watched: &[Watched], now: i64) {
        let streams = watched.iter().map(|watched| (watched.stream, watched.held.clone()));
        let wall = self.wall(now);
        self.desk.hold(streams, Arc::new(self.disk.views.clone()), wall);
    }

    /// Changes the views it holds.
    pub(crate) fn change_views(&mut self, watched: &[Watched], now: i64, change: impl FnOnce(&mut Views)) {
        change(&mut self.disk.views);
        self.hold(watched, now);
    }

    pub(crate) const fn views(&self) -> &Views {
        &self.disk.views
    }

    /// What it says to control of itself and of those it hears.
    pub(crate) fn beat(&self, now: i64) -> Report {
        Report::Beat(self.disk.views.newest_number(), self.peers.heard(self.boot_time(now)).collect())
    }

    /// A sign of life of another host.
    pub(crate) fn hear(&mut self, other: HostId, now: i64) {
        self.peers.hear(other, self.boot_time(now));
        self.disk.linked.insert(other);
    }

    /// A sign of life with what the other's clock shows.
    pub(crate) fn hear_beat(&mut self, other: HostId, wall: UnixMs, now: i64) {
        self.hear(other, now);
        self.clock.hear(Source::Peer(other), wall, 0, self.boot_time(now));
    }

    /// Control says what time it is.
    pub(crate) fn hear_control(&mut self, wall: UnixMs, now: i64) {
        self.clock.hear(Source::Control, wall, 0, self.boot_time(now));
    }

    pub(crate) fn take_in(&mut self, from: HostId, statement: Statement, now: i64) {
        self.hear(from, now);
        let receipt = Receipt { slot: statement.slot, from, said: statement.said };
        let wall = self.wall(now);
        self.desk.hear(statement.stream, receipt, wall);
    }

    pub(crate) fn recap(&mut self, to: HostId, now: i64) -> Vec<Statement> {
        let wall = self.wall(now);
        self.desk.recap(to, wall)
    }

    /// When it has something to do next, by the true clock.
    pub(crate) fn next_wake(&mut self, now: i64) -> Option<i64> {
        let wall = self.wall(now);
        if !self.clock.is_trusted(self.boot_time(now)) {
            return Some(now + UNTRUSTED_WAKE_MS);
        }
        self.desk.next_wake().map(|wake| now + wake.since(wall).max(0))
    }

    pub(crate) fn step(&mut self, now: i64) -> Vec<Effect> {
        let mut places = Places(self.places.saturating_sub(self.running.len()));
        let now_by_its_clocks = self.now(now);
        let acts = self.desk.step(now_by_its_clocks, &self.peers, &mut places);
        let mut effects = Vec::new();
        for act in acts {
            match act {
                Act::Run(run) => {
                    let (stream, slot) = (run.stream, run.slot);
                    let statement = Statement { stream, slot, said: Said::Started };
                    effects.extend(run.tell.iter().map(|to| Effect::Tell(*to, statement)));
                    effects.push(Effect::Begins(self.next_run));
                    self.begin(stream, slot, run.tell, None, now);
                }
                Act::Yield { stream, slot, tell } => {
                    let statement = Statement { stream, slot, said: Said::Yields };
                    effects.extend(tell.into_iter().map(|to| Effect::Tell(to, statement)));
                }
                Act::GiveUp { .. } => {}
            }
        }
        effects
    }

    /// Whether the target of this run fails.
    pub(crate) fn sees(&mut self, run: u64, is_down: bool) {
        if let Some(running) = self.running.get_mut(&run) {
            running.is_down = is_down;
        }
    }

    fn begin(&mut self, stream: StreamId, slot: UnixMs, tell: Vec<HostId>, vote: Option<OrderId>, now: i64) {
        let (started, started_at) = (now, self.wall(now));
        let running = Running { stream, slot, started, started_at, tell, is_disturbed: false, vote, is_down: false };
        self.running.insert(self.next_run, running);
        self.next_run += 1;
    }

    /// Control orders a run. One that was answered is answered again, and one that is under way goes on.
    pub(crate) fn order(&mut self, order: &Order, now: i64) -> Vec<Effect> {
        if let Some(found) = self.answered.get(&order.id).copied() {
            self.disk.spool.push((now + WRITTEN_AFTER_MS, found));
            return Vec::new();
        }
        let votes = self.running.values().filter(|running| running.vote.is_some());
        if votes.clone().any(|running| running.vote == Some(order.id)) {
            return Vec::new();
        }
        if votes.count() >= self.places / VOTES_SHARE || self.running.len() >= self.places {
            return vec![Effect::Decline(order.id)];
        }
        let effects = vec![Effect::Begins(self.next_run)];
        self.begin(order.stream, order.ordered_at, Vec::new(), Some(order.id), now);
        effects
    }

    /// Control does not need this order any more.
    pub(crate) fn cancel(&mut self, order: OrderId) {
        self.running.retain(|_, running| running.vote != Some(order));
    }

    /// A run is over: its result is in the spool, and the other owners hear of it.
    pub(crate) fn finish(&mut self, run: u64, now: i64) -> Option<(Found, Vec<Effect>)> {
        let Running { stream, slot, started, started_at, tell, is_disturbed, vote, is_down } =
            self.running.remove(&run)?;
        let (covers, has_detail) = (!is_disturbed, !self.disk.is_full);
        let found = Found { stream, slot, started, started_at, covers, is_down, vote, has_detail };
        self.disk.spool.push((now + WRITTEN_AFTER_MS, found));
        if let Some(order) = vote {
            self.answered.insert(order, found);
            return Some((found, Vec::new()));
        }
        let ended = if is_disturbed { Ended::Disturbed } else { Ended::Covers };
        let wall = self.wall(now);
        let said = self.desk.ended(stream, slot, ended, wall);
        let tells = tell.into_iter().map(|to| Effect::Tell(to, Statement { stream, slot, said }));
        Some((found, tells.collect()))
    }

    /// What is safe in its spool beyond this place.
    pub(crate) fn spooled_from(&self, place: usize, now: i64) -> Vec<Found> {
        let beyond = self.disk.spool.iter().skip(place);
        beyond.take_while(|(written, _)| *written <= now).map(|(_, found)| *found).collect()
    }
}
