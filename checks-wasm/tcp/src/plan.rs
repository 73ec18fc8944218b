//! A config as the runs get it: a few bytes that are read from front to back.
//!
//! The bytes are written by `validate` of the same module version that reads them; any other format is refused. Nothing
//! here judges whether values make sense.

use farwatch_guest::packed::{Reader, Writer};

use crate::wit::farwatch::check::types::IpVersion;

/// The format of the bytes. It goes up with every change of `encode`.
const FORMAT: u8 = 1;

/// What a run is to do and what it expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan<'a> {
    /// What to connect to.
    pub host: &'a str,
    /// Where it listens.
    pub port: u16,
    /// Which addresses may be used; any if none.
    pub ip_version: Option<IpVersion>,
    /// How to speak TLS, if at all.
    pub tls: Option<Tls<'a>>,
    /// What to send.
    pub send: Option<Vec<u8>>,
    /// What ends the answer; none reads none.
    pub until: Option<Until>,
    /// What must be in the answer.
    pub contains: Option<Vec<u8>>,
    /// A pattern that must match somewhere in the answer.
    pub regex: Option<&'a str>,
    /// What is degraded when it takes longer.
    pub limits: Limits,
}

/// How to speak TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls<'a> {
    /// Whether a bad certificate is a failure.
    pub verify: bool,
    /// The name to ask for, when it is not the host.
    pub server_name: Option<&'a str>,
    /// A certificate with fewer days left is `degraded`.
    pub certificate_days_min: Option<u16>,
}

/// What ends the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Until {
    /// These bytes.
    Delimiter(Vec<u8>),
    /// So many bytes.
    Count(u32),
}

/// In milliseconds; what takes longer is `degraded`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// The lookup of the name.
    pub resolve: Option<u32>,
    /// Opening the connection.
    pub connect: Option<u32>,
    /// The TLS handshake.
    pub tls: Option<u32>,
    /// The first byte of the answer.
    pub first_byte: Option<u32>,
    /// Everything together.
    pub total: Option<u32>,
}

impl Plan<'_> {
    /// The plan as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new(FORMAT);
        out.text(self.host);
        out.number(self.port.into());
        out.ip_version(self.ip_version);
        out.option(self.tls.as_ref(), |out, tls| {
            out.byte(u8::from(tls.verify));
            out.option(tls.server_name, Writer::text);
            out.option(tls.certificate_days_min, |out, days| out.number(days.into()));
        });
        out.option(self.send.as_deref(), Writer::bytes);
        out.option(self.until.as_ref(), |out, until| match until {
            Until::Delimiter(bytes) => {
                out.byte(0);
                out.bytes(bytes);
            }
            Until::Count(count) => {
                out.byte(1);
                out.number(*count);
            }
        });
        out.option(self.contains.as_deref(), Writer::bytes);
        out.option(self.regex, Writer::text);
        for limit in self.limits.in_order() {
            out.option(limit, Writer::number);
        }
        out.into_bytes()
    }
}

impl<'a> Plan<'a> {
    /// Reads what `encode` wrote. None means that the bytes are of another format or damaged.
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let mut input = Reader::new(bytes, FORMAT)?;
        let plan = Plan {
            host: input.text()?,
            port: input.number()?.try_into().ok()?,
            ip_version: input.ip_version()?,
            tls: input.option(tls)?,
            send: input.option(|input| input.bytes().map(<[u8]>::to_vec))?,
            until: input.option(until)?,
            contains: input.option(|input| input.bytes().map(<[u8]>::to_vec))?,
            regex: input.option(Reader::text)?,
            limits: Limits {
                resolve: input.option(Reader::number)?,
                connect: input.option(Reader::number)?,
                tls: input.option(Reader::number)?,
                first_byte: input.option(Reader::number)?,
                total: input.option(Reader::number)?,
            },
        };
        input.is_at_end().then_some(plan)
    }
}

impl Limits {
    const fn in_order(&self) -> [Option<u32>; 5] {
        [self.resolve, self.connect, self.tls, self.first_byte, self.total]
    }
}

fn tls<'a>(input: &mut Reader<'a>) -> Option<Tls<'a>> {
    Some(Tls {
        verify: input.byte()? != 0,
        server_name: input.option(Reader::text)?,
        certificate_days_min: input.option(|input| input.number()?.try_into().ok())?,
    })
}

fn until(input: &mut Reader<'_>) -> Option<Until> {
    match input.byte()? {
        0 => Some(Until::Delimiter(input.bytes()?.to_vec())),
        1 => input.number().map(Until::Count),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plans() -> [Plan<'static>; 2] {
        let bare = Plan {
            host: "192.0.2.7",
            port: 25,
            ip_version: None,
            tls: None,
            send: None,
            until: None,
            contains: None,
            regex: None,
            limits: Limits::default(),
        };
        let full = Plan {
            host: "mail.example",
            port: 65535,
            ip_version: Some(IpVersion::Ipv6),
            tls: Some(Tls { verify: true, server_name: Some("m.example"), certificate_days_min: Some(14) }),
            send: Some(b"\0\xff".to_vec()),
            until: Some(Until::Delimiter(b"\r\n".to_vec())),
            contains: Some(b"OK".to_vec()),
            regex: Some("a+"),
            limits: Limits { resolve: Some(1), connect: Some(2), tls: Some(3), first_byte: Some(4), total: Some(5) },
        };
        [bare, full]
    }

    #[test]
    fn a_plan_survives_its_bytes() {
        for plan in plans() {
            assert_eq!(Plan::decode(&plan.encode()), Some(plan));
        }
        let plan = Plan { until: Some(Until::Count(u32::MAX)), ..plans()[0].clone() };
        assert_eq!(Plan::decode(&plan.encode()), Some(plan));
    }

    #[test]
    fn every_cut_every_addition_and_another_format_is_refused() {
        for plan in plans() {
            let bytes = plan.encode();
            for len in 0..bytes.len() {
                assert_eq!(Plan::decode(&bytes[..len]), None, "cut to {len} bytes");
            }
            assert_eq!(Plan::decode(&[bytes.as_slice(), &[0]].concat()), None);
            assert_eq!(Plan::decode(&[&[FORMAT + 1], &bytes[1..]].concat()), None);
        }
    }
}
