//! The runs that control ordered: each is made once, whatever is repeated.
//!
//! A repeated order is answered again from memory, or left to the run that is under way. What is
//! remembered is bounded; an order older than that is run again, which confirms as well.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard};

use farwatch_proto::id::OrderId;
use farwatch_proto::run::RunResult;
use tokio::task::AbortHandle;

/// Orders remembered. A round has at most a handful of them for one host, and a mass failure makes a
/// round per check.
const REMEMBERED_MAX: usize = 2048;

/// What is to be done about an order.
#[derive(Debug, PartialEq)]
pub(crate) enum Admission {
    /// It is new.
    Run,
    /// It is being run.
    UnderWay,
    /// It was run, and this was found.
    Answered(Box<RunResult>),
}

#[derive(Debug)]
enum Known {
    UnderWay(Option<AbortHandle>),
    Answered(Box<RunResult>),
}

/// The orders of one host.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    known: HashMap<OrderId, Known>,
    oldest_first: VecDeque<OrderId>,
}

impl Orders {
    /// Takes an order in.
    pub(crate) fn admit(&self, order: OrderId) -> Admission {
        let mut memory = self.memory();
        match memory.known.get(&order) {
            Some(Known::UnderWay(_)) => return Admission::UnderWay,
            Some(Known::Answered(result)) => return Admission::Answered(result.clone()),
            None => {}
        }
        memory.known.insert(order, Known::UnderWay(None));
        memory.oldest_first.push_back(order);
        if memory.oldest_first.len() > REMEMBERED_MAX
            && let Some(oldest) = memory.oldest_first.pop_front()
        {
            memory.known.remove(&oldest);
        }
        Admission::Run
    }

    /// The run of an order has begun and can be ended by this.
    pub(crate) fn began(&self, order: OrderId, run: AbortHandle) {
        if let Some(Known::UnderWay(handle)) = self.memory().known.get_mut(&order) {
            *handle = Some(run);
        }
    }

    /// The run of an order is over.
    pub(crate) fn answered(&self, order: OrderId, result: &RunResult) {
        if let Some(known) = self.memory().known.get_mut(&order) {
            *known = Known::Answered(Box::new(result.clone()));
        }
    }

    /// An order is not carried out; the same order may come again.
    pub(crate) fn forget(&self, order: OrderId) {
        self.memory().forget(order);
    }

    /// Control no longer needs it: a run that is under way ends.
    pub(crate) fn cancel(&self, order: OrderId) {
        let mut memory = self.memory();
        if let Some(Known::UnderWay(handle)) = memory.known.get(&order) {
            if let Some(run) = handle {
                run.abort();
            }
            memory.forget(order);
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().expect("no holder of this lock panics")
    }
}

impl Memory {
    fn forget(&mut self, order: OrderId) {
        if self.known.remove(&order).is_some() {
            self.oldest_first.retain(|known| *known != order);
        }
    }
}

#[cfg(test)]
mod tests {
    use farwatch_proto::check::StreamId;
    use farwatch_proto::id::{CheckId, ModuleHash};
    use farwatch_proto::outcome::Outcome;
    use farwatch_proto::run::{Purpose, RunCost, Terms};
    use farwatch_proto::time::{Stamp, UnixMs};

    use super::*;

    fn order(n: u32) -> OrderId {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&n.to_be_bytes());
        OrderId::from_bytes(bytes)
    }

    fn result(order: OrderId) -> RunResult {
        RunResult {
            stream: StreamId { check: CheckId::from_bytes([1; 16]), number: 0 },
            purpose: Purpose::Vote(order),
            slot: UnixMs(1),
            terms: Terms { revision: 1, module: ModuleHash([0; 32]), view: Stamp::default() },
            started: UnixMs(1),
            duration_us: 1,
            cost: RunCost::default(),
            outcome: Outcome::up(1),
        }
    }

    #[test]
    fn a_repeated_order_is_answered_and_not_run_again() {
        let orders = Orders::default();
        assert_eq!(orders.admit(order(1)), Admission::Run);
        assert_eq!(orders.admit(order(1)), Admission::UnderWay);
        orders.answered(order(1), &result(order(1)));
        assert_eq!(orders.admit(order(1)), Admission::Answered(Box::new(result(order(1)))));
        orders.cancel(order(1));
        assert!(matches!(orders.admit(order(1)), Admission::Answered(_)), "what is known stays known");
    }

    #[test]
    fn a_declined_or_cancelled_order_may_come_again() {
        let orders = Orders::default();
        orders.admit(order(1));
        orders.forget(order(1));
        assert_eq!(orders.admit(order(1)), Admission::Run);
        orders.cancel(order(1));
        assert_eq!(orders.admit(order(1)), Admission::Run);
    }

    #[test]
    fn memory_is_bounded() {
        let orders = Orders::default();
        (0..3000).for_each(|n| assert_eq!(orders.admit(order(n)), Admission::Run));
        let memory = orders.memory();
        assert_eq!((memory.known.len(), memory.oldest_first.len()), (REMEMBERED_MAX, REMEMBERED_MAX));
    }
}
