//! The list of background work: what runs, how often, and how it went last.
//!
//! A task takes no input: it loads, decides and saves, so that happy day, restart and failover are one
//! path. A signal only shortens its wait. Running a task and listing it are one act.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use farwatch_proto::time::UnixMs;
use tokio::sync::Notify;
use tokio::time::sleep;
use tracing::warn;

use crate::clock::Clock;
use crate::spawn::Spawner;

/// How a task stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskStatus {
    /// Its name, one word.
    pub name: &'static str,
    /// What it does, one sentence.
    pub about: &'static str,
    /// How long it waits between runs, unless it is signalled.
    pub period: Duration,
    /// Runs since the process started.
    pub runs: u64,
    /// Runs that failed.
    pub failures: u64,
    /// When it last ran.
    pub last_run: Option<UnixMs>,
    /// What it said when it last failed; gone with the next success.
    pub last_error: Option<String>,
}

/// Every task of this process.
#[derive(Clone, Default)]
pub struct TaskList {
    tasks: Arc<Mutex<Vec<TaskStatus>>>,
}

/// Records how one task goes.
#[derive(Clone)]
pub struct TaskReport {
    list: TaskList,
    index: usize,
}

impl TaskReport {
    /// Notes one run.
    pub fn ran(&self, at: UnixMs, result: Result<(), String>) {
        let mut tasks = self.list.tasks.lock().expect("no holder of this lock panics");
        let task = &mut tasks[self.index];
        task.runs += 1;
        task.last_run = Some(at);
        task.last_error = result.err();
        if task.last_error.is_some() {
            task.failures += 1;
        }
    }
}

impl TaskList {
    /// How all tasks stand, in the order they were listed.
    pub fn statuses(&self) -> Vec<TaskStatus> {
        self.tasks.lock().expect("no holder of this lock panics").clone()
    }

    /// Lists a task that has a loop of its own.
    pub fn list(&self, name: &'static str, about: &'static str, period: Duration) -> TaskReport {
        let mut tasks = self.tasks.lock().expect("no holder of this lock panics");
        let never_ran = TaskStatus { name, about, period, runs: 0, failures: 0, last_run: None, last_error: None };
        tasks.push(never_ran);
        TaskReport { list: self.clone(), index: tasks.len() - 1 }
    }

    /// Lists a task and runs it every `period`, or sooner when signalled, until the process stops.
    pub fn run<W, F>(
        &self,
        spawner: &Spawner,
        (name, about, period): (&'static str, &'static str, Duration),
        signal: Arc<Notify>,
        mut work: W,
    ) where
        W: FnMut() -> F + Send + 'static,
        F: Future<Output = anyhow::Result<()>> + Send,
    {
        let report = self.list(name, about, period);
        let stopping = spawner.stopping();
        spawner.spawn(name, async move {
            loop {
                let result = work().await;
                if let Err(error) = &result {
                    warn!(task = name, error = format!("{error:#}"), "task failed");
                }
                report.ran(Clock.wall(), result.map_err(|error| format!("{error:#}")));
                tokio::select! {
                    () = stopping.requested() => return,
                    () = signal.notified() => {}
                    () = sleep(period) => {}
                }
            }
        });
    }
}
