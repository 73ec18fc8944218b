//! The exchange in HTTP/1.1.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use farwatch_core::target::Target;
use http::header::CONNECTION;
use http::{HeaderValue, Request};
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{Builder, Connection};
use hyper_util::rt::TokioIo;

use super::body::{Limit, Piece, Source, read};
use super::request::Prepared;
use super::{HEAD_MAX_BYTES, RawResponse};
use crate::probe::fault;
use crate::probe::trace::Mishap;
use crate::probe::wire::{Marks, Wire};

/// Sends the request and reads the answer.
pub(super) async fn exchange(
    wire: Wire,
    prepared: Prepared,
    target: &Target,
    limit: Limit,
    marks: &Marks,
) -> Result<RawResponse, Mishap> {
    let handshake = Builder::new().max_buf_size(HEAD_MAX_BYTES).handshake(TokioIo::new(wire)).await;
    let (mut sender, connection) = handshake.map_err(|error| mishap(&error, marks))?;
    let mut driven = Driven { connection, end: None };
    let mut answered = pin!(sender.send_request(request(prepared, target)));
    let head = poll_fn(|cx| {
        driven.drive(cx);
        answered.as_mut().poll(cx)
    });
    let (head, incoming) = head.await.map_err(|error| mishap(&error, marks))?.into_parts();
    marks.head_came();
    let body = read(H1Body { incoming, driven, marks }, limit).await?;
    Ok(RawResponse { status: head.status, headers: head.headers, body })
}

/// Asks the server to close when it has answered, unless the check asks for something else: whoever closes
/// first keeps the port for a minute, and here that should be the server, which listens on one anyway.
fn request(prepared: Prepared, target: &Target) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(prepared.body));
    *request.method_mut() = prepared.method;
    *request.uri_mut() = target.path_and_query.clone().into();
    *request.headers_mut() = prepared.headers;
    request.headers_mut().entry(CONNECTION).or_insert(HeaderValue::from_static("close"));
    request
}

/// A connection that is driven by whoever waits for what comes over it.
struct Driven {
    connection: Connection<TokioIo<Wire>, Full<Bytes>>,
    end: Option<hyper::Result<()>>,
}

impl Driven {
    fn drive(&mut self, cx: &mut Context<'_>) {
        if self.end.is_none()
            && let Poll::Ready(end) = Pin::new(&mut self.connection).poll(cx)
        {
            self.end = Some(end);
        }
    }
}

struct H1Body<'a> {
    incoming: Incoming,
    driven: Driven,
    marks: &'a Marks,
}

impl Source for H1Body<'_> {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, Mishap>> {
        if self.incoming.is_end_stream() {
            return Poll::Ready(Ok(Piece::End));
        }
        let mut polled = Pin::new(&mut self.incoming).poll_frame(cx);
        if polled.is_pending() {
            // The connection brings a piece only once somebody has asked for it.
            self.driven.drive(cx);
            polled = Pin::new(&mut self.incoming).poll_frame(cx);
        }
        polled.map(|frame| match frame {
            Some(Ok(frame)) => Ok(match frame.into_data() {
                Ok(data) => Piece::Data(data),
                Err(frame) => frame.into_trailers().map_or(Piece::End, Piece::Trailers),
            }),
            Some(Err(error)) => Err(mishap(&error, self.marks)),
            None => match &self.driven.end {
                Some(Err(error)) => Err(mishap(error, self.marks)),
                _ => Ok(Piece::End),
            },
        })
    }
}

fn mishap(error: &hyper::Error, marks: &Marks) -> Mishap {
    let phase = marks.phase();
    if error.is_parse_too_large() {
        fault::head_too_large(phase, HEAD_MAX_BYTES)
    } else if error.is_incomplete_message() {
        fault::closed(phase)
    } else if error.is_parse() {
        fault::protocol(phase, error)
    } else {
        fault::of_error(phase, error)
    }
}
