//! The JSON config: which fields there are, and what they are when nothing is said.

use farwatch_guest::escapes;
use farwatch_guest::fields::{Fields, Form, FromFields};

use crate::wit::farwatch::check::types::IpVersion;
use crate::wit::farwatch::check::udp::Request;

/// What passes every link in one piece; escapes in the config make it up to four times as long.
const DATAGRAM_MAX: usize = 1_232;
const DATAGRAM_TEXT_MAX: usize = 4 * DATAGRAM_MAX;
/// Text and patterns to look for. Longer ones are compared no faster and read by nobody.
const NEEDLE_MAX: usize = 1_024;

const FORM: Form = Form {
    example: "{\"host\": \"game.example.com\", \"port\": 27015, \"send\": \"ping\"}",
    fields: &[&[
        "host",
        "port",
        "ip_version",
        "send",
        "resend_after_ms",
        "expect_contains",
        "expect_regex",
        "degraded_above_ms",
    ]],
};

/// What a run sends and expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Whom it is sent to.
    pub host: String,
    /// Where that listens.
    pub port: u16,
    /// Which addresses may be used; any if none.
    pub ip_version: Option<IpVersion>,
    /// What is sent.
    pub send: Vec<u8>,
    /// When it is sent again.
    pub resend_after_ms: Option<u32>,
    /// What must be in the answer.
    pub contains: Option<Vec<u8>>,
    /// A pattern that must match somewhere in the answer.
    pub regex: Option<String>,
    /// It is degraded when it takes longer.
    pub degraded_above_ms: Option<u32>,
}

impl FromFields for Config {
    const FORM: Form = FORM;

    fn read(fields: &mut Fields<'_>) -> Self {
        let is_regex = |text: &str| farwatch_guest::pattern::compile(text).map(drop);
        Config {
            host: fields.host("host").unwrap_or_default().to_owned(),
            port: port(fields),
            ip_version: fields.ip_version(),
            send: sent(fields),
            resend_after_ms: fields.number("resend_after_ms", 100, 60_000).map(|ms| ms as u32),
            contains: fields.text("expect_contains", NEEDLE_MAX).map(|text| bytes(fields, "expect_contains", text)),
            regex: fields.regex("expect_regex", NEEDLE_MAX, is_regex).map(str::to_owned),
            degraded_above_ms: fields.limit_ms("degraded_above_ms"),
        }
    }
}

fn port(fields: &mut Fields<'_>) -> u16 {
    if fields.get("port").is_none() {
        let message = "`port` is missing; say where the target listens".to_owned();
        fields.add("config-missing-field", "/port".to_owned(), message);
    }
    fields.port().unwrap_or_default()
}

fn sent(fields: &mut Fields<'_>) -> Vec<u8> {
    let what = "what to send: nothing tells that a port of UDP is open but its answer";
    let text = fields.needed("send", what, DATAGRAM_TEXT_MAX).unwrap_or_default();
    let bytes = bytes(fields, "send", text);
    if bytes.len() > DATAGRAM_MAX {
        fields.bad("send", format!("`send` is {} bytes; at most {DATAGRAM_MAX} pass everywhere", bytes.len()));
    }
    bytes
}

/// Bytes that are written as a text with escapes.
fn bytes(fields: &mut Fields<'_>, field: &str, text: &str) -> Vec<u8> {
    escapes::read(text).unwrap_or_else(|message| {
        fields.bad(field, format!("`{field}`: {message}"));
        Vec::new()
    })
}

impl Config {
    /// The probe.
    pub fn request(&self, timeout_ms: u32) -> Request<'_> {
        let Self { host, port, ip_version, send, resend_after_ms, .. } = self;
        let (port, ip_version, resend_after_ms) = (*port, *ip_version, *resend_after_ms);
        Request { host, port, ip_version, datagram: send, resend_after_ms, timeout_ms }
    }
}

#[cfg(test)]
mod tests {
    use farwatch_guest::fields::{judge, reread};

    use super::*;

    #[test]
    fn every_field_is_read() {
        let said = r#"{"host": "a", "port": 7, "ip_version": 6, "send": "\\xff\\n", "resend_after_ms": 500,
            "expect_contains": "\\0", "expect_regex": "^a", "degraded_above_ms": 50}"#;
        let config = reread::<Config>(&judge::<Config>(said).unwrap()).unwrap();
        let expected = Config {
            host: "a".to_owned(),
            port: 7,
            ip_version: Some(IpVersion::Ipv6),
            send: b"\xff\n".to_vec(),
            resend_after_ms: Some(500),
            contains: Some(b"\0".to_vec()),
            regex: Some("^a".to_owned()),
            degraded_above_ms: Some(50),
        };
        assert_eq!(config, expected);
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        for (fields, field) in [
            (r#""port": 7"#, "/send"),
            (r#""send": "x""#, "/port"),
            (r#""port": 7, "send": "\\q""#, "/send"),
            (r#""port": 7, "send": "x", "resend_after_ms": 99"#, "/resend_after_ms"),
            (r#""port": 7, "send": "x", "expect_regex": "(""#, "/expect_regex"),
        ] {
            let problems = judge::<Config>(&format!(r#"{{"host": "a", {fields}}}"#)).unwrap_err();
            assert_eq!((problems.len(), problems[0].field.as_deref()), (1, Some(field)), "{fields}: {problems:?}");
        }
        let long = format!(r#"{{"host": "a", "port": 7, "send": "{}"}}"#, "x".repeat(1_233));
        assert_eq!(judge::<Config>(&long).unwrap_err()[0].field.as_deref(), Some("/send"));
    }
}
