//! How this process itself is doing: what heartbeats tell control.
//!
//! A loop that wakes late was kept waiting, by a guest, by the machine or by somebody who stopped the
//! process. Whatever ran across that time measured the host and not its target.

use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

use farwatch_proto::time::BootMs;

/// A loop that is this late was paused, and what ran meanwhile covers nothing.
pub(crate) const PAUSE_MS: i64 = 250;
/// Every shard's loop wakes at least this often, so that a pause is seen soon.
pub(crate) const BEAT_MS: i64 = 100;

/// The pulse of one shard's loop.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    beat: AtomicI64,
    pauses: AtomicU64,
}

impl Pulse {
    /// The loop is awake, this long after it wanted to be.
    pub(crate) fn beat(&self, now: BootMs, late_ms: i64) {
        if late_ms > PAUSE_MS {
            self.pauses.fetch_add(1, Ordering::Relaxed);
        }
        self.beat.store(now.0, Ordering::Relaxed);
    }

    /// Pauses so far. One that the loop itself has not noticed yet counts.
    pub(crate) fn pauses(&self, now: BootMs) -> u64 {
        let unnoticed = now.since(BootMs(self.beat.load(Ordering::Relaxed))) > BEAT_MS + PAUSE_MS;
        self.pauses.load(Ordering::Relaxed) + u64::from(unnoticed)
    }
}

/// What heartbeats tell.
#[derive(Debug, Default)]
pub(crate) struct Health {
    lag_ms: AtomicU32,
    running: AtomicU32,
    unknown_kinds: AtomicU64,
}

impl Health {
    /// A loop woke this late.
    pub(crate) fn note_lag(&self, late_ms: i64) {
        self.lag_ms.fetch_max(u32::try_from(late_ms.max(0)).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// The largest lag since it was last asked for.
    pub(crate) fn take_lag_ms(&self) -> u32 {
        self.lag_ms.swap(0, Ordering::Relaxed)
    }

    /// A run begins; it is over when the returned guard is dropped.
    pub(crate) fn begin_run(self: &std::sync::Arc<Self>) -> Running {
        self.running.fetch_add(1, Ordering::Relaxed);
        Running { health: self.clone() }
    }

    /// Runs in flight.
    pub(crate) fn running(&self) -> u32 {
        self.running.load(Ordering::Relaxed)
    }

    /// A message of a kind that this version does not know.
    pub(crate) fn note_unknown_kind(&self) {
        self.unknown_kinds.fetch_add(1, Ordering::Relaxed);
    }

    /// Such messages since the process began.
    pub(crate) fn unknown_kinds(&self) -> u64 {
        self.unknown_kinds.load(Ordering::Relaxed)
    }
}

/// One run in flight.
#[derive(Debug)]
pub(crate) struct Running {
    health: std::sync::Arc<Health>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.health.running.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_counts_before_and_after_the_loop_has_noticed_it() {
        let pulse = Pulse::default();
        pulse.beat(BootMs(1_000), 3);
        assert_eq!(pulse.pauses(BootMs(1_300)), 0);
        assert_eq!(pulse.pauses(BootMs(3_000)), 1, "the loop has not been awake for long");
        pulse.beat(BootMs(3_000), 1_900);
        assert_eq!(pulse.pauses(BootMs(3_001)), 1);
        pulse.beat(BootMs(3_100), 0);
        assert_eq!(pulse.pauses(BootMs(3_101)), 1);
    }
}
