//! Counts the memory and the tables of one store, over all of its instances, and refuses what is too much for it, or for
//! all runs together.
//!
//! The engine's pool limits each by itself. Nothing here knows how much a run may have.

use std::sync::Arc;

use wasmtime::ResourceLimiter;

use crate::budget::{Budget, Payer, counted};
use crate::limits::Limits;

/// See the file's documentation.
#[derive(Debug)]
pub(crate) struct Meter {
    memory_limit: usize,
    memory_used: usize,
    /// What all runs have together.
    budget: Arc<Budget>,
    payer: Payer,
    table_limit: usize,
    table_used: usize,
    /// What the guest was refused last, unless more was granted since. A guest that then traps did so for that reason.
    pub(crate) refused: Option<Refused>,
}

/// What a guest can be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Memory,
    /// Memory that this run might have, had others less.
    SharedMemory,
    Table,
}

impl Meter {
    pub(crate) fn new(limits: &Limits, budget: Arc<Budget>, payer: Payer) -> Self {
        Self {
            memory_limit: limits.memory_bytes,
            memory_used: 0,
            budget,
            payer,
            table_limit: limits.table_elements,
            table_used: 0,
            refused: None,
        }
    }

    /// The most memory that was in use, in bytes. Memories never shrink, so it is what is in use now.
    pub(crate) fn peak(&self) -> usize {
        self.memory_used
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let used = self.memory_used - current + desired;
        if used > self.memory_limit {
            self.refused = Some(Refused::Memory);
            return Ok(false);
        }
        if !self.budget.take(self.payer, counted(used) - counted(self.memory_used)) {
            self.refused = Some(Refused::SharedMemory);
            return Ok(false);
        }
        self.memory_used = used;
        self.refused = None;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let used = self.table_used - current + desired;
        if used > self.table_limit {
            self.refused = Some(Refused::Table);
            return Ok(false);
        }
        self.table_used = used;
        self.refused = None;
        Ok(true)
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.budget.give_back(self.payer, counted(self.memory_used));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::budget::FREE_BYTES;
    use crate::limits::Tier;

    fn meter() -> Meter {
        meter_of(100, &Arc::new(Budget::new(0)))
    }

    fn meter_of(memory_bytes: usize, budget: &Arc<Budget>) -> Meter {
        let limits = Limits::for_run(Tier::Small, Duration::from_secs(1));
        Meter::new(&Limits { memory_bytes, table_elements: 10, ..limits }, Arc::clone(budget), 0)
    }

    #[test]
    fn what_runs_have_together_is_limited_until_one_is_over() {
        let budget = Arc::new(Budget::new(132));
        let grown = |meter: &mut Meter, to| meter.memory_growing(0, to, None).expect("it never fails");
        let mut first = meter_of(usize::MAX, &budget);
        assert!(grown(&mut first, FREE_BYTES) && grown(&mut first, 59));
        let mut second = meter_of(usize::MAX, &budget);
        assert!(grown(&mut second, FREE_BYTES) && !grown(&mut second, 41));
        assert_eq!(second.refused, Some(Refused::SharedMemory));
        drop(first);
        assert!(grown(&mut second, 41));
        assert_eq!(second.peak(), FREE_BYTES + 41);
    }

    #[test]
    fn memories_are_summed() {
        let mut meter = meter();
        assert!(meter.memory_growing(0, 60, None).expect("it never fails"));
        assert!(!meter.memory_growing(0, 60, None).expect("it never fails"));
        assert_eq!(meter.refused, Some(Refused::Memory));
        assert!(meter.memory_growing(60, 80, None).expect("it never fails"));
        assert!(meter.memory_growing(0, 20, None).expect("it never fails"));
        assert_eq!(meter.peak(), 100);
    }

    #[test]
    fn tables_are_summed() {
        let mut meter = meter();
        assert!(meter.table_growing(0, 6, None).expect("it never fails"));
        assert!(!meter.table_growing(0, 6, None).expect("it never fails"));
        assert_eq!(meter.refused, Some(Refused::Table));
        assert!(meter.table_growing(6, 10, None).expect("it never fails"));
        assert_eq!(meter.peak(), 0);
    }
}
