//! How the program ends: one line on stderr that says what to do, and a code of sysexits.h, or 1 where what was
//! looked at fails.

use std::fmt;
use std::io;
use std::process::ExitCode;

/// What was looked at fails; the command itself did all it was to do.
pub(crate) const FOUND_DOWN: u8 = 1;
/// A bad flag, setting or value.
pub(crate) const USAGE: u8 = 64;
/// The API refused what it was given.
pub(crate) const REFUSED: u8 = 65;
/// Input that cannot be read.
pub(crate) const NO_INPUT: u8 = 66;
/// Something that is needed is not there: a port, a server.
pub(crate) const UNAVAILABLE: u8 = 69;
/// It failed, and it is nobody's input that is wrong.
pub(crate) const FAILED: u8 = 70;
/// A file cannot be made.
pub(crate) const CANNOT_CREATE: u8 = 73;
/// The token may not do this, or is none; or the system does not allow it.
pub(crate) const NO_PERMISSION: u8 = 77;

/// The end of a command that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// A failure with this code and line.
    pub(crate) fn new(code: u8, message: impl fmt::Display) -> Self {
        Self { code, message: message.to_string() }
    }

    /// The end of a command that passes on how another one ended, which said why itself.
    pub(crate) const fn passed_on(code: u8) -> Self {
        Self { code, message: String::new() }
    }

    /// The same, with the places that settings came from instead of the flags they stand for.
    pub(crate) fn blaming(mut self, places: &[(String, String)]) -> Self {
        let its = |flag: &str| self.message.strip_prefix(flag).filter(|rest| rest.starts_with([' ', ':']));
        let named = places.iter().find_map(|(flag, place)| Some(format!("{place}{}", its(flag)?)));
        self.message = named.unwrap_or(self.message);
        self
    }

    /// The same, and what else may be done.
    pub(crate) fn advising(mut self, advice: &str) -> Self {
        self.message = format!("{}; {advice}", self.message);
        self
    }

    /// Says it on stderr, in one line.
    #[allow(clippy::print_stderr, reason = "this is where failures are told")]
    pub(crate) fn tell(&self) -> ExitCode {
        if !self.message.is_empty() {
            eprintln!("farwatch: {}", self.message.replace('\n', " "));
        }
        ExitCode::from(self.code)
    }
}

/// Gives an error its exit code, with all its causes in one line.
pub(crate) trait OrFail<T> {
    /// The value, or a failure with this code.
    fn or_fail(self, code: u8) -> Result<T, Failure>;
}

/// The code of a failure to start that may be a file's fault.
pub(crate) fn code_of(error: &anyhow::Error) -> u8 {
    let of_files = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    match of_files.map(io::Error::kind) {
        Some(io::ErrorKind::NotFound) => NO_INPUT,
        Some(io::ErrorKind::PermissionDenied) => NO_PERMISSION,
        _ => FAILED,
    }
}

impl<T, E: Into<anyhow::Error>> OrFail<T> for Result<T, E> {
    fn or_fail(self, code: u8) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(code, format_args!("{:#}", error.into())))
    }
}
