//! One run: the request, and the redirects that are to be followed.
//!
//! It decides what is asked next; what an answer means is decided in `judge`.

use std::borrow::Cow;

use farwatch_guest::outcome::unreadable;

use crate::judge;
use crate::plan::Plan;
use crate::statuses;
use crate::url;
use crate::wit::exports::farwatch::check::check::RunContext;
use crate::wit::farwatch::check::http::{Request, Response, Want};
use crate::wit::farwatch::check::types::{Failure, Outcome, Problem};

/// How much of a body is searched, in bytes. Pages that a check reads are far smaller.
pub const BODY_MAX: u32 = 1 << 20;

/// Headers that prove who we are. They are not sent to another origin than the one they were meant for.
const CREDENTIALS: [&str; 4] = ["authorization", "cookie", "proxy-authorization", "host"];

/// The request that is made next.
struct Hop<'a> {
    method: &'a str,
    url: Cow<'a, str>,
    headers: Cow<'a, [(&'a str, &'a str)]>,
    body: Option<&'a [u8]>,
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// How many redirects were followed.
    pub redirects: u8,
    /// What all requests took together, in microseconds.
    pub elapsed_us: u64,
}

/// Makes the run, asking by `fetch`.
///
/// # Errors
/// A problem that says nothing about the target: the prepared config is damaged, or the host refused the request.
pub fn run(
    context: &RunContext,
    mut fetch: impl FnMut(Request<'_>) -> Result<Response, Failure>,
) -> Result<Outcome, Problem> {
    let plan = Plan::decode(&context.config).ok_or_else(unreadable)?;
    let mut hop = Hop {
        method: plan.method,
        url: Cow::Borrowed(plan.url),
        headers: Cow::Borrowed(&plan.headers),
        body: plan.body,
    };
    let mut progress = Progress::default();
    loop {
        let spent_ms = u32::try_from(progress.elapsed_us / 1_000).unwrap_or(u32::MAX);
        let left_ms = context.timeout_ms.saturating_sub(spent_ms);
        if left_ms == 0 {
            return Ok(judge::redirects_too_slow(progress, context.timeout_ms));
        }
        let response = match fetch(request(&plan, &hop, left_ms)) {
            Ok(response) => response,
            Err(failure) => return judge::failure(failure, progress),
        };
        progress.elapsed_us += u64::from(response.times.total);
        let Some(location) = redirect(&plan, &response) else {
            return Ok(judge::response(&plan, &response, progress, context.now_ms));
        };
        if progress.redirects == plan.max_redirects {
            return Ok(judge::too_many_redirects(&response, location, progress));
        }
        progress.redirects += 1;
        match url::join(&hop.url, location) {
            Ok(target) => hop = follow(hop, response.status, target),
            Err(reason) => return Ok(judge::bad_redirect(&response, location, &reason, progress)),
        }
    }
}

fn request<'a>(plan: &Plan<'_>, hop: &'a Hop<'_>, timeout_ms: u32) -> Request<'a> {
    Request {
        method: hop.method,
        url: &hop.url,
        headers: &hop.headers,
        body: hop.body,
        version: plan.version,
        verify_tls: plan.verify_tls,
        client: None,
        ip_version: plan.ip_version,
        max_body_bytes: BODY_MAX,
        timeout_ms,
        want: if plan.reads_body() { Want::BODY } else { Want::empty() },
    }
}

/// The redirect to follow, if there is one and the check wants that.
fn redirect<'a>(plan: &Plan<'_>, response: &'a Response) -> Option<&'a str> {
    let follows = plan.follow_redirects
        && matches!(response.status, 301 | 302 | 303 | 307 | 308)
        && !statuses::contain(&plan.expected, response.status);
    if follows { response.location.as_deref() } else { None }
}

/// The next request, by RFC 9110, section 15.4.
fn follow<'a>(hop: Hop<'a>, status: u16, target: String) -> Hop<'a> {
    let becomes_get = match status {
        303 => hop.method != "HEAD",
        301 | 302 => hop.method == "POST",
        _ => false,
    };
    let mut headers = hop.headers;
    if !headers.is_empty() && !url::same_origin(&hop.url, &target) {
        headers.to_mut().retain(|(name, _)| !CREDENTIALS.iter().any(|secret| secret.eq_ignore_ascii_case(name)));
    }
    if becomes_get && hop.body.is_some() {
        headers.to_mut().retain(|(name, _)| !name.to_ascii_lowercase().starts_with("content-"));
    }
    Hop {
        method: if becomes_get { "GET" } else { hop.method },
        url: Cow::Owned(target),
        headers,
        body: if becomes_get { None } else { hop.body },
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
