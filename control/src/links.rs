//! The address that hosts dial: mutual TLS, then one WebSocket per host, and modules by their hash.
//!
//! A link carries messages between a host and whoever leads; it decides nothing. A peer is who its
//! certificate says, and a message that claims otherwise is refused.

mod identity;
mod modules;
mod session;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::Extension;
use axum::routing::get;
use farwatch_proto::id::{BootId, HostId};
use farwatch_proto::link::{FromControl, FromHost, LINK_PATH, MODULE_PATH};
use farwatch_proto::time::BootMs;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info};

use crate::clock::Clock;
use crate::spawn::Spawner;
use crate::store::Store;

pub use identity::{LinkIdentity, Peer};

/// A handshake that takes longer is not a host's.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);
/// Connections at once: every host has one, and one more while it fetches a module.
const CONNECTIONS_MAX: usize = 1024;
/// Messages to one host that wait to be sent; a host that lets more pile up is dropped and comes again.
pub const OUTBOX_MAX: usize = 4096;
/// Messages of all hosts that wait for the leader; beyond it hosts wait, and their spools hold.
pub const INBOX_MAX: usize = 4096;

/// What a link tells the leader.
#[derive(Debug)]
pub enum LinkEvent {
    /// A host said hello.
    Arrived {
        /// Who.
        host: HostId,
        /// Tells this connection from the host's others; a later one is higher.
        connection: u64,
        /// The start of its process.
        boot: BootId,
        /// Where it dialled from.
        from: SocketAddr,
        /// The whole hello.
        hello: Box<FromHost>,
        /// Where to answer.
        outbox: mpsc::Sender<FromControl>,
    },
    /// A host said something.
    Said {
        /// Who.
        host: HostId,
        /// On which connection.
        connection: u64,
        /// When it came in.
        received: BootMs,
        /// What.
        message: FromHost,
    },
    /// A host said what cannot be read; it was told so.
    Unreadable {
        /// Who.
        host: HostId,
        /// When it came in; an unreadable message is a sign of life all the same.
        received: BootMs,
        /// What was wrong with it.
        reason: String,
    },
    /// A connection is gone, which alone proves nothing about the host.
    Left {
        /// Whose.
        host: HostId,
        /// Which.
        connection: u64,
    },
}

/// Whom a host is sent to: the leader's inbox while this process leads, else the leader's address.
#[derive(Clone, Debug)]
pub enum Destination {
    /// This process leads.
    Here(mpsc::Sender<LinkEvent>),
    /// It does not; where the leader is, if that is known.
    Elsewhere(Option<String>),
}

/// What every link needs.
#[derive(Clone)]
pub struct Links {
    /// Where hosts are sent; changes with the leader.
    pub destination: tokio::sync::watch::Receiver<Destination>,
    /// Modules by hash.
    pub store: Store,
    /// The clock.
    pub clock: Clock,
    /// Asked for by sessions, so that a stop closes them.
    pub spawner: Spawner,
}

/// Serves hosts on `listener` until the process stops.
pub fn serve(links: &Links, listener: TcpListener, identity: &LinkIdentity) -> anyhow::Result<()> {
    let acceptor =
        TlsAcceptor::from(Arc::new(identity.server_config().context("the link's certificate does not serve")?));
    let router = Router::new()
        .route(LINK_PATH, get(session::upgrade))
        .route(&format!("{MODULE_PATH}/{{hash}}"), get(modules::fetch))
        .with_state(links.clone());
    let spawner = links.spawner.clone();
    links.spawner.spawn("links", async move {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let stopping = spawner.stopping();
        loop {
            let accepted = tokio::select! {
                () = stopping.requested() => return,
                accepted = listener.accept() => accepted,
            };
            let Ok((stream, address)) = accepted else { continue };
            let Ok(place) = places.clone().try_acquire_owned() else {
                info!(%address, "connection refused: {CONNECTIONS_MAX} links are open");
                continue;
            };
            let (acceptor, router, stopping) = (acceptor.clone(), router.clone(), spawner.stopping());
            spawner.spawn("link", async move {
                let _place = place;
                tokio::select! {
                    () = stopping.requested() => {}
                    result = serve_connection(stream, acceptor, router) => {
                        if let Err(error) = result {
                            debug!(%address, error = format!("{error:#}"), "link ended");
                        }
                    }
                }
            });
        }
    });
    Ok(())
}

async fn serve_connection(stream: TcpStream, acceptor: TlsAcceptor, router: Router) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let address: SocketAddr = stream.peer_addr()?;
    let stream = timeout(HANDSHAKE_LIMIT, acceptor.accept(stream)).await.context("no TLS handshake in time")??;
    let peer = Peer::of(stream.get_ref().1, address)?;
    let service = TowerToHyperService::new(router.layer(Extension(peer)));
    hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await
        .map_err(Into::into)
}
