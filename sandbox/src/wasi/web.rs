//! `wasi:http` over the run's own probes: the same gate, the same resolver and the same sender as for everything else.
//!
//! A guest starts a request and goes on, to write its body or to wait for two at once. So a request is laid down in the
//! run's exchange, and the run has it made beside the guest, one after the other. Nothing here connects to anything,
//! follows a redirect, or knows an address.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt, LengthLimitError, Limited, StreamBody};
use tokio::sync::oneshot;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::Deferred;
use crate::bindings::farwatch::check::http::{Request, Response, Version, Want};
use crate::bindings::farwatch::check::types::{Failure, Phase};
use crate::exchange::Exchange;
use crate::limits::{STREAM_CHUNK_MAX, WEB_BODY_MAX};

/// What comes of a request.
type Answer = Result<http::Response<WasiBody>, Error>;
/// The form in which `wasi:http` wants it: with work that goes on while the body is read, of which there is none.
type Sent = Result<(http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error>;

/// Takes the requests of one guest.
pub(super) struct Web {
    exchange: Arc<Exchange>,
    /// How long the run may take.
    timeout: Duration,
}

impl Web {
    pub(super) fn new(exchange: Arc<Exchange>, timeout: Duration) -> Self {
        Self { exchange, timeout }
    }

    /// A request may take as long as its options say together, and never longer than is left of the run, so that the
    /// guest can still say what came of it.
    fn time_for(&self, options: Option<RequestOptions>) -> Duration {
        let left = self.timeout.saturating_sub(self.exchange.age());
        let RequestOptions { connect_timeout, first_byte_timeout, between_bytes_timeout } = options.unwrap_or_default();
        let given = [connect_timeout, first_byte_timeout, between_bytes_timeout].into_iter().flatten();
        given.reduce(Duration::saturating_add).map_or(left, |asked| asked.min(left))
    }
}

impl WasiHttpHooks for Web {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _done: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        if !self.exchange.takes_probe() {
            return Box::new(async { Err(Error::HttpRequestDenied) });
        }
        let (answer, answered) = oneshot::channel();
        let request = WebRequest { request, timeout: self.time_for(options), answer };
        self.exchange.defer(Deferred::Request(Box::new(request)));
        Box::new(async {
            // Whoever drops a request unanswered has ended the run.
            let response = answered.await.unwrap_or(Err(Error::ConnectionTerminated))?;
            let nothing: Box<dyn Future<Output = Result<(), Error>> + Send> = Box::new(async { Ok(()) });
            Ok((response, nothing))
        })
    }

    // The probe sets it, as for every module.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        STREAM_CHUNK_MAX
    }
}

/// A request that its guest goes on beside.
pub(crate) struct WebRequest {
    request: http::Request<WasiBody>,
    timeout: Duration,
    answer: oneshot::Sender<Answer>,
}

impl WebRequest {
    /// The run's side: has it made, for as long as anybody waits for it.
    pub(crate) async fn make<F>(self, fetch: impl FnOnce(Request) -> F)
    where
        F: Future<Output = Result<Response, Failure>>,
    {
        let Self { request, timeout, mut answer } = self;
        let making = async {
            let request = whole(request, timeout).await?;
            fetch(request).await.map(response).map_err(|failure| error(&failure))
        };
        tokio::select! {
            biased;
            () = answer.closed() => {}
            made = making => {
                // Nobody may be waiting any more.
                let _ = answer.send(made);
            }
        }
    }
}

/// The request with all of its body, which the guest is still writing.
async fn whole(request: http::Request<WasiBody>, timeout: Duration) -> Result<Request, Error> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, WEB_BODY_MAX).collect().await.map_err(|error| {
        let is_too_long = error.is::<LengthLimitError>();
        let limit = u64::try_from(WEB_BODY_MAX).ok();
        if is_too_long { Error::HttpRequestBodySize(limit) } else { Error::ConnectionTerminated }
    })?;
    let body = body.to_bytes();
    let mut headers = Vec::with_capacity(head.headers.len());
    // The length follows from the body. That of the header was held against it already.
    for (name, value) in head.headers.iter().filter(|(name, _)| *name != http::header::CONTENT_LENGTH) {
        let value = str::from_utf8(value.as_bytes()).map_err(|_| Error::HttpProtocolError)?;
        headers.push((name.as_str().to_owned(), value.to_owned()));
    }
    Ok(Request {
        method: head.method.as_str().to_owned(),
        url: head.uri.to_string(),
        headers,
        body: (!body.is_empty()).then(|| body.into()),
        version: Version::Automatic,
        verify_tls: true,
        client: None,
        ip_version: None,
        max_body_bytes: u32::MAX,
        timeout_ms: u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX),
        want: Want::HEADERS | Want::BODY | Want::TRAILERS,
    })
}

/// What a guest gets of an answer. One that was cut ends with an error, after all that is there.
fn response(answer: Response) -> http::Response<WasiBody> {
    let read = u64::from(answer.body_bytes);
    let mut frames = vec![Ok(Frame::data(Bytes::from(answer.body)))];
    if answer.body_truncated {
        frames.push(Err(Error::HttpResponseBodySize(Some(read))));
    } else if !answer.trailers.is_empty() {
        frames.push(Ok(Frame::trailers(headers(&answer.trailers))));
    }
    let mut response = http::Response::new(StreamBody::new(stream::iter(frames)).boxed_unsync());
    *response.headers_mut() = headers(&answer.headers);
    // A status that the probe has read has three digits.
    *response.status_mut() = http::StatusCode::from_u16(answer.status).unwrap_or_default();
    response
}

/// Those of them that are headers: what a server sends need not be.
fn headers(pairs: &[(String, String)]) -> http::HeaderMap {
    let parse = |(name, value): &(String, String)| {
        let name = http::HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some((name, http::HeaderValue::from_str(value).ok()?))
    };
    let mut map = http::HeaderMap::new();
    for (name, value) in pairs.iter().filter_map(parse) {
        map.append(name, value);
    }
    map
}

/// The word of `wasi:http` for a failed probe.
fn error(failure: &Failure) -> Error {
    let dns_error = |rcode: Option<&str>| Error::DnsError { rcode: rcode.map(str::to_owned), info_code: None };
    match (failure.phase, failure.code.as_str()) {
        (_, "egress-refused") => Error::DestinationIpProhibited,
        (Phase::Prepare, "request-invalid") => Error::HttpProtocolError,
        (Phase::Prepare, "fetch-limit" | "rate-capped") => Error::HttpRequestDenied,
        (Phase::Prepare, _) => Error::InternalError(Some(failure.message.clone())),
        (Phase::Resolve, "dns-timeout") => Error::DnsTimeout,
        (Phase::Resolve, "dns-not-found") => dns_error(Some("NXDOMAIN")),
        (Phase::Resolve, _) => dns_error(None),
        (Phase::Connect, "connection-refused") => Error::ConnectionRefused,
        (Phase::Connect | Phase::Tls, "connect-timeout" | "tls-timeout") => Error::ConnectionTimeout,
        (Phase::Connect, "host-unreachable" | "network-unreachable") => Error::DestinationIpUnroutable,
        (Phase::Connect, _) => Error::DestinationUnavailable,
        (Phase::Tls, code) if code.starts_with("tls-certificate-") => Error::TlsCertificateError,
        (Phase::Tls, _) => Error::TlsProtocolError,
        (_, "send-timeout") => Error::ConnectionWriteTimeout,
        (_, "first-byte-timeout") => Error::HttpResponseTimeout,
        (_, "transfer-timeout") => Error::ConnectionReadTimeout,
        (_, "response-too-large") => Error::HttpResponseHeaderSectionSize(None),
        (Phase::Transfer, "connection-reset" | "connection-closed") => Error::HttpResponseIncomplete,
        (_, "connection-reset" | "connection-closed") => Error::ConnectionTerminated,
        (Phase::Send | Phase::FirstByte | Phase::Transfer, _) => Error::HttpProtocolError,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::fetch_limit;

    #[test]
    fn a_request_gets_what_its_options_say_and_never_more_than_the_run_has() {
        let second = Duration::from_secs(1);
        let web = Web::new(Arc::new(Exchange::new(0)), 10 * second);
        let asked = |connect: Option<u32>, first_byte: Option<u32>| {
            let options = RequestOptions {
                connect_timeout: connect.map(|seconds| seconds * second),
                first_byte_timeout: first_byte.map(|seconds| seconds * second),
                between_bytes_timeout: None,
            };
            web.time_for(Some(options))
        };
        assert_eq!(asked(Some(2), Some(3)), 5 * second);
        assert_eq!(asked(None, Some(3)), 3 * second);
        for whole_run in [asked(Some(20), None), asked(Some(u32::MAX), Some(u32::MAX)), asked(None, None)] {
            assert!((9 * second..=10 * second).contains(&whole_run), "{whole_run:?}");
        }
    }

    #[test]
    fn every_failure_has_its_word() {
        for (phase, code, word) in [
            (Phase::Resolve, "egress-refused", "destination IP address is prohibited"),
            (Phase::Prepare, "rate-capped", "HTTP request denied"),
            (Phase::Resolve, "dns-not-found", "DNS error: rcode NXDOMAIN"),
            (Phase::Resolve, "dns-new", "DNS error"),
            (Phase::Connect, "connection-refused", "connection refused"),
            (Phase::Connect, "connect-timeout", "connection timeout"),
            (Phase::Tls, "tls-timeout", "connection timeout"),
            (Phase::Tls, "tls-certificate-expired", "TLS certificate error"),
            (Phase::FirstByte, "connection-closed", "connection terminated"),
            (Phase::Transfer, "connection-closed", "incomplete HTTP response"),
        ] {
            let failure = Failure { phase, code: code.to_owned(), ..fetch_limit() };
            assert_eq!(error(&failure).to_string(), word, "{code}");
        }
    }
}
