//! What machines say to each other on their way: sent, arrived, broken off and begun anew.

use super::{Event, RECONNECT_MS, World};
use crate::fleet::host_id;
use crate::host::disk::Mark;
use crate::net::{Fate, MACHINES, control, process_on};
use crate::word::{Report, Told, Word};

impl World {
    pub(super) fn send(&mut self, from: usize, to: usize, word: Word) {
        let pair = (from.min(to), from.max(to));
        if self.broken.contains(&pair) {
            return;
        }
        match self.net.send(from, to, self.now, &mut self.random) {
            Fate::Breaks => self.break_link(from, to),
            Fate::Arrives { at } => {
                let connection = self.net.connection(from, to);
                self.at(at, Event::Arrives { from, to, connection, word });
            }
        }
    }

    fn break_link(&mut self, one: usize, other: usize) {
        self.net.break_off(one, other);
        self.broken.insert((one.min(other), one.max(other)));
        if let Some(process) = process_on(one.max(other)) {
            let host = one.min(other);
            if let Some(leader) = self.processes[process].leader_mut() {
                leader.unlink(host);
            }
            if self.uplink(host).is_none() {
                self.sent.remove(&host);
            }
        }
    }

    pub(super) fn break_links(&mut self, machine: usize) {
        let is_control = process_on(machine).is_some();
        let others = (0..MACHINES).filter(|other| *other != machine && !(is_control && process_on(*other).is_some()));
        others.for_each(|other| self.break_link(machine, other));
    }

    /// The process that a host is connected to.
    fn uplink(&self, host: usize) -> Option<usize> {
        (0..self.processes.len()).find(|process| !self.broken.contains(&(host, control(*process))))
    }

    /// A host says something to control, where it is connected to any.
    pub(super) fn report(&mut self, host: usize, report: Report) {
        if let Some(process) = self.uplink(host) {
            self.send(host, control(process), Word::Reports(report));
        }
    }

    /// A host sends what is in its spool and was not sent on this connection.
    pub(super) fn send_spool(&mut self, host: usize) {
        let Some(from) = self.sent.get(&host).copied() else { return };
        let disk = self.hosts[host].disk();
        let (found, life) = (disk.spooled_from(from, self.now), disk.life());
        if !found.is_empty() {
            self.sent.insert(host, from + found.len());
            self.report(host, Report::Results { from: Mark { life, place: from }, found });
        }
    }

    /// Whether a machine takes in connections: of control, only who leads does, and a host has one with control at most.
    fn connects(&self, one: usize, other: usize) -> bool {
        match process_on(other) {
            Some(process) => self.hosts[one].is_up() && self.uplink(one).is_none() && self.processes[process].listens(),
            None => self.hosts[one].is_up() && self.hosts[other].is_up(),
        }
    }

    /// Whoever can reach each other again is connected again.
    pub(super) fn reconnect(&mut self) {
        self.at(self.now + RECONNECT_MS, Event::Reconnect);
        for (one, other) in self.broken.clone() {
            let is_open = self.net.is_open(one, other, self.now) && self.net.is_open(other, one, self.now);
            if is_open && self.connects(one, other) {
                self.broken.remove(&(one, other));
                self.connect(one, other);
            }
        }
    }

    fn connect(&mut self, one: usize, other: usize) {
        if let Some(process) = process_on(other) {
            let now = self.now;
            let Some(leader) = self.processes[process].leader_mut() else { return };
            let life = self.hosts[one].disk().life();
            self.sent.insert(one, leader.mark((host_id(one), life)));
            for told in leader.welcome(one, life, now) {
                self.send(other, one, Word::Told(told));
            }
            return;
        }
        for (from, to) in [(one, other), (other, one)] {
            let beat = self.hosts[from].sign_of_life(self.now);
            self.send(from, to, beat);
            for (statement, copy) in self.hosts[from].recap(host_id(to), self.now) {
                self.send(from, to, Word::Says(statement, copy));
            }
        }
    }

    pub(super) fn arrive(&mut self, from: usize, to: usize, connection: u32, word: Word) {
        if self.net.connection(from, to) != connection {
            return;
        }
        let Some(process) = process_on(to) else {
            let boot = self.hosts[to].boot;
            let event = Event::Arrives { from, to, connection, word: word.clone() };
            return self.if_up(to, boot, event, |world| world.arrive_at_host(from, to, word));
        };
        if let Some(until) = self.paused_control(process) {
            return self.at(until, Event::Arrives { from, to, connection, word });
        }
        if let (Word::Reports(report), Some(leader)) = (word, self.processes[process].leader_mut()) {
            leader.take_in(from, report);
        }
    }

    fn arrive_at_host(&mut self, from: usize, to: usize, word: Word) {
        let now = self.now;
        match word {
            Word::Beat(wall, mark, panel) => self.hosts[to].hear_beat(host_id(from), (wall, mark, panel), now),
            Word::Says(statement, copy) => self.hosts[to].take_in(host_id(from), statement, copy, now),
            Word::Told(told) => self.told(to, told),
            Word::Reports(_) => {}
        }
        self.wake(to);
    }

    /// Control has told a host something.
    fn told(&mut self, host: usize, told: Told) {
        let now = self.now;
        match told {
            // It goes by what it can read. Whoever could not be told of a view owns nothing by it.
            Told::View(view) | Told::Plan(view) if !self.hosts[host].can_read(&view) => {
                self.note(|| format!("host {host} cannot read view {}", view.number));
            }
            Told::View(view) => {
                let wall = self.hosts[host].wall(now);
                self.record.learns(host, &view, now);
                self.hosts[host].change_views(&self.watched, now, |views| views.put_in_force(view, wall));
            }
            Told::Plan(view) => {
                self.record.planned.insert((host, view.number));
                self.hosts[host].change_views(&self.watched, now, |views| views.put_plan(view));
                let beat = self.hosts[host].beat(now);
                self.report(host, beat);
            }
            Told::Withdraw(number) => {
                self.hosts[host].change_views(&self.watched, now, |views| views.withdraw(number));
            }
            Told::Welcome(wall, mark) => {
                self.hosts[host].hear_control(wall, now);
                self.hosts[host].committed(mark);
            }
            Told::Panel(count) => {
                self.hosts[host].hear_of_panel(count, now);
                self.note_able(host);
            }
            Told::Committed(mark) => self.hosts[host].committed(mark),
            Told::HandOver(origins) => {
                let copies = self.hosts[host].hand_over(&origins);
                if !copies.is_empty() {
                    self.report(host, Report::Carries(copies));
                }
            }
            Told::Upgrade(ordered_at) => {
                self.hosts[host].take_program(&self.watched, ordered_at, now);
                self.note_program(host);
                self.may_kill_in_handover(host);
            }
            Told::Received(copies) => self.hosts[host].received(&copies),
            Told::Run(order) => {
                let effects = self.hosts[host].order(&order, now);
                self.carry_out(host, effects);
                self.send_spool(host);
            }
            Told::Cancel(order) => self.hosts[host].cancel(order),
        }
    }
}
