//! Serves the API on a port: a stated number of connections, each with a limit on how long its head may take.

use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::Layer;
use tracing::{debug, warn};

use super::gate::Peer;
use crate::spawn::{Spawner, Stopping};

/// Connections at once; more wait to be accepted. Each costs some kilobytes while it is idle.
const CONNECTIONS_MAX: usize = 1024;
/// A client that takes longer for the head of a request holds a place for nothing.
const HEAD_LIMIT: Duration = Duration::from_secs(15);
/// What lies between attempts to accept when the system has no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until the process stops, and lets running requests end.
pub(super) fn serve(router: Router, listener: TcpListener, spawner: &Spawner) {
    let keeper = spawner.clone();
    spawner.spawn("api", async move {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let stopping = keeper.stopping();
        loop {
            let place = places.clone().acquire_owned().await.expect("nobody closes the semaphore");
            let accepted = tokio::select! {
                () = stopping.requested() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, from)) => {
                    let (router, stopping) = (router.clone(), keeper.stopping());
                    keeper.spawn("api connection", async move {
                        let _place = place;
                        serve_connection(stream, Peer(from.ip()), router, stopping).await;
                    });
                }
                Err(error) => {
                    warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    });
}

async fn serve_connection(stream: TcpStream, peer: Peer, router: Router, stopping: Stopping) {
    let service = TowerToHyperService::new(Extension(peer).layer(router));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopping.requested() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "an API connection ended");
    }
}
