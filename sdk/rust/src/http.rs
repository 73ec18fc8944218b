//! HTTP probes: `http::get(url).send()`.
//!
//! One request, one answer, one connection. Redirects are not followed: [`Response::location`] says where one leads. A
//! module that uses it names `http` among its capabilities.

use crate::Failure;
use crate::wit::farwatch::check::http::{self, Version, Want};
use crate::wit::farwatch::check::types::PhaseTimes;

/// How much of a body is read, unless that is said.
const BODY_BYTES: u32 = 256 << 10;

/// A request that is being put together.
#[derive(Clone, Debug)]
pub struct Request(http::Request);

/// Asks for a page. `timeout_ms` is for the whole request, from the lookup of the name to the last byte; give it what is
/// left of [`Context::timeout_ms`](crate::Context).
pub fn get(url: impl Into<String>, timeout_ms: u32) -> Request {
    request("GET", url, timeout_ms)
}

/// Sends a body.
pub fn post(url: impl Into<String>, body: impl Into<Vec<u8>>, timeout_ms: u32) -> Request {
    request("POST", url, timeout_ms).body(body)
}

/// Any other request.
pub fn request(method: &str, url: impl Into<String>, timeout_ms: u32) -> Request {
    Request(http::Request {
        method: method.to_owned(),
        url: url.into(),
        headers: Vec::new(),
        body: None,
        version: Version::Automatic,
        verify_tls: true,
        client: None,
        ip_version: None,
        max_body_bytes: BODY_BYTES,
        timeout_ms,
        want: Want::HEADERS | Want::BODY,
    })
}

impl Request {
    /// One more header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.headers.push((name.into(), value.into()));
        self
    }

    /// The body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.0.body = Some(body.into());
        self
    }

    /// How much of the answer's body is read, at most 1 MiB.
    #[must_use]
    pub fn max_body_bytes(mut self, bytes: u32) -> Self {
        self.0.max_body_bytes = bytes;
        self
    }

    /// Everything else that the treaty lets be said of a request.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut http::Request)) -> Self {
        change(&mut self.0);
        self
    }

    /// Makes the request.
    ///
    /// # Errors
    /// Why there is no answer; [`Failure::judged`] makes an outcome of it.
    pub fn send(self) -> Result<Response, Failure> {
        let answer = http::fetch(&self.0)?;
        Ok(Response {
            status: answer.status,
            location: answer.location,
            headers: answer.headers,
            body: answer.body,
            is_cut: answer.body_truncated,
            times: answer.times,
        })
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Where a redirect leads, as the server wrote it.
    pub location: Option<String>,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// As much of the body as was read.
    pub body: Vec<u8>,
    /// Whether there was more.
    pub is_cut: bool,
    /// How long each step took.
    pub times: PhaseTimes,
}

impl Response {
    /// A header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text. What is no UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// An answer as a server would give it, for tests of what judges one.
    pub fn of(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let times = PhaseTimes { resolve: None, connect: None, tls: None, first_byte: None, transfer: None, total: 0 };
        Self { status, location: None, headers: Vec::new(), body: body.into(), is_cut: false, times }
    }
}
