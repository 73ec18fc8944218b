//! Tries: runs of configs that no check has, made at once for whoever waits for them at the other end of the link.
//!
//! Nothing of one is kept, and one whose link goes ends. It takes a place as a vote does, or is declined. Which hosts are
//! asked, and on whose behalf, is decided by control.

use std::sync::Arc;
use std::time::Duration;

use farwatch_proto::link::FromHost;
use farwatch_proto::time::UnixMs;
use farwatch_proto::trying::{TRY_LOAD_MAX_MS, TryEnd, TryOrder, Untried};
use farwatch_sandbox::{Module, RunContext};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::time::timeout;
use tracing::info;

use crate::desks::shard_of;
use crate::health::Pulse;
use crate::modules::{Loading, ModuleFailure};
use crate::outcome;
use crate::probe::Prober;
use crate::runner::Shared;
use crate::secrets::{Opener, Secrets};
use crate::shard::Asked;
use crate::tryout;

/// Tries at once. Each may have a module compiled, which takes a core for some seconds, and nobody's promise depends on
/// one: a second and a third person may wait for theirs, more would slow down what is due.
const TRIES_MAX: usize = 3;
/// A module that is not ready by then is told of. It is compiled all the same, and whoever asks again finds it.
const LOAD_LIMIT: Duration = Duration::from_millis(TRY_LOAD_MAX_MS as u64);

/// Carries out tries. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tryer {
    shared: Arc<Shared>,
    loading: Loading,
    opener: Arc<Opener>,
    to_shards: Vec<mpsc::Sender<Asked>>,
    turns: Arc<Semaphore>,
}

/// A try that is ready to be run.
pub(crate) struct Trial {
    module: Module,
    context: RunContext,
    prober: Prober,
    secrets: Secrets,
    places: Vec<OwnedSemaphorePermit>,
    /// Where it ends; closed once nobody waits any more.
    end: oneshot::Sender<TryEnd>,
}

impl Tryer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        loading: Loading,
        opener: Arc<Opener>,
        to_shards: Vec<mpsc::Sender<Asked>>,
    ) -> Self {
        Self { shared, loading, opener, to_shards, turns: Arc::new(Semaphore::new(TRIES_MAX)) }
    }

    /// Carries out an order and tells what became of it, unless its link goes before.
    pub(crate) async fn carry_out(self, order: TryOrder, mut link: watch::Receiver<()>) {
        let end = tokio::select! {
            _ = link.changed() => None,
            end = self.end_of(&order) => end,
        };
        let Some(end) = end else { return };
        // What finds no room is missed by whoever waits for it, and by nobody else.
        let is_told = self.shared.to_say.try_send(FromHost::Tried { order: order.id, end }).is_ok();
        info!(order = %order.id, module = %order.module, is_told, "config tried");
    }

    /// How it ended; nothing where this host stops.
    async fn end_of(&self, order: &TryOrder) -> Option<TryEnd> {
        let Ok(_turn) = self.turns.try_acquire() else { return Some(not_run(Untried::Full, String::new())) };
        if self.shared.panel.is_insane() {
            return Some(not_run(Untried::Insane, String::new()));
        }
        let module = match timeout(LOAD_LIMIT, self.loading.load(order.module)).await {
            Ok(Ok(module)) => module,
            Ok(Err(ModuleFailure::Lasting(reason) | ModuleFailure::Passing(reason))) => {
                return Some(not_run(Untried::Module, reason));
            }
            Err(_) => {
                let detail =
                    "it is not ready yet, for each host fetches and compiles it once; ask again in half a minute";
                return Some(not_run(Untried::Module, detail.to_owned()));
            }
        };
        let Shared { vote_places, places, .. } = &*self.shared;
        let taken = (vote_places.clone().try_acquire_owned(), places.clone().try_acquire_owned());
        let (Ok(vote_place), Ok(place)) = taken else { return Some(not_run(Untried::Full, String::new())) };
        let (end, ended) = oneshot::channel();
        let trial = Trial {
            module,
            context: context_of(order),
            prober: self.shared.prober.paid_by(order.tenant),
            secrets: self.opener.open_of((order.tenant, order.check), &order.secrets),
            places: vec![vote_place, place],
            end,
        };
        let shard = &self.to_shards[shard_of(order.check, self.to_shards.len())];
        if shard.try_send(Asked::Try(Box::new(trial))).is_err() {
            return Some(not_run(Untried::Full, String::new()));
        }
        ended.await.ok()
    }
}

impl Trial {
    /// Makes the run, on the thread that calls.
    pub(crate) async fn run(self, shared: &Shared, pulse: &Pulse) {
        let Self { module, mut context, prober, secrets, places, mut end } = self;
        let _running = shared.health.begin_run();
        let (started, began, since) = (shared.clock.wall(), shared.clock.instant(), shared.clock.boot());
        let pauses = pulse.pauses(since);
        context.now_ms = unsigned(started);
        let running = tryout::run_whole(&shared.sandbox, &prober, &module, &context, &secrets);
        let mut found = tokio::select! {
            () = end.closed() => return,
            found = running => found,
        };
        let took = shared.clock.instant().saturating_duration_since(began);
        drop(places);
        if pulse.pauses(shared.clock.boot()) != pauses {
            found.outcome = outcome::paused();
        }
        // Whoever waited may have gone.
        let _ = end.send(TryEnd::Ran(Box::new(found.told(started, took).fitting())));
    }
}

const fn not_run(why: Untried, detail: String) -> TryEnd {
    TryEnd::NotRun { why, detail }
}

fn context_of(order: &TryOrder) -> RunContext {
    RunContext {
        check_id: order.check.to_string(),
        slot_ms: unsigned(order.ordered_at),
        now_ms: unsigned(order.ordered_at),
        attempt: 0,
        timeout_ms: order.timeout_ms,
        config: order.prepared.clone(),
    }
}

fn unsigned(moment: UnixMs) -> u64 {
    u64::try_from(moment.0).unwrap_or(0)
}
