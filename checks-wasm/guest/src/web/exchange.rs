//! One request, and the redirects that are to be followed.
//!
//! It decides what is asked next; what an answer means is decided in `judge`. What is private goes to the origin that it
//! was meant for and to no other.

use std::borrow::Cow;

use super::expect::Expect;
use super::{judge, statuses, url};
use crate::wit::farwatch::check::http::{Request, Response, Version, Want};
use crate::wit::farwatch::check::types::{ClientIdentity, Failure, IpVersion, Outcome, Problem};

/// How much of a body is searched, in bytes. Pages that a check reads are far smaller.
pub const BODY_MAX: u32 = 1 << 20;

/// Headers that prove who we are, even where their values stand in the config.
const CREDENTIALS: [&str; 4] = ["authorization", "cookie", "proxy-authorization", "host"];

/// A request that is ready to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask<'a> {
    /// The method of the first request.
    pub method: &'a str,
    /// Where the first request goes.
    pub url: &'a str,
    /// Sent with every request, those that are private last.
    pub headers: Vec<(&'a str, &'a str)>,
    /// How many headers are private.
    pub private_headers: usize,
    /// The body of the first request.
    pub body: Option<&'a [u8]>,
    /// Whether the body is private.
    pub is_body_private: bool,
    /// A client's certificate and its key, in PEM.
    pub client: Option<(&'a str, &'a str)>,
    /// Which version of HTTP to speak.
    pub version: Version,
    /// Which addresses may be used; any if none.
    pub ip_version: Option<IpVersion>,
    /// Whether a bad certificate is a failure.
    pub verify_tls: bool,
    /// Whether redirects are followed.
    pub follow_redirects: bool,
    /// After how many redirects a run gives up.
    pub max_redirects: u8,
}

/// The request that is made next.
struct Hop<'a> {
    method: &'a str,
    url: Cow<'a, str>,
    headers: Cow<'a, [(&'a str, &'a str)]>,
    private_headers: usize,
    body: Option<&'a [u8]>,
    client: Option<(&'a str, &'a str)>,
}

/// How far an exchange has come.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// How many redirects were followed.
    pub redirects: u8,
    /// What all requests took together, in microseconds.
    pub elapsed_us: u64,
}

/// The time that there is.
#[derive(Debug, Clone, Copy)]
pub struct Time {
    /// When the run began, in Unix milliseconds.
    pub now_ms: u64,
    /// For all requests together.
    pub timeout_ms: u32,
}

/// Asks by `fetch`, and judges the answer. The answer comes along, where there is one that is no redirect.
///
/// # Errors
/// A problem that says nothing about the target: the host refused the request.
pub fn look(
    ask: &Ask<'_>,
    expect: &Expect<'_>,
    want: Want,
    time: Time,
    mut fetch: impl FnMut(Request<'_>) -> Result<Response, Failure>,
) -> Result<(Outcome, Option<Response>), Problem> {
    let mut hop = Hop {
        method: ask.method,
        url: Cow::Borrowed(ask.url),
        headers: Cow::Borrowed(&ask.headers),
        private_headers: ask.private_headers,
        body: ask.body,
        client: ask.client,
    };
    let mut progress = Progress::default();
    loop {
        let left_ms = left_ms(time.timeout_ms, progress.elapsed_us);
        if left_ms == 0 {
            return Ok((judge::redirects_too_slow(progress, time.timeout_ms), None));
        }
        let response = match fetch(request(ask, &hop, want, left_ms)) {
            Ok(response) => response,
            Err(failure) => return Ok((judge::failure(failure, progress)?, None)),
        };
        progress.elapsed_us += u64::from(response.times.total);
        let Some(location) = redirect(ask, expect, &response) else {
            let outcome = judge::response(expect, &response, progress, time.now_ms);
            return Ok((outcome, Some(response)));
        };
        if progress.redirects == ask.max_redirects {
            return Ok((judge::too_many_redirects(&response, location, progress), None));
        }
        progress.redirects += 1;
        let next = url::join(&hop.url, location).and_then(|target| follow(ask, &hop, response.status, target));
        match next {
            Ok(next) => hop = next,
            Err(reason) => return Ok((judge::bad_redirect(&response, location, &reason, progress), None)),
        }
    }
}

/// What is left of a time, in milliseconds.
pub fn left_ms(timeout_ms: u32, elapsed_us: u64) -> u32 {
    timeout_ms.saturating_sub(u32::try_from(elapsed_us / 1_000).unwrap_or(u32::MAX))
}

fn request<'a>(ask: &Ask<'_>, hop: &'a Hop<'_>, want: Want, timeout_ms: u32) -> Request<'a> {
    Request {
        method: hop.method,
        url: &hop.url,
        headers: &hop.headers,
        body: hop.body,
        version: ask.version,
        verify_tls: ask.verify_tls,
        client: hop.client.map(|(certificate_pem, key_pem)| ClientIdentity { certificate_pem, key_pem }),
        ip_version: ask.ip_version,
        max_body_bytes: BODY_MAX,
        timeout_ms,
        want,
    }
}

/// The redirect to follow, if there is one and the check wants that.
fn redirect<'a>(ask: &Ask<'_>, expect: &Expect<'_>, response: &'a Response) -> Option<&'a str> {
    let follows = ask.follow_redirects
        && matches!(response.status, 301 | 302 | 303 | 307 | 308)
        && !statuses::contain(&expect.statuses, response.status);
    if follows { response.location.as_deref() } else { None }
}

/// The next request, by RFC 9110, section 15.4.
fn follow<'a>(ask: &Ask<'_>, hop: &Hop<'a>, status: u16, target: String) -> Result<Hop<'a>, String> {
    let becomes_get = match status {
        303 => hop.method != "HEAD",
        301 | 302 => hop.method == "POST",
        _ => false,
    };
    let is_elsewhere = !url::same_origin(&hop.url, &target);
    let body = hop.body.filter(|_| !becomes_get);
    if is_elsewhere && body.is_some() && ask.is_body_private {
        return Err("it leads to another origin, to which the secrets of the body are not sent".to_owned());
    }
    let (mut headers, mut private_headers) = (hop.headers.clone(), hop.private_headers);
    if is_elsewhere && !headers.is_empty() {
        let is_credential = |name: &str| CREDENTIALS.iter().any(|it| it.eq_ignore_ascii_case(name));
        let headers = headers.to_mut();
        headers.truncate(headers.len() - private_headers);
        headers.retain(|(name, _)| !is_credential(name));
        private_headers = 0;
    }
    if becomes_get && hop.body.is_some() {
        let stays = |(name, _): &(&str, &str)| !name.to_ascii_lowercase().starts_with("content-");
        let first_private = headers.len() - private_headers;
        private_headers = headers[first_private..].iter().filter(|header| stays(header)).count();
        headers.to_mut().retain(stays);
    }
    Ok(Hop {
        method: if becomes_get { "GET" } else { hop.method },
        url: Cow::Owned(target),
        headers,
        private_headers,
        body,
        client: hop.client.filter(|_| !is_elsewhere),
    })
}
