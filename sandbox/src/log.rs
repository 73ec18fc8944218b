//! What a module says while it runs: the first lines are kept, and the others counted.
//!
//! Lines come from the treaty's `log` and from the standard streams of WASI, in the order in which they were said.

use std::sync::{Arc, Mutex, PoisonError};

use crate::limits::{LOG_BYTES_MAX, LOG_LINES_MAX};

pub use crate::bindings::farwatch::check::log::Level;

/// A line that a module logged.
#[derive(Debug, Clone)]
pub struct LogLine {
    /// How much it matters.
    pub level: Level,
    /// What it says, cut where the limit of the run was reached.
    pub message: String,
}

/// The lines of one run.
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// The first lines, at most 64 and at most 16 KiB together.
    pub lines: Vec<LogLine>,
    /// How many lines did not fit.
    pub dropped: u32,
    bytes: usize,
}

impl Log {
    fn add(&mut self, level: Level, mut message: String) {
        let room = LOG_BYTES_MAX - self.bytes;
        if self.lines.len() == LOG_LINES_MAX || room == 0 {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        message.truncate(message.floor_char_boundary(room));
        message.shrink_to_fit();
        self.bytes += message.len();
        self.lines.push(LogLine { level, message });
    }
}

/// The log of a run that is under way. All clones write into one.
#[derive(Debug, Clone, Default)]
pub(crate) struct OpenLog(Arc<Mutex<Log>>);

impl OpenLog {
    pub(crate) fn add(&self, level: Level, message: String) {
        self.with(|log| log.add(level, message));
    }

    /// Takes what was said so far.
    pub(crate) fn take(&self) -> Log {
        self.with(std::mem::take)
    }

    fn with<T>(&self, change: impl FnOnce(&mut Log) -> T) -> T {
        // A panic elsewhere can have left a line out, and nothing worse.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_keeps_the_first_lines_and_counts_the_others() {
        let mut log = Log::default();
        for _ in 0..LOG_LINES_MAX + 3 {
            log.add(Level::Info, "x".to_owned());
        }
        assert_eq!((log.lines.len(), log.dropped), (LOG_LINES_MAX, 3));
    }

    #[test]
    fn a_log_is_cut_between_characters() {
        let mut log = Log::default();
        log.add(Level::Info, "x".repeat(LOG_BYTES_MAX - 1));
        log.add(Level::Info, "ä".to_owned());
        log.add(Level::Info, "y".to_owned());
        assert_eq!(log.lines.iter().map(|line| line.message.len()).sum::<usize>(), LOG_BYTES_MAX);
        assert_eq!(log.lines[1].message, "");
    }
}
