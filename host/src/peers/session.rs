//! One link to a neighbour, from hello to the end; both sides say the same kinds of things.
//!
//! Heartbeats come first. Statements wait a moment for company, but what lets another go at once does not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use farwatch_core::clocks::Source;
use farwatch_core::ownership::Receipt;
use farwatch_proto::id::HostId;
use farwatch_proto::link::{FRAME_MAX_BYTES, PeerRefusal};
use farwatch_proto::peer::{FromPeer, PEER_HEARTBEAT_MS, SAYS_MAX, Said, Statement};
use farwatch_proto::run::RunResult;
use farwatch_proto::time::BootMs;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::recap::Recap;
use super::refused::TurnedAway;
use super::{Peering, Word};
use crate::spawn::blocking;

/// A neighbour that has said nothing for this long is gone, whatever its socket says.
const SILENCE_MS: i64 = 5_000;
/// A neighbour that takes no bytes for this long is gone.
const SEND_LIMIT: Duration = Duration::from_secs(3);
/// Statements wait this long for company; owners wait at least a second longer for each other than a message takes.
const GATHER: Duration = Duration::from_millis(100);

/// How large a neighbour's messages may be.
pub(super) fn socket_config() -> WebSocketConfig {
    WebSocketConfig::default().max_message_size(Some(FRAME_MAX_BYTES)).max_frame_size(Some(FRAME_MAX_BYTES))
}

/// One link.
pub(super) struct Session<'p, S> {
    peering: &'p Peering,
    host: HostId,
    address: SocketAddr,
    socket: WebSocketStream<S>,
    /// The link's number in the book, once it is open.
    number: u64,
    waiting: Vec<Statement>,
    /// What was found in slots that were completed; it goes before the word that they were.
    results: Vec<Arc<RunResult>>,
    heard: BootMs,
    is_greeted: bool,
}

impl<'p, S: AsyncRead + AsyncWrite + Unpin> Session<'p, S> {
    /// A link to the neighbour that the certificate at its other end names.
    pub(super) fn new(peering: &'p Peering, (host, address): (HostId, SocketAddr), socket: WebSocketStream<S>) -> Self {
        let heard = peering.shared.clock.boot();
        let (waiting, results) = (Vec::new(), Vec::new());
        Self { peering, host, address, socket, number: 0, waiting, results, heard, is_greeted: false }
    }

    /// Converses until either side ends.
    pub(super) async fn serve(mut self) -> anyhow::Result<()> {
        self.demand_of_fleet()?;
        let (shared, peering, host) = (self.peering.shared.clone(), self.peering, self.host);
        let (number, words) = shared.book.open_link(shared.host, host, shared.clock.boot());
        self.number = number;
        let ended = self.converse(words).await;
        shared.book.close_link(peering.shared.host, host, number, shared.clock.boot());
        // A close that cannot be sent changes nothing.
        let _ = timeout(SEND_LIMIT, self.socket.close(None)).await;
        ended
    }

    async fn converse(&mut self, mut words: mpsc::Receiver<Word>) -> anyhow::Result<()> {
        let every = |period: Duration| {
            let mut ticks = interval(period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        };
        let (mut heartbeats, mut gathered) = (every(Duration::from_millis(PEER_HEARTBEAT_MS)), every(GATHER));
        let stopping = self.peering.spawner.stopping();
        let (peering, host) = (self.peering.clone(), self.host);
        let last_heard = peering.last_heard(host);
        self.send(&peering.hello()).await?;
        // It reads the disk, and heartbeats do not wait for that.
        let mut recapping = blocking(move || peering.recap(host, last_heard));
        let mut is_recapped = false;
        loop {
            tokio::select! {
                biased;
                () = stopping.requested() => return self.send_waiting().await,
                _ = heartbeats.tick() => self.beat().await?,
                received = self.socket.next() => {
                    let received = received.context("the neighbour closed the link")?.context("the link broke")?;
                    self.receive(&received)?;
                }
                recapped = &mut recapping, if !is_recapped => {
                    is_recapped = true;
                    let Recap { statements, results } = recapped.context("what was missed cannot be told")?;
                    self.waiting.extend(statements);
                    self.results.extend(results);
                    self.send_waiting().await?;
                }
                word = words.recv() => {
                    let Word { statement, result } = word.context("the link was given up")?;
                    self.waiting.push(statement);
                    self.results.extend(result);
                    if statement.said == Said::Yields || self.waiting.len() >= SAYS_MAX {
                        self.send_waiting().await?;
                    }
                }
                _ = gathered.tick() => self.send_waiting().await?,
            }
        }
    }

    /// Ends the link to a host that was retired, or that no view names yet.
    fn demand_of_fleet(&self) -> anyhow::Result<()> {
        if self.peering.is_of_fleet(self.host) {
            return Ok(());
        }
        self.turn_away(None, PeerRefusal::NotOfFleet);
        bail!("the newest view does not name {}", self.host)
    }

    fn turn_away(&self, claims: Option<HostId>, reason: PeerRefusal) {
        let (address, certificate) = (self.address.ip(), Some(self.host));
        self.peering.refused.tell(&self.peering.shared, TurnedAway { address, certificate, claims, reason });
    }

    async fn beat(&mut self) -> anyhow::Result<()> {
        self.demand_of_fleet()?;
        let clock = &self.peering.shared.clock;
        if clock.boot().since(self.heard) > SILENCE_MS {
            bail!("the neighbour has been silent for {} s", SILENCE_MS / 1000);
        }
        let (wall, held) = (clock.uncorrected_wall(), Some(self.peering.shared.spool.held()));
        let panel = self.peering.shared.panel.word();
        self.send(&FromPeer::Heartbeat { wall, held, panel }).await
    }

    async fn send_waiting(&mut self) -> anyhow::Result<()> {
        for batch in self.peering.signed(&std::mem::take(&mut self.results))? {
            self.send(&FromPeer::Results(batch)).await?;
        }
        while !self.waiting.is_empty() {
            let rest = self.waiting.split_off(self.waiting.len().min(SAYS_MAX));
            let statements = std::mem::replace(&mut self.waiting, rest);
            self.send(&FromPeer::Says { statements }).await?;
        }
        Ok(())
    }

    async fn send(&mut self, message: &FromPeer) -> anyhow::Result<()> {
        let text = serde_json::to_string(message).expect("a message is plain data, so it always serialises");
        let sending = self.socket.send(Message::Text(text.into()));
        timeout(SEND_LIMIT, sending).await.context("the neighbour takes no bytes")?.context("the link broke")
    }

    fn receive(&mut self, message: &Message) -> anyhow::Result<()> {
        let shared = &self.peering.shared;
        self.heard = shared.clock.boot();
        let text = match message {
            Message::Text(text) => text.as_str(),
            Message::Close(_) => bail!("the neighbour closed the link"),
            _ => return Ok(()),
        };
        let message: FromPeer = serde_json::from_str(text).context("the neighbour said what cannot be read")?;
        match message {
            FromPeer::Hello { host, .. } if host != self.host => {
                self.turn_away(Some(host), PeerRefusal::NamesAnother);
                bail!("the certificate names {}, but the hello {host}", self.host)
            }
            FromPeer::Hello { boot, .. } => {
                self.is_greeted = true;
                shared.book.greeted(self.host, self.number, boot);
            }
            _ if !self.is_greeted => bail!("the first message must be a hello"),
            FromPeer::Heartbeat { wall, held, panel } => {
                shared.clock.hear(Source::Peer(self.host), wall, 0);
                held.into_iter().for_each(|mark| shared.copies.held(self.host, mark));
                panel.into_iter().for_each(|word| shared.panel.hear(self.host, word));
            }
            FromPeer::Results(batch) if batch.origin != self.host => {
                bail!("{} sent results of {} as its own", self.host, batch.origin)
            }
            FromPeer::Results(batch) => shared.copies.keep(batch, self.heard),
            FromPeer::Says { statements } => self.take_in(&statements),
            FromPeer::Unknown => shared.health.note_unknown_kind(),
        }
        self.peering.heard(self.host);
        Ok(())
    }

    fn take_in(&self, statements: &[Statement]) {
        let shared = &self.peering.shared;
        let now = shared.clock.wall();
        for Statement { stream, slot, said } in statements {
            let receipt = Receipt { slot: *slot, from: self.host, said: *said };
            shared.desks.of(stream.check).hear(*stream, receipt, now);
        }
    }
}
