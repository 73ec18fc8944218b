//! One host's WebSocket, from hello to the end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Extension, State};
use axum::response::Response;
use farwatch_proto::link::{FRAME_MAX_BYTES, FromControl, FromHost};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::{debug, warn};

use super::{Destination, LinkEvent, Links, OUTBOX_MAX, Peer, renewal};
use crate::refusals::{Culprit, Refusal};

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
            () = converse(socket, &links, &peer) => {}
        }
    })
}

async fn converse(mut socket: WebSocket, links: &Links, peer: &Peer) {
    // Whoever closes with the hello unread may take back what it answered, so that is read first.
    let first = first_message(&mut socket, links, peer).await;
    let destination = links.destination.borrow().clone();
    let inbox = match destination {
        Destination::Here(inbox) => inbox,
        Destination::Elsewhere(leader) => {
            send(&mut socket, &FromControl::NotLeader { leader }).await;
            return;
        }
    };
    let hello = match first {
        Ok(Some(hello)) => hello,
        Ok(None) => return debug!(host = %peer.host, "a link ended without a hello"),
        Err(reason) => {
            refuse(&mut socket, reason).await;
            let refused = unreadable(links, peer, reason.to_owned());
            // The leader may be gone already; then nobody counts.
            let _ = inbox.send(refused).await;
            return;
        }
    };
    let FromHost::Hello { host, boot, .. } = hello else { return };
    let connection = CONNECTIONS.fetch_add(1, Ordering::Relaxed);
    let (outbox, to_send) = mpsc::channel(OUTBOX_MAX);
    let (from, public_key, hello) = (peer.address, peer.public_key.clone(), Box::new(hello));
    let arrived = LinkEvent::Arrived { host, connection, boot, from, public_key, hello, outbox };
    if inbox.send(arrived).await.is_ok() {
        exchange(&mut socket, links, peer, connection, &inbox, to_send).await;
        // The leader may be gone already; then nobody needs to know.
        let _ = inbox.send(LinkEvent::Left { host, connection }).await;
    }
}

/// The hello of the host that the certificate names; nothing when the connection ends before it, and a reason when
/// something else comes.
async fn first_message(socket: &mut WebSocket, links: &Links, peer: &Peer) -> Result<Option<FromHost>, &'static str> {
    let Ok(Some(Ok(message))) = timeout(HELLO_LIMIT, socket.recv()).await else { return Ok(None) };
    let text = message.to_text().unwrap_or_default();
    match serde_json::from_str(text) {
        Ok(FromHost::Hello { host, .. }) if host != peer.host => {
            warn!(certificate = %peer.host, claims = %host, address = %peer.address, "a host speaks for another");
            links.refusals.note(Refusal {
                action: "refused.link",
                culprit: Culprit::Host(peer.host),
                entity: host.to_string(),
                detail: json!({ "why": "another-host", "address": peer.address.ip() }),
            });
            Err("the hello names another host than the certificate")
        }
        Ok(hello @ FromHost::Hello { .. }) => Ok(Some(hello)),
        Ok(_) | Err(_) => Err("the first message must be a hello"),
    }
}

/// Carries messages both ways until either side ends.
async fn exchange(
    socket: &mut WebSocket,
    links: &Links,
    peer: &Peer,
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
                Ok(Some(Ok(Message::Binary(_)))) => unreadable(links, peer, "messages are text".to_owned()),
                Ok(Some(Err(error))) => match against_the_treaty(error) {
                    Some(reason) => {
                        // What follows on this connection cannot be told apart from the rest of it.
                        let _ = inbox.send(unreadable(links, peer, reason)).await;
                        return;
                    }
                    None => return,
                },
                _ => return,
            },
        };
        if let LinkEvent::Said { message: FromHost::Renew { request }, .. } = &event {
            // Whoever leads has nothing to decide about it.
            let answer = renewal::renew(links, peer, request).await;
            if !send(socket, &answer).await {
                return;
            }
            continue;
        }
        if let LinkEvent::Unreadable { reason, .. } = &event {
            refuse(socket, reason).await;
        }
        if inbox.send(event).await.is_err() {
            return;
        }
    }
}

fn read(text: &str, links: &Links, peer: &Peer, connection: u64) -> LinkEvent {
    let received = links.clock.boot();
    match serde_json::from_str(text) {
        Ok(message) => LinkEvent::Said { host: peer.host, connection, received, message },
        Err(error) => unreadable(links, peer, error.to_string()),
    }
}

fn unreadable(links: &Links, peer: &Peer, reason: String) -> LinkEvent {
    LinkEvent::Unreadable { host: peer.host, received: links.clock.boot(), reason }
}

/// What the peer did that no host does; nothing when only the connection broke.
fn against_the_treaty(error: axum::Error) -> Option<String> {
    use tungstenite::Error;
    use tungstenite::error::ProtocolError;
    match *error.into_inner().downcast::<Error>().ok()? {
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        broken @ (Error::Capacity(_) | Error::Protocol(_) | Error::Utf8(_)) => Some(broken.to_string()),
        _ => None,
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
