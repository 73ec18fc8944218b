//! What befalls a world: which faults, whom, when and for how long.

use crate::fleet::{HOSTS, provider_of};
use crate::random::Random;
use crate::world::CALM_MS;

pub(crate) const TEN_MINUTES_MS: i64 = 600_000;
pub(crate) const HOUR_MS: i64 = 3_600_000;
/// Control has been away for so long, to the second, often enough.
const AWAY_MS: i64 = 35_000;

/// Kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A process is killed at any instant, also in mid-run.
    Crash,
    /// Two at once.
    TwoCrashes,
    /// All hosts of a provider.
    Provider,
    /// A machine is switched off in mid-write, and on again: its spool is torn, and its CLOCK_BOOTTIME begins anew.
    Reboot,
    /// A machine is gone with its disk, and one that knows nothing comes in its place.
    DiskLost,
    /// An operator wants the fleet to run the new program, or lets an upgrade go on that has stopped.
    Upgrade,
    /// A machine is started again with the old program.
    GoesBack,
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
    /// Control hears nobody, and is heard.
    MassSilence,
    /// Control and two hosts beside it are cut off from the world: it hears nobody else, and they see every target fail.
    Island,
    /// Hosts lose the internet, but not their peers: whatever they run fails.
    Blind,
    /// A host reaches no reference, but its peers and all targets.
    References,
    /// The references answer nobody.
    PanelOut,
    /// A host has no places left.
    Full,
    /// A host's disk has room for bare results only.
    DiskFull,
    /// Somebody sets a machine's wall clock by an hour.
    ClockSet,
    /// An operator takes hosts out, and lets them return: planned views, raced by whatever else happens.
    Drain,
    /// Whoever leads is killed.
    LeaderCrash,
    /// Whoever leads stands still, and goes on later as if nothing had happened.
    LeaderPause,
    /// Nobody leads: all processes of control are gone.
    ControlAway,
    /// Whoever leads does not reach the database.
    StoreCut,
    /// The database answers nobody for a while.
    StoreStall,
    /// The database fails over to a machine that had not heard of the last transactions.
    StoreFailover,
    /// Most targets fail at once.
    MassOutage,
    /// One target fails.
    Outage,
}

impl Kind {
    pub(crate) const ALL: [Self; 29] = [
        Self::Crash,
        Self::TwoCrashes,
        Self::Provider,
        Self::Reboot,
        Self::DiskLost,
        Self::Upgrade,
        Self::GoesBack,
        Self::Pause,
        Self::Partition,
        Self::Mute,
        Self::Deaf,
        Self::CutFromControl,
        Self::MassSilence,
        Self::Island,
        Self::Blind,
        Self::References,
        Self::PanelOut,
        Self::Full,
        Self::DiskFull,
        Self::ClockSet,
        Self::Drain,
        Self::LeaderCrash,
        Self::LeaderPause,
        Self::ControlAway,
        Self::StoreCut,
        Self::StoreStall,
        Self::StoreFailover,
        Self::MassOutage,
        Self::Outage,
    ];
    /// Those that worlds full of trouble draw from; single outages are in every world.
    const DRAWN: usize = Self::ALL.len() - 1;

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::TwoCrashes => "two_crashes",
            Self::Provider => "provider",
            Self::Reboot => "reboot",
            Self::DiskLost => "disk_lost",
            Self::Upgrade => "upgrade",
            Self::GoesBack => "goes_back",
            Self::Pause => "pause",
            Self::Partition => "partition",
            Self::Mute => "mute",
            Self::Deaf => "deaf",
            Self::CutFromControl => "cut_from_control",
            Self::MassSilence => "mass_silence",
            Self::Island => "island",
            Self::Blind => "blind",
            Self::References => "references",
            Self::PanelOut => "panel_out",
            Self::Full => "full",
            Self::DiskFull => "disk_full",
            Self::ClockSet => "clock_set",
            Self::Drain => "drain",
            Self::LeaderCrash => "leader_crash",
            Self::LeaderPause => "leader_pause",
            Self::ControlAway => "control_away",
            Self::StoreCut => "store_cut",
            Self::StoreStall => "store_stall",
            Self::StoreFailover => "store_failover",
            Self::MassOutage => "mass_outage",
            Self::Outage => "outage",
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
    /// Control is away for an hour, while hosts die one at a time.
    LongAway,
    /// The fleet is upgraded, and nothing else happens but that messages come late.
    Rolling,
    /// Hosts lose their references one at a time, with their targets or without, or all at once while most targets fail.
    Blinded,
    /// Everything happens to a fleet that has no panel of references.
    NoPanel,
    /// Everything happens.
    Troubled,
}

impl Profile {
    pub(crate) const fn delay_max_ms(self) -> i64 {
        match self {
            Self::Troubled | Self::NoPanel => 300,
            Self::Calm | Self::Lossy | Self::OneDeath | Self::LongAway | Self::Rolling | Self::Blinded => 120,
        }
    }

    pub(crate) const fn loss(self) -> i64 {
        match self {
            Self::Lossy | Self::Rolling | Self::Troubled | Self::NoPanel => 10,
            Self::Calm | Self::OneDeath | Self::LongAway | Self::Blinded => 0,
        }
    }

    /// How much too fast or too slow the worst machines count, in millionths.
    pub(crate) const fn bad_drift_ppm(self) -> i64 {
        match self {
            Self::Troubled | Self::NoPanel => 500,
            Self::Calm | Self::Lossy | Self::OneDeath | Self::LongAway | Self::Rolling | Self::Blinded => 20,
        }
    }

    /// How long such a world lasts.
    pub(crate) const fn lasts_ms(self) -> i64 {
        match self {
            Self::LongAway => HOUR_MS + TEN_MINUTES_MS,
            Self::Calm | Self::Lossy | Self::OneDeath | Self::Rolling => TEN_MINUTES_MS,
            Self::Blinded | Self::NoPanel | Self::Troubled => TEN_MINUTES_MS,
        }
    }

    /// Whether operators have named references.
    pub(crate) const fn has_panel(self) -> bool {
        !matches!(self, Self::NoPanel)
    }

    pub(crate) fn is_calm(self) -> bool {
        matches!(self, Self::Calm | Self::Lossy)
    }

    /// The faults of one world.
    pub(crate) fn faults(self, random: &mut Random) -> Vec<Fault> {
        match self {
            Self::Calm | Self::Lossy => Vec::new(),
            Self::Rolling => vec![Fault { at: CALM_MS, kind: Kind::Upgrade, hosts: Vec::new(), lasts_ms: 0 }],
            Self::OneDeath => one_death_at_a_time(self.lasts_ms(), random),
            Self::LongAway => {
                let away = Fault { at: CALM_MS, kind: Kind::ControlAway, hosts: Vec::new(), lasts_ms: HOUR_MS };
                [away].into_iter().chain(one_death_at_a_time(self.lasts_ms(), random)).collect()
            }
            Self::Blinded => one_sense_at_a_time(random),
            Self::NoPanel => {
                let mut faults = trouble(random);
                faults.retain(|fault| !matches!(fault.kind, Kind::References | Kind::PanelOut));
                faults
            }
            Self::Troubled => trouble(random),
        }
    }
}

/// Long enough apart for the host to be back and to own again before the next one dies.
fn one_death_at_a_time(lasts_ms: i64, random: &mut Random) -> Vec<Fault> {
    let times = (CALM_MS..lasts_ms - 2 * CALM_MS).step_by(60_000);
    times
        .map(|from| {
            let (at, host, lasts_ms) =
                (from + random.between(0, 5_000), random.index(HOSTS), random.between(1_000, 20_000));
            Fault { at, kind: Kind::Crash, hosts: vec![host], lasts_ms }
        })
        .collect()
}

/// Each lasts long enough for a host to know that it is blind, and all see again before the next one.
fn one_sense_at_a_time(random: &mut Random) -> Vec<Fault> {
    let rounds = (CALM_MS..TEN_MINUTES_MS - 6 * CALM_MS).step_by(200_000);
    let faults = rounds.flat_map(|from| {
        let mut fault = |kind: Kind, after_ms: i64, lasts_ms: i64| {
            let (at, hosts) = (from + after_ms + random.between(0, 5_000), vec![random.index(HOSTS)]);
            Fault { at, kind, hosts, lasts_ms: lasts_ms + random.between(0, 15_000) }
        };
        [
            fault(Kind::References, 0, 20_000),
            fault(Kind::Blind, 50_000, 20_000),
            fault(Kind::PanelOut, 100_000, 80_000),
            fault(Kind::MassOutage, 105_000, 57_000),
        ]
    });
    faults.collect()
}

fn trouble(random: &mut Random) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut at = CALM_MS;
    while at < TEN_MINUTES_MS - 3 * CALM_MS {
        faults.push(fault(at, random));
        at += random.between(500, 30_000);
    }
    faults
}

fn fault(at: i64, random: &mut Random) -> Fault {
    let kind = Kind::ALL[random.index(Kind::DRAWN)];
    Fault { at, kind, hosts: whom(kind, random), lasts_ms: how_long_ms(kind, random) }
}

fn whom(kind: Kind, random: &mut Random) -> Vec<usize> {
    let one = random.index(HOSTS);
    match kind {
        Kind::DiskLost | Kind::GoesBack | Kind::References => vec![one],
        Kind::Crash | Kind::Reboot | Kind::Pause | Kind::Full | Kind::DiskFull | Kind::ClockSet => vec![one],
        Kind::TwoCrashes | Kind::Drain | Kind::Island => vec![one, (one + 1 + random.index(HOSTS - 1)) % HOSTS],
        Kind::Provider => (0..HOSTS).filter(|host| provider_of(*host) == provider_of(one)).collect(),
        Kind::Blind => (0..=random.index(2)).map(|n| (one + n * 5) % HOSTS).collect(),
        Kind::Partition | Kind::Mute | Kind::Deaf | Kind::CutFromControl => {
            (0..=random.index(4)).map(|n| (one + n * 5) % HOSTS).collect()
        }
        Kind::MassSilence | Kind::LeaderCrash | Kind::LeaderPause | Kind::ControlAway | Kind::StoreCut => Vec::new(),
        Kind::Upgrade | Kind::PanelOut => Vec::new(),
        Kind::StoreStall | Kind::StoreFailover | Kind::MassOutage | Kind::Outage => Vec::new(),
    }
}

fn how_long_ms(kind: Kind, random: &mut Random) -> i64 {
    match kind {
        Kind::Pause | Kind::LeaderPause if random.chance(300) => random.between(5_000, 60_000),
        Kind::Pause | Kind::LeaderPause => random.between(300, 5_000),
        Kind::ControlAway if random.chance(400) => AWAY_MS,
        Kind::ControlAway | Kind::Drain | Kind::LeaderCrash => random.between(5_000, 60_000),
        Kind::Crash | Kind::TwoCrashes | Kind::Provider | Kind::Reboot => random.between(500, 30_000),
        Kind::DiskLost => random.between(5_000, 60_000),
        Kind::Upgrade | Kind::GoesBack => random.between(300, 2_000),
        // Longer than a leader waits for whoever gains by a plan.
        Kind::Deaf if random.chance(300) => random.between(30_000, 60_000),
        Kind::Island | Kind::References | Kind::PanelOut => random.between(10_000, 40_000),
        Kind::StoreStall | Kind::StoreCut | Kind::StoreFailover => random.between(500, 15_000),
        Kind::MassOutage | Kind::Outage => random.between(20_000, 80_000),
        Kind::Partition | Kind::Mute | Kind::Deaf | Kind::CutFromControl | Kind::Full => random.between(200, 30_000),
        Kind::ClockSet | Kind::DiskFull | Kind::MassSilence | Kind::Blind => random.between(200, 30_000),
    }
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
