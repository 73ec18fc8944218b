//! What happened, and when.

use farwatch_proto::time::UnixMs;
use farwatch_tests::clock::now;

/// The time since the story began.
pub(crate) struct Timeline {
    began: UnixMs,
}

impl Timeline {
    pub(crate) fn start() -> Self {
        Self { began: now() }
    }

    /// Prints one line.
    pub(crate) fn tell(&self, what: &str) {
        println!("{:7.1} s  {what}", now().since(self.began) as f64 / 1000.0);
    }

    /// Whole seconds so far.
    pub(crate) fn seconds(&self) -> i64 {
        now().since(self.began) / 1000
    }
}
