//! One seeded world: time, hosts, links and control, one event after the other.

mod checks;
mod control;
mod links;
mod runs;
mod strikes;
pub(crate) mod targets;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use farwatch_proto::id::HostId;
use farwatch_proto::time::UnixMs;

use crate::account::bound_after_one_death_ms;
use crate::faults::{Fault, Kind, Profile};
use crate::fleet::{BEGIN, HOSTS, Watched, all_watched, first_view, host_id, index_of};
use crate::host::{Effect, Host, PLACES};
use crate::net::{Net, PROCESSES};
use crate::process::Process;
use crate::random::Random;
use crate::record::Record;
use crate::store::{Store, Transaction};
use crate::word::{Report, Word};
use checks::CHECK_MS;
use control::{Answer, Query};
use targets::{OUTAGES, Targets};

/// Everything works for so long before the first fault, and after the last one until the account is made.
pub(crate) const CALM_MS: i64 = 40_000;
const HEARTBEAT_MS: i64 = 500;
const RECONNECT_MS: i64 = 500;
/// A pause this long is noticed by the loop of a host.
const NOTICED_PAUSE_MS: i64 = 250;
/// A pause longer than this has cost a host its links.
const LINKS_LAST_MS: i64 = 5_000;
/// Machines count too fast or too slow by at most this many millionths: their own clocks are kept right by others.
const DRIFT_PPM: i64 = 20;
/// So many are kept right by nobody.
const BAD_CLOCKS: usize = 2;
/// The last events of a world are told when it fails.
pub(crate) const LOG_MAX: usize = 400;

enum Event {
    Wake {
        host: usize,
        boot: u32,
    },
    RunEnds {
        host: usize,
        boot: u32,
        run: u64,
    },
    Beat {
        host: usize,
        boot: u32,
    },
    Written {
        host: usize,
        boot: u32,
        effects: Vec<Effect>,
        /// Failures and votes leave at once.
        is_urgent: bool,
    },
    Arrives {
        from: usize,
        to: usize,
        connection: u32,
        word: Word,
    },
    /// Time passes for a control process.
    Tick(usize),
    Query {
        process: usize,
        turn: u32,
        asked: i64,
        query: Query,
    },
    Answer {
        process: usize,
        turn: u32,
        asked: i64,
        answer: Answer,
    },
    Reconnect,
    /// Everything is held against what must be so.
    Check,
    Fault(Fault),
    /// The host starts again.
    Start(usize),
    Resume(usize),
    ProcessStarts(usize),
    ProcessResumes(usize),
    /// Whoever was connected to a process that stands still has noticed.
    LinksEnd(usize),
    /// The database serves again, by a machine that had not heard of what was taken since this moment.
    FailsOver {
        since: i64,
    },
    PlacesReturn(usize),
    /// One of the two processes of a host that hands over is killed.
    HalfCrash(usize),
    DiskHasRoom(usize),
    /// A host has read its panel of references.
    Read {
        host: usize,
        boot: u32,
        passes: bool,
    },
    /// A host has its references again.
    SeesAgain(usize),
    /// The operator lets it return.
    Undrain(usize),
    /// The wall clock of a host's machine is set right again.
    SetClock(usize, i64),
}

pub(crate) struct World {
    pub(crate) now: i64,
    pub(crate) watched: Vec<Watched>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) processes: Vec<Process>,
    pub(crate) store: Store,
    pub(crate) targets: Targets,
    pub(crate) record: Record,
    pub(crate) log: VecDeque<String>,
    log_max: usize,
    events: BTreeMap<(i64, u64), Event>,
    next_event: u64,
    net: Net,
    random: Random,
    profile: Profile,
    broken: BTreeSet<(usize, usize)>,
    deferred: BTreeMap<usize, Vec<Event>>,
    paused_since: BTreeMap<usize, i64>,
    /// When everything was last looked at.
    checked_at: i64,
    /// Until when each control process does not reach the database.
    store_cut_until: [i64; PROCESSES],
    /// Until when the references answer nobody.
    panel_out_until: i64,
    /// How far each host's spool was sent on its present connection to control.
    sent: BTreeMap<usize, usize>,
}

impl World {
    /// A world that remembers so many of its events.
    pub(crate) fn new(seed: u64, profile: Profile, log_max: usize) -> Self {
        let (watched, has_panel) = (all_watched(), profile.has_panel());
        let mut random = Random::new(seed);
        let everybody: BTreeSet<HostId> = (0..HOSTS).map(host_id).collect();
        let hosts: Vec<Host> = (0..HOSTS).map(|index| Host::new(index, everybody.clone(), has_panel)).collect();
        let net = Net::new(profile.delay_max_ms(), profile.loss());
        let record = Record::new(&watched);
        let mut world = Self {
            now: 0,
            watched,
            hosts,
            processes: (0..PROCESSES).map(|_| Process::new()).collect(),
            store: Store::new(),
            targets: Targets::new(profile.lasts_ms(), &mut random),
            record,
            log: VecDeque::new(),
            log_max,
            events: BTreeMap::new(),
            next_event: 0,
            net,
            random: Random::new(seed ^ 0x5eed),
            profile,
            broken: BTreeSet::new(),
            deferred: BTreeMap::new(),
            paused_since: BTreeMap::new(),
            checked_at: 0,
            store_cut_until: [0; PROCESSES],
            panel_out_until: 0,
            sent: BTreeMap::new(),
        };
        for host in 0..HOSTS {
            world.hosts[host].offset_ms = world.random.between(-20, 20);
            world.hosts[host].drift_ppm = world.random.between(-DRIFT_PPM, DRIFT_PPM + 1);
            world.record.learns(host, &first_view(), 0);
            world.hosts[host].change_views(&world.watched, 0, |views| views.put_in_force(first_view(), UnixMs(BEGIN)));
            world.start(host);
        }
        for _ in 0..BAD_CLOCKS {
            let ppm = profile.bad_drift_ppm();
            let host = world.random.index(HOSTS);
            world.hosts[host].drift_ppm = if world.random.chance(500) { ppm } else { -ppm };
        }
        (0..OUTAGES).for_each(|_| world.record.faults.count(Kind::Outage));
        for fault in profile.faults(&mut random) {
            world.at(fault.at, Event::Fault(fault));
        }
        (0..PROCESSES).for_each(|process| world.at(process as i64 * 70, Event::Tick(process)));
        world.at(RECONNECT_MS, Event::Reconnect);
        world.at(CHECK_MS, Event::Check);
        world
    }

    /// Plays it to its end, or until something is found that must not be.
    pub(crate) fn play(&mut self) {
        while let Some(((at, _), event)) = self.events.pop_first() {
            if at > self.profile.lasts_ms() || !self.record.violations.is_empty() {
                break;
            }
            self.now = at;
            self.happen(event);
        }
    }

    fn at(&mut self, at: i64, event: Event) {
        self.events.insert((at, self.next_event), event);
        self.next_event += 1;
    }

    fn note(&mut self, text: impl FnOnce() -> String) {
        if self.log.len() >= self.log_max {
            self.log.pop_front();
        }
        self.log.push_back(format!("{:>9} {}", self.now, text()));
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Wake { host, boot } => self.if_up(host, boot, Event::Wake { host, boot }, |world| world.step(host)),
            Event::RunEnds { host, boot, run } => {
                self.if_up(host, boot, Event::RunEnds { host, boot, run }, |world| world.finish(host, run));
            }
            Event::Beat { host, boot } => self.if_up(host, boot, Event::Beat { host, boot }, |world| world.beat(host)),
            Event::Written { host, boot, effects, is_urgent } => {
                let event = Event::Written { host, boot, effects: effects.clone(), is_urgent };
                self.if_up(host, boot, event, |world| {
                    world.carry_out(host, effects);
                    if is_urgent {
                        world.send_spool(host);
                    }
                });
            }
            Event::Arrives { from, to, connection, word } => self.arrive(from, to, connection, word),
            Event::Tick(process) => self.tick(process),
            Event::Query { process, turn, asked, query } => self.query(process, turn, asked, query),
            Event::Answer { process, turn, asked, answer } => self.answer(process, turn, asked, answer),
            Event::Reconnect => self.reconnect(),
            Event::Check => self.check_in_full(),
            Event::Fault(fault) => self.strike(fault),
            Event::Start(host) if !self.hosts[host].is_alive => self.start(host),
            Event::Start(_) => {}
            Event::Resume(host) => self.resume(host),
            Event::ProcessStarts(process) => self.processes[process].is_up = true,
            Event::ProcessResumes(process) => self.resume_process(process),
            Event::LinksEnd(process) => self.links_end(process),
            Event::FailsOver { since } => self.fail_over(since),
            Event::HalfCrash(host) => self.crash_one_of_two(host),
            Event::Undrain(host) => self.drain(host, false),
            Event::DiskHasRoom(host) => self.hosts[host].fill_disk(false),
            Event::SetClock(host, offset_ms) => self.hosts[host].offset_ms = offset_ms,
            Event::PlacesReturn(host) => {
                self.hosts[host].places = PLACES;
                self.note_able(host);
            }
            Event::Read { host, boot, passes } => {
                self.if_up(host, boot, Event::Read { host, boot, passes }, |world| world.has_read(host, passes));
            }
            Event::SeesAgain(host) => self.sees_again(host),
        }
    }

    /// Does it now, or when the host's pause is over; never for a process that is gone.
    fn if_up(&mut self, host: usize, boot: u32, event: Event, act: impl FnOnce(&mut Self)) {
        if !self.hosts[host].is_alive || self.hosts[host].boot != boot {
            return;
        }
        if self.hosts[host].paused_until.is_some() {
            self.deferred.entry(host).or_default().push(event);
            return;
        }
        act(self);
    }

    fn start(&mut self, host: usize) {
        self.hosts[host].start(&self.watched, self.now);
        self.note_program(host);
        self.note_able(host);
        self.break_links(host);
        let boot = self.hosts[host].boot;
        self.at(self.now, Event::Beat { host, boot });
        self.wake(host);
    }

    fn wake(&mut self, host: usize) {
        let boot = self.hosts[host].boot;
        if let Some(at) = self.hosts[host].next_wake(self.now) {
            self.at(at, Event::Wake { host, boot });
        }
    }

    fn step(&mut self, host: usize) {
        // Several wake-ups may be due for one moment; whoever comes first does what is due.
        if self.hosts[host].next_wake(self.now).is_none_or(|at| at > self.now) {
            return;
        }
        let effects = self.hosts[host].step(self.now);
        self.carry_out(host, effects);
        self.read(host);
        self.wake(host);
    }

    fn carry_out(&mut self, host: usize, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Begins(run) => self.begin(host, run),
                Effect::Decline(order) => self.report(host, Report::Declined(order)),
                Effect::Tell(to, statement, copy) => self.send(host, index_of(to), Word::Says(statement, copy)),
            }
        }
    }

    fn beat(&mut self, host: usize) {
        let boot = self.hosts[host].boot;
        self.hosts[host].steer(&self.watched, self.now);
        self.sense(host);
        let sign = self.hosts[host].sign_of_life(self.now);
        for other in (0..HOSTS).filter(|other| *other != host) {
            self.send(host, other, sign.clone());
        }
        if self.hosts[host].hand_over_further(self.now) {
            self.record.handovers += 1;
        }
        let beat = self.hosts[host].beat(self.now);
        self.report(host, beat);
        self.send_spool(host);
        self.wake(host);
        self.at(self.now + HEARTBEAT_MS, Event::Beat { host, boot });
    }

    /// An operator takes a host out, or lets it return.
    fn drain(&mut self, host: usize, is_drained: bool) {
        let _ = self.store.take(Transaction::Drain(host_id(host), is_drained), self.now);
    }

    pub(crate) const fn has_panel(&self) -> bool {
        self.profile.has_panel()
    }

    pub(crate) const fn lasts_ms(&self) -> i64 {
        self.profile.lasts_ms()
    }

    /// Whether the fleet is upgraded in this world and nothing hinders it.
    pub(crate) fn is_rolling(&self) -> bool {
        self.profile == Profile::Rolling
    }

    /// The latest start of a slot, where this world has one.
    pub(crate) fn lateness_bound_ms(&self, watched: &Watched) -> Option<i64> {
        matches!(self.profile, Profile::OneDeath | Profile::Rolling).then(|| bound_after_one_death_ms(watched))
    }
}
