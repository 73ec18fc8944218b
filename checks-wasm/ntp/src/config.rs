//! The JSON config: which fields there are, and what they are when nothing is said.

use farwatch_guest::fields::{Fields, Form, FromFields};

use crate::wit::farwatch::check::types::IpVersion;
use crate::wit::farwatch::check::udp::Request;

/// Where time servers listen (RFC 5905).
const PORT: u16 = 123;
/// The largest stratum of a clock that is synchronized.
const STRATUM_MAX: u64 = 15;
/// A datagram that is lost is sent again after this: the timeout of a check is longer.
const RESEND_AFTER_MS: u32 = 1_000;

const FORM: Form = Form {
    example: "{\"host\": \"time.example.com\"}",
    fields: &[&[
        "host",
        "port",
        "ip_version",
        "stratum_max",
        "offset_down_above_ms",
        "offset_degraded_above_ms",
        "degraded_above_ms",
    ]],
};

/// What a run asks and expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Who is asked.
    pub host: String,
    /// Where it listens.
    pub port: u16,
    /// Which addresses may be used; any if none.
    pub ip_version: Option<IpVersion>,
    /// The largest stratum that is good.
    pub stratum_max: u8,
    /// The target is down when its clock is further away.
    pub offset_down_above_ms: Option<u32>,
    /// It is degraded when its clock is further away.
    pub offset_degraded_above_ms: Option<u32>,
    /// It is degraded when it takes longer.
    pub degraded_above_ms: Option<u32>,
}

impl FromFields for Config {
    const FORM: Form = FORM;

    fn read(fields: &mut Fields<'_>) -> Self {
        Config {
            host: fields.host("host").unwrap_or_default().to_owned(),
            port: fields.port().unwrap_or(PORT),
            ip_version: fields.ip_version(),
            stratum_max: fields.number("stratum_max", 1, STRATUM_MAX).unwrap_or(STRATUM_MAX) as u8,
            offset_down_above_ms: fields.limit_ms("offset_down_above_ms"),
            offset_degraded_above_ms: fields.limit_ms("offset_degraded_above_ms"),
            degraded_above_ms: fields.limit_ms("degraded_above_ms"),
        }
    }
}

impl Config {
    /// The probe.
    pub fn request<'a>(&'a self, datagram: &'a [u8], timeout_ms: u32) -> Request<'a> {
        let Self { host, port, ip_version, .. } = self;
        let (port, ip_version, resend_after_ms) = (*port, *ip_version, Some(RESEND_AFTER_MS));
        Request { host, port, ip_version, datagram, resend_after_ms, timeout_ms }
    }
}

#[cfg(test)]
mod tests {
    use farwatch_guest::fields::{judge, reread};

    use super::*;

    #[test]
    fn a_host_is_all_that_is_needed_and_every_field_is_read() {
        let config = reread::<Config>(&judge::<Config>(r#"{"host": "a.example"}"#).unwrap()).unwrap();
        assert_eq!((config.port, config.stratum_max, config.offset_down_above_ms), (123, 15, None));
        let said = r#"{"host": "a", "port": 1123, "ip_version": 4, "stratum_max": 3, "offset_down_above_ms": 1000,
            "offset_degraded_above_ms": 100, "degraded_above_ms": 50}"#;
        let config = reread::<Config>(&judge::<Config>(said).unwrap()).unwrap();
        let request = config.request(&[], 900);
        assert_eq!((request.port, request.ip_version, request.timeout_ms), (1_123, Some(IpVersion::Ipv4), 900));
        let limits = (config.offset_down_above_ms, config.offset_degraded_above_ms, config.degraded_above_ms);
        assert_eq!((config.stratum_max, limits), (3, (Some(1_000), Some(100), Some(50))));
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        for (fields, field) in [
            (r#""port": 0"#, "/port"),
            (r#""stratum_max": 16"#, "/stratum_max"),
            (r#""offset_down_above_ms": 0"#, "/offset_down_above_ms"),
            (r#""offset": 1"#, "/offset"),
        ] {
            let problems = judge::<Config>(&format!(r#"{{"host": "a", {fields}}}"#)).unwrap_err();
            assert_eq!((problems.len(), problems[0].field.as_deref()), (1, Some(field)), "{fields}");
        }
    }
}
