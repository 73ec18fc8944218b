//! One raw host: its link to whichever control process leads, from hello to the end and again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::bail;
use farwatch_core::holding::{digest_of_all, digest_of_check};
use farwatch_proto::fleet::View;
use farwatch_proto::id::{BootId, CheckId, HostId};
use farwatch_proto::link::{FromControl, FromHost, HEARTBEAT_MS, Order};
use farwatch_proto::time::{Stamp, UnixMs};
use farwatch_tests::clock::now;
use farwatch_tests::link::{LinkIdentity, RawLink, hello};
use farwatch_tests::wait::leave_alone;

use super::feed::{Feed, Owed, Sameness};
use super::fleet::{OLDEST_MS, Shared, Standing, may_fail};

/// How long neither side's silence holds up the other's word.
const PATIENCE: Duration = Duration::from_millis(2);
/// Good results wait this long for company, and failures that long.
const GATHER_MS: i64 = 250;
const GATHER_FAILURES_MS: i64 = 20;
/// The wait before the next process of control is tried.
const BACK_OFF: Duration = Duration::from_millis(100);
/// A link on which a welcome has not come by then is tried again.
const WELCOME_LIMIT_MS: i64 = 5_000;
/// Messages heard before anything is said.
const HEARD_IN_A_ROW: usize = 64;

/// A host without a sandbox, a spool or targets.
pub(super) struct RawHost {
    id: HostId,
    boot: BootId,
    identity: LinkIdentity,
    shared: Arc<Shared>,
    standing: Arc<Standing>,
    feed: Feed,
    /// The digest of each check that it holds.
    held: BTreeMap<CheckId, u64>,
    reached: Option<Stamp>,
    view: Option<View>,
    owed: Arc<Vec<Owed>>,
    orders: Vec<(Order, bool)>,
    /// Whether what it holds or sees has changed since it said so.
    has_news: bool,
    was_sending: bool,
}

impl RawHost {
    pub(super) fn new(id: HostId, identity: LinkIdentity, shared: Arc<Shared>, standing: Arc<Standing>) -> Self {
        let boot = BootId::of_key(&[id.as_bytes(), &now().0.to_be_bytes()]);
        Self {
            id,
            boot,
            identity,
            shared,
            standing,
            feed: Feed::new(boot),
            held: BTreeMap::new(),
            reached: None,
            view: None,
            owed: Arc::default(),
            orders: Vec::new(),
            has_news: false,
            was_sending: false,
        }
    }

    fn is_stopping(&self) -> bool {
        self.shared.stopping.load(Ordering::Relaxed)
    }

    /// Keeps a link until the end. Why one was lost is of no interest: control dies on purpose here.
    pub(super) fn serve(mut self) {
        for turn in 0.. {
            if self.is_stopping() {
                return;
            }
            let address = self.shared.controls[turn % self.shared.controls.len()].clone();
            let _ = self.converse(&address);
            self.standing.is_linked.store(false, Ordering::Relaxed);
            leave_alone(BACK_OFF);
        }
    }

    fn converse(&mut self, address: &str) -> anyhow::Result<()> {
        let mut link = RawLink::open(address, &self.identity)?;
        link.say(&self.hello())?;
        link.hurry(PATIENCE)?;
        self.feed.begin(now() - OLDEST_MS);
        let (opened, mut beaten) = (now(), UnixMs(0));
        while !self.is_stopping() {
            for _ in 0..HEARD_IN_A_ROW {
                let Some(text) = link.hear_soon()? else { break };
                self.shared.heard_bytes.fetch_add(text.len() as u64, Ordering::Relaxed);
                self.take_in(serde_json::from_str(&text)?)?;
            }
            if !self.standing.is_linked.load(Ordering::Relaxed) {
                if now().since(opened) > WELCOME_LIMIT_MS {
                    bail!("control did not say welcome");
                }
                continue;
            }
            if now().since(beaten) >= HEARTBEAT_MS.cast_signed() {
                beaten = now();
                link.say_soon(&heartbeat(beaten))?;
            }
            self.speak(&mut link)?;
        }
        Ok(())
    }

    fn hello(&self) -> FromHost {
        let mut said = hello(self.id, self.boot);
        if let FromHost::Hello { run_places, assignment, assignment_digest, view, .. } = &mut said {
            *run_places = 4_096;
            *assignment = self.reached;
            *assignment_digest = self.reached.map(|_| digest_of_all(self.held.values().copied()));
            *view = self.view.as_ref().map(|view| view.number);
        }
        said
    }

    /// Says what is held, answers orders, and sends what has been run.
    fn speak(&mut self, link: &mut RawLink) -> anyhow::Result<()> {
        if std::mem::take(&mut self.has_news) {
            let view = self.view.as_ref().map(|view| view.number);
            link.say_soon(&FromHost::Holds { assignment: self.reached, view, unable: Vec::new() })?;
        }
        let sends = self.shared.sends.load(Ordering::Relaxed);
        let Some(view) = self.view.as_ref().map(|view| view.number).filter(|_| sends) else {
            self.was_sending = false;
            return Ok(());
        };
        if !std::mem::replace(&mut self.was_sending, true) {
            self.feed.begin(now() - OLDEST_MS);
        }
        let failing = self.shared.failing.load(Ordering::Relaxed);
        let sameness = Sameness { module: self.shared.module, view, failing };
        if !self.orders.is_empty() {
            let orders = std::mem::take(&mut self.orders);
            link.say_soon(&FromHost::Results(self.feed.votes(&orders, sameness, now())))?;
        }
        let gather_ms = if failing { GATHER_FAILURES_MS } else { GATHER_MS };
        if self.feed.behind_ms(now()) >= gather_ms
            && let Some(batch) = self.feed.next(&self.owed, sameness, now())
        {
            link.say_soon(&FromHost::Results(batch))?;
        }
        Ok(())
    }

    fn take_in(&mut self, message: FromControl) -> anyhow::Result<()> {
        match message {
            FromControl::Welcome { .. } => self.standing.is_linked.store(true, Ordering::Relaxed),
            FromControl::NotLeader { .. } => bail!("another process leads"),
            FromControl::Refused { reason } => {
                self.shared.refused.fetch_add(1, Ordering::Relaxed);
                bail!("refused: {reason}");
            }
            FromControl::View { view } => {
                self.owed = self.shared.owed_by(self.id, &view)?;
                self.view = Some(view);
                self.has_news = true;
            }
            FromControl::Assign { since, to, last, put, forget } => {
                if since.is_none() && self.reached.is_some() {
                    self.held.clear();
                    self.reached = None;
                }
                self.held.retain(|check, _| !forget.contains(check));
                let of_one_check = put.chunk_by(|a, b| a.check == b.check);
                self.held.extend(of_one_check.map(|all| (all[0].check, digest_of_check(all.iter()))));
                if last {
                    self.reached = Some(to);
                    self.has_news = true;
                    self.standing.holds.store(self.held.len() as u64, Ordering::Relaxed);
                }
            }
            FromControl::Run { orders } => self.orders.extend(orders.into_iter().map(|order| {
                let n = u128::from_be_bytes(*order.stream.check.as_bytes());
                (order, u64::try_from(n).is_ok_and(may_fail))
            })),
            FromControl::Committed { mark } => {
                let results = self.feed.committed(mark);
                self.shared.committed.fetch_add(results, Ordering::Relaxed);
            }
            _ => {}
        }
        Ok(())
    }
}

fn heartbeat(wall: UnixMs) -> FromHost {
    FromHost::Heartbeat {
        wall,
        loop_lag_ms: 0,
        running: 0,
        hears: Vec::new(),
        unknown_kinds: 0,
        disk_full: false,
        dropped_results: 0,
        rate_capped: 0,
        panel: None,
        insane: false,
    }
}
