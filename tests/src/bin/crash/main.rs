//! `make crash`: kill -9 of control at random instants and at every point where it would hurt most, on both engines,
//! while a site goes down and comes up, and then the account.
//!
//! `crash [KILLS] [SEED]`. The last line of each engine says what was lost; anything lost or missed is a failure.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it speaks to whoever runs it")]

use std::process::ExitCode;

use anyhow::Context;
use farwatch_tests::clock::now;
use farwatch_tests::ordeal::{CRASH_POINTS, Kills};
use farwatch_tests::postgres::{Durability, Postgres};
use farwatch_tests::system::System;

/// What the issue of this command asks for.
const KILLS: usize = 300;
/// One kill in so many comes while hours are folded.
const FOLDING_SHARE: usize = 15;
/// How often it says how far it is.
const TOLD_EVERY: usize = 10;

fn main() -> ExitCode {
    match torment() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("crash: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn torment() -> anyhow::Result<()> {
    let number = |n: usize, what: &str| -> anyhow::Result<Option<u64>> {
        std::env::args()
            .nth(n)
            .map(|word| word.parse().with_context(|| format!("{what} {word} is no number")))
            .transpose()
    };
    let kills = number(1, "KILLS")?.map_or(KILLS, |kills| kills as usize);
    let seed = number(2, "SEED")?.unwrap_or_else(|| now().0.unsigned_abs());
    println!("crash: {kills} kills on each engine; to choose the same instants again: crash {kills} {seed}");
    on_engine("sqlite", System::builder(), kills, seed)?;
    let postgres = Postgres::start(Durability::Safe)?;
    let system = System::builder().controls(1, &postgres.create_database()?);
    on_engine("postgres", system, kills, seed)
}

fn on_engine(
    engine: &str,
    system: farwatch_tests::system::SystemBuilder,
    kills: usize,
    seed: u64,
) -> anyhow::Result<()> {
    let mut ordeal = Kills::begin(system, seed)?;
    ordeal.strike_folding(kills.div_ceil(FOLDING_SHARE))?;
    while ordeal.count() < kills {
        ordeal.strike()?;
        if ordeal.count().is_multiple_of(TOLD_EVERY) {
            println!("crash: engine={engine} kills={} of {kills}", ordeal.count());
        }
    }
    let (count, died_at) = (ordeal.count(), ordeal.died_at);
    let points: Vec<String> = CRASH_POINTS
        .iter()
        .chain(["anywhere"].iter())
        .zip(died_at)
        .map(|(point, times)| format!("{point}={times}"))
        .collect();
    let account = ordeal.account()?;
    println!("crash: engine={engine} {}", points.join(" "));
    println!("crash: engine={engine} kills={count} {account}");
    account.must_hold()
}
