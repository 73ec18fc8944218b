//! Plays every attack of `tests/hostile/`, one test for each. `cargo test -p farwatch-guest-cases --test hostile socket`
//! plays those with that word in their names. `beside-500-good-checks` has those that run do so on a host in a process of its
//! own.

use std::process::ExitCode;
use std::sync::LazyLock;

use anyhow::ensure;
use farwatch_guest_cases::hostile::apart::{self, APART};
use farwatch_guest_cases::hostile::attack::{self, At, Attack};
use farwatch_guest_cases::hostile::crowd::Crowd;
use farwatch_guest_cases::hostile::play::Arena;
use farwatch_guest_cases::stage::{COMPILE, STAGE};
use libtest_mimic::{Arguments, Failed, Trial};

/// Fewer would leave out what somebody has thought of.
const ATTACKS_MIN: usize = 40;

/// Intervals of the good checks for which all attack at once.
const INTERVALS: i64 = 3;

/// Where all of them are played.
static ARENA: LazyLock<Result<Arena<'static>, String>> = LazyLock::new(|| {
    let stage = STAGE.as_ref().map_err(|error| format!("{error:#}"))?;
    Arena::new(stage).map_err(|error| format!("{error:#}"))
});

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    match words.next().as_deref() {
        Some(COMPILE) => return farwatch_sandbox::compile_child::main(),
        Some(APART) => return apart::main(&words.next().unwrap_or_default()),
        _ => {}
    }
    let attacks = attack::all().unwrap_or_else(|error| panic!("the attacks cannot be read: {error:#}"));
    assert!(attacks.len() >= ATTACKS_MIN, "there are only {} attacks", attacks.len());
    let running = attacks.iter().filter(|attack| attack.at == At::Run && !attack.apart).cloned().collect::<Vec<_>>();
    let together = Trial::test("beside-500-good-checks", move || together(&running).map_err(|error| failed(&error)));
    let each = attacks
        .into_iter()
        .map(|attack| Trial::test(attack.name.clone(), move || play(&attack).map_err(|error| failed(&error))));
    libtest_mimic::run(&Arguments::from_args(), each.chain([together]).collect()).exit_code()
}

fn failed(error: &anyhow::Error) -> Failed {
    Failed::from(format!("{error:#}"))
}

fn arena() -> anyhow::Result<&'static Arena<'static>> {
    ARENA.as_ref().map_err(|error| anyhow::anyhow!("{error}"))
}

fn play(attack: &Attack) -> anyhow::Result<()> {
    arena()?.play(attack).map(drop)
}

/// All attacks that run, at once, as checks of one host beside 500 good ones: each ends by its own code there, too, or
/// for want of time or memory, and no good slot is late.
fn together(attacks: &[Attack]) -> anyhow::Result<()> {
    let crowd = Crowd::gather()?;
    let mut attackers = Vec::new();
    for attack in attacks {
        attackers.extend(crowd.set_upon(arena()?, attack, 1)?);
    }
    crowd.await_runs(&attackers)?;
    let fared = crowd.watch(INTERVALS)?;
    for (attack, codes) in attacks.iter().zip(crowd.codes_of(&attackers)?) {
        // Where others compute as well, a guest may meet its deadline, or find no memory, before it has done what it does alone.
        let is_own = |code: &String| *code == attack.code || ["deadline", "no-run-memory"].contains(&code.as_str());
        let is_own = codes.iter().any(is_own);
        ensure!(is_own, "{} ended by {codes:?} there, and not by {}", attack.name, attack.code);
    }
    ensure!(fared.late == 0, "good checks were late: {fared:?}");
    Ok(())
}
