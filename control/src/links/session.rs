//! One host's WebSocket, from hello to the end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Extension, State};
use axum::response::Response;
use farwatch_proto::link::{FRAME_MAX_BYTES, FromControl, FromHost};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::{debug, warn};

use super::{Destination, LinkEvent, Links, OUTBOX_MAX, Peer};

/// A host that has not said hello by then never will.
const HELLO_LIMIT: Duration = Duration::from_secs(5);
/// Heartbeats come every 500 ms; a connection without any for this long is dead, whatever its socket says.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);
/// A peer that takes no bytes for this long is gone.
const SEND_LIMIT: Duration = Duration::from_secs(5);

/// Connections are numbered through the life of the process, so that a host's later one is known.
static CONNECTIONS: AtomicU64 = AtomicU64::new(1);

/// Makes the WebSocket.
pub(super) async fn upgrade(
    State(links): State<Links>,
    Extension(peer): Extension<Peer>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let upgrade = upgrade.max_message_size(FRAME_MAX_BYTES).max_frame_size(FRAME_MAX_BYTES);
    let spawner = links.spawner.clone();
    upgrade.on_upgrade(move |socket| async move {
        let stopping = spawner.stopping();
        tokio::select! {
            () = stopping.requested() => {}
            () = converse(socket, links, peer) => {}
        }
    })
}

async fn converse(mut socket: WebSocket, links: Links, peer: Peer) {
    let Some(hello) = first_message(&mut socket).await else {
        debug!(host = %peer.host, "a link ended without a hello");
        return;
    };
    let FromHost::Hello { host, boot, .. } = hello else {
        refuse(&mut socket, "the first message must be a hello").await;
        return;
    };
    if host != peer.host {
        warn!(certificate = %peer.host, claims = %host, address = %peer.address, "a host speaks for another");
        refuse(&mut socket, "the hello names another host than the certificate").await;
        return;
    }
    let destination = links.destination.borrow().clone();
    match destination {
        Destination::Elsewhere(leader) => {
            send(&mut socket, &FromControl::NotLeader { leader }).await;
        }
        Destination::Here(inbox) => {
            let connection = CONNECTIONS.fetch_add(1, Ordering::Relaxed);
            let (outbox, to_send) = mpsc::channel(OUTBOX_MAX);
            let arrived = LinkEvent::Arrived { host, connection, boot, hello: Box::new(hello), outbox };
            if inbox.send(arrived).await.is_ok() {
                exchange(&mut socket, &links, peer, connection, &inbox, to_send).await;
                // The leader may be gone already; then nobody needs to know.
                let _ = inbox.send(LinkEvent::Left { host, connection }).await;
            }
        }
    }
}

async fn first_message(socket: &mut WebSocket) -> Option<FromHost> {
    let message = timeout(HELLO_LIMIT, socket.recv()).await.ok()??.ok()?;
    serde_json::from_str(message.to_text().ok()?).ok()
}

/// Carries messages both ways until either side ends.
async fn exchange(
    socket: &mut WebSocket,
    links: &Links,
    peer: Peer,
    connection: u64,
    inbox: &mpsc::Sender<LinkEvent>,
    mut to_send: mpsc::Receiver<FromControl>,
) {
    loop {
        let event = tokio::select! {
            next = to_send.recv() => match next {
                Some(message) if send(socket, &message).await => continue,
                _ => return,
            },
            received = timeout(SILENCE_LIMIT, socket.recv()) => match received {
                Ok(Some(Ok(Message::Text(text)))) => read(&text, links, peer, connection),
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => continue,
                _ => return,
            },
        };
        if let LinkEvent::Unreadable { reason, .. } = &event {
            refuse(socket, reason).await;
        }
        if inbox.send(event).await.is_err() {
            return;
        }
    }
}

fn read(text: &str, links: &Links, peer: Peer, connection: u64) -> LinkEvent {
    let received = links.clock.boot();
    match serde_json::from_str(text) {
        Ok(message) => LinkEvent::Said { host: peer.host, connection, received, message },
        Err(error) => LinkEvent::Unreadable { host: peer.host, received, reason: error.to_string() },
    }
}

async fn refuse(socket: &mut WebSocket, reason: &str) {
    send(socket, &FromControl::Refused { reason: reason.to_owned() }).await;
}

/// Whether the message went out.
async fn send(socket: &mut WebSocket, message: &FromControl) -> bool {
    let text = serde_json::to_string(message).expect("a message is plain data, so it always serialises");
    matches!(timeout(SEND_LIMIT, socket.send(Message::Text(text.into()))).await, Ok(Ok(())))
}
