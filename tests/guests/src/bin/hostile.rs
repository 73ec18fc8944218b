//! `make hostile`: plays every attack, and measures how late 500 good checks on one host begin beside it.
//!
//! It writes the table into `docs/sandbox.md`. `hostile WORD` plays those with the word in their names, and writes nothing.

use std::io::Write;
use std::process::ExitCode;

use anyhow::ensure;
use farwatch_guest_cases::hostile::apart::{self, APART};
use farwatch_guest_cases::hostile::attack::{self, At};
use farwatch_guest_cases::hostile::crowd::Crowd;
use farwatch_guest_cases::hostile::play::Arena;
use farwatch_guest_cases::hostile::report::{self, Row};
use farwatch_guest_cases::stage::{COMPILE, Stage};

/// Checks of one attack, so that it runs every second.
const ATTACKERS: usize = 10;
/// Intervals for which the good checks are watched: without an attacker, and beside each.
const ALONE: i64 = 3;
const BESIDE: i64 = 1;
/// What a guest may cost the others, in milliseconds of the p99 of their lateness.
const BAR_MS: i64 = 50;

fn main() -> ExitCode {
    let word = std::env::args().nth(1);
    if word.as_deref() == Some(COMPILE) {
        return farwatch_sandbox::compile_child::main();
    }
    if let (Some(APART), Some(name)) = (word.as_deref(), std::env::args().nth(2)) {
        return apart::main(&name);
    }
    match run(word.as_deref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "hostile: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(word: Option<&str>) -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let arena = Arena::new(&stage)?;
    let mut attacks = attack::all()?;
    attacks.retain(|attack| word.is_none_or(|word| attack.name.contains(word)));
    let crowd = Crowd::gather()?;
    let mut out = std::io::stdout().lock();
    let alone = crowd.watch(ALONE)?;
    writeln!(out, "alone: p99 {} ms, worst {} ms, late {} of {}", alone.p99_ms, alone.worst_ms, alone.late, alone.due)?;
    let (mut rows, mut late, mut beyond) = (Vec::new(), 0, 0);
    for attack in attacks {
        let end = arena.play(&attack)?;
        let fared = if attack.at == At::Run && !attack.apart {
            let attackers = crowd.set_upon(&arena, &attack, ATTACKERS)?;
            crowd.await_runs(&attackers)?;
            let fared = crowd.watch(BESIDE)?;
            crowd.call_off(&attackers)?;
            late += fared.late;
            beyond += u64::from(fared.p99_ms > alone.p99_ms + BAR_MS);
            Some(fared)
        } else {
            None
        };
        let row = Row::new(attack, end, fared);
        writeln!(out, "{}", row.line())?;
        rows.push(row);
    }
    if word.is_none() {
        report::write(&report::table(alone, &rows))?;
    }
    writeln!(out, "hostile: attacks={} late={late} beyond_{BAR_MS}_ms={beyond}", rows.len())?;
    ensure!(late == 0 && beyond == 0, "good checks were disturbed");
    Ok(())
}
