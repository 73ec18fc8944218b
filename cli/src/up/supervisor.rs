//! Keeps the child processes of `up` running, and ends them with it.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

/// How long a child may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(10);
/// A child that ran this long starts again without back-off.
const STEADY: Duration = Duration::from_secs(60);

/// A process that finds this in its environment ends with its parent, however that ends.
pub(crate) const EXIT_WITH_PARENT: &str = "FARWATCH_EXIT_WITH_PARENT";

/// A child and how to start it.
#[derive(Clone)]
pub(super) struct Role {
    /// What it is called in the output.
    pub(super) name: String,
    /// Its words and flags.
    pub(super) args: Vec<String>,
    /// What it is told by its environment, for it is secret or long.
    pub(super) environment: Vec<(&'static str, String)>,
    /// Where its log goes.
    pub(super) log: PathBuf,
}

impl Role {
    fn start(&self) -> anyhow::Result<Child> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("cannot write {}", self.log.display()))?;
        let child = Command::new(program)
            .args(&self.args)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env(EXIT_WITH_PARENT, "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn();
        child.with_context(|| format!("cannot start {}", self.name))
    }
}

/// When a child that ended is started again: after the first wait, and after twice as long each time.
#[derive(Clone, Copy)]
pub(super) struct Restarts {
    /// The first wait.
    pub(super) after: Duration,
    /// The longest wait.
    pub(super) at_most: Duration,
}

/// A child at work.
pub(super) struct Supervised {
    role: Role,
    child: Child,
    restarts: Restarts,
}

impl Supervised {
    /// Starts the child.
    pub(super) fn start(role: Role, restarts: Restarts) -> anyhow::Result<Self> {
        let child = role.start()?;
        info!(name = role.name, pid = child.id(), "started");
        Ok(Self { role, child, restarts })
    }

    /// The line to look at when it has ended before it served.
    pub(super) fn has_ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok()??;
        let log = std::fs::read_to_string(&self.role.log).unwrap_or_default();
        let last = log.lines().rev().find(|line| line.starts_with("farwatch: ")).unwrap_or("").trim();
        let reason = last.strip_prefix("farwatch: ").unwrap_or("see its log");
        Some(format!("{} ended with {status}: {reason} ({})", self.role.name, self.role.log.display()))
    }

    /// Keeps it running until dropped.
    pub(super) async fn keep(&mut self) {
        let Restarts { after, at_most } = self.restarts;
        let mut wait = after;
        loop {
            let (was_steady, status) = match timeout(STEADY, self.child.wait()).await {
                Ok(status) => (false, status),
                Err(_) => (true, self.child.wait().await),
            };
            warn!(
                name = self.role.name,
                status = status.map(|status| status.to_string()).unwrap_or_default(),
                restart_after_s = wait.as_secs_f32(),
                "ended"
            );
            if was_steady {
                wait = after;
            }
            sleep(wait).await;
            wait = (wait * 2).min(at_most.max(after));
            match self.role.start() {
                Ok(child) => {
                    info!(name = self.role.name, pid = child.id(), "started again");
                    self.child = child;
                }
                Err(error) => warn!(name = self.role.name, error = format!("{error:#}"), "not started"),
            }
        }
    }

    /// Asks it to end, and ends it when it does not.
    pub(super) async fn stop(&mut self) {
        if let Some(pid) = self.child.id().and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed())) {
            // It may have ended by itself between the two calls.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        if timeout(GRACE, self.child.wait()).await.is_err() {
            warn!(name = self.role.name, "did not end in time and was killed");
            let _ = self.child.kill().await;
        }
    }
}
