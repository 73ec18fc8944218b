//! The fleet simulation: the state machines of hosts and control in seeded worlds where anything may fail.
//!
//! It runs the code of `core` that hosts and control run, under links, clocks, processes and disks that are played. What
//! must hold whatever happens is checked in every world; a world that breaks it prints its seed, its last events and how
//! to play it again. It measures nothing of real machines.

mod account;
mod afterwards;
mod books;
mod draft;
mod faults;
mod fleet;
mod host;
mod incidents;
mod leader;
mod net;
mod process;
mod program;
mod random;
mod record;
mod store;
mod upgrades;
mod word;
mod world;

use std::ops::Range;
use std::process::ExitCode;

use account::{Account, account};
use faults::{Kind, Profile};
use world::{LOG_MAX, World};

/// Worlds that are played where nobody says how many.
const SEEDS: u64 = 300;
/// Every so manieth world is one of these; the others know every trouble.
const CALM_ONE_IN: u64 = 20;
const DEATHS_ONE_IN: u64 = 5;
/// These last longer than others, so there are few of them.
const LONG_AWAY_ONE_IN: u64 = 60;
/// Each kind of fault must have come so often in a thousand worlds, or the worlds prove nothing about it.
const EACH_KIND_PER_1000: u64 = 500;

const USAGE: &str = "farwatch-sim [SEEDS [FIRST]]: plays so many worlds from this seed on; one world tells its events";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Result<Vec<u64>, _> = args.iter().map(|arg| arg.parse()).collect();
    match numbers.as_deref() {
        Ok([]) => run(SEEDS, 0),
        Ok([seeds]) => run(*seeds, 0),
        Ok([seeds, first]) => run(*seeds, *first),
        _ => {
            say(USAGE);
            ExitCode::from(64)
        }
    }
}

#[allow(clippy::print_stdout, reason = "this program talks to whoever runs it")]
fn say(line: impl std::fmt::Display) {
    println!("{line}");
}

const fn profile_of(seed: u64) -> Profile {
    match seed % CALM_ONE_IN {
        _ if seed % LONG_AWAY_ONE_IN == LONG_AWAY_ONE_IN - 1 => Profile::LongAway,
        0 => Profile::Calm,
        1 => Profile::Lossy,
        2 => Profile::Rolling,
        3 | 13 => Profile::Blinded,
        4 => Profile::NoPanel,
        n if n.is_multiple_of(DEATHS_ONE_IN) => Profile::OneDeath,
        _ => Profile::Troubled,
    }
}

fn run(seeds: u64, first: u64) -> ExitCode {
    let (mut total, mut calm, mut failed) = (Account::default(), Account::default(), 0);
    for (seed, played) in play_all(first..first + seeds) {
        failed += u64::from(!played.violations.is_empty());
        if profile_of(seed).is_calm() {
            calm.add(&played);
        }
        total.add(&played);
    }
    let counts = Kind::ALL.map(|kind| format!("{}={}", kind.word(), total.faults.of(kind)));
    say(format_args!("sim: faults {}", counts.join(" ")));
    say(format_args!(
        "sim: calm_slots={} false_hedges={} run_by_standbys={} excused={} lost_twice={} take_overs={} lost_transactions={}",
        calm.slots,
        calm.by_standby + calm.doubled,
        total.by_standby,
        total.excused,
        total.lost_twice,
        total.takeovers,
        total.lost_transactions
    ));
    say(format_args!(
        "sim: outages={} incidents={} seen_afterwards={} confirmed_within_ms={} told_again={}",
        total.outages, total.incidents, total.seen_afterwards, total.confirmed_max_ms, total.told_again
    ));
    say(format_args!(
        "sim: handovers={} processes_killed_in_them={} rules_raised={} insane={}",
        total.handovers, total.half_crashes, total.rules_raised, total.insane
    ));
    let doubled_pct = total.doubled as f64 * 100.0 / total.slots.max(1) as f64;
    say(format_args!(
        "sim: seeds={seeds} slots={} missed={} late_max_ms={} doubled_pct={doubled_pct:.2}",
        total.slots,
        total.missed - total.excused - total.lost_twice,
        total.late_max_ms
    ));
    if failed > 0 || !proves_something(seeds, &total) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Plays these worlds on all cores, each on one.
fn play_all(seeds: Range<u64>) -> Vec<(u64, Account)> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    // Whoever plays one world wants to know all that happened in it.
    let log_max = if seeds.clone().count() == 1 { usize::MAX } else { LOG_MAX };
    let share =
        |worker: usize| seeds.clone().skip(worker).step_by(workers).map(|seed| (seed, play(seed, log_max))).collect();
    std::thread::scope(|scope| {
        let playing: Vec<_> = (0..workers).map(|worker| scope.spawn(move || share(worker))).collect();
        let played = playing.into_iter().map(|worker| worker.join().expect("no world panics"));
        played.flat_map(|share: Vec<(u64, Account)>| share).collect()
    })
}

fn play(seed: u64, log_max: usize) -> Account {
    let mut world = World::new(seed, profile_of(seed), log_max);
    world.play();
    let played = account(&world);
    if log_max == usize::MAX {
        world.log.iter().for_each(say);
    }
    if !played.violations.is_empty() {
        tell_of(seed, &world, &played);
    }
    played
}

/// Whether what is to be proven had an occasion to fail.
fn proves_something(seeds: u64, total: &Account) -> bool {
    if seeds < CALM_ONE_IN {
        return true;
    }
    let rare: Vec<&str> = Kind::ALL
        .into_iter()
        .filter(|kind| total.faults.of(*kind) * 1_000 < EACH_KIND_PER_1000 * seeds)
        .map(Kind::word)
        .collect();
    if !rare.is_empty() {
        say(format_args!("sim: came too rarely: {}", rare.join(", ")));
    }
    if total.by_standby == 0 {
        say("sim: no standby ever ran a slot");
    }
    // Each world begins with one.
    let changed_leaders = total.takeovers > seeds;
    if !changed_leaders {
        say("sim: no process of control ever took over from another");
    }
    if total.seen_afterwards == 0 {
        say("sim: no outage was ever seen afterwards");
    }
    if total.half_crashes == 0 {
        say("sim: no process was ever killed while it handed over");
    }
    if total.rules_raised == 0 {
        say("sim: no fleet ever went over to another rule of placement");
    }
    if total.insane == 0 {
        say("sim: no host ever knew that it had lost the world");
    }
    rare.is_empty()
        && total.insane > 0
        && total.by_standby > 0
        && changed_leaders
        && total.rules_raised > 0
        && total.seen_afterwards > 0
        && total.half_crashes > 0
}

fn tell_of(seed: u64, world: &World, played: &Account) {
    say(format_args!(
        "sim: seed {seed} ({:?}) breaks what must hold; play it again: farwatch-sim 1 {seed}",
        profile_of(seed)
    ));
    if world.log.len() <= LOG_MAX {
        world.log.iter().for_each(say);
    }
    for violation in &played.violations {
        say(format_args!("sim: seed {seed}: {violation}"));
    }
}
