//! The leader's loop: take in, decide, commit, act.
//!
//! One flush is in flight at a time and the next begins when it has returned. An error ends the
//! leadership; the next one loads everything again.

use std::time::Duration;

use farwatch_proto::time::BootMs;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::field::Empty;
use tracing::{info_span, warn};

use super::carried::ASK_PERIOD_MS;
use super::commit::{apply, flush_of};
use super::draft::{Draft, Now};
use super::handle::{HostStatus, LeaderRequest, LeaderStatus};
use super::heartbeats::Heartbeats;
use super::lease::{LeaderConfig, Reigning};
use super::loads::LOAD_PERIOD_MS;
use super::sessions::Session;
use super::state::State;
use super::testing::Tests;
use super::tries::Tries;
use super::{checkpoint, references, views};
use crate::crash::{self, CrashPoint};
use crate::links::LinkEvent;
use crate::otlp::within;
use crate::store::{JournalHead, ShownStatus};

/// How often time passes for detectors, the fleet and the journal: a flush waits at most this long.
const TICK: Duration = Duration::from_millis(100);
/// Events taken in before anything else is done.
const EVENTS_AT_ONCE: usize = 1_000;
/// Results that make a flush without waiting for company.
const FLUSH_RESULTS: usize = 5_000;
/// Urgent flushes keep this distance: in a mass failure what fails meanwhile goes along with the next, and commits stay
/// under 50 a second. Nobody who is told of an outage notices.
const URGENT_GAP_MS: i64 = 20;
/// Config is looked at this often, signal or not.
const CONFIG_PERIOD_MS: i64 = 1_000;
/// How often the leader shows how it stands.
const STATUS_PERIOD_MS: i64 = 500;
/// How often the leader shows that to processes which do not lead: each time is a write.
const TELL_PERIOD_MS: i64 = 2_000;
/// How often what is settled is forgotten, and what is remembered is written down. A takeover reads the journal since,
/// which in the largest cell is a million results.
const TIDY_PERIOD_MS: i64 = 120_000;
/// The first time comes sooner, so that leaders which die again and again do not read more each time.
const FIRST_TIDY_MS: i64 = 10_000;

/// One leadership at work.
pub(super) struct Reign<'a> {
    pub(super) config: &'a LeaderConfig,
    pub(super) state: State,
    pub(super) draft: Draft,
    pub(super) tests: Tests,
    pub(super) heartbeats: Heartbeats,
    pub(super) tries: Tries,
    /// When the last flush returned.
    committed_at: BootMs,
    looked_at_config: i64,
    shown_at: i64,
    told_at: i64,
    asked_at: i64,
    references_at: i64,
    loads_at: i64,
    tidied_at: i64,
}

impl<'a> Reign<'a> {
    pub(super) fn new(config: &'a LeaderConfig, state: State) -> Self {
        Self {
            config,
            state,
            draft: Draft::default(),
            tests: Tests::default(),
            heartbeats: Heartbeats::default(),
            tries: Tries::default(),
            committed_at: BootMs(0),
            looked_at_config: 0,
            shown_at: 0,
            told_at: 0,
            asked_at: 0,
            references_at: 0,
            loads_at: 0,
            tidied_at: config.clock.boot().0 - TIDY_PERIOD_MS + FIRST_TIDY_MS,
        }
    }

    pub(super) fn now(&self) -> Now {
        Now { wall: self.config.clock.wall(), boot: self.config.clock.boot() }
    }

    /// Leads until the stop or until leadership is lost, which is an error.
    pub(super) async fn run(
        &mut self,
        inbox: &mut mpsc::Receiver<LinkEvent>,
        requests: &mut mpsc::Receiver<LeaderRequest>,
        reigning: &Reigning,
    ) -> anyhow::Result<()> {
        let stopping = self.config.spawner.stopping();
        let config_changed = self.config.handle.config_changed.clone();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut events = Vec::with_capacity(EVENTS_AT_ONCE);
        loop {
            let urgent_in = self.urgent_in();
            tokio::select! {
                () = stopping.requested() => break,
                () = reigning.lost() => anyhow::bail!("the lease was not renewed in time"),
                () = config_changed.notified() => self.looked_at_config = 0,
                Some(request) = requests.recv() => self.answer(request).await?,
                taken = inbox.recv_many(&mut events, EVENTS_AT_ONCE) => {
                    anyhow::ensure!(taken > 0, "the links are gone");
                    self.take_in(&mut events).await?;
                    if self.urgent_in() == Some(Duration::ZERO) || self.draft.results() >= FLUSH_RESULTS {
                        self.commit().await?;
                    }
                }
                () = sleep(urgent_in.unwrap_or_default()), if urgent_in.is_some() => self.commit().await?,
                _ = tick.tick() => self.pass_time().await?,
            }
        }
        self.commit().await
    }

    /// How long an urgent flush has yet to wait; nothing where none is.
    fn urgent_in(&self) -> Option<Duration> {
        let rest_ms = URGENT_GAP_MS - self.config.clock.boot().since(self.committed_at);
        self.draft.urgent.then(|| Duration::from_millis(rest_ms.max(0).unsigned_abs()))
    }

    async fn take_in(&mut self, events: &mut Vec<LinkEvent>) -> anyhow::Result<()> {
        for event in events.drain(..) {
            let now = self.now();
            self.tests.watch(&event);
            self.tries.watch(&event);
            self.state.take_in(&self.config.store, &mut self.draft, event, &self.config.listeners, now).await?;
        }
        self.state.noted.drain(..).for_each(|refusal| self.config.refusals.note(refusal));
        Ok(())
    }

    async fn pass_time(&mut self) -> anyhow::Result<()> {
        let now = self.now();
        if now.boot.0 - self.looked_at_config >= CONFIG_PERIOD_MS {
            self.looked_at_config = now.boot.0;
            self.follow_config(now).await?;
        }
        self.state.pass_turns(now.wall);
        views::step(&self.config.store, &mut self.state, now).await?;
        if now.boot.0 - self.asked_at >= ASK_PERIOD_MS {
            self.asked_at = now.boot.0;
            self.state.ask_after_silent(now.boot);
        }
        if now.boot.0 - self.references_at >= references::TELL_PERIOD_MS {
            self.references_at = now.boot.0;
            self.state.tell_references(&self.config.references, now.boot);
        }
        if now.boot.0 - self.loads_at >= LOAD_PERIOD_MS {
            self.loads_at = now.boot.0;
            self.state.add_up_loads(now.wall);
        }
        self.enforce_revisions(now).await?;
        self.end_checks(now);
        self.hear_jobs(now).await?;
        self.state.watch_for_mass_failure(now.wall);
        let silent = self.state.silent_voters(now.boot);
        self.draft.pass_time(&self.state, &silent, now);
        self.tests.forget_late(now.boot);
        self.tries.pass_time(&self.state, now.boot);
        self.commit().await?;
        if now.boot.0 - self.tidied_at >= TIDY_PERIOD_MS {
            self.tidied_at = now.boot.0;
            self.state.tidy(now.wall);
            self.heartbeats.forget_gone(&self.state.book);
            checkpoint::save(&self.config.store, &self.state).await?;
        }
        if now.boot.0 - self.shown_at >= STATUS_PERIOD_MS {
            self.shown_at = now.boot.0;
            self.config.handle.show(self.status(now));
        }
        if !self.config.is_sole && now.boot.0 - self.told_at >= TELL_PERIOD_MS {
            self.told_at = now.boot.0;
            self.tell_followers(now).await;
        }
        Ok(())
    }

    /// Shows the processes that do not lead how this one stands. They can do without.
    async fn tell_followers(&self, now: Now) {
        let body = serde_json::to_string(&self.status(now)).expect("a status is plain data");
        let shown = ShownStatus { epoch: self.state.epoch, at: now.wall, body };
        if let Err(error) = self.config.store.leader_status().show(&shown).await {
            warn!(%error, "other processes were not told how this one stands");
        }
    }

    /// Commits what has gathered, and acts on it.
    pub(super) async fn commit(&mut self) -> anyhow::Result<()> {
        if self.draft.is_empty() {
            return Ok(());
        }
        let now = self.now();
        let draft = std::mem::take(&mut self.draft);
        let flush = flush_of(&self.config.store, &self.state, &draft, now.wall).await?;
        crash::pass(CrashPoint::Commit);
        let began = self.config.clock.precise();
        let span = info_span!("flush", seq = flush.after.seq + 1, results = flush.results, error = Empty);
        let committed = within(span, self.config.store.journal().commit_flush(&flush)).await;
        let took = self.config.clock.precise().saturating_sub(began);
        self.config.metrics.flushed(if committed.is_ok() { "committed" } else { "failed" }, took);
        let committed = committed?;
        crash::pass(CrashPoint::Acknowledge);
        let head = JournalHead { seq: committed.seq, epoch: flush.epoch, flush: flush.id };
        let tells = !flush.deliveries.is_empty();
        let now = self.now();
        self.committed_at = now.boot;
        apply(&mut self.state, draft, head, now);
        self.config.handle.journal_grew.notify_one();
        if tells {
            self.config.handle.deliveries_due.notify_one();
        }
        Ok(())
    }

    fn status(&self, now: Now) -> LeaderStatus {
        let state = &self.state;
        let owned = state.owned_by_drained(now.wall);
        let hosts = state.newest.hosts.iter().map(|host| {
            let session = state.sessions.get(&host.id);
            let status = HostStatus {
                connected: session.is_some_and(Session::is_linked),
                silent_ms: state.fleet.silent_ms(host.id, now.boot),
                contradicted: state.fleet.is_contradicted(host.id, now.boot),
                version: session.map(|session| session.version.clone()),
                release: session.and_then(|session| session.release),
                can_upgrade: session.is_some_and(|session| session.can_upgrade),
                is_walled: session.is_some_and(|session| session.is_walled),
                upgrade_failure: session.and_then(|session| session.upgrade_failure.clone()),
                run_places: session.map(|session| session.run_places),
                owns: owned.get(&host.id).copied(),
                hears: session.map(|session| session.hears.clone()).unwrap_or_default(),
                running: session.map_or(0, |session| session.running),
                loop_lag_ms: session.map_or(0, |session| session.loop_lag_ms),
                disk_full: session.is_some_and(|session| session.disk_full),
                dropped_results: session.map_or(0, |session| session.dropped_results),
                rate_capped: session.map_or(0, |session| session.rate_capped),
                refused: state.refused.get(&host.id).copied().unwrap_or(0),
                rounds: state.outages.rounds_of(host.id),
                panel: state.fleet.panel_word(host.id),
                insane: state.fleet.is_insane(host.id),
                load: state.loads.get(&host.id).map(|load| load.places()),
                beyond_capacity: state.is_beyond_capacity(host.id),
                unable: session.map(|session| session.unable.clone()).unwrap_or_default(),
            };
            (host.id, status)
        });
        LeaderStatus {
            leads: true,
            epoch: Some(i64::try_from(state.epoch.n).unwrap_or(i64::MAX)),
            view: Some(state.newest.number),
            plan: state.fleet.plan().map(|plan| plan.number),
            results: state.results,
            refused: state.refused.values().sum(),
            unconfirmed: state.census.unconfirmed(),
            mass_failure: state.outages.mass_failure(),
            references: self.config.references.len(),
            panel: state.fleet.panel_count(now.boot),
            journal_seq: i64::try_from(state.head.seq).unwrap_or(i64::MAX),
            at: now.wall,
            verdicts: state.census.verdicts(),
            hosts: hosts.collect(),
        }
    }
}
