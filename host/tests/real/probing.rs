//! Probes as tests make them: a request with everything wanted, and a prober that may reach loopback.

use std::net::IpAddr;
use std::path::PathBuf;

use farwatch_core::egress::Policy;
use farwatch_host::clock::Clock;
use farwatch_host::probe::evidence::{Failure, Request, Response, Version, Want};
use farwatch_host::probe::{ProbeSettings, Prober};

/// A prober that may reach loopback and nothing else.
pub(crate) fn prober() -> Prober {
    with_settings(None, None)
}

/// A prober whose probes come from this address.
pub(crate) fn bound_to(address: IpAddr) -> Prober {
    with_settings(Some(address), None)
}

/// A prober that trusts the authority in this file.
pub(crate) fn trusting(extra_roots: PathBuf) -> Prober {
    with_settings(None, Some(extra_roots))
}

fn with_settings(bind: Option<IpAddr>, extra_roots: Option<PathBuf>) -> Prober {
    let loopback = vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
    Prober::new(Clock::default(), Policy::new(loopback, Vec::new()), &ProbeSettings { bind, extra_roots }).unwrap()
}

/// A GET that wants everything.
pub(crate) fn get(url: impl Into<String>) -> Request {
    Request {
        method: "GET".to_owned(),
        url: url.into(),
        headers: Vec::new(),
        body: None,
        version: Version::Automatic,
        verify_tls: true,
        client: None,
        ip_version: None,
        max_body_bytes: 1 << 20,
        timeout_ms: 5_000,
        want: Want::HEADERS | Want::BODY | Want::TRAILERS | Want::CERTIFICATES,
    }
}

/// The answer to a request that must get one.
pub(crate) async fn answer(prober: &Prober, request: Request) -> Response {
    let url = request.url.clone();
    prober.fetch(request).await.unwrap_or_else(|failure| panic!("{url}: {failure:?}"))
}

/// The failure of a request that must fail.
pub(crate) async fn failure(prober: &Prober, request: Request) -> Failure {
    let url = request.url.clone();
    match prober.fetch(request).await {
        Ok(response) => panic!("{url}: {response:?}"),
        Err(failure) => failure,
    }
}

/// The value of a header, or an empty text.
pub(crate) fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers.iter().find(|(it, _)| it == name).map_or("", |(_, value)| value)
}
