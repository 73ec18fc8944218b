//! How much a guest may take, and the one who counts its memory.

use std::time::Duration;

use wasmtime::ResourceLimiter;

use crate::engine::MEMORY_MAX;

/// What a run gets beyond the timeout that its module was told, so that a module whose last probe ends exactly at the
/// timeout can still say so.
const GRACE: Duration = Duration::from_millis(150);

/// CPU time of a run: ten thousand times what the `http` module takes, so that an interpreter can do its work in it, too.
const RUN_CPU: Duration = Duration::from_millis(200);

/// Requests of one run: every redirect that is followed, and a few more.
const FETCHES_MAX: u32 = 32;

/// For `describe` and `validate`, which no target can hold up.
const INSPECT_WALL: Duration = Duration::from_secs(2);
const INSPECT_CPU: Duration = Duration::from_millis(500);

/// How much one call of a module may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From its start to its end. When it is too short, slow targets come out as unknown instead of down.
    pub wall: Duration,
    /// Of the guest alone, without the probes that the host makes for it. Counted in steps of 10 ms in which the guest
    /// was seen to compute, so that a pause of the whole machine does not count.
    pub cpu: Duration,
    /// All memories of the guest together, in bytes; at most 64 MiB.
    pub memory_bytes: usize,
    /// Probes. What is asked beyond is answered with the failure `fetch-limit`.
    pub fetches: u32,
}

impl Limits {
    /// For a run whose module is told that it has `timeout`.
    pub fn for_run(timeout: Duration) -> Self {
        Self { wall: timeout + GRACE, cpu: RUN_CPU, memory_bytes: MEMORY_MAX, fetches: FETCHES_MAX }
    }

    /// For `describe` and `validate`.
    pub(crate) fn for_inspection() -> Self {
        Self { wall: INSPECT_WALL, cpu: INSPECT_CPU, memory_bytes: MEMORY_MAX, fetches: 0 }
    }
}

/// Counts the memory of one store, over all of its memories.
#[derive(Debug)]
pub(crate) struct MemoryMeter {
    limit: usize,
    used: usize,
    /// Whether the guest was refused memory. A guest that then traps did so for that reason.
    pub(crate) refused: bool,
}

impl MemoryMeter {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit: limit.min(MEMORY_MAX), used: 0, refused: false }
    }

    /// The most that was in use. Memories never shrink, so it is what is in use now.
    pub(crate) fn peak(&self) -> usize {
        self.used
    }
}

impl ResourceLimiter for MemoryMeter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.used - current + desired;
        if used > self.limit {
            self.refused = true;
            return Ok(false);
        }
        self.used = used;
        Ok(true)
    }

    // The engine's pool limits how many tables there are and how large each can be.
    fn table_growing(&mut self, _current: usize, _desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_are_summed() {
        let mut meter = MemoryMeter::new(100);
        assert!(meter.memory_growing(0, 60, None).expect("it never fails"));
        assert!(!meter.memory_growing(0, 60, None).expect("it never fails"));
        assert!(meter.refused);
        assert!(meter.memory_growing(60, 80, None).expect("it never fails"));
        assert!(meter.memory_growing(0, 20, None).expect("it never fails"));
        assert_eq!(meter.peak(), 100);
    }
}
