//! A config as the runs get it: a few bytes that are read from front to back, without a parser and without copies.
//!
//! The bytes are written by `validate` of the same module version that reads them; the first byte says which format
//! they have, and any other format is refused. Nothing here judges whether values make sense. It holds what most checks
//! ask for: no secrets, and no rules.

use std::borrow::Cow;

use farwatch_guest::packed::{Reader, Writer};
use farwatch_guest::web::exchange::Ask;
use farwatch_guest::web::expect::Expect;
use farwatch_guest::web::statuses::StatusRange;

use crate::wit::farwatch::check::http::Version;

/// The format of the bytes. It goes up with every change of `encode`.
const FORMAT: u8 = 2;

const VERIFY_TLS: u8 = 1;
const FOLLOW_REDIRECTS: u8 = 2;

/// What a run is to do and what it expects.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan<'a> {
    /// The request.
    pub ask: Ask<'a>,
    /// What is expected of the answer.
    pub expect: Expect<'a>,
}

impl Plan<'_> {
    /// The plan as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let Self { ask, expect } = self;
        let mut out = Writer::new(FORMAT);
        let verify_tls = if ask.verify_tls { VERIFY_TLS } else { 0 };
        let follow = if ask.follow_redirects { FOLLOW_REDIRECTS } else { 0 };
        out.byte(verify_tls | follow);
        out.byte(ask.version as u8);
        out.ip_version(ask.ip_version);
        out.byte(ask.max_redirects);
        out.text(ask.method);
        out.text(ask.url);
        out.number(ask.headers.len() as u32);
        for (name, value) in &ask.headers {
            out.text(name);
            out.text(value);
        }
        out.option(ask.body, |out, body| out.bytes(body));
        out.number(expect.statuses.len() as u32);
        for range in &expect.statuses {
            out.number(range.first.into());
            out.number(range.last.into());
        }
        out.option(expect.degraded_above_ms, Writer::number);
        out.option(expect.certificate_days_min, |out, days| out.number(days.into()));
        for text in [&expect.body_contains, &expect.body_not_contains, &expect.body_regex] {
            out.option(text.as_deref(), Writer::text);
        }
        out.into_bytes()
    }
}

impl<'a> Plan<'a> {
    /// Reads what `encode` wrote. None means that the bytes are of another format or damaged.
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let mut input = Reader::new(bytes, FORMAT)?;
        let flags = input.byte()?;
        let ask = Ask {
            verify_tls: flags & VERIFY_TLS != 0,
            follow_redirects: flags & FOLLOW_REDIRECTS != 0,
            version: version(input.byte()?)?,
            ip_version: input.ip_version()?,
            max_redirects: input.byte()?,
            method: input.text()?,
            url: input.text()?,
            headers: input.list(|input| Some((input.text()?, input.text()?)))?,
            private_headers: 0,
            body: input.option(Reader::bytes)?,
            is_body_private: false,
            client: None,
        };
        let expect = Expect {
            statuses: input.list(status_range)?,
            degraded_above_ms: input.option(Reader::number)?,
            certificate_days_min: input.option(|input| input.number()?.try_into().ok())?,
            body_contains: input.option(text)?,
            body_not_contains: input.option(text)?,
            body_regex: input.option(text)?,
            rules: None,
        };
        input.is_at_end().then_some(Plan { ask, expect })
    }
}

fn text<'a>(input: &mut Reader<'a>) -> Option<Cow<'a, str>> {
    input.text().map(Cow::Borrowed)
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
    use crate::wit::farwatch::check::types::IpVersion;

    fn plan() -> Plan<'static> {
        let ask = Ask {
            method: "POST",
            url: "https://example.com/",
            headers: vec![("accept", "text/plain"), ("x-long", "ÄÖ")],
            private_headers: 0,
            body: Some(b"\0\xff"),
            is_body_private: false,
            client: None,
            version: Version::Http2,
            ip_version: Some(IpVersion::Ipv6),
            verify_tls: true,
            follow_redirects: true,
            max_redirects: 5,
        };
        let expect = Expect {
            statuses: vec![StatusRange { first: 200, last: 299 }, StatusRange { first: 404, last: 404 }],
            degraded_above_ms: Some(u32::MAX),
            certificate_days_min: Some(14),
            body_contains: Some("".into()),
            body_not_contains: None,
            body_regex: Some("a+".into()),
            rules: None,
        };
        Plan { ask, expect }
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
