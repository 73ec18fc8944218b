//! How a connection to control begins: TLS, WebSocket, hello, welcome.

use std::future::Future;
use std::time::Duration;

use anyhow::{Context, bail};
use farwatch_core::clocks::Source;
use farwatch_proto::link::{CONTROL_NAME, FRAME_MAX_BYTES, FromControl, FromHost, LINK_PATH};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use tracing::info;

use super::session::{End, Session};
use super::{Link, dial};

/// Control answers a hello by then or is asked again later.
const WELCOME_LIMIT: Duration = Duration::from_secs(5);
/// A control that takes no bytes for this long is gone.
const SEND_LIMIT: Duration = Duration::from_secs(5);

/// The connection.
pub(super) type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// Connects, greets, converses, and says why it ended.
pub(super) async fn converse(link: &mut Link, address: &str) -> End {
    match greet(link, address).await {
        Ok(Ok(socket)) => Session::new(link, socket).serve().await,
        Ok(Err(end)) => end,
        Err(error) => End::Lost(error),
    }
}

async fn greet(link: &mut Link, address: &str) -> anyhow::Result<Result<Socket, End>> {
    let stream = dial::connect(address, &link.identity).await?;
    let config =
        WebSocketConfig::default().max_message_size(Some(FRAME_MAX_BYTES)).max_frame_size(Some(FRAME_MAX_BYTES));
    let url = format!("wss://{CONTROL_NAME}{LINK_PATH}");
    let upgraded = timeout(WELCOME_LIMIT, client_async_with_config(url, stream, Some(config))).await;
    let (mut socket, _) = upgraded.context("control did not open the link in time")??;
    let asked = link.shared.clock.instant();
    send(&mut socket, &link.hello()).await?;
    let first =
        timeout(WELCOME_LIMIT, first_message(&mut socket)).await.context("control did not answer the hello")??;
    let (version, wall, marks, fleet_listeners) = match first {
        FromControl::Welcome { version, wall, marks, fleet_listeners } => (version, wall, marks, fleet_listeners),
        FromControl::NotLeader { leader } => return Ok(Err(End::NotLeader(leader))),
        FromControl::Refused { reason } => bail!("control refused this host: {reason}"),
        _ => bail!("control began with something else than a welcome"),
    };
    let round_trip = link.shared.clock.instant().saturating_duration_since(asked);
    let on_its_way_ms = i64::try_from(round_trip.as_millis() / 2).unwrap_or(i64::MAX);
    link.shared.clock.hear(Source::Control, wall, on_its_way_ms);
    link.shared.clock.steer();
    link.learn_listeners(&fleet_listeners);
    link.shared.spool.welcomed(&marks, link.shared.clock.boot());
    info!(address, version, "linked to control");
    link.linked.send_replace(Some(address.to_owned()));
    Ok(Ok(socket))
}

async fn first_message(socket: &mut Socket) -> anyhow::Result<FromControl> {
    loop {
        let message = socket.next().await.context("control closed the link")??;
        if let Message::Text(text) = message {
            return serde_json::from_str(&text).context("control began with what cannot be read");
        }
    }
}

/// Sends a message, or says that nobody takes it.
pub(super) async fn send(socket: &mut Socket, message: &FromHost) -> anyhow::Result<()> {
    let text = serde_json::to_string(message).expect("a message is plain data, so it always serialises");
    within_send_limit(socket.send(Message::Text(text.into()))).await
}

/// Waits for bytes to be taken, but not for long.
pub(super) async fn within_send_limit(sending: impl Future<Output = Result<(), Error>>) -> anyhow::Result<()> {
    timeout(SEND_LIMIT, sending).await.context("control takes no bytes")?.context("the link broke")
}
