//! Neighbours that dial this host: mutual TLS, then one WebSocket each.
//!
//! Whoever shows no certificate of the fleet, or one that names no host, is turned away before anything is read.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_tungstenite::accept_async_with_config;
use tracing::{debug, info};

use super::Peering;
use super::session::{Session, socket_config};
use crate::identity::host_in;

/// From the connection to the WebSocket. A neighbour that takes longer dials again.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);
/// Connections at once: a host has dozens of neighbours, each with one link and perhaps one that is dying.
const CONNECTIONS_MAX: usize = 512;

/// Accepts neighbours until the host stops.
pub(super) async fn serve(peering: Peering, listener: TcpListener) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let stopping = peering.spawner.stopping();
    loop {
        let accepted = tokio::select! {
            () = stopping.requested() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, address)) = accepted else { continue };
        let Ok(place) = places.clone().try_acquire_owned() else {
            info!(%address, "connection refused: {CONNECTIONS_MAX} peer links are open");
            continue;
        };
        let accepting = peering.clone();
        peering.spawner.task("peer", async move {
            let _place = place;
            if let Err(error) = converse(&accepting, stream).await {
                debug!(%address, error = format!("{error:#}"), "a peer link ended");
            }
        });
    }
}

async fn converse(peering: &Peering, stream: TcpStream) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let opened = timeout(HANDSHAKE_LIMIT, async {
        let stream = peering.identity.acceptor.accept(stream).await?;
        let chain = stream.get_ref().1.peer_certificates().context("the peer showed no certificate")?;
        let host = host_in(chain.first().context("the peer showed no certificate")?)?;
        let socket = accept_async_with_config(stream, Some(socket_config())).await?;
        anyhow::Ok((host, socket))
    });
    let (host, socket) = opened.await.context("no peer link in time")??;
    Session::new(peering, host, socket).serve().await
}
