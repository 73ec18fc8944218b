//! The JSON config: which fields there are, and what they are when nothing is said.

use farwatch_guest::fields::{Fields, Form, FromFields};
use farwatch_guest::service::{FIELDS, Kind, Security, Service};

/// SIP (RFC 3261). It never turns to TLS: it has it from the first byte.
pub const KIND: Kind = Kind { port: 5060, tls_port: 5061, can_start_tls: false, security: Security::None, alpn: &[] };

/// A longer address of a user or a server is read by nobody.
const URI_MAX: usize = 255;
/// All classes of statuses, twice.
const STATUSES_MAX: usize = 12;
/// `200-299`.
const STATUS_MAX: usize = 7;

/// How messages travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// One datagram each.
    Udp,
    /// Over a connection.
    Tcp,
}

/// Statuses from the first to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range(u16, u16);

/// What a run asks and expects.
pub struct Config {
    /// The server.
    pub service: Service,
    /// How it is spoken to.
    pub transport: Transport,
    /// Who is asked; the server itself if nobody is named.
    pub uri: Option<String>,
    statuses: Vec<Range>,
}

impl FromFields for Config {
    const FORM: Form =
        Form { example: "{\"host\": \"sip.example.com\"}", fields: &[FIELDS, &["transport", "uri", "expect_status"]] };

    fn read(fields: &mut Fields<'_>) -> Self {
        let service = KIND.read(fields);
        let transport = transport(fields, service.security);
        Self { service, transport, uri: uri(fields), statuses: statuses(fields) }
    }
}

fn transport(fields: &mut Fields<'_>, security: Security) -> Transport {
    let said = fields.choice("transport", &[("udp", Transport::Udp), ("tcp", Transport::Tcp)]);
    let is_encrypted = security != Security::None;
    if is_encrypted && said == Some(Transport::Udp) {
        fields.bad("transport", "`transport` is \"udp\", which TLS cannot be spoken over; leave it out".to_owned());
    }
    said.unwrap_or(if is_encrypted { Transport::Tcp } else { Transport::Udp })
}

fn uri(fields: &mut Fields<'_>) -> Option<String> {
    let uri = fields.text("uri", URI_MAX)?;
    let is_uri = ["sip:", "sips:"].iter().any(|scheme| uri.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()));
    if !is_uri || uri.contains(|c: char| c.is_whitespace() || c.is_control() || "<>\"".contains(c)) {
        fields.bad("uri", format!("`{uri}` is no address of SIP; write it as in sip:anna@example.com"));
    }
    Some(uri.to_owned())
}

fn statuses(fields: &mut Fields<'_>) -> Vec<Range> {
    let said = fields.texts("expect_status", STATUSES_MAX, STATUS_MAX);
    let mut ranges = Vec::new();
    for (index, text) in said.into_iter().enumerate().filter(|(_, text)| (1..=STATUS_MAX).contains(&text.len())) {
        match range(text) {
            Some(range) => ranges.push(range),
            None => {
                let message = format!("`{text}` is no status; write one from 200 to 699, or a range as in 200-299");
                fields.add("config-bad-value", format!("/expect_status/{index}"), message);
            }
        }
    }
    if ranges.is_empty() { vec![Range(200, 299)] } else { ranges }
}

fn range(text: &str) -> Option<Range> {
    let status = |text: &str| text.parse().ok().filter(|status| (200..700).contains(status));
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range = Range(status(first)?, status(last)?);
    (range.0 <= range.1).then_some(range)
}

impl Config {
    /// Whether this status is one of those that are expected.
    pub fn expects(&self, status: u16) -> bool {
        self.statuses.iter().any(|Range(first, last)| (*first..=*last).contains(&status))
    }

    /// Those that are expected, in words.
    pub fn expected(&self) -> String {
        let shown = |Range(first, last): &Range| {
            if first == last { first.to_string() } else { format!("{first}-{last}") }
        };
        self.statuses.iter().map(shown).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use farwatch_guest::fields::{judge, reread};

    use super::*;

    fn read(fields: &str) -> Config {
        let config = format!(r#"{{"host": "a.example"{fields}}}"#);
        reread::<Config>(&judge::<Config>(&config).unwrap()).unwrap()
    }

    #[test]
    fn a_host_is_all_that_is_needed_and_every_field_is_read() {
        let config = read("");
        assert_eq!(
            (config.transport, config.uri.as_deref(), config.expected()),
            (Transport::Udp, None, "200-299".into())
        );
        assert_eq!(read(r#", "security": "tls""#).transport, Transport::Tcp);
        let config =
            read(r#", "transport": "tcp", "uri": "sip:anna@example.com", "expect_status": ["404", "480-489"]"#);
        assert_eq!((config.transport, config.uri.as_deref()), (Transport::Tcp, Some("sip:anna@example.com")));
        let expected: Vec<_> = [200, 404, 479, 480, 489, 490].map(|status| config.expects(status)).to_vec();
        assert_eq!((expected, config.expected()), (vec![false, true, false, true, true, false], "404, 480-489".into()));
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        for (fields, field) in [
            (r#""port": 0"#, "/port"),
            (r#""security": "starttls""#, "/security"),
            (r#""transport": "sctp""#, "/transport"),
            (r#""transport": "udp", "security": "tls""#, "/transport"),
            (r#""uri": "tel:1""#, "/uri"),
            (r#""uri": "sip:a\r\nVia: x""#, "/uri"),
            (r#""expect_status": ["100"]"#, "/expect_status/0"),
            (r#""expect_status": ["200", "299-200"]"#, "/expect_status/1"),
            (r#""expect_status": 200"#, "/expect_status"),
        ] {
            let problems = judge::<Config>(&format!(r#"{{"host": "a", {fields}}}"#)).err().unwrap();
            assert_eq!((problems.len(), problems[0].field.as_deref()), (1, Some(field)), "{fields}: {problems:?}");
        }
    }
}
