//! What is left of a simulated host that is switched off: results, copies of others', and what it knew of the fleet.
//!
//! A disk that is lost takes all of it along; whatever is written afterwards lies in another life of it.

use std::collections::{BTreeMap, BTreeSet};

use farwatch_core::clocks::AheadMs;
use farwatch_core::ownership::{Ran, Remembered, Views};
use farwatch_proto::check::StreamId;
use farwatch_proto::id::{BootId, HostId, OrderId};
use farwatch_proto::outcome::{Blame, Outcome, Status};
use farwatch_proto::time::UnixMs;

/// Copies lie in memory for so long, as those of `farwatch host` do.
const COPIES_IN_MEMORY_MS: i64 = 10_000;

/// A result in a host's spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) stream: StreamId,
    pub(crate) slot: UnixMs,
    /// By the true clock.
    pub(crate) started: i64,
    /// By the clock of the host, which is the one on record.
    pub(crate) started_at: UnixMs,
    pub(crate) ended_at: UnixMs,
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

/// A place in the spool of one life of a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    pub(crate) life: u32,
    pub(crate) place: usize,
}

/// Whose result it is, and where it lies in the spool there.
pub(crate) type CopyId = (HostId, Mark);

/// What one host ran, kept by another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Copied {
    pub(crate) id: CopyId,
    pub(crate) found: Found,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    pub(crate) views: Views,
    pub(crate) linked: BTreeSet<HostId>,
    /// What it knew of the fleet's time.
    pub(crate) ahead: Option<AheadMs>,
    /// There is room for results, and for nothing more.
    pub(crate) is_full: bool,
    /// It has been told of the panel of references.
    pub(crate) knows_panel: bool,
    life: u32,
    /// Results with the moment from which on they are safe.
    spool: Vec<(i64, Found)>,
    /// With the moment at which each came.
    copies: BTreeMap<CopyId, (i64, Found)>,
}

impl Disk {
    /// The disk of a host that has exchanged heartbeats with these, and was told of the panel where there is one.
    pub(crate) fn of(linked: BTreeSet<HostId>, knows_panel: bool) -> Self {
        Self { linked, knows_panel, ..Self::default() }
    }

    /// Writes a result, which is safe from this moment on. Answers where it lies.
    pub(crate) fn write(&mut self, safe_from: i64, found: Found) -> Mark {
        self.spool.push((safe_from, found));
        Mark { life: self.life, place: self.spool.len() - 1 }
    }

    /// What was not written yet is gone.
    pub(crate) fn crash(&mut self, now: i64) {
        self.spool.retain(|(safe_from, _)| *safe_from <= now);
        self.copies.retain(|_, (came, _)| now - *came >= COPIES_IN_MEMORY_MS);
    }

    /// Everything is gone.
    pub(crate) fn lose(&mut self) {
        *self = Self { life: self.life + 1, is_full: self.is_full, ..Self::default() };
    }

    pub(crate) const fn life(&self) -> u32 {
        self.life
    }

    /// What earlier processes completed, as the spool says.
    pub(crate) fn remembered(&self) -> Remembered {
        let covering = self.spool.iter().map(|(_, found)| found).filter(|found| found.covers && found.vote.is_none());
        let ran = covering.map(|found| Ran { stream: found.stream, slot: found.slot, ended: found.ended_at });
        let mut remembered = Remembered::default();
        remembered.add_older(BootId::from_bytes([0; 16]), ran);
        remembered
    }

    /// What is safe in the spool beyond this place.
    pub(crate) fn spooled_from(&self, place: usize, now: i64) -> Vec<Found> {
        let beyond = self.spool.iter().skip(place);
        beyond.take_while(|(safe_from, _)| *safe_from <= now).map(|(_, found)| *found).collect()
    }

    /// The run of this slot that is in the spool, for whoever hears only now that it is done.
    pub(crate) fn run_of(&self, me: HostId, stream: StreamId, slot: UnixMs) -> Option<Copied> {
        let is_it =
            |found: &Found| found.stream == stream && found.slot == slot && found.covers && found.vote.is_none();
        let place = self.spool.iter().rposition(|(_, found)| is_it(found))?;
        Some(Copied { id: (me, Mark { life: self.life, place }), found: self.spool[place].1 })
    }

    /// Keeps what another host ran.
    pub(crate) fn keep(&mut self, copy: Copied, now: i64) {
        if !cfg!(mutant = "copies_off") {
            self.copies.entry(copy.id).or_insert((now, copy.found));
        }
    }

    /// The database holds what this host ran before the mark.
    pub(crate) fn release(&mut self, origin: HostId, mark: Mark) {
        let from = Mark { life: mark.life, place: 0 };
        let held: Vec<CopyId> = self.copies.range((origin, from)..(origin, mark)).map(|(id, _)| *id).collect();
        held.iter().for_each(|id| self.received(*id));
    }

    /// Control has this one.
    pub(crate) fn received(&mut self, id: CopyId) {
        self.copies.remove(&id);
    }

    /// What it keeps of this host.
    pub(crate) fn copies_of(&self, origin: HostId) -> impl Iterator<Item = Copied> {
        let of = self.copies.range((origin, Mark::default())..).take_while(move |((other, _), _)| *other == origin);
        of.map(|(id, (_, found))| Copied { id: *id, found: *found })
    }
}
