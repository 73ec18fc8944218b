//! One request to the receiver of telemetry, and whether it was taken.

use std::time::Duration;

use bytes::Bytes;
use farwatch_core::target::Target;
use http::header::{CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::Full;
use tokio::time::timeout;

use crate::tell::connect::Connector;
use crate::tell::exchange::{AGENT, exchange};

/// From the lookup to the answer. A collector only queues what it is given.
const LIMIT: Duration = Duration::from_secs(5);

/// Why something was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotTaken {
    /// The same may be taken later.
    #[error("{0}")]
    Passing(String),
    /// It never will be.
    #[error("{0}")]
    Lasting(String),
}

/// Sends one body.
pub(super) async fn post(
    connector: &Connector,
    target: &Target,
    headers: &HeaderMap,
    body: Vec<u8>,
) -> Result<(), NotTaken> {
    match timeout(LIMIT, attempt(connector, target, headers, body)).await {
        Ok(Ok(status)) => judged(status, target),
        Ok(Err(why)) => Err(NotTaken::Passing(why)),
        Err(_) => Err(NotTaken::Passing(format!("{} did not answer within {} s", target.authority, LIMIT.as_secs()))),
    }
}

async fn attempt(
    connector: &Connector,
    target: &Target,
    headers: &HeaderMap,
    body: Vec<u8>,
) -> Result<StatusCode, String> {
    let stream = connector.connect(target).await.map_err(|error| error.to_string())?;
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(target.path_and_query.as_str())
        .header(HOST, target.authority.as_str())
        .header(CONTENT_TYPE, "application/x-protobuf")
        .header(USER_AGENT, AGENT)
        .header(CONNECTION, "close")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| format!("no request can be made: {error}"))?;
    request.headers_mut().extend(headers.clone());
    Ok(exchange(stream, request).await?.head.status)
}

/// Which answers mean later is what OTLP says of them.
fn judged(status: StatusCode, target: &Target) -> Result<(), NotTaken> {
    let told = format!("{} answered {status}", target.authority);
    match status.as_u16() {
        200..=299 => Ok(()),
        429 | 502 | 503 | 504 => Err(NotTaken::Passing(told)),
        _ => Err(NotTaken::Lasting(told)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_receiver_answers_means_taken_later_or_never() {
        let target = Target::of_url("http://collector.example:4318/v1/traces").unwrap();
        let means = |status: u16| judged(StatusCode::from_u16(status).unwrap(), &target);
        assert_eq!(means(200), Ok(()));
        let told = |status: &str| format!("collector.example:4318 answered {status}");
        assert_eq!(means(503), Err(NotTaken::Passing(told("503 Service Unavailable"))));
        assert_eq!(means(429), Err(NotTaken::Passing(told("429 Too Many Requests"))));
        assert_eq!(means(401), Err(NotTaken::Lasting(told("401 Unauthorized"))));
        assert_eq!(means(302), Err(NotTaken::Lasting(told("302 Found"))));
    }
}
