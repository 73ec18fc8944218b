//! A config as the runs get it: a few bytes that are read from front to back, without a parser and without copies.
//!
//! The bytes are written by `validate` of the same module version that reads them; the first byte says which format
//! they have, and any other format is refused. Nothing here judges whether values make sense.

use farwatch_guest::packed::{Reader, Writer};

use crate::statuses::StatusRange;
use crate::wit::farwatch::check::http::Version;
use crate::wit::farwatch::check::types::IpVersion;

/// The format of the bytes. It goes up with every change of `encode`.
const FORMAT: u8 = 1;

const VERIFY_TLS: u8 = 1;
const FOLLOW_REDIRECTS: u8 = 2;

/// What a run is to do and what it expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan<'a> {
    /// The method of the first request.
    pub method: &'a str,
    /// Where the first request goes.
    pub url: &'a str,
    /// Sent with every request, with the exceptions of `redirect`.
    pub headers: Vec<(&'a str, &'a str)>,
    /// The body of the first request.
    pub body: Option<&'a [u8]>,
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
    /// The statuses that are not a failure.
    pub expected: Vec<StatusRange>,
    /// A slower answer is `degraded`.
    pub degraded_above_ms: Option<u32>,
    /// A certificate with fewer days left is `degraded`.
    pub certificate_days_min: Option<u16>,
    /// Text that must be in the body.
    pub body_contains: Option<&'a str>,
    /// Text that must not be in the body.
    pub body_not_contains: Option<&'a str>,
    /// A pattern that must match somewhere in the body.
    pub body_regex: Option<&'a str>,
}

impl Plan<'_> {
    /// Whether judging needs the bytes of the body.
    pub fn reads_body(&self) -> bool {
        self.body_contains.is_some() || self.body_not_contains.is_some() || self.body_regex.is_some()
    }

    /// The plan as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new(FORMAT);
        let verify_tls = if self.verify_tls { VERIFY_TLS } else { 0 };
        let follow = if self.follow_redirects { FOLLOW_REDIRECTS } else { 0 };
        out.byte(verify_tls | follow);
        out.byte(self.version as u8);
        out.ip_version(self.ip_version);
        out.byte(self.max_redirects);
        out.text(self.method);
        out.text(self.url);
        out.number(self.headers.len() as u32);
        for (name, value) in &self.headers {
            out.text(name);
            out.text(value);
        }
        out.option(self.body, |out, body| out.bytes(body));
        out.number(self.expected.len() as u32);
        for range in &self.expected {
            out.number(range.first.into());
            out.number(range.last.into());
        }
        out.option(self.degraded_above_ms, Writer::number);
        out.option(self.certificate_days_min, |out, days| out.number(days.into()));
        out.option(self.body_contains, Writer::text);
        out.option(self.body_not_contains, Writer::text);
        out.option(self.body_regex, Writer::text);
        out.into_bytes()
    }
}

impl<'a> Plan<'a> {
    /// Reads what `encode` wrote. None means that the bytes are of another format or damaged.
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let mut input = Reader::new(bytes, FORMAT)?;
        let flags = input.byte()?;
        let plan = Plan {
            verify_tls: flags & VERIFY_TLS != 0,
            follow_redirects: flags & FOLLOW_REDIRECTS != 0,
            version: version(input.byte()?)?,
            ip_version: input.ip_version()?,
            max_redirects: input.byte()?,
            method: input.text()?,
            url: input.text()?,
            headers: input.list(|input| Some((input.text()?, input.text()?)))?,
            body: input.option(Reader::bytes)?,
            expected: input.list(status_range)?,
            degraded_above_ms: input.option(Reader::number)?,
            certificate_days_min: input.option(|input| input.number()?.try_into().ok())?,
            body_contains: input.option(Reader::text)?,
            body_not_contains: input.option(Reader::text)?,
            body_regex: input.option(Reader::text)?,
        };
        input.is_at_end().then_some(plan)
    }
}

fn version(byte: u8) -> Option<Version> {
    [Version::Automatic, Version::Http1, Version::Http2, Version::Http3].into_iter().find(|it| *it as u8 == byte)
}

fn status_range(input: &mut Reader<'_>) -> Option<StatusRange> {
    let first = input.number()?.try_into().ok()?;
    let last = input.number()?.try_into().ok()?;
    Some(StatusRange { first, last })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan<'static> {
        Plan {
            method: "POST",
            url: "https://example.com/",
            headers: vec![("accept", "text/plain"), ("x-long", "ÄÖ")],
            body: Some(b"\0\xff"),
            version: Version::Http2,
            ip_version: Some(IpVersion::Ipv6),
            verify_tls: true,
            follow_redirects: true,
            max_redirects: 5,
            expected: vec![StatusRange { first: 200, last: 299 }, StatusRange { first: 404, last: 404 }],
            degraded_above_ms: Some(u32::MAX),
            certificate_days_min: Some(14),
            body_contains: Some(""),
            body_not_contains: None,
            body_regex: Some("a+"),
        }
    }

    #[test]
    fn a_plan_survives_its_bytes() {
        let plan = plan();
        assert_eq!(Plan::decode(&plan.encode()), Some(plan));
    }

    #[test]
    fn every_cut_and_every_addition_is_refused() {
        let bytes = plan().encode();
        for len in 0..bytes.len() {
            assert_eq!(Plan::decode(&bytes[..len]), None, "cut to {len} bytes");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(Plan::decode(&longer), None);
    }

    #[test]
    fn another_format_is_refused() {
        let mut bytes = plan().encode();
        bytes[0] += 1;
        assert_eq!(Plan::decode(&bytes), None);
    }
}
