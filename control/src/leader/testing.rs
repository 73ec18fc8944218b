//! Runs ordered by hand: asked of every host that holds the check, answered as results come.
//!
//! They are votes to the hosts and nothing to the detector, which knows only the orders of its rounds. A check that
//! is not in force yet is run by its newest revision, so that its maker need not wait for its first slot.

use std::collections::HashMap;

use farwatch_proto::id::{HostId, OrderId};
use farwatch_proto::link::{FromHost, Order};
use farwatch_proto::pack::Unpacker;
use farwatch_proto::run::{Purpose, RunResult};
use farwatch_proto::time::BootMs;
use tokio::sync::mpsc;

use super::commit::order_runs;
use super::draft::Now;
use super::handle::TestRequest;
use super::state::State;
use crate::links::LinkEvent;
use crate::secret::random_bytes;

/// Nobody waits longer for a run than this.
const TEST_LIMIT_MS: i64 = 90_000;
/// What is answered for a check that was just written, of which perhaps not even the leader has read.
const NOT_HELD_YET: &str = "no host holds the check yet, it is on its way to them; try again in a few seconds";

type Answers = mpsc::UnboundedSender<(HostId, OrderId, RunResult)>;

/// The tests that wait for results.
#[derive(Default)]
pub(super) struct Tests {
    waiting: HashMap<OrderId, (Answers, BootMs)>,
}

impl Tests {
    /// Orders the runs of a request, or says why it cannot.
    pub(super) fn begin(&mut self, state: &mut State, request: TestRequest, now: Now) {
        let orders = orders_of(state, &request, now);
        let asked = orders.map(|orders| {
            let hosts = orders.iter().map(|(host, _)| *host).collect();
            for (_, order) in &orders {
                self.waiting.insert(order.id, (request.results.clone(), now.boot));
            }
            order_runs(state, orders);
            hosts
        });
        // Whoever asked may have gone; the runs do no harm.
        let _ = request.asked.send(asked);
    }

    /// Passes on the results that somebody waits for.
    pub(super) fn watch(&mut self, event: &LinkEvent) {
        let LinkEvent::Said { host, message: FromHost::Results(batch), .. } = event else { return };
        if self.waiting.is_empty() {
            return;
        }
        let results = batch.packed.get(1..).and_then(|packed| Unpacker::default().read(packed).ok());
        for result in results.unwrap_or_default() {
            if let Purpose::Vote(order) = result.purpose
                && let Some((answers, _)) = self.waiting.remove(&order)
            {
                let _ = answers.send((*host, order, result));
            }
        }
    }

    /// Stops waiting for what will not come.
    pub(super) fn forget_late(&mut self, now: BootMs) {
        self.waiting.retain(|_, (_, began)| now.since(*began) < TEST_LIMIT_MS);
    }
}

fn orders_of(state: &State, request: &TestRequest, now: Now) -> Result<Vec<(HostId, Order)>, String> {
    let page = state.book.page(request.check).ok_or(NOT_HELD_YET)?;
    let definition = &page.in_force_at(now.wall).unwrap_or(page.latest()).definition;
    let stream = farwatch_proto::check::StreamId { check: request.check, number: 0 };
    let mut hosts = page.holders(&state.newest, None);
    hosts.retain(|host| state.is_reachable(*host, now.boot));
    if hosts.is_empty() {
        return Err("no host that is to hold the check can be reached; see GET /v1/hosts".to_owned());
    }
    let holds = |host: &HostId| state.sessions.get(host).is_some_and(|session| session.holds_latest(request.check));
    if hosts.iter().any(holds) {
        hosts.retain(holds);
    } else if definition.in_force_from.is_none() {
        return Err(NOT_HELD_YET.to_owned());
    }
    // What is in force is held by some, though they may not have said yet that they heard since when.
    let order = |host| {
        let id = OrderId::new(now.wall, random_bytes());
        (host, Order { id, stream, revision: definition.revision, ordered_at: now.wall, attempt: 0 })
    };
    Ok(hosts.into_iter().map(order).collect())
}
