//! What is kept of failed runs for longer than the journal, which keeps every run for two days.
//!
//! Kept is what tells people why: the run that changed what is held of its check, every vote that was counted, and of
//! what goes on failing one run per code in ten minutes. A tenant has so much room a day; what does not fit is refused
//! and nothing is pushed out, for what came first is how an outage began. Routine runs may fill half of the room, so
//! that changes and votes find some. Results that came too late to be judged are not considered: they stand in the
//! journal, and what they were is said by the incident that is seen afterwards.

mod brought;
mod memory;
mod showing;

use farwatch_proto::time::UnixMs;

pub use brought::{Brought, brought_by};
pub use memory::{Codes, Day, Memory};
pub use showing::Showing;

/// What goes on failing with the same code is kept once in this time.
pub const THINNED_MS: i64 = 10 * 60_000;
/// The codes of one check that routine runs may bring in that time: a module has a dozen or two, and of one that makes
/// up codes the first say enough.
pub const CODES_MAX: usize = 8;
/// Pieces of one tenant and UTC day: four outages a day in which a thousand checks bring five votes each.
pub const PIECES_PER_DAY_MAX: u32 = 20_000;
/// Their bytes: as many pieces of the size that the built-in modules bring, twice over. Thirty such days are a gigabyte.
pub const BYTES_PER_DAY_MAX: u64 = 32 * 1024 * 1024;
/// A slot may be so much newer than the moment its result came: clocks of hosts may differ by less.
pub const AHEAD_MAX_MS: i64 = 60_000;

/// Why a run is worth keeping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// What is held of its check changed by it.
    Change,
    /// It answered a question about an outage or a recovery.
    Vote,
    /// It failed like others before it.
    Slot,
}

/// What one run offers.
#[derive(Clone, Copy, Debug)]
pub struct Offered<'a> {
    /// Why it is worth keeping.
    pub occasion: Occasion,
    /// Its code.
    pub code: &'a str,
    /// How much it weighs.
    pub bytes: u64,
    /// Its slot.
    pub slot: UnixMs,
}

/// What is kept already of a tenant and a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Pieces.
    pub pieces: u32,
    /// Their bytes.
    pub bytes: u64,
}

impl Used {
    /// With one more piece.
    #[must_use]
    pub const fn with(self, bytes: u64) -> Self {
        Self { pieces: self.pieces + 1, bytes: self.bytes + bytes }
    }

    /// Whether one more piece fits into this share of the room.
    const fn has_room_for(self, bytes: u64, share: u32) -> bool {
        self.pieces < PIECES_PER_DAY_MAX / share && self.bytes + bytes <= BYTES_PER_DAY_MAX / share as u64
    }
}

/// What becomes of what was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// It is kept.
    Kept,
    /// As much was kept of late.
    Repeats,
    /// Its tenant has no room left that day.
    NoRoom,
    /// Its slot is of a day of which nobody knows any more what was kept, or is still to come.
    OutOfTime,
}

/// Whether to keep what was offered at `now`, where `codes` of its check were kept of late, and of its tenant so much
/// on the day of its slot.
pub fn rule(offered: &Offered<'_>, codes: Option<&Codes>, used: Used, now: UnixMs) -> Ruling {
    if Day::of(offered.slot) < Day::first_remembered(now) || offered.slot.since(now) > AHEAD_MAX_MS {
        return Ruling::OutOfTime;
    }
    let is_routine = offered.occasion == Occasion::Slot;
    if is_routine && codes.is_some_and(|codes| repeats(codes, offered.code, now)) {
        return Ruling::Repeats;
    }
    let share = if is_routine { 2 } else { 1 };
    if used.has_room_for(offered.bytes, share) { Ruling::Kept } else { Ruling::NoRoom }
}

fn repeats(codes: &Codes, code: &str, now: UnixMs) -> bool {
    let is_recent = |kept: &UnixMs| now.since(*kept) < THINNED_MS;
    codes.get(code).is_some_and(is_recent) || codes.values().filter(|kept| is_recent(kept)).count() >= CODES_MAX
}

#[cfg(test)]
mod tests;
