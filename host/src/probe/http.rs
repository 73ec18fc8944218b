//! One HTTP request over one connection of its own, with everything that was seen on the way.
//!
//! Redirects are not followed and nothing is decoded: the module that asked sees what the server sent.
//! One deadline covers the whole. The connection is driven by the same task that waits for the answer.

mod body;
mod h1;
mod h2;
mod request;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use farwatch_core::target::{Target, TargetHost};
use farwatch_proto::outcome::SHOWN_MAX_BYTES;
use http::header::LOCATION;
use http::{HeaderMap, StatusCode};
use tokio::net::TcpStream;
use tokio::time::timeout_at;

use super::evidence::{ClientIdentity, Failure, Phase, Request, Response, Version, Want};
use super::tls::Offer;
use super::trace::{Mishap, Trace};
use super::wire::{Marking, Marks, Stream, Wire};
use super::{Prober, TIMEOUT_MAX_MS};
use body::{Body, Limit};
use request::Prepared;

/// The most body that is read, whatever the module asks for: it is held in memory for each run in flight.
const BODY_MAX_BYTES: u32 = 1 << 20;
/// The largest head of an answer. Servers with larger ones are broken, and a lower limit would meet some
/// that are not.
const HEAD_MAX_BYTES: usize = 64 * 1024;
/// All that may come before the head of the answer is complete, heads that only announce it among that: a few of the largest.
const BEGINNING_MAX_BYTES: usize = 4 * HEAD_MAX_BYTES;

/// The head of an answer, and its body as far as it was read.
struct RawResponse {
    status: StatusCode,
    headers: HeaderMap,
    body: Body,
}

/// What of a request is needed after it has been sent.
#[derive(Clone, Copy)]
struct Wish {
    version: Version,
    verify_tls: bool,
    want: Want,
    limit: Limit,
}

impl Prober {
    /// Makes one request and tells everything about it, whether it was answered or not.
    pub async fn fetch(&self, request: Request) -> Result<Response, Failure> {
        self.fetch_with_beginning(request).await.map(|(response, _)| response)
    }

    /// The same, with how the answer began whatever of it was wanted: for people, where it is not as it should be.
    pub async fn fetch_with_beginning(&self, request: Request) -> Result<(Response, Beginning), Failure> {
        let mut trace = Trace::new(self.clock.instant());
        let limit = Duration::from_millis(request.timeout_ms.clamp(1, TIMEOUT_MAX_MS).into());
        let deadline = (trace.began() + limit).into();
        let want = request.want;
        let done = {
            // Pinned where it is, for it is large and would be moved from hand to hand.
            let attempt = pin!(self.attempt(request, &mut trace));
            timeout_at(deadline, attempt).await
        };
        let now = self.clock.instant();
        match done {
            Ok(Ok((answer, version))) => Ok(response_of(answer, version, want, trace.finish(now), trace)),
            Ok(Err(mishap)) => Err(trace.fail(mishap, now)),
            Err(_) => Err(trace.time_out(limit, now)),
        }
    }

    async fn attempt(&self, request: Request, trace: &mut Trace) -> Result<(RawResponse, Version), Mishap> {
        let target = Target::of_url(&request.url).map_err(|error| request::invalid(error.to_string()))?;
        let wish = Wish {
            version: request.version,
            verify_tls: request.verify_tls,
            want: request.want,
            limit: Limit {
                bytes: request.max_body_bytes.min(BODY_MAX_BYTES) as usize,
                kept: if request.want.contains(Want::BODY) { usize::MAX } else { SHOWN_MAX_BYTES },
            },
        };
        let family = request.ip_version;
        let client = request.client.clone();
        let prepared = Prepared::new(request, &target)?;
        let stream = self.dial(&target.host, target.port, family, trace).await?;
        let (stream, version) = match (target.is_https, wish.version) {
            (true, _) => Box::pin(self.secure(stream, &target.host, wish, client.as_ref(), trace)).await?,
            (false, Version::Http2) => (Stream::Plain(stream), Version::Http2),
            (false, _) => (Stream::Plain(stream), Version::Http1),
        };
        let marks = Arc::new(Marks::new(self.clock.clone(), trace.began()));
        trace.hand_over(marks.clone());
        let answer = if version == Version::Http2 {
            let wire = Wire::new(stream, Marking::ByProtocol, marks.clone()).with_head_within(h2::BEGINNING_MAX_BYTES);
            Box::pin(h2::exchange(wire, prepared, &target, wish.limit, &marks)).await?
        } else {
            let wire = Wire::new(stream, Marking::ByBytes, marks.clone()).with_head_within(BEGINNING_MAX_BYTES);
            h1::exchange(wire, prepared, &target, wish.limit, &marks).await?
        };
        Ok((answer, version))
    }

    /// Encrypts the connection, and goes no further with a certificate that the check does not accept.
    async fn secure(
        &self,
        stream: TcpStream,
        host: &TargetHost,
        wish: Wish,
        client: Option<&ClientIdentity>,
        trace: &mut Trace,
    ) -> Result<(Stream, Version), Mishap> {
        let offer = match wish.version {
            Version::Http1 => Offer::Http1,
            Version::Http2 => Offer::Http2,
            Version::Automatic | Version::Http3 => Offer::Http2OrHttp1,
        };
        trace.enter(Phase::Tls, self.clock.instant());
        let stream = self.tls.handshake(stream, host, offer, client).await?;
        let with_chain = wish.want.contains(Want::CERTIFICATES);
        let (info, complaint) = self.tls.judge(&stream, host, &self.clock, with_chain)?;
        trace.leave(self.clock.instant());
        let speaks_http2 = info.alpn.as_deref() == Some("h2") || offer == Offer::Http2;
        trace.tls = Some(info);
        match complaint.filter(|_| wish.verify_tls) {
            Some(complaint) => Err(complaint),
            None if speaks_http2 => Ok((Stream::Tls(stream), Version::Http2)),
            None => Ok((Stream::Tls(stream), Version::Http1)),
        }
    }
}

/// How an answer began.
#[derive(Debug)]
pub struct Beginning {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its first bytes.
    pub body: Vec<u8>,
}

fn response_of(
    mut answer: RawResponse,
    version: Version,
    want: Want,
    times: super::evidence::PhaseTimes,
    trace: Trace,
) -> (Response, Beginning) {
    // What nobody wanted was read for its beginning alone.
    let (beginning, body) = if want.contains(Want::BODY) {
        let body = std::mem::take(&mut answer.body.bytes);
        (body[..body.len().min(SHOWN_MAX_BYTES)].to_vec(), body)
    } else {
        (std::mem::take(&mut answer.body.bytes), Vec::new())
    };
    let location = answer.headers.get(LOCATION).filter(|_| answer.status.is_redirection());
    let wanted = |part: Want, fields: &HeaderMap| if want.contains(part) { texts(fields) } else { Vec::new() };
    let response = Response {
        status: answer.status.as_u16(),
        version,
        location: location.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
        headers: wanted(Want::HEADERS, &answer.headers),
        trailers: wanted(Want::TRAILERS, &answer.body.trailers),
        body,
        body_bytes: u32::try_from(answer.body.count).unwrap_or(u32::MAX),
        body_truncated: answer.body.is_truncated,
        remote: trace.remote.map_or_else(String::new, |remote| remote.to_string()),
        times,
        tls: trace.tls,
    };
    (response, Beginning { headers: answer.headers, body: beginning })
}

fn texts(fields: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    fields.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}
