//! Running the tools of a language: each says what it does on standard error, and what to install where it is missing.

use std::ffi::OsString;
use std::io::{self, ErrorKind, Write, stderr};
use std::process::{Command, Output, Stdio};

use crate::exit::{FAILED, Failure, UNAVAILABLE};

/// A step of the build.
pub(super) struct Step<'a> {
    /// What is done, for whoever waits for it.
    pub(super) what: &'a str,
    /// What to do where the tool is not there.
    pub(super) missing: &'a str,
    /// What else to do where it fails.
    pub(super) failed: &'a str,
}

/// Says what is done now. It may take minutes, so it is said to logs as well as to terminals.
pub(super) fn say(what: &str) {
    // A step that cannot be told is not missed.
    let _ = writeln!(stderr(), "farwatch: {what}");
}

/// Runs a tool to its end, and lets it say what it likes.
pub(super) fn run(step: &Step<'_>, command: &mut Command) -> Result<(), Failure> {
    say(step.what);
    let status = command.stdin(Stdio::null()).stdout(stderr()).status();
    let status = status.map_err(|error| not_started(step, command, &error))?;
    if status.success() {
        return Ok(());
    }
    let program = command.get_program().display();
    Err(Failure::new(FAILED, format_args!("{program} failed ({status}), by what it says above{}", step.failed)))
}

/// Runs a tool for what it answers.
pub(super) fn ask(step: &Step<'_>, command: &mut Command) -> Result<Vec<u8>, Failure> {
    let answered = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let Output { status, stdout, .. } = answered.map_err(|error| not_started(step, command, &error))?;
    if status.success() {
        return Ok(stdout);
    }
    let program = command.get_program().display();
    Err(Failure::new(FAILED, format_args!("{program} failed ({status}){}", step.failed)))
}

fn not_started(step: &Step<'_>, command: &Command, error: &io::Error) -> Failure {
    let program = command.get_program().display();
    let why = if error.kind() == ErrorKind::NotFound { "is missing".to_owned() } else { error.to_string() };
    Failure::new(UNAVAILABLE, format_args!("{program} {why}; {}", step.missing))
}

/// The program that a variable names, or the usual one.
pub(super) fn program(variable: &str, usual: &str) -> OsString {
    std::env::var_os(variable).filter(|set| !set.is_empty()).unwrap_or_else(|| usual.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Step<'_> = Step { what: "trying", missing: "install it by `apt`", failed: "; try it by hand" };

    #[test]
    fn a_tool_that_is_missing_or_fails_is_told_with_what_to_do() {
        let told = |command: &mut Command| format!("{:?}", run(&STEP, command).unwrap_err());
        let missing = told(&mut Command::new("no-such-tool"));
        assert!(missing.contains("no-such-tool is missing; install it by `apt`"), "{missing}");
        let failed = told(Command::new("sh").args(["-c", "exit 3"]));
        assert!(failed.contains("exit status: 3") && failed.contains("; try it by hand"), "{failed}");
        assert!(run(&STEP, &mut Command::new("true")).is_ok());
        assert_eq!(ask(&STEP, Command::new("echo").arg("yes")).unwrap(), b"yes\n");
    }
}
