//! Plays every attack of `tests/hostile/`, one test for each. `cargo test -p farwatch-guest-cases --test hostile socket`
//! plays those with that word in their names.

use std::process::ExitCode;
use std::sync::LazyLock;

use farwatch_guest_cases::hostile::apart::{self, APART};
use farwatch_guest_cases::hostile::attack::{self, Attack};
use farwatch_guest_cases::hostile::play::Arena;
use farwatch_guest_cases::stage::{COMPILE, STAGE};
use libtest_mimic::{Arguments, Failed, Trial};

/// Fewer would leave out what somebody has thought of.
const ATTACKS_MIN: usize = 40;

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
    let each = attacks
        .into_iter()
        .map(|attack| Trial::test(attack.name.clone(), move || play(&attack).map_err(|error| failed(&error))));
    libtest_mimic::run(&Arguments::from_args(), each.collect()).exit_code()
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
