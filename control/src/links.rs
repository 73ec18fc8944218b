//! The address that hosts dial: mutual TLS, then one WebSocket per host, and modules by their hash.
//!
//! A link carries messages between a host and whoever leads; it decides nothing. A peer is who its
//! certificate says, and a message that claims otherwise is refused. Whoever shows no certificate may ask for one by a
//! join token, and for nothing else.

mod identity;
mod join;
mod modules;
mod releases;
mod renewal;
mod session;
#[cfg(test)]
mod stage;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Extension};
use axum::http::StatusCode;
use axum::routing::{get, post};
use farwatch_proto::id::{BootId, HostId};
use farwatch_proto::join::{AuthorityDigest, JOIN_BODY_MAX_BYTES, JOIN_PATH};
use farwatch_proto::link::{FromControl, FromHost, LINK_PATH, MODULE_PATH, RELEASE_PATH};
use farwatch_proto::time::BootMs;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info};

use crate::authority::Authority;
use crate::clock::Clock;
use crate::refusals::{Culprit, Refusal, Refusals};
use crate::spawn::Spawner;
use crate::store::Store;

pub use identity::{LinkIdentity, Peer};

/// A handshake that takes longer is not a host's.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);
/// Connections at once: every host has one, and one more while it fetches a module.
const CONNECTIONS_MAX: usize = 1024;
/// Machines that join at once; more dial again.
const JOINING_MAX: usize = 16;
/// A machine that joins says all it has to say within this time.
const JOIN_LIMIT: Duration = Duration::from_secs(15);
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
        /// The key of its certificate (SubjectPublicKeyInfo, DER).
        public_key: Arc<[u8]>,
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

/// Where new hosts come in.
#[derive(Clone, Debug)]
pub struct Entrance {
    /// Where hosts dial this process.
    pub address: String,
    /// By whom hosts know control; absent where this process cannot sign for it, so that nobody joins here.
    pub authority: Option<AuthorityDigest>,
}

/// Signs the certificates of hosts.
pub(crate) struct Signing {
    pub(crate) authority: Authority,
    /// How long a certificate is good, in milliseconds.
    pub(crate) life_ms: i64,
}

/// What every link needs.
#[derive(Clone)]
pub(crate) struct Links {
    /// Where hosts are sent; changes with the leader.
    pub(crate) destination: tokio::sync::watch::Receiver<Destination>,
    /// Modules by hash, join tokens, hosts.
    pub(crate) store: Store,
    /// Signs hosts, where this process can.
    pub(crate) signing: Option<Arc<Signing>>,
    /// Tells the leader that a host was registered.
    pub(crate) config_changed: Arc<Notify>,
    /// Where refusals are noted.
    pub(crate) refusals: Refusals,
    /// The clock.
    pub(crate) clock: Clock,
    /// Asked for by sessions, so that a stop closes them.
    pub(crate) spawner: Spawner,
}

/// What serves a connection: for hosts, and for machines that are none yet.
#[derive(Clone)]
struct Doors {
    acceptor: TlsAcceptor,
    hosts: Router,
    joining: Router,
    joining_places: Arc<Semaphore>,
    refusals: Refusals,
}

impl Doors {
    fn new(links: &Links, identity: &LinkIdentity) -> anyhow::Result<Self> {
        let config = identity.server_config().context("the link's certificate does not serve")?;
        let hosts = Router::new()
            .route(LINK_PATH, get(session::upgrade))
            .route(&format!("{MODULE_PATH}/{{hash}}"), get(modules::fetch))
            .route(&format!("{RELEASE_PATH}/{{hash}}"), get(releases::fetch))
            .with_state(links.clone());
        let joining = Router::new()
            .route(JOIN_PATH, post(join::join))
            .layer(DefaultBodyLimit::max(JOIN_BODY_MAX_BYTES))
            .fallback(async || (StatusCode::UNAUTHORIZED, "show a certificate of the fleet"))
            .with_state(links.clone());
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            hosts,
            joining,
            joining_places: Arc::new(Semaphore::new(JOINING_MAX)),
            refusals: links.refusals.clone(),
        })
    }
}

/// Serves hosts on `listener` until the process stops.
pub(crate) fn serve(links: &Links, listener: TcpListener, identity: &LinkIdentity) -> anyhow::Result<()> {
    let doors = Doors::new(links, identity)?;
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
            let (doors, stopping) = (doors.clone(), spawner.stopping());
            spawner.spawn("link", async move {
                let _place = place;
                tokio::select! {
                    () = stopping.requested() => {}
                    result = serve_connection(stream, &doors) => {
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

async fn serve_connection(stream: TcpStream, doors: &Doors) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let address: SocketAddr = stream.peer_addr()?;
    let accepted = timeout(HANDSHAKE_LIMIT, doors.acceptor.accept(stream)).await.context("no TLS handshake in time")?;
    let stream = accepted.inspect_err(|error| {
        if let Some(why) = refused_certificate(error) {
            note_certificate(&doors.refusals, address, &why);
        }
    })?;
    if stream.get_ref().1.peer_certificates().is_none() {
        let _place = doors.joining_places.try_acquire().context("as many machines join as may")?;
        let service = TowerToHyperService::new(doors.joining.clone().layer(Extension(join::Newcomer { address })));
        let serving = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        return Ok(timeout(JOIN_LIMIT, serving).await.context("a machine took too long to join")??);
    }
    let peer = Peer::of(stream.get_ref().1, address)
        .inspect_err(|error| note_certificate(&doors.refusals, address, &format!("{error:#}")))?;
    let service = TowerToHyperService::new(doors.hosts.clone().layer(Extension(peer)));
    hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await
        .map_err(Into::into)
}

/// What was wrong with the certificate, if that is why there was no handshake.
fn refused_certificate(error: &std::io::Error) -> Option<String> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(why) => Some(why.to_string()),
        _ => None,
    }
}

fn note_certificate(refusals: &Refusals, address: SocketAddr, why: &str) {
    refusals.note(Refusal {
        action: "refused.certificate",
        culprit: Culprit::Address(address.ip()),
        entity: "link".to_owned(),
        detail: json!({ "why": why }),
    });
}
