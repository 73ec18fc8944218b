//! Dials a neighbour: its name is in its certificate, and the fleet's authority has signed it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use farwatch_proto::id::HostId;
use farwatch_proto::peer::{PEER_PATH, peer_name};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::client_async_with_config;
use tracing::debug;

use super::Peering;
use super::session::{Session, socket_config};

/// From the connection to the WebSocket. Longer than a neighbour in another continent needs on a bad day.
const DIAL_LIMIT: Duration = Duration::from_secs(5);

/// Links to this neighbour until the link ends. An error means that it never came to be.
pub(super) async fn converse(peering: &Peering, host: HostId, address: SocketAddr) -> anyhow::Result<()> {
    let opened = timeout(DIAL_LIMIT, async {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(peer_name(host)).context("the name of a peer is a DNS name")?;
        let stream = peering.identity.connector.connect(name, stream).await?;
        let url = format!("wss://{}{PEER_PATH}", peer_name(host));
        let (socket, _) = client_async_with_config(url, stream, Some(socket_config())).await?;
        anyhow::Ok(socket)
    });
    let opened = opened.await.context("no peer link in time").and_then(|opened| opened);
    let socket = opened.inspect_err(|error| debug!(%host, %address, error = format!("{error:#}"), "no peer link"))?;
    if let Err(error) = Session::new(peering, (host, address), socket).serve().await {
        debug!(%host, %address, error = format!("{error:#}"), "a peer link ended");
    }
    Ok(())
}
