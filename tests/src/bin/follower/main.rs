//! `make follower`: the leader of two control processes on PostgreSQL is killed, stopped and cut off from its database,
//! so often each, while a site goes down and comes up, and then the account.
//!
//! `follower [TIMES]`. Anything lost or doubled is a failure, and so is a takeover that takes longer than promised.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it speaks to whoever runs it")]

use std::process::ExitCode;

use anyhow::{Context, ensure};
use farwatch_tests::ordeal::{Blow, Controls};

/// What the issue of this command asks for.
const TIMES: usize = 50;
/// From a kill to the next leader.
const TAKEOVER_MAX_MS: i64 = 8_000;

fn main() -> ExitCode {
    match torment() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("follower: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn torment() -> anyhow::Result<()> {
    let times = std::env::args().nth(1).map(|word| word.parse().context("TIMES is no number")).transpose()?;
    let times = times.unwrap_or(TIMES);
    let mut controls = Controls::begin()?;
    let mut took_ms = Vec::new();
    for time in 1..=times {
        for blow in [Blow::Kill, Blow::Stop, Blow::Cut] {
            took_ms.push(controls.strike(blow).with_context(|| format!("{blow:?}, time {time}"))?);
        }
        println!(
            "follower: {time} of {times}: killed, stopped and cut off, replaced after {:?} ms",
            &took_ms[took_ms.len() - 3..]
        );
    }
    let account = controls.account()?;
    took_ms.sort_unstable();
    let (median, max) = (took_ms[took_ms.len() / 2], took_ms[took_ms.len() - 1]);
    println!(
        "follower: takeovers={} p50_ms={median} max_ms={max} lost={} doubled={} outages={} missed={} doubled_messages={}",
        took_ms.len(),
        account.lost,
        account.doubled_incidents,
        account.outages,
        account.missed,
        account.doubled_messages,
    );
    account.must_hold()?;
    ensure!(max <= TAKEOVER_MAX_MS, "a takeover took {max} ms, and {TAKEOVER_MAX_MS} are promised");
    Ok(())
}
