//! One thread of guests: its streams, its loop and its runs.
//!
//! A shard starts what is due on its own thread, so that a slot that comes costs no wake-up of another.
//! The loop wakes on a grid and starts together what became due since: a wake-up costs more than a probe.
//! What a slot is owed is decided in `core`; a slot is never started after its window.

mod table;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use farwatch_core::hash::hash64;
use farwatch_core::ownership::Duty;
use farwatch_core::slot::window_end;
use farwatch_proto::check::StreamId;
use farwatch_proto::id::{CheckId, OrderId};
use farwatch_proto::link::{Declined, FromHost, Order};
use farwatch_proto::run::Purpose;
use farwatch_proto::time::UnixMs;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::sleep;
use tracing::debug;

use crate::health::{BEAT_MS, Pulse};
use crate::holdings::{Held, Holdings};
use crate::orders::Admission;
use crate::runner::{Job, Shared};
use crate::spawn::{self, Stopping};
use table::Table;

/// Slots are started when the clock passes a multiple of this. Longer would start them later than their
/// budget allows; shorter would wake the thread more often than it has work.
const GRID_MS: i64 = 20;
/// The codes of slots that were not run.
const NO_PLACE: &str = "no-run-place";
const NO_MODULE: &str = "module-missing";
/// Orders that wait for a shard. Control gives a host a handful at once; in a mass failure what does not
/// fit is declined as full.
pub(crate) const ORDERS_WAITING_MAX: usize = 1024;

/// Which of the shards a check belongs to.
pub(crate) fn shard_of(check: CheckId, shards: usize) -> usize {
    // The low bits decide the phase of the schedule; the high ones are free.
    (hash64(check.as_bytes()) >> 32) as usize % shards.max(1)
}

/// One thread of guests.
pub(crate) struct Shard {
    shared: Arc<Shared>,
    number: usize,
    of: usize,
    pulse: Arc<Pulse>,
    reader: watch::Receiver<Arc<Holdings>>,
    holdings: Arc<Holdings>,
    table: Table,
    /// Slots that were due when no place was free, in their order.
    waiting: VecDeque<Job>,
}

impl Shard {
    /// The `number`-th of so many.
    pub(crate) fn new(shared: Arc<Shared>, number: usize, of: usize, reader: watch::Receiver<Arc<Holdings>>) -> Self {
        let holdings = reader.borrow().clone();
        let (pulse, table, waiting) = (Arc::default(), Table::default(), VecDeque::new());
        Self { shared, number, of, pulse, reader, holdings, table, waiting }
    }

    /// Starts what is due until the host stops.
    pub(crate) async fn serve(mut self, mut asked: mpsc::Receiver<Order>, stopping: Stopping) {
        self.rebuild();
        let mut stop = std::pin::pin!(stopping.requested());
        loop {
            let wait_ms = self.wait_ms();
            let wanted = self.shared.clock.boot() + wait_ms;
            tokio::select! {
                () = &mut stop => return,
                changed = self.reader.changed() => match changed {
                    Ok(()) => self.take_over_holdings(),
                    Err(_) => return,
                },
                Some(order) = asked.recv() => self.obey(&order),
                () = sleep(Duration::from_millis(wait_ms.unsigned_abs())) => {}
            }
            let now = self.shared.clock.boot();
            let late_ms = now.since(wanted);
            self.pulse.beat(now, late_ms);
            self.shared.health.note_lag(late_ms);
            self.start_due();
        }
    }

    fn wait_ms(&self) -> i64 {
        let now = self.shared.clock.wall();
        let Some(due) = self.table.next_due().filter(|_| self.waiting.is_empty()) else {
            return if self.waiting.is_empty() { BEAT_MS } else { GRID_MS };
        };
        let on_grid = UnixMs((due.0 + GRID_MS - 1).div_euclid(GRID_MS) * GRID_MS);
        on_grid.since(now).clamp(0, BEAT_MS)
    }

    fn take_over_holdings(&mut self) {
        let next = self.reader.borrow_and_update().clone();
        let is_schedule_the_same =
            Arc::ptr_eq(&next.checks, &self.holdings.checks) && Arc::ptr_eq(&next.views, &self.holdings.views);
        self.holdings = next;
        if !is_schedule_the_same {
            self.rebuild();
        }
    }

    fn rebuild(&mut self) {
        let (number, of) = (self.number, self.of);
        let is_mine = |stream: StreamId| shard_of(stream.check, of) == number;
        self.table.rebuild(&self.holdings, is_mine, self.shared.clock.wall());
    }

    fn start_due(&mut self) {
        let now = self.shared.clock.wall();
        while let Some((stream, held, slot)) = self.table.pop_due(now) {
            if let Some(job) = self.job_for(stream, &held, slot, now) {
                self.table.note_started(stream, slot);
                self.start_or_wait(job);
            }
        }
        self.start_waiting(now);
    }

    /// The run that this host owes the slot, if it owes one.
    fn job_for(&self, stream: StreamId, held: &Arc<Held>, slot: UnixMs, now: UnixMs) -> Option<Job> {
        let revision = self.holdings.due(held, stream, slot)?;
        let is_open = now < window_end(slot, revision.definition.interval);
        if !is_open || self.table.was_started(stream, slot) {
            return None;
        }
        match self.holdings.duty(self.shared.host, revision, stream, slot, now) {
            Duty::None => None,
            Duty::Run | Duty::CatchUp => {
                let revision = revision.definition.revision;
                Some(Job { held: held.clone(), revision, stream, purpose: Purpose::Slot, slot, attempt: 0 })
            }
        }
    }

    /// Starts the slot, or lets it wait for a place or for its module: late is better than never.
    fn start_or_wait(&mut self, job: Job) {
        let Some(revision) = job.held.revision(job.revision) else { return };
        let module = revision.definition.module;
        if self.holdings.refused.contains_key(&module) {
            self.shared.keep_not_run(&job, &self.holdings, NO_MODULE, "the module of the check will not load here");
        } else if !self.holdings.modules.contains_key(&module) {
            self.waiting.push_back(job);
        } else if let Ok(place) = self.shared.places.clone().try_acquire_owned() {
            self.start(job, vec![place]);
        } else {
            self.waiting.push_back(job);
        }
    }

    /// Tries again what waits, and gives up slots whose windows have closed.
    fn start_waiting(&mut self, now: UnixMs) {
        for job in std::mem::take(&mut self.waiting) {
            let definition = job.held.revision(job.revision).map(|revision| &revision.definition);
            let Some(definition) = definition else { continue };
            if now < window_end(job.slot, definition.interval) {
                self.start_or_wait(job);
            } else if self.holdings.modules.contains_key(&definition.module) {
                let message = "all run places of this host were taken while the slot's window was open";
                self.shared.keep_not_run(&job, &self.holdings, NO_PLACE, message);
            } else {
                let message = "the module of the check was not loaded while the slot's window was open";
                self.shared.keep_not_run(&job, &self.holdings, NO_MODULE, message);
            }
        }
    }

    fn start(&self, job: Job, places: Vec<OwnedSemaphorePermit>) -> tokio::task::AbortHandle {
        let (shared, holdings, pulse) = (self.shared.clone(), self.holdings.clone(), self.pulse.clone());
        spawn::run(async move { shared.run(job, &holdings, &pulse, places).await })
    }

    fn obey(&self, order: &Order) {
        match self.shared.orders.admit(order.id) {
            Admission::UnderWay => {}
            Admission::Answered(result) => self.shared.keep(&result),
            Admission::Run => self.vote(order),
        }
    }

    fn vote(&self, order: &Order) {
        let held = self.holdings.checks.get(&order.stream.check);
        let is_ready = held
            .and_then(|held| held.revision(order.revision))
            .is_some_and(|revision| self.holdings.modules.contains_key(&revision.definition.module));
        let Some(held) = held.filter(|_| is_ready) else { return self.decline(order.id, Declined::NotHeld) };
        let shared = &self.shared;
        let places = (shared.vote_places.clone().try_acquire_owned(), shared.places.clone().try_acquire_owned());
        let (Ok(vote_place), Ok(place)) = places else { return self.decline(order.id, Declined::Full) };
        let job = Job {
            held: held.clone(),
            revision: order.revision,
            stream: order.stream,
            purpose: Purpose::Vote(order.id),
            slot: order.ordered_at,
            attempt: order.attempt,
        };
        shared.orders.began(order.id, self.start(job, vec![vote_place, place]));
    }

    fn decline(&self, order: OrderId, reason: Declined) {
        self.shared.orders.forget(order);
        let told = self.shared.to_say.try_send(FromHost::DeclinesOrder { order, reason });
        debug!(%order, ?reason, is_told = told.is_ok(), "order declined");
    }
}
