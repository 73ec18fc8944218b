//! One request over a connection of its own, and the beginning of what came back.
//!
//! Follows no redirect, keeps no connection, and waits as long as whoever asks lets it.

use std::pin::pin;

use bytes::Bytes;
use http::Request;
use http::response::Parts;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::Builder;
use hyper_util::rt::TokioIo;

use super::connect::Stream;

/// What is read of an answer's body before the connection is closed.
const BODY_MAX_BYTES: usize = 512;
/// What a head of an answer may have.
const HEAD_MAX_BYTES: usize = 16 * 1024;
/// Who we are to receivers.
pub(crate) const AGENT: &str = concat!("Farwatch/", env!("CARGO_PKG_VERSION"));

/// What came back.
pub(crate) struct Answer {
    /// Status and headers.
    pub(crate) head: Parts,
    /// Its first bytes.
    pub(crate) body: Vec<u8>,
}

/// Sends the request and reads the answer, or says why there is none.
pub(crate) async fn exchange(stream: Box<dyn Stream>, request: Request<Full<Bytes>>) -> Result<Answer, String> {
    let exchanged = drive(stream, request).await;
    exchanged.map_err(|error| format!("the answer could not be read: {}", causes(&error)))
}

/// Drives the connection while it waits for what comes over it.
async fn drive(stream: Box<dyn Stream>, request: Request<Full<Bytes>>) -> Result<Answer, hyper::Error> {
    let (mut sender, connection) = Builder::new().max_buf_size(HEAD_MAX_BYTES).handshake(TokioIo::new(stream)).await?;
    let mut connection = pin!(connection);
    let mut answered = pin!(async move {
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = beginning(body).await;
        Ok(Answer { head, body })
    });
    tokio::select! {
        biased;
        answer = &mut answered => return answer,
        _ended = &mut connection => {}
    }
    // The connection has ended; what it brought is still to be read.
    answered.await
}

/// The first bytes of the body. A body that breaks off tells nothing that the status did not.
async fn beginning(mut body: Incoming) -> Vec<u8> {
    let mut read = Vec::new();
    while read.len() < BODY_MAX_BYTES {
        let Some(Ok(frame)) = body.frame().await else { break };
        if let Ok(data) = frame.into_data() {
            read.extend_from_slice(&data[..data.len().min(BODY_MAX_BYTES - read.len())]);
        }
    }
    read
}

fn causes(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
