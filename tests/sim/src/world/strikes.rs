//! How faults befall a world, and how it recovers from them.

use farwatch_proto::time::UnixMs;

use super::targets::Outage;
use super::{Event, LINKS_LAST_MS, NOTICED_PAUSE_MS, World};
use crate::faults::{Fault, HOUR_MS, Kind, Profile};
use crate::fleet::{BEGIN, CHECKS, HOSTS, check_id};
use crate::net::{MACHINES, PROCESSES, control};
use crate::program::Program;
use crate::store::{Transaction, UpgradeChange};
use crate::upgrades::wanted;

/// So many hosts are blind at most within one round of votes: what four of five see is an outage, whatever the cause.
const BLIND_MAX: usize = 3;
const BLIND_MEMORY_MS: i64 = 20_000;
/// Of a thousand orders to take a program; they are repeated each second until it is carried out.
const KILLED_PER_1000: i64 = 15;
/// A standby of the database is behind by so much at most.
const LAG_MAX_MS: i64 = 5_000;

fn all_controls() -> [usize; PROCESSES] {
    std::array::from_fn(control)
}

impl World {
    pub(super) fn strike(&mut self, fault: Fault) {
        self.record.faults.count(fault.kind);
        self.note(|| format!("fault {fault:?}"));
        let until = self.now + fault.lasts_ms;
        match fault.kind {
            Kind::Crash | Kind::TwoCrashes | Kind::Provider | Kind::Reboot | Kind::DiskLost => {
                fault.hosts.iter().for_each(|host| self.crash(*host, fault.kind, until));
            }
            Kind::GoesBack => fault.hosts.iter().for_each(|host| self.change_program(*host, Program::Old, until)),
            Kind::Upgrade => {
                let seen = self.store.tables.upgrade.clone();
                let next = wanted(seen.as_ref(), UnixMs(BEGIN + self.now));
                let _ = self.store.take(Transaction::Upgrade(Box::new(UpgradeChange { seen, next })), self.now);
            }
            Kind::Pause => fault.hosts.iter().for_each(|host| self.pause(*host, until)),
            Kind::Partition | Kind::Mute | Kind::Deaf => self.cut(&fault.hosts, fault.kind, until),
            Kind::CutFromControl => self.cut_from_control(&fault.hosts, until),
            Kind::MassSilence => self.cut(&all_controls(), Kind::Deaf, until),
            Kind::Island => {
                let world: Vec<usize> = (0..HOSTS).filter(|host| !fault.hosts.contains(host)).collect();
                self.cut_from_control(&world, until);
                self.blind(&fault.hosts, until);
            }
            Kind::Blind => self.blind(&fault.hosts, until),
            Kind::References => {
                for host in fault.hosts {
                    self.hosts[host].unreferenced_until = self.hosts[host].unreferenced_until.max(until);
                    self.record.doubts(host, self.now, until);
                    self.at(until, Event::SeesAgain(host));
                }
            }
            Kind::PanelOut => self.panel_out_until = self.panel_out_until.max(until),
            Kind::Drain => {
                for host in fault.hosts {
                    self.drain(host, true);
                    self.at(until, Event::Undrain(host));
                }
            }
            Kind::ClockSet => {
                for host in fault.hosts {
                    let right = self.hosts[host].offset_ms;
                    self.hosts[host].offset_ms += if self.random.chance(500) { HOUR_MS } else { -HOUR_MS };
                    self.at(until, Event::SetClock(host, right));
                }
            }
            Kind::Full => {
                for host in fault.hosts {
                    self.hosts[host].places = 0;
                    self.note_able(host);
                    self.at(until, Event::PlacesReturn(host));
                }
            }
            Kind::DiskFull => {
                for host in fault.hosts {
                    self.hosts[host].fill_disk(true);
                    self.at(until, Event::DiskHasRoom(host));
                }
            }
            Kind::LeaderCrash | Kind::LeaderPause | Kind::ControlAway | Kind::StoreCut => {
                self.strike_control(fault.kind, until);
            }
            Kind::StoreStall => self.store.stalled_until = self.store.stalled_until.max(until),
            Kind::StoreFailover => {
                // The standby lags behind by less than a database that is watched over would be let to.
                let since = self.now - self.random.between(0, LAG_MAX_MS);
                self.store.stalled_until = self.store.stalled_until.max(until);
                self.at(until, Event::FailsOver { since });
            }
            Kind::MassOutage | Kind::Outage => {
                for number in 0..CHECKS {
                    if self.random.chance(900) {
                        let outage = Outage { from: self.now, to: until, hangs: self.random.chance(300) };
                        self.targets.add(check_id(number), outage);
                    }
                }
            }
        }
    }

    fn blind(&mut self, hosts: &[usize], until: i64) {
        for host in hosts {
            let remembered = self.now - BLIND_MEMORY_MS;
            let others = self.hosts.iter().filter(|host| host.blind_until > remembered).count();
            if others < BLIND_MAX || self.hosts[*host].blind_until > remembered {
                self.hosts[*host].blind_until = until;
                self.record.blinds(*host, self.now, until);
                if self.profile.has_panel() {
                    self.record.doubts(*host, self.now, until);
                }
                self.note_able(*host);
                self.at(until, Event::SeesAgain(*host));
            }
        }
    }

    fn cut_from_control(&mut self, hosts: &[usize], until: i64) {
        for (host, control) in hosts.iter().flat_map(|host| all_controls().map(move |control| (*host, control))) {
            self.net.cut(host, control, until);
            self.net.cut(control, host, until);
        }
    }

    /// Whoever leads is struck, and all processes where nobody is to lead.
    fn strike_control(&mut self, kind: Kind, until: i64) {
        let leading: Vec<usize> =
            if kind == Kind::ControlAway { (0..PROCESSES).collect() } else { self.leading().collect() };
        for process in leading {
            match kind {
                Kind::LeaderPause => {
                    self.processes[process].paused_until = Some(until);
                    self.at(until, Event::ProcessResumes(process));
                    self.at(self.now + LINKS_LAST_MS, Event::LinksEnd(process));
                }
                Kind::StoreCut => self.store_cut_until[process] = until,
                _ if self.processes[process].is_up => {
                    self.break_links(control(process));
                    self.processes[process].crash();
                    self.at(until, Event::ProcessStarts(process));
                }
                _ => {}
            }
        }
    }

    pub(super) fn resume_process(&mut self, process: usize) {
        if self.paused_control(process).is_none() {
            self.processes[process].paused_until = None;
        }
    }

    /// Hosts have noticed that a process of control stands still, if it does.
    pub(super) fn links_end(&mut self, process: usize) {
        if self.paused_control(process).is_some() {
            self.break_links(control(process));
        }
    }

    /// Another machine serves the database from now on.
    pub(super) fn fail_over(&mut self, since: i64) {
        let lost = self.store.lose_since(since);
        self.record.lost_transactions += lost as u64;
        self.note(|| format!("the database lost {lost} transactions"));
    }

    /// The host is started again with this program, unless it runs that.
    fn change_program(&mut self, host: usize, program: Program, until: i64) {
        if self.hosts[host].program != program {
            self.hosts[host].program = program;
            self.crash(host, Kind::Crash, until);
        }
    }

    fn crash(&mut self, host: usize, kind: Kind, until: i64) {
        if !self.hosts[host].is_alive {
            return;
        }
        // A process that is killed may be any of two.
        if kind == Kind::Crash && self.hosts[host].hands_over() && self.random.chance(800) {
            return self.crash_one_of_two(host);
        }
        match kind {
            Kind::Reboot => self.hosts[host].switch_off(self.now, until),
            Kind::DiskLost => self.hosts[host].lose_disk(self.now, until),
            _ => self.hosts[host].crash(self.now),
        }
        self.deferred.remove(&host);
        self.note_able(host);
        self.break_links(host);
        self.at(until, Event::Start(host));
    }

    /// Where there is trouble, one host in so many loses one of its processes while one hands over to the other.
    pub(super) fn may_kill_in_handover(&mut self, host: usize) {
        let is_trouble = matches!(self.profile, Profile::Troubled | Profile::NoPanel);
        if is_trouble && self.hosts[host].hands_over() && self.random.chance(KILLED_PER_1000) {
            let at = self.now + self.random.between(0, 10_000);
            self.at(at, Event::HalfCrash(host));
        }
    }

    /// One of the two processes of a host is killed, where it has two.
    pub(super) fn crash_one_of_two(&mut self, host: usize) {
        if !self.hosts[host].is_up() || !self.hosts[host].hands_over() {
            return;
        }
        let now = self.now;
        if self.random.chance(500) {
            self.hosts[host].lose_successor(now);
        } else {
            self.hosts[host].lose_predecessor(now);
        }
        self.note(|| format!("host {host} loses one of its processes"));
        self.record.half_crashes += 1;
        self.wake(host);
    }

    fn pause(&mut self, host: usize, until: i64) {
        if self.hosts[host].is_up() {
            self.hosts[host].paused_until = Some(until);
            self.paused_since.insert(host, self.now);
            self.note_able(host);
            self.at(until, Event::Resume(host));
        }
    }

    pub(super) fn resume(&mut self, host: usize) {
        if self.hosts[host].paused_until.is_none_or(|until| until > self.now) || !self.hosts[host].is_alive {
            return;
        }
        let paused_ms = self.now - self.paused_since.remove(&host).unwrap_or(self.now);
        self.hosts[host].paused_until = None;
        self.note_able(host);
        if paused_ms > NOTICED_PAUSE_MS {
            self.hosts[host].wake_up(self.now);
        }
        let deferred = self.deferred.remove(&host).unwrap_or_default();
        if paused_ms > LINKS_LAST_MS {
            self.break_links(host);
        }
        deferred.into_iter().for_each(|event| self.happen(event));
        self.wake(host);
    }

    fn cut(&mut self, hosts: &[usize], kind: Kind, until: i64) {
        let is_inside = |machine: usize| hosts.contains(&machine);
        for (from, to) in (0..MACHINES).flat_map(|from| (0..MACHINES).map(move |to| (from, to))) {
            let is_cut = match kind {
                Kind::Mute => is_inside(from) && !is_inside(to),
                Kind::Deaf => !is_inside(from) && is_inside(to),
                _ => is_inside(from) != is_inside(to),
            };
            if is_cut {
                self.net.cut(from, to, until);
            }
        }
    }
}
