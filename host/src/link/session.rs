//! One connection to control, from its welcome to its end.
//!
//! Heartbeats come first, then what control must hear at once, then good results in groups, then the
//! backlog. What is in flight is bounded, so that a heartbeat never waits long behind results.

use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use farwatch_proto::link::{Batch, Declined, FromControl, FromHost, HEARTBEAT_MS, Mark, Order};
use farwatch_proto::time::BootMs;
use farwatch_proto::trying::TryOrder;
use futures_util::{SinkExt, StreamExt};
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tracing::{debug, warn};

use super::Link;
use super::greeting::{Socket, send, within_send_limit};
use crate::desks::shard_of;
use crate::shard::Asked;
use crate::spool::Feed;
use crate::upgrade::UpgradeOrder;

/// A control that has said nothing for this long is gone, whatever its socket says: every ping is answered.
const SILENCE_MS: i64 = 4_000;
/// Good results wait this long for company.
const GATHER: Duration = Duration::from_millis(250);
/// Results sent and not yet committed. More would keep heartbeats waiting on a slow line; less would idle
/// on a long one.
const IN_FLIGHT_MAX_BYTES: usize = 1 << 20;
/// How many live batches go out before anything else is looked at.
const LIVE_IN_A_ROW: usize = 4;

/// Why a session ended.
pub(super) enum End {
    /// The host stops.
    Stopped,
    /// Another process leads, perhaps there.
    NotLeader(Option<String>),
    /// The connection is gone.
    Lost(anyhow::Error),
}

/// One connection.
pub(super) struct Session<'l> {
    link: &'l mut Link,
    socket: Socket,
    feed: Feed,
    in_flight: Vec<(Mark, usize)>,
    heard: BootMs,
    /// Control refused something; the next mark it names says where to go on.
    resumes: bool,
    /// Closed with this connection, for what is done on its behalf alone.
    alive: watch::Sender<()>,
}

fn every(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

impl<'l> Session<'l> {
    /// A connection on which control has said welcome.
    pub(super) fn new(link: &'l mut Link, socket: Socket) -> Self {
        let (feed, heard) = (Feed::new(link.shared.spool.clone()), link.shared.clock.boot());
        let alive = watch::Sender::new(());
        Self { link, socket, feed, in_flight: Vec::new(), heard, resumes: false, alive }
    }

    /// Converses until either side ends.
    pub(super) async fn serve(mut self) -> End {
        let end = self.converse().await.unwrap_or_else(End::Lost);
        // A close that cannot be sent changes nothing.
        let _ = within_send_limit(self.socket.close(None)).await;
        end
    }

    async fn converse(&mut self) -> anyhow::Result<End> {
        let (mut heartbeats, mut gathered) = (every(Duration::from_millis(HEARTBEAT_MS)), every(GATHER));
        let (shared, relink) = (self.link.shared.clone(), self.link.relink.clone());
        let stopping = self.link.stopping.clone();
        self.tell_what_is_held().await?;
        loop {
            tokio::select! {
                biased;
                () = stopping.requested() => {
                    self.send_live().await?;
                    return Ok(End::Stopped);
                }
                _ = heartbeats.tick() => self.beat().await?,
                Some(message) = self.link.to_say.recv() => send(&mut self.socket, &message).await?,
                changed = self.link.acknowledged.changed() => {
                    changed.context("the host stops")?;
                    self.tell_what_is_held().await?;
                }
                () = relink.notified() => bail!("the whole assignment is asked for anew"),
                () = shared.urgent.notified() => self.send_live().await?,
                received = self.socket.next() => {
                    let received = received.context("control closed the link")?.context("the link broke")?;
                    self.heard = shared.clock.boot();
                    if let Some(end) = self.receive(&received)? {
                        return Ok(end);
                    }
                }
                _ = gathered.tick() => {
                    self.send_live().await?;
                    self.send_backlog().await?;
                }
            }
        }
    }

    async fn tell_what_is_held(&mut self) -> anyhow::Result<()> {
        let told = self.link.acknowledged.borrow_and_update().message();
        send(&mut self.socket, &told).await
    }

    async fn beat(&mut self) -> anyhow::Result<()> {
        let shared = self.link.shared.clone();
        if shared.clock.boot().since(self.heard) > SILENCE_MS {
            bail!("control has been silent for {} s", SILENCE_MS / 1000);
        }
        let heartbeat = FromHost::Heartbeat {
            wall: shared.clock.wall(),
            loop_lag_ms: shared.health.take_lag_ms(),
            running: shared.health.running(),
            hears: shared.peers().heard(shared.clock.boot()).collect(),
            unknown_kinds: shared.health.unknown_kinds(),
            disk_full: shared.spool.is_degraded(),
            dropped_results: shared.spool.dropped_results(),
            rate_capped: shared.prober.rate_capped(),
            panel: shared.panel.word(),
            insane: shared.panel.is_insane(),
        };
        send(&mut self.socket, &heartbeat).await?;
        within_send_limit(self.socket.send(Message::Ping(Bytes::new()))).await
    }

    /// Sends what is live, as far as the window allows.
    async fn send_live(&mut self) -> anyhow::Result<()> {
        for _ in 0..LIVE_IN_A_ROW {
            if self.in_flight_bytes() >= IN_FLIGHT_MAX_BYTES {
                return Ok(());
            }
            let Some(batch) = self.feed.next_live() else { return Ok(()) };
            self.send_batch(batch).await?;
        }
        // There may be more; it is looked at right after what else is waiting.
        self.link.shared.urgent.notify_one();
        Ok(())
    }

    /// Sends one batch of the backlog when nothing else is on the way, so that live results find the line
    /// free most of the time.
    async fn send_backlog(&mut self) -> anyhow::Result<()> {
        if !self.in_flight.is_empty() {
            return Ok(());
        }
        match self.feed.next_backlog() {
            Some(batch) => self.send_batch(batch).await,
            None => Ok(()),
        }
    }

    async fn send_batch(&mut self, batch: Batch) -> anyhow::Result<()> {
        self.in_flight.push((batch.to(), batch.packed.len()));
        send(&mut self.socket, &FromHost::Results(batch)).await
    }

    fn in_flight_bytes(&self) -> usize {
        self.in_flight.iter().map(|(_, bytes)| bytes).sum()
    }

    /// Acts on what control says; an end when it ends the session.
    fn receive(&mut self, message: &Message) -> anyhow::Result<Option<End>> {
        let text = match message {
            Message::Text(text) => text.as_str(),
            Message::Close(_) => bail!("control closed the link"),
            _ => return Ok(None),
        };
        let Ok(message) = serde_json::from_str::<FromControl>(text) else {
            warn!("control said what this version cannot read");
            self.link.shared.health.note_unknown_kind();
            return Ok(None);
        };
        match message {
            FromControl::Committed { mark } => self.committed(mark),
            FromControl::Refused { reason } => {
                warn!(reason, "control refused something");
                self.in_flight.clear();
                self.resumes = true;
            }
            FromControl::Run { orders } => orders.into_iter().for_each(|order| self.pass_on(order)),
            FromControl::Try { order } => self.try_out(*order),
            FromControl::Cancel { orders } => self.link.cancel(&orders),
            FromControl::Upgrade { release, size_bytes, ordered_at } => {
                if let Some(upgrader) = &self.link.to_upgrader {
                    // The order is said again as long as it stands.
                    let _ = upgrader.try_send(UpgradeOrder { release, size_bytes, ordered_at });
                }
            }
            FromControl::Certificate { chain } => self.link.take_certificate(&chain),
            FromControl::NotRenewed { reason } => warn!(reason, "control did not renew the certificate"),
            FromControl::Peers { peers } => self.link.learn_peers(peers),
            FromControl::Panel { references, fleet } => self.link.shared.panel.learn(references, fleet),
            FromControl::HandOver { origins } => self.link.hand_over(origins),
            FromControl::Received { batch } => self.link.shared.copies.received(batch),
            FromControl::NotLeader { leader } => return Ok(Some(End::NotLeader(leader))),
            FromControl::Unknown => self.link.shared.health.note_unknown_kind(),
            FromControl::Welcome { .. } => debug!("control repeated its welcome"),
            about_assignment => {
                let taken = self.link.to_assignment.try_send(about_assignment);
                taken.map_err(|_| anyhow!("more assignments came than could be taken in; they are asked for anew"))?;
            }
        }
        Ok(None)
    }

    fn committed(&mut self, mark: Mark) {
        let now = self.link.shared.clock.boot();
        self.link.shared.spool.committed(mark, now);
        let is_behind = |to: &Mark| (to.boot, to.segment) == (mark.boot, mark.segment) && to.offset <= mark.offset;
        self.in_flight.retain(|(to, _)| !is_behind(to));
        if std::mem::take(&mut self.resumes) {
            self.feed.resume_from(mark);
        }
    }

    fn try_out(&self, order: TryOrder) {
        let trying = self.link.tryer.clone().carry_out(order, self.alive.subscribe());
        self.link.spawner.task("try", trying);
    }

    fn pass_on(&self, order: Order) {
        let shards = &self.link.to_shards;
        let id = order.id;
        if shards[shard_of(order.stream.check, shards.len())].try_send(Asked::Vote(order)).is_err() {
            // What cannot be told either is a vote that control replaces by itself.
            let declines = FromHost::DeclinesOrder { order: id, reason: Declined::Full };
            let _ = self.link.shared.to_say.try_send(declines);
        }
    }
}
