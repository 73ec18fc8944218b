//! One run: a fresh sandbox, its probes, and what it found, in the spool.
//!
//! Whoever calls has taken a place for it. A run that was disturbed by this host says so and covers
//! nothing, whatever its module thought it saw.

mod probes;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use farwatch_core::evidence::Showing;
use farwatch_core::held::Held;
use farwatch_core::ownership::{Ended, Peers};
use farwatch_core::sanity::Ran;
use farwatch_proto::check::{Definition, StreamId};
use farwatch_proto::id::HostId;
use farwatch_proto::link::FromHost;
use farwatch_proto::outcome::{Outcome, Status};
use farwatch_proto::peer::{Said, Statement};
use farwatch_proto::run::{Purpose, RunCost, RunResult, Terms};
use farwatch_proto::time::UnixMs;
use farwatch_sandbox::{RunContext, Sandbox};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

use crate::belief::Settled;
use crate::clock::Clock;
use crate::copies::Copies;
use crate::desks::Desks;
use crate::health::{Health, PAUSE_MS, Pulse};
use crate::holdings::Holdings;
use crate::orders::Orders;
use crate::outcome;
use crate::panel::Panel;
use crate::peers::{Book, Word};
use crate::probe::Prober;
use crate::secrets::Secrets;
use crate::spool::Spool;
use crate::tryout;
pub(crate) use probes::{RunProbes, Trouble};

/// What all runs of a host share.
pub(crate) struct Shared {
    pub(crate) host: HostId,
    pub(crate) clock: Clock,
    pub(crate) sandbox: Sandbox,
    pub(crate) prober: Prober,
    pub(crate) spool: Spool,
    pub(crate) health: Arc<Health>,
    pub(crate) orders: Orders,
    /// What each shard knows of its slots.
    pub(crate) desks: Desks,
    /// Whom this host hears.
    pub(crate) peers: Mutex<Peers>,
    /// Its neighbours, and what is to be said to them.
    pub(crate) book: Book,
    /// By what this host knows whether to believe what it sees.
    pub(crate) panel: Panel,
    /// What they ran, until control has it.
    pub(crate) copies: Arc<Copies>,
    /// Which failures show what came from the target.
    pub(crate) showing: Mutex<Showing>,
    /// One for each run that may be under way.
    pub(crate) places: Arc<Semaphore>,
    /// The part of them that votes may take.
    pub(crate) vote_places: Arc<Semaphore>,
    /// Wakes the link for what should not wait for company.
    pub(crate) urgent: Notify,
    /// What the link is to say besides results.
    pub(crate) to_say: mpsc::Sender<FromHost>,
}

/// One run to be made.
pub(crate) struct Job {
    pub(crate) held: Arc<Held>,
    pub(crate) revision: u32,
    pub(crate) stream: StreamId,
    pub(crate) purpose: Purpose,
    pub(crate) slot: UnixMs,
    pub(crate) attempt: u32,
    /// Whom to tell of a slot's start and end.
    pub(crate) tell: Vec<HostId>,
}

impl Shared {
    /// Whom this host hears.
    pub(crate) fn peers(&self) -> MutexGuard<'_, Peers> {
        self.peers.lock().expect("no holder of this lock panics")
    }

    /// Reads back which of the slots that may be open earlier processes completed. It blocks on the disk, and comes before
    /// the desks hold anything that it counts for.
    pub(crate) fn remember(&self, holdings: &Holdings) {
        let now = self.clock.wall();
        let remembered = self.spool.remembered(now - holdings.longest_window_ms()).by(now);
        self.desks.remember(&remembered);
    }

    /// What was shown last of checks that fail.
    fn showing(&self) -> MutexGuard<'_, Showing> {
        self.showing.lock().expect("no holder of this lock panics")
    }

    /// Makes the run and keeps what it found.
    pub(crate) async fn run(&self, job: Job, holdings: &Holdings, pulse: &Pulse, place: Vec<OwnedSemaphorePermit>) {
        let Some(definition) = job.held.revision(job.revision) else { return };
        let _running = self.health.begin_run();
        let (started, began, since) = (self.clock.wall(), self.clock.instant(), self.clock.boot());
        let pauses = pulse.pauses(since);
        let (ran, cost) = self.run_in_sandbox(&job, definition, holdings, started).await;
        let took = self.clock.instant().saturating_duration_since(began);
        drop(place);
        let was_paused = pulse.pauses(self.clock.boot()) != pauses || took > longest(definition);
        let found = if was_paused { outcome::paused() } else { ran };
        let span = Ran { started: since, ended: self.clock.boot() };
        let Settled { outcome, was_yielded } = self.settle(&job, found, span).await;
        let terms = terms(definition, holdings);
        let duration_us = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        let Job { stream, purpose, slot, tell, .. } = job;
        let ended = if outcome.status.covers() { Ended::Covers } else { Ended::Disturbed };
        let result = RunResult { stream, purpose, slot, terms, started, duration_us, cost, outcome };
        self.keep(&result);
        // What was left to the others and is void after all leaves nothing more to say.
        if purpose == Purpose::Slot && (ended == Ended::Covers || !was_yielded) {
            let said = self.desks.of(stream.check).ended(stream, slot, ended, self.clock.wall());
            let statement = Statement { stream, slot, said };
            match said {
                Said::Done => self.book.tell_once_written(tell, Word { statement, result: Some(Arc::new(result)) }),
                Said::Started | Said::Yields => self.book.tell(&tell, &statement.into()),
            }
        }
    }

    /// Keeps what says that this host could not run a slot.
    pub(crate) fn keep_not_run(&self, job: &Job, holdings: &Holdings, code: &str, message: &str) {
        let Some(definition) = job.held.revision(job.revision) else { return };
        self.keep(&RunResult {
            stream: job.stream,
            purpose: job.purpose,
            slot: job.slot,
            terms: terms(definition, holdings),
            started: self.clock.wall(),
            duration_us: 0,
            cost: RunCost::default(),
            outcome: outcome::host_trouble(code, message),
        });
    }

    /// Puts a result in the spool; what is not plainly good wakes the link.
    pub(crate) fn keep(&self, result: &RunResult) {
        self.spool.append(result, self.clock.boot());
        if let Purpose::Vote(order) = result.purpose {
            self.orders.answered(order, result);
        }
        if result.outcome.status != Status::Up || matches!(result.purpose, Purpose::Vote(_)) {
            self.urgent.notify_one();
        }
    }

    async fn run_in_sandbox(
        &self,
        job: &Job,
        definition: &Definition,
        holdings: &Holdings,
        now: UnixMs,
    ) -> (Outcome, RunCost) {
        let Some(module) = holdings.modules.get(&definition.module) else {
            let missing = outcome::host_trouble("module-missing", "this host has not loaded the module of the check");
            return (missing, RunCost::default());
        };
        let context = RunContext {
            check_id: definition.check.to_string(),
            slot_ms: unsigned(job.slot),
            now_ms: unsigned(now),
            attempt: job.attempt,
            timeout_ms: definition.timeout_ms,
            config: definition.prepared.clone(),
        };
        let none = Secrets::default();
        let secrets = holdings.secrets(definition.check, definition.revision).unwrap_or(&none);
        let is_shown = |code: &str| self.showing().is_due(job.stream.check, code, now) || job.purpose != Purpose::Slot;
        let prober = self.prober.paid_by(definition.tenant);
        let found = tryout::run_once(&self.sandbox, &prober, module, &context, secrets, is_shown).await;
        if found.outcome.status == Status::Up {
            self.showing().is_well(job.stream.check);
        }
        (found.outcome, RunCost::of(found.cpu_us, found.memory_bytes))
    }
}

fn terms(definition: &Definition, holdings: &Holdings) -> Terms {
    let view = holdings.views.newest().map(|view| view.number).unwrap_or_default();
    Terms { revision: definition.revision, module: definition.module, view }
}

/// A run that takes longer was paused: the sandbox ends it before.
fn longest(definition: &Definition) -> Duration {
    Duration::from_millis(u64::from(definition.timeout_ms) + PAUSE_MS.unsigned_abs())
}

fn unsigned(moment: UnixMs) -> u64 {
    u64::try_from(moment.0).unwrap_or(0)
}
