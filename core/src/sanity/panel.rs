//! The readings of a panel of references, and the spells in which they fail.
//!
//! Of what was read the last reading and the last spell are kept: no question goes further back. Knows nothing of other hosts.

use farwatch_proto::time::BootMs;

/// The panel is read this often.
pub const READ_EVERY_MS: i64 = 5_000;
/// And this often while it fails: whoever comes back should know it soon, and references that do not answer bear nothing.
pub const READ_FAILING_EVERY_MS: i64 = READ_LIMIT_MS + READ_GAP_MS;
/// Failures may ask for a reading sooner, but two begin at least this far apart: references are not ours to burden, and a
/// vote that waits for one must not come too late for its round.
pub const READ_GAP_MS: i64 = 500;
/// A reference that has not answered by then does not answer: a lost packet is sent again after one second.
pub const READ_LIMIT_MS: i64 = 2_000;

/// One reading: all references at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// When it began. It says how this host saw the world from then on.
    pub begun: BootMs,
    /// References that answered.
    pub good: u32,
    /// All of them.
    pub of: u32,
}

impl Reading {
    /// Whether half of the references answered.
    pub const fn passes(&self) -> bool {
        2 * self.good >= self.of
    }
}

/// Successive readings that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spell {
    /// When the last good reading before it began; the world may have been lost since then.
    after: Option<BootMs>,
    /// When its first reading began.
    begun: BootMs,
    /// How many readings failed in it.
    readings: u32,
    /// When the reading began that was good again; the last failing one so far where none was.
    until: BootMs,
    /// Whether one was good again.
    pub(super) is_over: bool,
}

impl Spell {
    /// Whether it has lasted for this long, by more than one reading.
    pub(super) fn is_proven(&self, for_ms: i64, now: BootMs) -> bool {
        self.readings > 1 && now.since(self.begun) >= for_ms
    }
}

/// What is kept of the readings.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Readings {
    latest: Option<Reading>,
    /// When the last good one began.
    good: Option<BootMs>,
    spell: Option<Spell>,
}

impl Readings {
    pub(super) const fn latest(&self) -> Option<Reading> {
        self.latest
    }

    pub(super) fn add(&mut self, reading: Reading) {
        self.latest = Some(reading);
        if reading.passes() {
            if let Some(spell) = self.spell.as_mut().filter(|spell| !spell.is_over) {
                (spell.is_over, spell.until) = (true, reading.begun);
            }
            self.good = Some(reading.begun);
            return;
        }
        match self.spell.as_mut().filter(|spell| !spell.is_over) {
            Some(spell) => (spell.readings, spell.until) = (spell.readings + 1, reading.begun),
            None => {
                let (after, begun) = (self.good, reading.begun);
                self.spell = Some(Spell { after, begun, readings: 1, until: begun, is_over: false });
            }
        }
    }

    /// The spell that goes on.
    pub(super) fn failing(&self) -> Option<Spell> {
        self.spell.filter(|spell| !spell.is_over)
    }

    /// The last spell, where a run between these moments may have fallen into it.
    pub(super) fn spell_during(&self, started: BootMs, ended: BootMs) -> Option<Spell> {
        let spell = self.spell?;
        let is_after = spell.after.is_some_and(|good| good >= ended);
        let is_before = spell.is_over && spell.until <= started;
        (!is_after && !is_before).then_some(spell)
    }

    /// When the next reading is due, where a failure that ended at `asked` waits for one.
    pub(super) fn next(&self, asked: Option<BootMs>, now: BootMs) -> BootMs {
        let Some(latest) = self.latest else { return now };
        let every_ms = if latest.passes() { READ_EVERY_MS } else { READ_FAILING_EVERY_MS };
        let in_turn = latest.begun + every_ms;
        match asked.filter(|asked| *asked > latest.begun) {
            Some(asked) => in_turn.min(asked.max(latest.begun + READ_GAP_MS)),
            None => in_turn,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(begun: i64, good: u32) -> Reading {
        Reading { begun: BootMs(begun), good, of: 4 }
    }

    #[test]
    fn half_of_the_references_are_enough() {
        assert!(reading(0, 2).passes() && !reading(0, 1).passes());
        assert!(Reading { begun: BootMs(0), good: 1, of: 1 }.passes());
    }

    #[test]
    fn a_run_falls_into_a_spell_from_the_last_good_reading_to_the_next() {
        let mut readings = Readings::default();
        for (begun, good) in [(0, 4), (5_000, 0), (10_000, 1), (15_000, 4)] {
            readings.add(reading(begun, good));
        }
        let during = |started: i64, ended: i64| readings.spell_during(BootMs(started), BootMs(ended)).is_some();
        for (started, ended, falls) in
            [(-100, 0, false), (-100, 1, true), (100, 4_900, true), (14_999, 16_000, true), (15_000, 16_000, false)]
        {
            assert_eq!(during(started, ended), falls, "{started} to {ended}");
        }
        assert!(readings.failing().is_none());
    }

    #[test]
    fn a_failure_asks_for_a_reading_sooner_but_not_too_often() {
        let mut readings = Readings::default();
        let next = |readings: &Readings, asked: Option<i64>| readings.next(asked.map(BootMs), BootMs(77)).0;
        assert_eq!(next(&readings, None), 77, "at once where none was read yet");
        readings.add(reading(10_000, 4));
        for (asked, due) in [
            (None, 15_000),
            (Some(9_000), 15_000),
            (Some(10_100), 10_500),
            (Some(13_000), 13_000),
            (Some(20_000), 15_000),
        ] {
            assert_eq!(next(&readings, asked), due, "{asked:?}");
        }
        readings.add(reading(15_000, 0));
        assert_eq!(next(&readings, None), 15_000 + READ_FAILING_EVERY_MS);
    }
}
