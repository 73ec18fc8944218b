//! The exchange in HTTP/2, agreed on in the TLS handshake or taken for granted.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::h2::client::{Builder, Connection};
use ::h2::{Reason, RecvStream};
use bytes::Bytes;
use farwatch_core::target::Target;
use http::header::{CONNECTION, HOST, HeaderName, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, Scheme, Uri};
use http::{Request, Version};

use super::body::{Limit, Piece, Source, read};
use super::request::{Prepared, invalid};
use super::{BODY_MAX_BYTES, HEAD_MAX_BYTES, RawResponse};
use crate::probe::fault;
use crate::probe::trace::Mishap;
use crate::probe::wire::{Marks, Wire};

/// The server may send this much unasked: the largest body that is read and one frame more, so that no
/// window has to be reopened on the way.
const WINDOW_BYTES: u32 = BODY_MAX_BYTES + 64 * 1024;

/// All that may come before the head is noticed: the body may come in the same breath.
pub(super) const BEGINNING_MAX_BYTES: usize = super::BEGINNING_MAX_BYTES + WINDOW_BYTES as usize;

/// Headers about the connection, which HTTP/2 does not have.
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Sends the request and reads the answer.
pub(super) async fn exchange(
    wire: Wire,
    prepared: Prepared,
    target: &Target,
    limit: Limit,
    marks: &Marks,
) -> Result<RawResponse, Mishap> {
    let body = prepared.body.clone();
    let request = request(prepared, target)?;
    let handshake = Builder::new()
        .enable_push(false)
        .max_header_list_size(HEAD_MAX_BYTES as u32)
        .initial_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .handshake::<_, Bytes>(wire)
        .await;
    let (mut sender, connection) = handshake.map_err(|error| mishap(&error, marks))?;
    let mut driven = Driven { connection, is_over: false };
    let (mut answered, mut stream) =
        sender.send_request(request, body.is_empty()).map_err(|error| mishap(&error, marks))?;
    if !body.is_empty() {
        stream.send_data(body, true).map_err(|error| mishap(&error, marks))?;
    }
    let mut is_sent = false;
    let head = poll_fn(|cx| {
        let end = driven.drive(cx);
        if !is_sent {
            marks.sent_now();
            is_sent = true;
        }
        match Pin::new(&mut answered).poll(cx) {
            Poll::Pending => end.map_or(Poll::Pending, |end| Poll::Ready(Err(end))),
            Poll::Ready(head) => Poll::Ready(head.map_err(Some)),
        }
    });
    let head = head.await.map_err(|end| ended(end.as_ref(), marks))?;
    marks.received_now();
    marks.head_came();
    let (head, incoming) = head.into_parts();
    let body = read(H2Body { incoming, driven, marks, is_data_over: false }, limit).await?;
    Ok(RawResponse { status: head.status, headers: head.headers, body })
}

fn request(prepared: Prepared, target: &Target) -> Result<Request<()>, Mishap> {
    let Prepared { method, mut headers, body } = prepared;
    let host = headers.remove(HOST);
    let authority = host.as_ref().and_then(|host| Authority::try_from(host.as_bytes()).ok());
    for name in [CONNECTION, TRANSFER_ENCODING, UPGRADE, KEEP_ALIVE, PROXY_CONNECTION] {
        headers.remove(name);
    }
    if headers.get(TE).is_some_and(|te| te != "trailers") {
        headers.remove(TE);
    }
    if !body.is_empty() {
        headers.insert(http::header::CONTENT_LENGTH, body.len().into());
    }
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(if target.is_https { Scheme::HTTPS } else { Scheme::HTTP });
    parts.authority = authority;
    parts.path_and_query = Some(target.path_and_query.clone());
    let mut request = Request::new(());
    *request.uri_mut() = Uri::from_parts(parts).map_err(|error| invalid(format!("the host header: {error}")))?;
    *request.method_mut() = method;
    *request.headers_mut() = headers;
    *request.version_mut() = Version::HTTP_2;
    Ok(request)
}

/// A connection that is driven by whoever waits for what comes over it.
struct Driven {
    connection: Connection<Wire, Bytes>,
    is_over: bool,
}

impl Driven {
    /// Moves the connection on; when that ends it, says how.
    fn drive(&mut self, cx: &mut Context<'_>) -> Option<Option<::h2::Error>> {
        if self.is_over {
            return None;
        }
        match Pin::new(&mut self.connection).poll(cx) {
            Poll::Pending => None,
            Poll::Ready(end) => {
                self.is_over = true;
                Some(end.err())
            }
        }
    }
}

struct H2Body<'a> {
    incoming: RecvStream,
    driven: Driven,
    marks: &'a Marks,
    is_data_over: bool,
}

impl H2Body<'_> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, ::h2::Error>> {
        if !self.is_data_over {
            match self.incoming.poll_data(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(data)) => return Poll::Ready(data.map(Piece::Data)),
                Poll::Ready(None) => self.is_data_over = true,
            }
        }
        self.incoming.poll_trailers(cx).map(|end| Ok(end?.map_or(Piece::End, Piece::Trailers)))
    }
}

impl Source for H2Body<'_> {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, Mishap>> {
        if self.incoming.is_end_stream() {
            return Poll::Ready(Ok(Piece::End));
        }
        let end = self.driven.drive(cx);
        match self.poll_next(cx) {
            Poll::Ready(Ok(piece)) => {
                self.marks.received_now();
                Poll::Ready(Ok(piece))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(mishap(&error, self.marks))),
            Poll::Pending => match end {
                Some(end) => Poll::Ready(Err(ended(end.as_ref(), self.marks))),
                None => Poll::Pending,
            },
        }
    }
}

fn ended(end: Option<&::h2::Error>, marks: &Marks) -> Mishap {
    end.map_or_else(|| fault::closed(marks.phase()), |error| mishap(error, marks))
}

fn mishap(error: &::h2::Error, marks: &Marks) -> Mishap {
    let phase = marks.phase();
    match error.get_io() {
        Some(broken) => fault::of_error(phase, broken),
        None if error.reason() == Some(Reason::ENHANCE_YOUR_CALM) => fault::head_too_large(phase, HEAD_MAX_BYTES),
        None => fault::protocol(phase, error),
    }
}
