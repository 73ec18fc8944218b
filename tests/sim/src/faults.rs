//! What befalls a world: which faults, whom, when and for how long.

use crate::fleet::{HOSTS, provider_of};
use crate::random::Random;
use crate::world::{CALM_MS, LASTS_MS};

/// Kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A process is killed at any instant, also in mid-run.
    Crash,
    /// Two at once.
    TwoCrashes,
    /// All hosts of a provider.
    Provider,
    /// A process stands still.
    Pause,
    /// Hosts and the rest of the world do not hear each other.
    Partition,
    /// Hosts are not heard, and hear.
    Mute,
    /// Hosts hear nothing, and are heard.
    Deaf,
    /// Hosts hear each other, and control none of these.
    CutFromControl,
    /// Nobody leads.
    ControlAway,
    /// A host has no places left.
    Full,
    /// Somebody sets a machine's wall clock by an hour.
    ClockSet,
    /// An operator takes hosts out, and lets them return: planned views, raced by whatever else happens.
    Drain,
}

impl Kind {
    pub(crate) const ALL: [Self; 12] = [
        Self::Crash,
        Self::TwoCrashes,
        Self::Provider,
        Self::Pause,
        Self::Partition,
        Self::Mute,
        Self::Deaf,
        Self::CutFromControl,
        Self::ControlAway,
        Self::Full,
        Self::ClockSet,
        Self::Drain,
    ];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::TwoCrashes => "two_crashes",
            Self::Provider => "provider",
            Self::Pause => "pause",
            Self::Partition => "partition",
            Self::Mute => "mute",
            Self::Deaf => "deaf",
            Self::CutFromControl => "cut_from_control",
            Self::ControlAway => "control_away",
            Self::Full => "full",
            Self::ClockSet => "clock_set",
            Self::Drain => "drain",
        }
    }
}

/// One fault.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) at: i64,
    pub(crate) kind: Kind,
    pub(crate) hosts: Vec<usize>,
    pub(crate) lasts_ms: i64,
}

/// How a world is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Nothing happens.
    Calm,
    /// One message in a hundred is lost on its way and comes later.
    Lossy,
    /// One host dies at a time, and nothing else happens.
    OneDeath,
    /// Everything happens.
    Troubled,
}

impl Profile {
    pub(crate) const fn delay_max_ms(self) -> i64 {
        match self {
            Self::Troubled => 300,
            Self::Calm | Self::Lossy | Self::OneDeath => 120,
        }
    }

    pub(crate) const fn loss(self) -> i64 {
        match self {
            Self::Lossy | Self::Troubled => 10,
            Self::Calm | Self::OneDeath => 0,
        }
    }

    /// How much too fast or too slow the worst machines count, in millionths.
    pub(crate) const fn bad_drift_ppm(self) -> i64 {
        match self {
            Self::Troubled => 500,
            Self::Calm | Self::Lossy | Self::OneDeath => 20,
        }
    }

    pub(crate) fn is_calm(self) -> bool {
        matches!(self, Self::Calm | Self::Lossy)
    }

    /// The faults of one world.
    pub(crate) fn faults(self, random: &mut Random) -> Vec<Fault> {
        match self {
            Self::Calm | Self::Lossy => Vec::new(),
            Self::OneDeath => one_death_at_a_time(random),
            Self::Troubled => trouble(random),
        }
    }
}

/// Long enough apart for the host to be back and to own again before the next one dies.
fn one_death_at_a_time(random: &mut Random) -> Vec<Fault> {
    let times = (CALM_MS..LASTS_MS - 2 * CALM_MS).step_by(60_000);
    times
        .map(|from| {
            let (at, host, lasts_ms) =
                (from + random.between(0, 5_000), random.index(HOSTS), random.between(1_000, 20_000));
            Fault { at, kind: Kind::Crash, hosts: vec![host], lasts_ms }
        })
        .collect()
}

fn trouble(random: &mut Random) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut at = CALM_MS;
    while at < LASTS_MS - 3 * CALM_MS {
        faults.push(fault(at, random));
        at += random.between(500, 30_000);
    }
    faults
}

fn fault(at: i64, random: &mut Random) -> Fault {
    let kind = Kind::ALL[random.index(Kind::ALL.len())];
    let one = random.index(HOSTS);
    let hosts = match kind {
        Kind::Crash | Kind::Pause | Kind::Full | Kind::ClockSet => vec![one],
        Kind::TwoCrashes | Kind::Drain => vec![one, (one + 1 + random.index(HOSTS - 1)) % HOSTS],
        Kind::Provider => (0..HOSTS).filter(|host| provider_of(*host) == provider_of(one)).collect(),
        Kind::Partition | Kind::Mute | Kind::Deaf | Kind::CutFromControl => {
            let count = 1 + random.index(4);
            (0..count).map(|n| (one + n * 5) % HOSTS).collect()
        }
        Kind::ControlAway => Vec::new(),
    };
    let lasts_ms = match kind {
        Kind::Pause if random.chance(300) => random.between(5_000, 60_000),
        Kind::Pause => random.between(300, 5_000),
        Kind::ControlAway | Kind::Drain => random.between(5_000, 60_000),
        Kind::Crash | Kind::TwoCrashes | Kind::Provider => random.between(500, 30_000),
        // Longer than a leader waits for whoever gains by a plan.
        Kind::Deaf if random.chance(300) => random.between(30_000, 60_000),
        Kind::Partition | Kind::Mute | Kind::Deaf | Kind::CutFromControl | Kind::Full | Kind::ClockSet => {
            random.between(200, 30_000)
        }
    };
    Fault { at, kind, hosts, lasts_ms }
}

/// How many of each kind there were.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts(std::collections::BTreeMap<Kind, u64>);

impl Counts {
    pub(crate) fn count(&mut self, kind: Kind) {
        *self.0.entry(kind).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (kind, count) in &other.0 {
            *self.0.entry(*kind).or_default() += count;
        }
    }

    pub(crate) fn of(&self, kind: Kind) -> u64 {
        self.0.get(&kind).copied().unwrap_or(0)
    }
}
