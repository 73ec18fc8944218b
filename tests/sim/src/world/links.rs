//! What machines say to each other on their way: sent, arrived, broken off and begun anew.

use super::{Event, RECONNECT_MS, Word, World};
use crate::control::Told;
use farwatch_proto::time::UnixMs;

use crate::fleet::{BEGIN, host_id};
use crate::host::Found;
use crate::net::{CONTROL, Fate};

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
        if one.max(other) == CONTROL {
            self.sent.remove(&one.min(other));
        }
    }

    pub(super) fn break_links(&mut self, machine: usize) {
        (0..=CONTROL).filter(|other| *other != machine).for_each(|other| self.break_link(machine, other));
    }

    fn is_up(&self, machine: usize) -> bool {
        if machine == CONTROL { self.control.is_up } else { self.hosts[machine].is_up() }
    }

    /// Whoever can reach each other again is connected again.
    pub(super) fn reconnect(&mut self) {
        self.at(self.now + RECONNECT_MS, Event::Reconnect);
        for (one, other) in self.broken.clone() {
            let is_open = self.net.is_open(one, other, self.now) && self.net.is_open(other, one, self.now);
            if is_open && self.is_up(one) && self.is_up(other) {
                self.broken.remove(&(one, other));
                self.connect(one, other);
            }
        }
    }

    fn connect(&mut self, one: usize, other: usize) {
        if other == CONTROL {
            // Control welcomes it: what its database holds, the newest view, and a plan where there is one.
            let id = host_id(one);
            let mark = self.control.mark(id);
            self.sent.insert(one, mark);
            let (view, plan) = (self.control.newest().clone(), self.control.plan().cloned());
            self.send(CONTROL, one, Word::Told(Told::Welcome(UnixMs(BEGIN + self.now), mark)));
            self.send(CONTROL, one, Word::Told(Told::View(view)));
            if let Some(plan) = plan {
                self.send(CONTROL, one, Word::Told(Told::Plan(plan)));
            }
            return;
        }
        for (from, to) in [(one, other), (other, one)] {
            let wall = self.hosts[from].machine(self.now);
            self.send(from, to, Word::Beat(wall));
            for statement in self.hosts[from].recap(host_id(to), self.now) {
                self.send(from, to, Word::Says(statement));
            }
        }
    }

    pub(super) fn arrive(&mut self, from: usize, to: usize, connection: u32, word: Word) {
        if self.net.connection(from, to) != connection {
            return;
        }
        if to == CONTROL {
            if self.control.is_up {
                self.arrive_at_control(from, word);
            }
            return;
        }
        let boot = self.hosts[to].boot;
        let event = Event::Arrives { from, to, connection, word: word.clone() };
        self.if_up(to, boot, event, |world| world.arrive_at_host(from, to, word));
    }

    fn arrive_at_host(&mut self, from: usize, to: usize, word: Word) {
        let now = self.now;
        match word {
            Word::Beat(wall) => self.hosts[to].hear_beat(host_id(from), wall, now),
            Word::Says(statement) => self.hosts[to].take_in(host_id(from), statement, now),
            Word::Told(Told::View(view)) => {
                let wall = self.hosts[to].wall(now);
                self.hosts[to].change_views(&self.watched, now, |views| views.put_in_force(view, wall));
            }
            Word::Told(Told::Plan(view)) => {
                self.hosts[to].change_views(&self.watched, now, |views| views.put_plan(view));
                let held = self.hosts[to].views().newest_number();
                self.send(to, CONTROL, Word::HostBeat(held));
            }
            Word::Told(Told::Withdraw(number)) => {
                self.hosts[to].change_views(&self.watched, now, |views| views.withdraw(number));
            }
            Word::Told(Told::Welcome(wall, mark)) => {
                self.hosts[to].hear_control(wall, now);
                self.hosts[to].acknowledged = mark;
            }
            Word::Told(Told::Committed(mark)) => self.hosts[to].acknowledged = mark,
            Word::HostBeat(_) | Word::Results { .. } => {}
        }
        self.wake(to);
    }

    fn arrive_at_control(&mut self, from: usize, word: Word) {
        let id = host_id(from);
        self.control.hear(id, self.now);
        match word {
            Word::HostBeat(Some(view)) => self.control.acknowledge(id, view),
            Word::Results { from: place, found } => {
                let of = |found: Found| (self.record.watched_of(found.stream), found);
                let results: Vec<(usize, Found)> = found.into_iter().map(of).collect();
                let mark = self.control.commit(id, place, &results);
                self.send(CONTROL, from, Word::Told(Told::Committed(mark)));
            }
            Word::HostBeat(None) | Word::Beat(_) | Word::Says(_) | Word::Told(_) => {}
        }
    }
}
