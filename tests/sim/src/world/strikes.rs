//! How faults befall a world, and how it recovers from them.

use super::{Event, LINKS_LAST_MS, NOTICED_PAUSE_MS, World};
use crate::faults::{Fault, Kind};
use crate::fleet::host_id;
use crate::net::CONTROL;

/// What somebody sets a wall clock by.
const HOUR_MS: i64 = 3_600_000;

impl World {
    pub(super) fn strike(&mut self, fault: Fault) {
        self.record.faults.count(fault.kind);
        self.note(|| format!("fault {fault:?}"));
        let until = self.now + fault.lasts_ms;
        match fault.kind {
            Kind::Crash | Kind::TwoCrashes | Kind::Provider => {
                for host in fault.hosts {
                    self.crash(host, until);
                }
            }
            Kind::Pause => {
                for host in fault.hosts {
                    self.pause(host, until);
                }
            }
            Kind::Partition | Kind::Mute | Kind::Deaf => self.cut(&fault.hosts, fault.kind, until),
            Kind::CutFromControl => {
                for host in fault.hosts {
                    self.net.cut(host, CONTROL, until);
                    self.net.cut(CONTROL, host, until);
                }
            }
            Kind::ControlAway => {
                self.control.is_up = false;
                self.break_links(CONTROL);
                self.at(until, Event::ControlReturns);
            }
            Kind::Drain => {
                for host in fault.hosts {
                    self.control.drain(host_id(host), true);
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
                    self.record.is_able(host, false, self.now);
                    self.at(until, Event::PlacesReturn(host));
                }
            }
        }
    }

    fn crash(&mut self, host: usize, until: i64) {
        if !self.hosts[host].is_alive {
            return;
        }
        let held = self.control.mark(host_id(host));
        self.hosts[host].crash(self.now, held);
        self.deferred.remove(&host);
        self.record.is_able(host, false, self.now);
        self.break_links(host);
        self.at(until, Event::Start(host));
    }

    fn pause(&mut self, host: usize, until: i64) {
        if self.hosts[host].is_up() {
            self.hosts[host].paused_until = Some(until);
            self.paused_since.insert(host, self.now);
            self.record.is_able(host, false, self.now);
            self.at(until, Event::Resume(host));
        }
    }

    pub(super) fn resume(&mut self, host: usize) {
        if self.hosts[host].paused_until.is_none_or(|until| until > self.now) || !self.hosts[host].is_alive {
            return;
        }
        let paused_ms = self.now - self.paused_since.remove(&host).unwrap_or(self.now);
        self.hosts[host].paused_until = None;
        self.record.is_able(host, true, self.now);
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
        for (from, to) in (0..=CONTROL).flat_map(|from| (0..=CONTROL).map(move |to| (from, to))) {
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
