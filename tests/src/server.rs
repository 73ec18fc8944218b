//! Real servers of protocols other than HTTP, each a process of its own on a port of its own, which ends with the test.
//!
//! A server that is not installed fails the test: none may pass by skipping. What a server is set up to do is said by
//! those below; here it is only started, waited for and ended.

pub mod chrony;
pub mod named;
pub mod openssl;

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::wait::eventually;

/// How long a server may take to start, on a machine busy with other tests.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    directory: TempDir,
}

impl Server {
    /// Starts a program of a Debian package, and waits until it is ready. What it says is kept in its directory.
    ///
    /// # Errors
    /// When it is not installed, ends at once or is not ready in time.
    pub fn start(
        program: (&str, &str),
        arguments: &[&str],
        directory: TempDir,
        ready: impl FnMut() -> anyhow::Result<bool>,
    ) -> anyhow::Result<Self> {
        Self::start_within(PATIENCE, program, arguments, directory, ready)
    }

    /// The same with another patience.
    ///
    /// # Errors
    /// When it is not installed, ends at once or is not ready in time.
    pub fn start_within(
        patience: Duration,
        (program, package): (&str, &str),
        arguments: &[&str],
        directory: TempDir,
        ready: impl FnMut() -> anyhow::Result<bool>,
    ) -> anyhow::Result<Self> {
        let log = directory.path().join("log");
        let output = File::create(&log)?;
        // However the test ends, the server ends with it.
        let child = Command::new("setpriv")
            .args(["--pdeathsig=KILL", program])
            .args(arguments)
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("setpriv cannot be started; install the Debian package util-linux")?;
        let mut server = Self { child, directory };
        server.await_ready(patience, (program, package), ready)?;
        Ok(server)
    }

    fn await_ready(
        &mut self,
        patience: Duration,
        (program, package): (&str, &str),
        mut ready: impl FnMut() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let log = self.directory.path().join("log");
        eventually(&format!("{program} to serve"), patience, || {
            if let Some(status) = self.child.try_wait()? {
                let said = fs::read_to_string(&log)?;
                bail!("{program} of the Debian package {package} ended with {status}: {said}");
            }
            Ok(ready()?.then_some(()))
        })
    }

    fn pid(&self) -> anyhow::Result<Pid> {
        Pid::from_raw(self.child.id().cast_signed()).context("the server has no process id")
    }

    /// Asks it to end, and waits until it has: for a server whose children end with it only then.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn end(&mut self) -> anyhow::Result<()> {
        kill_process(self.pid()?, Signal::TERM)?;
        eventually("a server to end", PATIENCE, || Ok(self.child.try_wait()?.map(drop)))
    }

    /// Stops it in the middle of whatever it does, so that it answers nothing any more, or has it go on.
    ///
    /// # Errors
    /// When it has ended.
    pub fn freeze(&self, is_frozen: bool) -> anyhow::Result<()> {
        Ok(kill_process(self.pid()?, if is_frozen { Signal::STOP } else { Signal::CONT })?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended already is as good as one that is killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A path as the text that configs and arguments are.
///
/// # Errors
/// When it is none.
pub fn path_text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("a path that is no text")
}
