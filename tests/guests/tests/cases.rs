//! Plays every case of `cases/`, one test for each. `cargo test -p farwatch-guest-cases imap/` plays those of one module.

use std::process::ExitCode;

use farwatch_guest_cases::stage::{COMPILE, STAGE};
use farwatch_guest_cases::{case, server};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(COMPILE) {
        return farwatch_sandbox::compile_child::main();
    }
    let cases = case::all().unwrap_or_else(|error| panic!("the cases cannot be read: {error:#}"));
    let trials = cases.into_iter().map(|case| Trial::test(case.name.clone(), move || play(&case))).collect();
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    server::end_all();
    conclusion.exit_code()
}

fn play(case: &case::Case) -> Result<(), Failed> {
    let stage = STAGE.as_ref().map_err(|error| Failed::from(format!("{error:#}")))?;
    stage.play(case).map(drop).map_err(|error| Failed::from(format!("{error:#}")))
}
