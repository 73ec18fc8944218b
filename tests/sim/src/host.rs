//! One simulated host: the desk, peers and views of `core`, a disk, and a clock of its own.
//!
//! It does what `farwatch host` does and decides nothing itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use farwatch_core::clocks::{AheadMs, FleetClock, Source};
use farwatch_core::ownership::{Act, Desk, Ended, Facilities, Now, Peers, Readiness, Receipt, Views};
use farwatch_proto::check::StreamId;
use farwatch_proto::id::{HostId, ModuleHash};
use farwatch_proto::peer::{Said, Statement};
use farwatch_proto::time::{BootMs, UnixMs};

use crate::fleet::{BEGIN, Watched, host_id};

/// Results are on disk after this long; what a crash finds in memory is gone.
pub(crate) const WRITTEN_AFTER_MS: i64 = 200;
/// A host that waits for the fleet's time looks again after this long.
const UNTRUSTED_WAKE_MS: i64 = 100;
/// Run places of a host: more than its streams could ever take, unless a fault takes them.
pub(crate) const PLACES: usize = 64;

/// A result in a host's spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) stream: StreamId,
    pub(crate) slot: UnixMs,
    /// By the true clock.
    pub(crate) started: i64,
    pub(crate) covers: bool,
}

/// A run that is under way.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub(crate) stream: StreamId,
    pub(crate) slot: UnixMs,
    pub(crate) started: i64,
    pub(crate) tell: Vec<HostId>,
    pub(crate) is_disturbed: bool,
}

/// What is left of a host that is switched off.
#[derive(Clone, Debug, Default)]
struct Disk {
    views: Views,
    linked: BTreeSet<HostId>,
    /// What it knew of the fleet's time.
    ahead: Option<AheadMs>,
    /// Results with the moment of their writing.
    spool: Vec<(i64, Found)>,
}

/// What a host wants done by its world.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    /// A run begins; it takes as long as its target does.
    Begins(u64),
    /// Say this to another host.
    Tell(HostId, Statement),
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
    pub(crate) running: std::collections::BTreeMap<u64, Running>,
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
            clock: FleetClock::new(UnixMs(BEGIN), None, BootMs(0)),
            clock_steps: 0,
            running: [].into(),
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
        BootMs(now + now * self.drift_ppm / 1_000_000)
    }

    /// What its machine takes for the time.
    pub(crate) const fn machine(&self, now: i64) -> UnixMs {
        UnixMs(BEGIN + self.boot_time(now).0 + self.offset_ms)
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
        self.acknowledged = 0;
        self.desk = Desk::new(self.id);
        self.peers = Peers::new(self.disk.linked.iter().copied(), self.boot_time(now));
        self.clock = FleetClock::new(self.machine(now), self.disk.ahead, self.boot_time(now));
        self.clock_steps = 0;
        self.hold(watched, now);
    }

    /// The process is gone, and with it what was not written.
    pub(crate) fn crash(&mut self, now: i64, held_by_control: usize) {
        self.is_alive = false;
        self.paused_until = None;
        let mut place = 0..;
        self.disk.spool.retain(|(written, _)| place.next() < Some(held_by_control) || *written <= now);
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
                    let running = Running { stream, slot, started: now, tell: run.tell, is_disturbed: false };
                    self.running.insert(self.next_run, running);
                    self.next_run += 1;
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

    /// A run is over: its result is in the spool, and the other owners hear of it.
    pub(crate) fn finish(&mut self, run: u64, now: i64) -> Option<(Found, Vec<Effect>)> {
        let Running { stream, slot, started, tell, is_disturbed } = self.running.remove(&run)?;
        let found = Found { stream, slot, started, covers: !is_disturbed };
        self.disk.spool.push((now + WRITTEN_AFTER_MS, found));
        let ended = if is_disturbed { Ended::Disturbed } else { Ended::Covers };
        let wall = self.wall(now);
        let said = self.desk.ended(stream, slot, ended, wall);
        let tells = tell.into_iter().map(|to| Effect::Tell(to, Statement { stream, slot, said }));
        Some((found, tells.collect()))
    }

    /// What is in its spool beyond this place.
    pub(crate) fn spooled_from(&self, place: usize) -> impl Iterator<Item = Found> {
        self.disk.spool.iter().skip(place).map(|(_, found)| *found)
    }
}
