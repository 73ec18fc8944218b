//! The JSON config: which fields there are, and what they are when nothing is said.

use farwatch_guest::fields::{Fields, Form, FromFields, HOST_MAX};

use crate::wit::farwatch::check::dns::{Request, Transport};
use crate::wit::farwatch::check::types::IpVersion;

/// A resolver that everybody may ask.
const SERVER: &str = "1.1.1.1";
/// Names of types and codes are shorter.
const WORD_MAX: usize = 16;
/// A set of records that a check lists.
const VALUES_MAX: usize = 64;
/// The longest text of a record that is compared.
const VALUE_MAX: usize = 1_024;

const FORM: Form = Form {
    example: "{\"name\": \"www.example.com\"}",
    fields: &[&[
        "name",
        "record_type",
        "server",
        "port",
        "ip_version",
        "transport",
        "server_name",
        "verify_tls",
        "recursion",
        "dnssec",
        "authoritative",
        "expected_rcode",
        "expect_exactly",
        "expect_including",
        "expect_regex",
        "expect_no_records",
        "degraded_above_ms",
    ]],
};

/// What a run asks and expects.
#[derive(Debug, Clone)]
pub struct Config {
    /// What is asked about.
    pub name: String,
    /// Records of this type.
    pub record_type: String,
    /// Who is asked.
    pub server: String,
    /// Where it listens; the usual port if none.
    pub port: Option<u16>,
    /// Which addresses of it may be used; any if none.
    pub ip_version: Option<IpVersion>,
    /// How it is asked.
    pub transport: Transport,
    /// The name in its certificate, where it is not the server.
    pub server_name: Option<String>,
    /// Whether a bad certificate is a failure.
    pub verify_tls: bool,
    /// Whether it is to ask others.
    pub recursion: bool,
    /// Whether it must have verified its answer.
    pub dnssec: bool,
    /// Whether the answer must be its own.
    pub authoritative: bool,
    /// The code it must answer with.
    pub expected_rcode: String,
    /// These records and no others, in any order.
    pub exactly: Vec<String>,
    /// These records among others.
    pub including: Vec<String>,
    /// A pattern that some record must match.
    pub regex: Option<String>,
    /// That there is no record is as it should be.
    pub no_records: bool,
    /// It is degraded when it takes longer.
    pub degraded_above_ms: Option<u32>,
}

impl FromFields for Config {
    const FORM: Form = FORM;

    fn read(fields: &mut Fields<'_>) -> Self {
        let is_regex = |text: &str| farwatch_guest::pattern::compile(text).map(drop);
        let texts = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let transports = [("udp", Transport::Udp), ("tcp", Transport::Tcp), ("tls", Transport::Tls)];
        let config = Config {
            name: name(fields),
            record_type: word(fields, "record_type", "A"),
            server: if fields.get("server").is_some() { fields.host("server") } else { Some(SERVER) }
                .unwrap_or_default()
                .to_owned(),
            port: fields.port(),
            ip_version: fields.ip_version(),
            transport: fields.choice("transport", &transports).unwrap_or(Transport::Udp),
            server_name: fields.text("server_name", HOST_MAX).map(str::to_owned),
            verify_tls: fields.boolean("verify_tls").unwrap_or(true),
            recursion: fields.boolean("recursion").unwrap_or(true),
            dnssec: fields.boolean("dnssec").unwrap_or(false),
            authoritative: fields.boolean("authoritative").unwrap_or(false),
            expected_rcode: word(fields, "expected_rcode", "NOERROR"),
            exactly: texts(fields.texts("expect_exactly", VALUES_MAX, VALUE_MAX)),
            including: texts(fields.texts("expect_including", VALUES_MAX, VALUE_MAX)),
            regex: fields.regex("expect_regex", VALUE_MAX, is_regex).map(str::to_owned),
            no_records: fields.boolean("expect_no_records").unwrap_or(false),
            degraded_above_ms: fields.limit_ms("degraded_above_ms"),
        };
        judge_together(fields, &config);
        config
    }
}

/// What means something only beside something else.
fn judge_together(fields: &mut Fields<'_>, config: &Config) {
    if config.transport != Transport::Tls {
        for field in
            ["server_name", "verify_tls"].into_iter().filter(|field| fields.get(field).is_some()).collect::<Vec<_>>()
        {
            fields.bad(field, format!("`{field}` is about TLS; set `transport` to \"tls\", or leave it out"));
        }
    }
    let expects_records = !config.exactly.is_empty() || !config.including.is_empty() || config.regex.is_some();
    if config.no_records && expects_records {
        let message = "`expect_no_records` says that there are none, and other fields say which; leave one out";
        fields.bad("expect_no_records", message.to_owned());
    }
}

fn name(fields: &mut Fields<'_>) -> String {
    let name = fields.needed("name", "what to ask about", HOST_MAX).unwrap_or_default();
    let looks_good = name.bytes().all(|byte| byte.is_ascii_graphic()) && !name.contains("//");
    if !looks_good {
        let message = format!("`{name}` is no name; write it in ASCII, as in `xn--bcher-kva.example`");
        fields.bad("name", message);
    }
    name.to_owned()
}

/// A word of capital letters and digits, such as the registry has for types and codes.
fn word(fields: &mut Fields<'_>, field: &str, usual: &str) -> String {
    let Some(said) = fields.text(field, WORD_MAX) else { return usual.to_owned() };
    if said.is_empty() || !said.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        fields.bad(field, format!("`{said}` is no word such as {usual}"));
    }
    said.to_ascii_uppercase()
}

impl Config {
    /// The probe.
    pub fn request(&self, timeout_ms: u32) -> Request<'_> {
        Request {
            server: &self.server,
            port: self.port,
            ip_version: self.ip_version,
            transport: self.transport,
            server_name: self.server_name.as_deref(),
            verify_tls: self.verify_tls,
            name: &self.name,
            record_type: &self.record_type,
            recursion_desired: self.recursion,
            dnssec_ok: self.dnssec,
            checking_disabled: false,
            timeout_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use farwatch_guest::fields::{judge, reread};

    use super::*;

    #[test]
    fn a_name_is_all_that_is_needed() {
        let config = reread::<Config>(&judge::<Config>(r#"{"name": "a.example"}"#).unwrap()).unwrap();
        let request = config.request(1_000);
        assert_eq!((request.name, request.record_type, request.server), ("a.example", "A", "1.1.1.1"));
        assert_eq!((request.transport, request.port, request.recursion_desired), (Transport::Udp, None, true));
        assert_eq!((config.expected_rcode.as_str(), config.no_records), ("NOERROR", false));
    }

    #[test]
    fn every_field_is_read() {
        let said = r#"{"name": "a.example", "record_type": "mx", "server": "ns.example", "port": 5353, "ip_version": "4",
            "transport": "tls", "server_name": "dns.example", "verify_tls": false, "recursion": false, "dnssec": true,
            "authoritative": true, "expected_rcode": "nxdomain", "expect_exactly": ["10 mail.example"],
            "expect_including": ["20 other.example"], "expect_regex": "^10 ", "degraded_above_ms": 50}"#;
        let config = reread::<Config>(&judge::<Config>(said).unwrap()).unwrap();
        let request = config.request(1_000);
        assert_eq!((request.record_type, request.server, request.port), ("MX", "ns.example", Some(5353)));
        assert_eq!((request.server_name, request.verify_tls, request.dnssec_ok), (Some("dns.example"), false, true));
        assert_eq!((config.expected_rcode.as_str(), config.authoritative, config.recursion), ("NXDOMAIN", true, false));
        assert_eq!((config.exactly.len(), config.including.len(), config.regex.is_some()), (1, 1, true));
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        for (fields, field) in [
            (r#""transport": "http""#, "/transport"),
            (r#""server_name": "a""#, "/server_name"),
            (r#""verify_tls": true"#, "/verify_tls"),
            (r#""record_type": "A B""#, "/record_type"),
            (r#""expect_exactly": "192.0.2.7""#, "/expect_exactly"),
            (r#""expect_including": ["a", 7]"#, "/expect_including/1"),
            (r#""expect_regex": "(""#, "/expect_regex"),
            (r#""expect_no_records": true, "expect_regex": "a""#, "/expect_no_records"),
            (r#""server": "a:53""#, "/server"),
        ] {
            let problems = judge::<Config>(&format!(r#"{{"name": "a", {fields}}}"#)).unwrap_err();
            assert_eq!((problems.len(), problems[0].field.as_deref()), (1, Some(field)), "{fields}: {problems:?}");
        }
        for name in ["b\u{fc}cher.example", "a b", "http://a"] {
            assert_eq!(
                judge::<Config>(&format!(r#"{{"name": "{name}"}}"#)).unwrap_err()[0].field.as_deref(),
                Some("/name")
            );
        }
        assert_eq!(judge::<Config>("{}").unwrap_err()[0].code, "config-missing-field");
    }
}
