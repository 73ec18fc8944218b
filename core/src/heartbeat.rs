//! Jobs that call us: what they said, when the next word of them is due, and what it means that none comes.
//!
//! Nothing runs a heartbeat. It is judged by the signals that control received and by the clock alone, so nobody else can be
//! asked for a second opinion. What happens to a check by that is the detector's.

mod config;
mod record;
mod rhythm;

use farwatch_proto::time::UnixMs;

pub use config::{Heartbeat, HeartbeatConfig, Unusable};
pub use record::{Record, Signal};
pub use rhythm::words_of_moment;

use crate::uptime::Period;

/// A job may call this much before its moment and still means that one: its clock and ours differ.
const EARLY_MS: i64 = 10_000;

/// How it is with a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has never called, so nothing is known of it.
    Unheard,
    /// It called when it was to.
    Good,
    /// It failed, or did not call.
    Down(Trouble),
}

/// What is wrong with a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Since when: when it was due, or said that it failed, or ran for too long.
    pub since: UnixMs,
    /// `missed`, `failed` or `ran-too-long`.
    pub code: &'static str,
    /// It in a sentence.
    pub message: String,
}

/// How it is with a job, and what is expected of it next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// How it is.
    pub standing: Standing,
    /// When it is to call next.
    pub due: Option<UnixMs>,
    /// When it is down unless it calls before.
    pub deadline: Option<UnixMs>,
}

impl Outlook {
    /// When time alone changes how it is.
    pub fn wakes_at(&self) -> Option<UnixMs> {
        self.deadline.filter(|_| self.standing == Standing::Good)
    }
}

/// How it is with the job that left this record. `gaps` are periods in which no signal could be received: what may have been
/// said in one is not held against the job.
pub fn outlook(heartbeat: &Heartbeat, record: &Record, gaps: &[Period], now: UnixMs) -> Outlook {
    let Some(expected) = expected(heartbeat, record, gaps) else {
        return Outlook { standing: Standing::Unheard, due: None, deadline: None };
    };
    let Expected { due, deadline, running_since } = expected;
    let trouble = record.failure().or_else(|| {
        (now >= deadline).then(|| match running_since {
            Some(began) => ran_too_long(heartbeat, began, deadline),
            None => missed(heartbeat, record, due),
        })
    });
    let standing = trouble.map_or(Standing::Good, Standing::Down);
    Outlook { standing, due: Some(due), deadline: Some(deadline) }
}

/// What a job is to do next.
struct Expected {
    due: UnixMs,
    deadline: UnixMs,
    /// Where it is to end a run, when that began.
    running_since: Option<UnixMs>,
}

/// What is expected after all that was said; each gap that may have swallowed it begins the wait anew.
fn expected(heartbeat: &Heartbeat, record: &Record, gaps: &[Period]) -> Option<Expected> {
    let mut since = record.called?;
    let mut running = record.started;
    loop {
        let next = match running {
            Some(began) => {
                let deadline = began + heartbeat.run_max_ms();
                Expected { due: deadline, deadline, running_since: running }
            }
            None => {
                let due = heartbeat.rhythm().next_after(since);
                Expected { due, deadline: due + heartbeat.grace_ms(), running_since: None }
            }
        };
        let might_come_from = running.unwrap_or(next.due - heartbeat.grace_ms()).max(since);
        let swallowed =
            gaps.iter().filter(|gap| gap.from < next.deadline && gap.to > might_come_from).map(|gap| gap.to);
        match swallowed.max() {
            Some(gap_ended) => {
                since = since.max(gap_ended);
                running = None;
            }
            None => return Some(next),
        }
    }
}

fn missed(heartbeat: &Heartbeat, record: &Record, due: UnixMs) -> Trouble {
    let last =
        record.succeeded.map_or_else(String::new, |at| format!("; the last one came at {}", words_of_moment(at)));
    let message = format!(
        "expected a signal by {}, and none came within {} s of that{last}",
        words_of_moment(due),
        heartbeat.grace_ms() / 1000
    );
    Trouble { since: due, code: "missed", message }
}

fn ran_too_long(heartbeat: &Heartbeat, began: UnixMs, deadline: UnixMs) -> Trouble {
    let message = format!(
        "expected the run that began at {} to end within {} s, and it did not say that it has",
        words_of_moment(began),
        heartbeat.run_max_ms() / 1000
    );
    Trouble { since: deadline, code: "ran-too-long", message }
}

#[cfg(test)]
mod tests;
