//! One thread of guests: its loop and its runs.
//!
//! A shard starts what is due on its own thread, so that a slot that comes costs no wake-up of another. The loop wakes on
//! a grid and starts together what became due since: a wake-up costs more than a probe. What a slot is owed is decided
//! by the desk of `core`; here it is carried out.

use std::sync::Arc;
use std::time::Duration;

use farwatch_core::held::Held;
use farwatch_core::ownership::{Act, Facilities, Lack, Now, Readiness, Run};
use farwatch_core::slot::streams_of;
use farwatch_proto::check::StreamId;
use farwatch_proto::id::{ModuleHash, OrderId};
use farwatch_proto::link::{Declined, FromHost, Order};
use farwatch_proto::peer::{Said, Statement};
use farwatch_proto::run::Purpose;
use farwatch_proto::time::UnixMs;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::debug;

use crate::desks::shard_of;
use crate::health::{BEAT_MS, PAUSE_MS, Pulse};
use crate::holdings::Holdings;
use crate::orders::Admission;
use crate::panel::Panel;
use crate::runner::{Job, Shared};
use crate::spawn::{self, Stopping};
use crate::tries::Trial;

/// Slots are started when the clock passes a multiple of this. Longer would start them later than their
/// budget allows; shorter would wake the thread more often than it has work.
const GRID_MS: i64 = 20;
/// Orders that wait for a shard. Control gives a host a handful at once; in a mass failure what does not
/// fit is declined as full.
pub(crate) const ORDERS_WAITING_MAX: usize = 1024;

/// What a shard is asked besides what is due.
pub(crate) enum Asked {
    /// A run of a stream, for control to count.
    Vote(Order),
    /// A run of a config that no check has.
    Try(Box<Trial>),
}

/// One thread of guests.
pub(crate) struct Shard {
    shared: Arc<Shared>,
    number: usize,
    of: usize,
    pulse: Arc<Pulse>,
    reader: watch::Receiver<Arc<Holdings>>,
    holdings: Arc<Holdings>,
    /// How often the clock had been set when slots were last planned by it.
    clock_steps: u64,
}

/// The places and modules that the desk asks for.
struct Machine<'a> {
    places: &'a Arc<Semaphore>,
    panel: &'a Panel,
    holdings: &'a Holdings,
}

impl Facilities for Machine<'_> {
    type Place = OwnedSemaphorePermit;

    fn take_place(&mut self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().try_acquire_owned().ok()
    }

    fn readiness(&self, module: &ModuleHash) -> Readiness {
        self.holdings.readiness(module)
    }

    fn is_sane(&self) -> bool {
        !self.panel.is_insane()
    }
}

impl Shard {
    /// The `number`-th of so many.
    pub(crate) fn new(shared: Arc<Shared>, number: usize, of: usize, reader: watch::Receiver<Arc<Holdings>>) -> Self {
        let holdings = reader.borrow().clone();
        let clock_steps = shared.clock.steps();
        Self { shared, number, of, pulse: Arc::default(), reader, holdings, clock_steps }
    }

    /// Starts what is due until the host stops.
    pub(crate) async fn serve(mut self, mut asked: mpsc::Receiver<Asked>, stopping: Stopping) {
        self.hold();
        let mut stop = std::pin::pin!(stopping.requested());
        // While no timer waits, the runtime wakes itself for every new one, of which a run has two.
        let mut beat = interval(Duration::from_millis(BEAT_MS.unsigned_abs()));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let wait_ms = self.wait_ms();
            let wanted = self.shared.clock.boot() + wait_ms;
            tokio::select! {
                () = &mut stop => return,
                changed = self.reader.changed() => match changed {
                    Ok(()) => self.take_over_holdings(),
                    Err(_) => return,
                },
                Some(asked) = asked.recv() => match asked {
                    Asked::Vote(order) => self.obey(&order),
                    Asked::Try(trial) => self.try_out(*trial),
                },
                () = sleep(Duration::from_millis(wait_ms.unsigned_abs())) => {}
                _ = beat.tick() => {}
            }
            let now = self.shared.clock.boot();
            let late_ms = now.since(wanted);
            self.pulse.beat(now, late_ms);
            self.shared.health.note_lag(late_ms);
            if late_ms > PAUSE_MS {
                self.shared.peers().paused(now);
            }
            self.heed_the_clock();
            if self.shared.clock.is_trusted() {
                self.step();
            }
        }
    }

    /// What was planned by a clock that was then set means nothing any more.
    fn heed_the_clock(&mut self) {
        let steps = self.shared.clock.steps();
        if std::mem::replace(&mut self.clock_steps, steps) != steps {
            self.shared.desks.at(self.number).forget();
            self.hold();
        }
    }

    fn wait_ms(&self) -> i64 {
        let Some(wake) = self.shared.desks.at(self.number).next_wake() else { return BEAT_MS };
        if !self.shared.clock.is_trusted() {
            return BEAT_MS;
        }
        let on_grid = UnixMs((wake.0 + GRID_MS - 1).div_euclid(GRID_MS) * GRID_MS);
        on_grid.since(self.shared.clock.wall()).clamp(0, BEAT_MS)
    }

    fn take_over_holdings(&mut self) {
        let next = self.reader.borrow_and_update().clone();
        let is_schedule_the_same =
            Arc::ptr_eq(&next.checks, &self.holdings.checks) && Arc::ptr_eq(&next.views, &self.holdings.views);
        self.holdings = next;
        if !is_schedule_the_same {
            self.hold();
        }
    }

    fn hold(&self) {
        let mine = self.holdings.checks.iter().filter(|(check, _)| shard_of(**check, self.of) == self.number);
        let streams =
            mine.flat_map(|(check, held)| streams_of(*check, held.streams()).map(|stream| (stream, held.clone())));
        let now = self.shared.clock.wall();
        self.shared.desks.at(self.number).hold(streams, self.holdings.views.clone(), now);
    }

    fn step(&self) {
        let now = Now { wall: self.shared.clock.wall(), boot: self.shared.clock.boot() };
        let mut machine = Machine { places: &self.shared.places, panel: &self.shared.panel, holdings: &self.holdings };
        let acts = self.shared.desks.at(self.number).step(now, &self.shared.peers(), &mut machine);
        for act in acts {
            match act {
                Act::Run(run) => self.run(run),
                Act::Yield { stream, slot, tell } => {
                    debug!(check = %stream.check, slot = slot.0, "a slot cannot be run now");
                    self.shared.book.tell(&tell, &Statement { stream, slot, said: Said::Yields }.into());
                }
                Act::GiveUp { held, revision, stream, slot, lack } => self.give_up(held, revision, stream, slot, lack),
            }
        }
    }

    fn run(&self, run: Run<OwnedSemaphorePermit>) {
        let Run { held, revision, stream, slot, attempt, place, tell } = run;
        self.shared.book.tell(&tell, &Statement { stream, slot, said: Said::Started }.into());
        self.start(Job { held, revision, stream, purpose: Purpose::Slot, slot, attempt, tell }, vec![place]);
    }

    fn give_up(&self, held: Arc<Held>, revision: u32, stream: StreamId, slot: UnixMs, lack: Lack) {
        let (code, message) = match lack {
            Lack::Place => ("no-run-place", "all run places of this host were taken while the slot's window was open"),
            Lack::Module => ("module-missing", "the module of the check is not loaded on this host"),
            Lack::Sanity => (
                "host-insane",
                "this host saw its references no more while others saw them, and nobody else ran the slot",
            ),
        };
        let job = Job { held, revision, stream, purpose: Purpose::Slot, slot, attempt: 0, tell: Vec::new() };
        self.shared.keep_not_run(&job, &self.holdings, code, message);
    }

    fn start(&self, job: Job, places: Vec<OwnedSemaphorePermit>) -> tokio::task::AbortHandle {
        let (shared, holdings, pulse) = (self.shared.clone(), self.holdings.clone(), self.pulse.clone());
        spawn::run(async move { shared.run(job, &holdings, &pulse, places).await })
    }

    fn try_out(&self, trial: Trial) {
        let (shared, pulse) = (self.shared.clone(), self.pulse.clone());
        spawn::run(async move { trial.run(&shared, &pulse).await });
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
            .is_some_and(|definition| self.holdings.readiness(&definition.module) == Readiness::Ready);
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
            tell: Vec::new(),
        };
        shared.orders.began(order.id, self.start(job, vec![vote_place, place]));
    }

    fn decline(&self, order: OrderId, reason: Declined) {
        self.shared.orders.forget(order);
        let told = self.shared.to_say.try_send(FromHost::DeclinesOrder { order, reason });
        debug!(%order, ?reason, is_told = told.is_ok(), "order declined");
    }
}
