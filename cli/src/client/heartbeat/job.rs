//! Runs a command and tells of it. Whatever becomes of the calls, the command is run and its end is passed on.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use clap::Args;

use super::call::{SENT_MAX_BYTES, call, url_of};
use crate::exit::{Failure, NO_INPUT};

/// What shells say of a command that a signal has ended: this and the signal's number.
const ENDED_BY_SIGNAL: i32 = 128;

/// Run a command, and say that it starts and how it ends
#[derive(Args, Debug)]
pub(super) struct RunArgs {
    /// Where the job calls, as `farwatch heartbeat show` says
    #[arg(value_name = "URL")]
    url: String,
    /// The command with its arguments
    #[arg(value_name = "COMMAND", required = true, last = true)]
    command: Vec<String>,
}

impl RunArgs {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let url = url_of(&self.url)?;
        told(call(&url, "start", &[]));
        let (code, output) = match self.run_command() {
            Ok((status, output)) => (code_of(status), output),
            Err(error) => {
                let line = format!("cannot run {}: {error}", self.command[0]);
                told(call(&url, "fail", line.as_bytes()));
                return Err(Failure::new(NO_INPUT, line));
            }
        };
        told(call(&url, &code.to_string(), &output));
        if code == 0 { Ok(()) } else { Err(Failure::passed_on(code)) }
    }

    /// Runs it to its end; what it says passes through, and the end of that is returned.
    fn run_command(&self) -> io::Result<(ExitStatus, Vec<u8>)> {
        let (program, arguments) = self.command.split_first().expect("clap demands a command");
        let mut child = Command::new(program).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let end = Arc::new(Mutex::new(VecDeque::new()));
        let passing = [
            child.stdout.take().map(|from| pass_through(from, io::stdout(), end.clone())),
            child.stderr.take().map(|from| pass_through(from, io::stderr(), end.clone())),
        ];
        let status = child.wait()?;
        // A pass ends with what it reads; one that failed has passed on what it could.
        passing.into_iter().flatten().for_each(|passing| drop(passing.join()));
        let end = end.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        Ok((status, end))
    }
}

/// Says that a call was not heard, and goes on.
#[allow(clippy::print_stderr, reason = "the job must not fail for it, and whoever reads its log must know")]
fn told(called: Result<(), Failure>) {
    if let Err(failure) = called {
        failure.tell();
    }
}

/// The exit status as shells have it.
fn code_of(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| ENDED_BY_SIGNAL + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

fn pass_through(
    mut from: impl Read + Send + 'static,
    mut to: impl Write + Send + 'static,
    end: Arc<Mutex<VecDeque<u8>>>,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut piece = [0; 8192];
        while let Ok(read @ 1..) = from.read(&mut piece) {
            // Whoever reads our output may have gone; the job goes on.
            let _ = to.write_all(&piece[..read]).and_then(|()| to.flush());
            let mut end = end.lock().unwrap_or_else(PoisonError::into_inner);
            end.extend(&piece[..read]);
            let surplus = end.len().saturating_sub(SENT_MAX_BYTES);
            end.drain(..surplus);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(script: &str) -> (u8, String) {
        let command = ["sh", "-c", script].map(str::to_owned).to_vec();
        let args = RunArgs { url: "http://127.0.0.1/heartbeat/k".to_owned(), command };
        let (status, output) = args.run_command().unwrap();
        (code_of(status), String::from_utf8(output).unwrap())
    }

    #[test]
    fn a_command_ends_as_it_would_alone_and_the_end_of_its_words_is_kept() {
        assert_eq!(ran("echo well"), (0, "well\n".to_owned()));
        assert_eq!(ran("echo full >&2; exit 3"), (3, "full\n".to_owned()));
        assert_eq!(ran("kill -9 $$").0, 137);
        let (_, long) = ran("yes | head -c 100000; echo end");
        assert!(long.len() == SENT_MAX_BYTES && long.ends_with("end\n"));
    }
}
