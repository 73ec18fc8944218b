//! Misses: every slot that was missed belongs to an incident of our own, one per cause.
//!
//! A run of it looks at the slots on which the record settled since the last look, lets `core/own_incident.rs` decide and
//! saves; how far it has looked is a row, written with what follows from it. Only the leader looks. It mends nothing and
//! revises nothing: what a spool brings later changes the ledger, and not what was seen missed here.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use farwatch_core::ledger::MissCause;
use farwatch_core::own_incident::{OwnIncident, Step, look};
use farwatch_proto::id::{HostId, ProcessId};
use farwatch_proto::time::UnixMs;
use tokio::sync::Notify;
use tracing::field::Empty;
use tracing::{info, info_span, warn};

use crate::clock::Clock;
use crate::fold::silent_hosts;
use crate::leader::LeaderHandle;
use crate::ledger::{LedgerError, missed_settling};
use crate::otlp::within;
use crate::spawn::Spawner;
use crate::store::{DAY_MS, Epoch, Store};
use crate::tail::Tail;
use crate::tasks::TaskList;

/// How often it looks.
const PERIOD: Duration = Duration::from_secs(60);
/// A new leader looks at nothing for so long: hosts that were without control bring first what they ran meanwhile.
const NEW_LEADER_WAITS_MS: i64 = 300_000;
/// The most that one step looks at, where many follow: three million slots of a full cell are too many at once, and are
/// taken by halves.
const STEP_MS: i64 = 300_000;
/// Steps are not halved below this.
const STEP_LEAST_MS: i64 = 1_000;
/// Steps of one run, so that the task shows how it stands while it catches up.
const STEPS_MAX: usize = 24;
/// What settled longer ago than this while nobody looked stands in the ledger alone.
const LOOKS_BACK_MS: i64 = DAY_MS;

/// What is looked by, and for whom.
#[derive(Debug)]
pub struct Looking<'s> {
    /// The database.
    pub store: &'s Store,
    /// What is held of the hours that are not folded.
    pub tail: &'s Tail,
    /// The leadership that writes.
    pub leader: Epoch,
    /// Hosts that the leader does not hear now, and that may hold results.
    pub silent: BTreeSet<HostId>,
    /// The moment.
    pub now: UnixMs,
}

/// Looks each minute, while this process leads.
pub(crate) fn start(
    spawner: &Spawner,
    tasks: &TaskList,
    store: Store,
    (clock, process): (Clock, ProcessId),
    (tail, handle): (Tail, LeaderHandle),
) {
    let about = ("misses", "Makes one incident of our own of each cause of missed slots.", PERIOD);
    let signal = Arc::new(Notify::new());
    let led: Arc<Mutex<Option<(Epoch, UnixMs)>>> = Arc::default();
    tasks.run(spawner, about, signal.clone(), move || {
        let (store, tail, handle, signal, led) =
            (store.clone(), tail.clone(), handle.clone(), signal.clone(), led.clone());
        async move {
            let (lease, now) = (store.lease().read().await?, clock.wall());
            if lease.holder != Some(process) || is_new(&led, lease.epoch, now) {
                return Ok(());
            }
            let silent = silent_hosts(&handle);
            let looking = Looking { store: &store, tail: &tail, leader: lease.epoch, silent, now };
            if within(info_span!("misses", error = Empty), looking.run()).await? {
                signal.notify_one();
            }
            Ok(())
        }
    });
}

/// Whether this leadership is too new to be looked by.
fn is_new(led: &Mutex<Option<(Epoch, UnixMs)>>, epoch: Epoch, now: UnixMs) -> bool {
    let mut led = led.lock().expect("no holder of this lock panics");
    let since = match *led {
        Some((known, since)) if known == epoch => since,
        _ => now,
    };
    *led = Some((epoch, since));
    now.since(since) < NEW_LEADER_WAITS_MS
}

impl Looking<'_> {
    /// One run. Says whether there is more to look at at once.
    pub async fn run(&self) -> anyhow::Result<bool> {
        let mut looked = self.store.own_incidents().looked_until().await?;
        if looked == UnixMs(0) {
            // What was missed before anybody looked stands in the ledger alone.
            self.store.own_incidents().save(self.leader, &[], self.now).await?;
            return Ok(false);
        }
        looked = looked.max(self.now - LOOKS_BACK_MS);
        for _ in 0..STEPS_MAX {
            if looked >= self.now {
                return Ok(false);
            }
            let step = self.step(looked).await;
            let step = step.with_context(|| format!("looking at what settled from {looked} on"))?;
            let Some(until) = step else { return Ok(false) };
            looked = until;
        }
        Ok(looked < self.now)
    }

    /// Looks at what settled from here on, and says until when; `None` while somebody may still bring a result of it.
    async fn step(&self, from: UnixMs) -> anyhow::Result<Option<UnixMs>> {
        let mut length_ms = STEP_MS;
        let (until, missed) = loop {
            let until = self.now.min(from + length_ms);
            match missed_settling(self.store, self.tail, (from, until), &self.silent, self.now).await {
                Err(LedgerError::TooManySlots { .. }) if length_ms > STEP_LEAST_MS => length_ms /= 2,
                missed => break (until, missed?),
            }
        };
        let Some(missed) = missed else { return Ok(None) };
        let open = self.store.own_incidents().open().await?;
        let (changed, steps): (Vec<OwnIncident>, Vec<Step>) = look(&open, &missed, until).into_iter().unzip();
        self.store.own_incidents().save(self.leader, &changed, until).await?;
        changed.iter().zip(steps).for_each(|(incident, step)| tell(incident, step));
        Ok(Some(until))
    }
}

/// A line per change, once it is committed.
fn tell(incident: &OwnIncident, step: Step) {
    let (cause, host, code) = match &incident.cause {
        MissCause::NoRun => ("no_run", None, ""),
        MissCause::HostTrouble { host, code } => ("host_trouble", Some(*host), code.as_str()),
        MissCause::OutsideWindow { host } => ("outside_window", Some(*host), ""),
    };
    let host = host.map(tracing::field::display);
    let OwnIncident { first_slot, last_slot, missed, .. } = *incident;
    match step {
        Step::Opened => warn!(cause, host, code, %first_slot, missed, "slots were missed"),
        Step::WentOn => {}
        Step::Resolved => info!(cause, host, code, %first_slot, %last_slot, missed, "no more slots are missed"),
    }
}
