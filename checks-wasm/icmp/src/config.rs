//! The JSON config: which fields there are, and what they are when nothing is said.

use farwatch_guest::fields::{Fields, Form, FromFields};

use crate::wit::farwatch::check::icmp::Request;
use crate::wit::farwatch::check::types::IpVersion;

const FORM: Form = Form {
    example: "{\"host\": \"gateway.example.com\"}",
    fields: &[&[
        "host",
        "ip_version",
        "count",
        "size",
        "interval_ms",
        "down_above_loss_percent",
        "degraded_above_loss_percent",
        "degraded_above_ms",
    ]],
};

/// What a run does and expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Whom to ping.
    pub host: String,
    /// Which addresses may be used; any if none.
    pub ip_version: Option<IpVersion>,
    /// How many requests to send.
    pub count: u32,
    /// Bytes of data in each.
    pub size: u32,
    /// The time between two of them.
    pub interval_ms: u32,
    /// The target is down when more of them are lost.
    pub down_above_loss_percent: u64,
    /// It is degraded when more of them are lost.
    pub degraded_above_loss_percent: Option<u64>,
    /// It is degraded when the mean round trip takes longer.
    pub degraded_above_ms: Option<u32>,
}

impl FromFields for Config {
    const FORM: Form = FORM;

    fn read(fields: &mut Fields<'_>) -> Self {
        let number = |fields: &mut Fields<'_>, field, min, max, usual: u32| {
            fields.number(field, min, max).map_or(usual, |number| number as u32)
        };
        Config {
            host: fields.host("host").unwrap_or_default().to_owned(),
            ip_version: fields.ip_version(),
            count: number(fields, "count", 1, 20, 3),
            size: number(fields, "size", 8, 1_232, 56),
            interval_ms: number(fields, "interval_ms", 100, 10_000, 200),
            down_above_loss_percent: fields.number("down_above_loss_percent", 0, 99).unwrap_or(99),
            degraded_above_loss_percent: fields.number("degraded_above_loss_percent", 0, 99),
            degraded_above_ms: fields.limit_ms("degraded_above_ms"),
        }
    }
}

impl Config {
    /// The probe.
    pub fn request(&self, timeout_ms: u32) -> Request<'_> {
        let Self { count, size, interval_ms, ip_version, .. } = *self;
        Request { host: &self.host, ip_version, count, size, interval_ms, timeout_ms }
    }
}

#[cfg(test)]
mod tests {
    use farwatch_guest::fields::{judge, reread};

    use super::*;

    #[test]
    fn a_host_is_all_that_is_needed_and_every_field_is_read() {
        let config = reread::<Config>(&judge::<Config>(r#"{"host": "a.example"}"#).unwrap()).unwrap();
        assert_eq!((config.count, config.size, config.interval_ms, config.down_above_loss_percent), (3, 56, 200, 99));
        let said = r#"{"host": "2001:db8::7", "ip_version": 6, "count": 5, "size": 8, "interval_ms": 100,
            "down_above_loss_percent": 50, "degraded_above_loss_percent": 0, "degraded_above_ms": 80}"#;
        let config = reread::<Config>(&judge::<Config>(said).unwrap()).unwrap();
        let expected = Config {
            host: "2001:db8::7".to_owned(),
            ip_version: Some(IpVersion::Ipv6),
            count: 5,
            size: 8,
            interval_ms: 100,
            down_above_loss_percent: 50,
            degraded_above_loss_percent: Some(0),
            degraded_above_ms: Some(80),
        };
        assert_eq!(config, expected);
        assert!(reread::<Config>(b"{}").is_err() && reread::<Config>(b"\xff").is_err());
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        for (fields, field) in [
            (r#""count": 21"#, "/count"),
            (r#""size": 7"#, "/size"),
            (r#""interval_ms": 99"#, "/interval_ms"),
            (r#""down_above_loss_percent": 100"#, "/down_above_loss_percent"),
            (r#""port": 7"#, "/port"),
        ] {
            let problems = judge::<Config>(&format!(r#"{{"host": "a", {fields}}}"#)).unwrap_err();
            assert_eq!((problems.len(), problems[0].field.as_deref()), (1, Some(field)), "{fields}");
        }
        for host in ["", "a b", "http://a", "a:25"] {
            assert_eq!(
                judge::<Config>(&format!(r#"{{"host": "{host}"}}"#)).unwrap_err()[0].field.as_deref(),
                Some("/host")
            );
        }
    }
}
