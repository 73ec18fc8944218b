//! Neighbours that dial this host: mutual TLS, then one WebSocket each.
//!
//! Whoever shows no certificate of the fleet, or one that names no host, is turned away before anything is read.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use farwatch_identity::named_in;
use farwatch_proto::link::PeerRefusal;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::accept_async_with_config;
use tracing::{debug, info};

use super::refused::TurnedAway;
use super::session::{Session, socket_config};
use super::{Peering, listen};

/// From the connection to the WebSocket. A neighbour that takes longer dials again.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);
/// Connections at once: a host has dozens of neighbours, each with one link and perhaps one that is dying.
const CONNECTIONS_MAX: usize = 512;

/// An address that is free soon, for another process of this host leaves it, is tried again after this long.
const LISTEN_AGAIN: Duration = Duration::from_millis(100);

/// Where neighbours dial this host. It is opened and closed as one process hands over to another.
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    /// Open from the start, unless another process of this host listens there.
    pub(crate) listener: Option<TcpListener>,
    pub(crate) is_open: watch::Receiver<bool>,
}

impl Door {
    /// Accepts neighbours until the host stops.
    pub(super) async fn serve(mut self, peering: Peering) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let stopping = peering.spawner.stopping();
        loop {
            self.open_or_close();
            tokio::select! {
                () = stopping.requested() => return,
                changed = self.is_open.changed() => if changed.is_err() { return },
                (stream, address) = accepted(self.listener.as_ref()) => admit(&peering, &places, stream, address),
                () = sleep(LISTEN_AGAIN), if self.listener.is_none() && *self.is_open.borrow() => {}
            }
        }
    }

    fn open_or_close(&mut self) {
        if !*self.is_open.borrow() {
            self.listener = None;
        } else if self.listener.is_none() {
            let opened = listen(self.address);
            let opened = opened.inspect_err(|error| debug!(error = format!("{error:#}"), "not listening yet"));
            self.listener = opened.ok();
        }
    }
}

/// The next connection; none ever comes where nobody listens.
async fn accepted(listener: Option<&TcpListener>) -> (TcpStream, SocketAddr) {
    let Some(listener) = listener else { return pending().await };
    loop {
        if let Ok(accepted) = listener.accept().await {
            return accepted;
        }
    }
}

fn admit(peering: &Peering, places: &Arc<Semaphore>, stream: TcpStream, address: SocketAddr) {
    let Ok(place) = places.clone().try_acquire_owned() else {
        info!(%address, "connection refused: {CONNECTIONS_MAX} peer links are open");
        return;
    };
    let accepting = peering.clone();
    peering.spawner.task("peer", async move {
        let _place = place;
        if let Err(error) = converse(&accepting, stream, address).await {
            debug!(%address, error = format!("{error:#}"), "a peer link ended");
        }
    });
}

async fn converse(peering: &Peering, stream: TcpStream, address: SocketAddr) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let turn_away = || {
        let reason = PeerRefusal::ForeignCertificate;
        let turned_away = TurnedAway { address: address.ip(), certificate: None, claims: None, reason };
        peering.refused.tell(&peering.shared, turned_away);
    };
    let opened = timeout(HANDSHAKE_LIMIT, async {
        let accepted = peering.identity.acceptor.accept(stream).await;
        let stream = accepted.inspect_err(|error| {
            if is_about_a_certificate(error) {
                turn_away();
            }
        })?;
        let chain = stream.get_ref().1.peer_certificates().context("the peer showed no certificate")?;
        let first = chain.first().context("the peer showed no certificate")?;
        let host = named_in(first).inspect_err(|_| turn_away())?.host;
        let socket = accept_async_with_config(stream, Some(socket_config())).await?;
        anyhow::Ok((host, socket))
    });
    let (host, socket) = opened.await.context("no peer link in time")??;
    Session::new(peering, (host, address), socket).serve().await
}

/// Whether there was no handshake because of the certificate that was shown.
fn is_about_a_certificate(error: &std::io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    matches!(cause, Some(rustls::Error::InvalidCertificate(_)))
}
