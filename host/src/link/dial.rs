//! Opens a TLS connection to a control process: its authority and its name are pinned.

use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use crate::identity::{Identity, control_name};

/// From the lookup of the name to the end of the handshake. A control that takes longer is tried again
/// after the others.
const DIAL_LIMIT: Duration = Duration::from_secs(5);

/// A connection to control at this address, proven to be control's.
pub(crate) async fn connect(address: &str, identity: &Identity) -> anyhow::Result<TlsStream<TcpStream>> {
    let dialled = timeout(DIAL_LIMIT, async {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        identity.connector.connect(control_name(), stream).await
    });
    let connected = dialled.await.with_context(|| format!("no connection to control at {address} in time"))?;
    connected.with_context(|| format!("no connection to control at {address}"))
}
