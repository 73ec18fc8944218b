//! Runs of simulated hosts, what becomes of them, and what hosts see of their panel of references.

use farwatch_core::sanity::{READ_LIMIT_MS, Turn};

use super::{Event, World};
use crate::faults::Profile;
use crate::fleet::BEGIN;
use crate::host::WRITTEN_AFTER_MS;

impl World {
    pub(super) fn begin(&mut self, host: usize, run: u64) {
        let boot = self.hosts[host].boot;
        let running = &self.hosts[host].running[&run];
        let (stream, slot, is_slot) = (running.stream, running.slot, running.vote.is_none());
        let timeout_ms = self.record.timeout_ms(stream);
        let fails = self.targets.failing(stream.check, self.now);
        let is_down = fails.is_some() || self.hosts[host].blind_until > self.now;
        let hangs = fails.unwrap_or(false) || self.random.chance(50);
        let took = if hangs { timeout_ms } else { self.random.between(20, 400) };
        self.hosts[host].sees(run, is_down);
        if is_slot {
            let watched = &self.watched[self.record.watched_of(stream)];
            self.record.begins(watched, host, slot, self.now);
        }
        let what = if is_slot { "slot" } else { "vote" };
        self.note(|| {
            let check = stream.check.as_bytes()[0];
            format!("host {host} begins {check:02x} {what} {} (fails: {is_down})", slot.0 - BEGIN)
        });
        self.at(self.now + took, Event::RunEnds { host, boot, run });
    }

    pub(super) fn finish(&mut self, host: usize, run: u64) {
        if self.hosts[host].end(run, self.now) {
            self.settle(host);
            self.wake(host);
        }
    }

    /// Tells what is to be told of the runs of a host that are over.
    fn settle(&mut self, host: usize) {
        let settled = self.hosts[host].settle(self.now);
        self.carry_out(host, settled.yields);
        for (found, effects) in settled.told {
            if found.covers && found.vote.is_none() {
                self.record.covers(host, &found);
            }
            // Nobody hears that a slot is done before the result is on disk.
            let boot = self.hosts[host].boot;
            let is_urgent = found.is_down || found.vote.is_some();
            self.at(self.now + WRITTEN_AFTER_MS, Event::Written { host, boot, effects, is_urgent });
        }
    }

    /// Time has passed for the senses of a host.
    pub(super) fn sense(&mut self, host: usize) {
        let turn = self.hosts[host].step_senses(self.now);
        self.turned(host, turn);
        self.settle(host);
        self.read(host);
    }

    /// A host reads its panel, if that is due. References that do not answer are waited for.
    pub(super) fn read(&mut self, host: usize) {
        if self.hosts[host].begins_reading(self.now) {
            let boot = self.hosts[host].boot;
            let passes = self.sees_references(host);
            let took_ms = if passes { self.random.between(20, 400) } else { READ_LIMIT_MS };
            self.at(self.now + took_ms, Event::Read { host, boot, passes });
        }
    }

    pub(super) fn has_read(&mut self, host: usize, passes: bool) {
        let turn = self.hosts[host].has_read(passes, self.now);
        self.turned(host, turn);
        self.settle(host);
        self.wake(host);
    }

    fn sees_references(&self, host: usize) -> bool {
        let lost = &self.hosts[host];
        lost.blind_until.max(lost.unreferenced_until).max(self.panel_out_until) <= self.now
    }

    fn turned(&mut self, host: usize, turn: Option<Turn>) {
        let Some(turn) = turn else { return };
        self.note(|| format!("host {host}: {turn:?}"));
        if matches!(turn, Turn::Insane(_)) {
            self.record.insane += 1;
            if self.profile == Profile::Blinded && self.panel_out_until > self.now {
                let now = self.now;
                self.record.violates(format!("the panel was out for all, and host {host} became insane at {now}"));
            }
        }
        self.note_able(host);
    }

    /// Whether a host is able to run anything, from now on.
    pub(super) fn note_able(&mut self, host: usize) {
        self.record.is_able(host, self.hosts[host].is_able(self.now), self.now);
    }

    /// A host has its references again, unless it has lost them anew. Where nothing else happened it must have noticed.
    pub(super) fn sees_again(&mut self, host: usize) {
        let is_over = self.sees_references(host);
        if self.profile == Profile::Blinded && is_over && !self.hosts[host].is_insane() {
            let now = self.now;
            self.record.violates(format!("host {host} had lost its references, and believed itself at {now}"));
        }
        self.note_able(host);
    }
}
