//! Whether a host may believe what it sees: it may be the host that has lost the world, and not the world that is down.
//!
//! A host reads a panel of references, places that every host should reach, every few seconds. It is insane when its panel
//! fails while the panels of most others pass; then it runs no slots, and its failures are void. A failure is told only once
//! a reading that began after it has said that the host could see. Where too many hosts see their panel fail, the panel is
//! what broke, and it is ignored. A run that found its target up needs no reading: it has reached it. Dials nobody and asks
//! nobody; readings, words and the time come in.

mod panel;

use std::collections::BTreeMap;

use farwatch_proto::id::HostId;
use farwatch_proto::panel::{PanelCount, PanelWord};
use farwatch_proto::time::BootMs;

pub use panel::{READ_EVERY_MS, READ_FAILING_EVERY_MS, READ_GAP_MS, READ_LIMIT_MS, Reading};
use panel::{Readings, Spell};

/// A panel that has failed for this long makes its host insane. Every other host has read its own once meanwhile, and has
/// said so, so that a panel which broke for all is known as that.
pub const INSANE_AFTER_MS: i64 = READ_EVERY_MS + READ_LIMIT_MS + 1_000;
/// What a peer said of its panel counts for so long: a host that is cut off from its peers as well goes by what they said
/// before, until it has had the time to become insane.
pub const WORD_KEPT_MS: i64 = 20_000;
/// What control said of the fleet counts for so long; it repeats it three times meanwhile.
pub const FLEET_WORD_KEPT_MS: i64 = 7_000;
/// More than one failing host in so many, and always more than one, and it is the panel that broke.
pub const BROKEN_ONE_IN: u32 = 5;
/// A failure waits this long for a reading: one that is under way, the gap after it, and its own.
pub const READING_WAIT_MS: i64 = 2 * READ_LIMIT_MS + READ_GAP_MS;
/// A failure that is doubted waits this long until it is known whether the host or the panel is to blame.
pub const DOUBT_MAX_MS: i64 = INSANE_AFTER_MS + READING_WAIT_MS;

/// Whether so many hosts see their panel fail that the panel is to blame.
pub fn is_broken(count: PanelCount) -> bool {
    let all = count.passing.saturating_add(count.failing);
    count.failing > (all / BROKEN_ONE_IN).max(1)
}

/// One run that found something else than its target up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ran {
    /// When it began.
    pub started: BootMs,
    /// When it was over.
    pub ended: BootMs,
}

/// What becomes of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is told.
    Told,
    /// A reading has to say first whether this host could see.
    AwaitsReading,
    /// This host did not see its references after it, while others did. The next owner may go at once; whether the failure
    /// is void is known within [`DOUBT_MAX_MS`].
    Doubted,
    /// The host was to blame: it covers nothing.
    Void,
}

/// A change worth telling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The host has become insane; it sees so many hosts that have their panel and that have not.
    Insane(PanelCount),
    /// It sees its references again, or it is the panel that broke.
    Sane,
}

/// What one host knows of its own sanity.
#[derive(Clone, Debug, Default)]
pub struct Sanity {
    /// Whether there is a panel at all.
    is_on: bool,
    readings: Readings,
    is_insane: bool,
    /// Whether others contradicted the last spell of failing readings, as far as was known last.
    is_contradicted: bool,
    peers: BTreeMap<HostId, (BootMs, PanelWord)>,
    fleet: Option<(BootMs, PanelCount)>,
}

impl Sanity {
    /// There is another panel from now on, or none: what was read of the one before says nothing.
    pub fn replace_panel(&mut self, is_on: bool) {
        let peers = std::mem::take(&mut self.peers);
        *self = Self { is_on, peers, ..Self::default() };
    }

    /// Whether there is a panel.
    pub const fn is_on(&self) -> bool {
        self.is_on
    }

    /// The panel was read. A reading that took longer than it may was disturbed and is to be kept back.
    pub fn read(&mut self, reading: Reading) {
        if !self.is_on {
            return;
        }
        let was_failing = self.readings.failing().is_some();
        self.readings.add(reading);
        // What was said of the spell before says nothing of this one.
        self.is_contradicted &= was_failing || reading.passes();
    }

    /// A peer said how its panel is.
    pub fn hear(&mut self, peer: HostId, word: PanelWord, now: BootMs) {
        if word != PanelWord::Unknown {
            self.peers.insert(peer, (now, word));
        }
    }

    /// Control said how the panel looks to the whole fleet.
    pub const fn hear_of_fleet(&mut self, count: PanelCount, now: BootMs) {
        self.fleet = Some((now, count));
    }

    /// What this host says of its panel.
    pub fn word(&self) -> Option<PanelWord> {
        let latest = self.readings.latest()?;
        Some(if latest.passes() { PanelWord::Passes } else { PanelWord::Fails })
    }

    /// Whether what this host sees is not to be believed.
    pub const fn is_insane(&self) -> bool {
        self.is_insane
    }

    /// When the panel is to be read next; sooner where a failure that was over at `asked` waits for it.
    pub fn reads_next(&self, asked: Option<BootMs>, now: BootMs) -> BootMs {
        self.readings.next(asked, now)
    }

    /// Takes in that time has passed. To be called after every reading, and at least twice a second.
    pub fn step(&mut self, now: BootMs) -> Option<Turn> {
        self.peers.retain(|_, (heard, _)| now.since(*heard) < WORD_KEPT_MS);
        let spell = self.readings.failing();
        if let (Some(_), Some(contradicted)) = (spell, self.contradicted(now)) {
            self.is_contradicted = contradicted;
        }
        let was_insane = self.is_insane;
        self.is_insane = match spell {
            None => false,
            Some(_) if was_insane => self.is_contradicted,
            Some(spell) => spell.is_proven(INSANE_AFTER_MS, now) && self.contradicted(now) == Some(true),
        };
        match (was_insane, self.is_insane) {
            (false, true) => Some(Turn::Insane(self.count(now))),
            (true, false) => Some(Turn::Sane),
            _ => None,
        }
    }

    /// What becomes of a failure of this host.
    pub fn judge(&self, ran: Ran, now: BootMs) -> Fate {
        if !self.is_on {
            return Fate::Told;
        }
        if self.is_insane {
            return Fate::Void;
        }
        // A panel that fails for too many, or for somebody who is alone, says nothing worth waiting for.
        if self.readings.failing().is_some() && !self.is_contradicted {
            return Fate::Told;
        }
        let waited_ms = now.since(ran.ended);
        match self.readings.latest() {
            Some(latest) if latest.begun >= ran.ended => {}
            // A host that cannot read its panel knows no more than one without a panel.
            _ if waited_ms >= READING_WAIT_MS => return Fate::Told,
            _ => return Fate::AwaitsReading,
        }
        match self.readings.spell_during(ran.started, ran.ended) {
            None => Fate::Told,
            Some(Spell { is_over: true, .. }) if self.is_contradicted => Fate::Void,
            Some(Spell { is_over: true, .. }) => Fate::Told,
            Some(_) if waited_ms >= DOUBT_MAX_MS => Fate::Void,
            Some(_) => Fate::Doubted,
        }
    }

    /// Whether the panels of most others pass while this host's fails; `None` where nobody has said anything of late.
    fn contradicted(&self, now: BootMs) -> Option<bool> {
        let count = self.count(now);
        // This host is among those that fail, whether the others have counted it yet or not.
        let others_failing = count.failing.saturating_sub(1);
        let is_known = count.passing > 0 || others_failing > 0;
        is_known.then(|| count.passing > others_failing && !is_broken(count))
    }

    /// How the panel looks to the fleet, this host included: by control's word where that is fresh, or by the peers'.
    fn count(&self, now: BootMs) -> PanelCount {
        let of_fleet = self.fleet.filter(|(heard, _)| now.since(*heard) < FLEET_WORD_KEPT_MS);
        if let Some((_, count)) = of_fleet.filter(|(_, count)| count.passing.saturating_add(count.failing) > 1) {
            return count;
        }
        let mut count = PanelCount { passing: 0, failing: 1 };
        for (_, word) in self.peers.values().filter(|(heard, _)| now.since(*heard) < WORD_KEPT_MS) {
            match word {
                PanelWord::Passes => count.passing += 1,
                PanelWord::Fails => count.failing += 1,
                PanelWord::Unknown => {}
            }
        }
        count
    }
}

#[cfg(test)]
mod tests;
