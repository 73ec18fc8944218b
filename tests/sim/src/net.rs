//! Links between machines: ordered streams that take their time, stall or break.
//!
//! What is lost on the way is sent again by the machine's own network, so loss is delay. Machine numbers below the number
//! of hosts are hosts; the next ones are control.

use std::collections::BTreeMap;

use crate::fleet::HOSTS;
use crate::random::Random;

/// So many control processes there are, each on a machine of its own.
pub(crate) const PROCESSES: usize = 2;
pub(crate) const MACHINES: usize = HOSTS + PROCESSES;
/// A link that carried nothing for longer than this while it had something to carry is broken by its ends.
pub(crate) const BREAKS_AFTER_MS: i64 = 5_000;

/// One direction of one pair.
#[derive(Clone, Copy, Debug, Default)]
struct Way {
    /// Nothing passes before then; the beginning of a cut is the end of passing.
    cut_until: i64,
    /// Nothing overtakes what was sent before.
    last_arrival: i64,
}

/// What becomes of what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Arrives {
        at: i64,
    },
    /// The link breaks: it is gone, and both ends begin anew.
    Breaks,
}

#[derive(Clone, Debug)]
pub(crate) struct Net {
    ways: Vec<Way>,
    delay_max_ms: i64,
    /// In a thousand messages so many are lost once and sent again.
    loss: i64,
    /// Connections by pair: counted up when one breaks.
    connections: BTreeMap<(usize, usize), u32>,
}

impl Net {
    pub(crate) fn new(delay_max_ms: i64, loss: i64) -> Self {
        Self { ways: vec![Way::default(); MACHINES * MACHINES], delay_max_ms, loss, connections: BTreeMap::new() }
    }

    fn way(&mut self, from: usize, to: usize) -> &mut Way {
        &mut self.ways[from * MACHINES + to]
    }

    /// Nothing passes in this direction until then.
    pub(crate) fn cut(&mut self, from: usize, to: usize, until: i64) {
        let way = self.way(from, to);
        way.cut_until = way.cut_until.max(until);
    }

    /// The number of the connection between two machines; another one carries nothing of an earlier one.
    pub(crate) fn connection(&self, one: usize, other: usize) -> u32 {
        self.connections.get(&pair(one, other)).copied().unwrap_or(0)
    }

    /// The connection is gone.
    pub(crate) fn break_off(&mut self, one: usize, other: usize) {
        *self.connections.entry(pair(one, other)).or_default() += 1;
    }

    /// Whether something passes in this direction now.
    pub(crate) fn is_open(&self, from: usize, to: usize, now: i64) -> bool {
        self.ways[from * MACHINES + to].cut_until <= now
    }

    /// When what is sent now arrives.
    pub(crate) fn send(&mut self, from: usize, to: usize, now: i64, random: &mut Random) -> Fate {
        let mut delay = random.between(1, self.delay_max_ms.max(2));
        if random.chance(self.loss) {
            delay += 200 + random.between(0, 100);
        }
        let way = self.way(from, to);
        if way.cut_until > now + BREAKS_AFTER_MS {
            return Fate::Breaks;
        }
        let at = way.last_arrival.max(now.max(way.cut_until) + delay);
        way.last_arrival = at;
        Fate::Arrives { at }
    }
}

/// The machine of a control process.
pub(crate) const fn control(process: usize) -> usize {
    HOSTS + process
}

/// The control process on a machine, where it is one of control.
pub(crate) const fn process_on(machine: usize) -> Option<usize> {
    machine.checked_sub(HOSTS)
}

fn pair(one: usize, other: usize) -> (usize, usize) {
    (one.min(other), one.max(other))
}
