//! What a job has said so far, as far as it counts: one small record, into which each signal is folded.

use farwatch_proto::time::UnixMs;
use serde::{Deserialize, Serialize};

use super::Trouble;

/// What a job says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// A run begins.
    Started,
    /// All is well; a run that began has ended.
    Succeeded,
    /// It failed; with what it said of that.
    Failed {
        /// Its exit status, where it said one.
        exit: Option<u8>,
        /// The first line of what it said, if any.
        words: String,
    },
    /// Something worth keeping, which changes nothing.
    Logged,
}

/// What a job has said so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// From when on the next call is waited for: the last one, or when the check was watched again after that.
    pub called: Option<UnixMs>,
    /// When it said last that all is well.
    pub succeeded: Option<UnixMs>,
    /// When it failed first, if it has not succeeded since.
    pub failed: Option<Failed>,
    /// When the run that goes on began.
    pub started: Option<UnixMs>,
    /// How long the last run took that began and ended.
    pub took_ms: Option<i64>,
}

/// A failure that a job told of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// When.
    pub at: UnixMs,
    /// Its exit status, where it said one.
    pub exit: Option<u8>,
    /// The first line of what it said.
    pub words: String,
}

impl Record {
    /// Takes a signal in; says how long the run took that ends by it.
    pub fn hear(&mut self, signal: &Signal, at: UnixMs) -> Option<i64> {
        let called = self.called.replace(at);
        match signal {
            Signal::Logged => {
                self.called = called;
                return None;
            }
            Signal::Started => {
                self.started = Some(at);
                return None;
            }
            Signal::Succeeded => {
                self.succeeded = Some(at);
                self.failed = None;
            }
            Signal::Failed { exit, words } => {
                // An outage begins with its first failure, whatever the next ones say.
                self.failed.get_or_insert_with(|| Failed { at, exit: *exit, words: words.clone() });
            }
        }
        let took_ms = self.started.take().map(|began| at.since(began));
        self.took_ms = took_ms.or(self.took_ms);
        took_ms
    }

    /// The check was paused and is watched again from now on: a job that ever called has its whole time for the next call.
    pub fn watch_again(&mut self, now: UnixMs) {
        self.called = self.called.map(|_| now);
        self.failed = None;
        self.started = None;
    }

    /// What it said of a failure, where it has not succeeded since.
    pub(super) fn failure(&self) -> Option<Trouble> {
        let Failed { at, exit, words } = self.failed.as_ref()?;
        let said = match exit {
            Some(exit) => format!("the job ended with exit status {exit}"),
            None => "the job said that it failed".to_owned(),
        };
        let message = if words.is_empty() { said } else { format!("{said}: {words}") };
        Some(Trouble { since: *at, code: "failed", message })
    }
}
