//! The JSON config: which fields there are, and what they are when nothing is said.

use farwatch_guest::fields::{Fields, Form, FromFields, HOST_MAX};
use farwatch_guest::headers::Header;
use farwatch_guest::secret::Secret;

use crate::wit::farwatch::check::types::{IpVersion, Problem};

/// What the health service is called in the path.
const METHOD: &str = "/grpc.health.v1.Health/Check";
/// Far longer than any name of a service.
const SERVICE_MAX: usize = 1_024;
/// No certificate is good for longer than that.
const CERTIFICATE_DAYS_MAX: u64 = 3_650;
/// A chain of certificates in PEM.
const CERTIFICATE_MAX: usize = 16 << 10;
/// What gRPC itself says in headers, and what travels with it. They are the module's.
const RESERVED: [&str; 12] = [
    "connection",
    "content-length",
    "content-type",
    "grpc-accept-encoding",
    "grpc-encoding",
    "grpc-message-type",
    "grpc-timeout",
    "host",
    "te",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];
/// Whom servers see. The version of the protocol stands first, as its libraries have it.
const USER_AGENT: &str = concat!("grpc-farwatch/", env!("CARGO_PKG_VERSION"), " (uptime monitor)");

const FORM: Form = Form {
    example: "{\"host\": \"api.example.com\", \"port\": 443}",
    fields: &[&[
        "host",
        "port",
        "ip_version",
        "security",
        "verify_tls",
        "authority",
        "client_certificate",
        "client_key",
        "certificate_days_min",
        "degraded_above_ms",
        "allow_plaintext_login",
        "service",
        "headers",
    ]],
};

/// What a run asks and expects.
#[derive(Debug, Clone)]
pub struct Config {
    host: String,
    port: u16,
    is_encrypted: bool,
    authority: Option<String>,
    client: Option<(String, Secret)>,
    headers: Vec<Header>,
    /// Which addresses may be used; any if none.
    pub ip_version: Option<IpVersion>,
    /// Whether a bad certificate is an outage.
    pub verify_tls: bool,
    /// The service that is asked about; the whole server where it is empty.
    pub service: String,
    /// It is degraded when its certificate has fewer days left.
    pub certificate_days_min: Option<u16>,
    /// It is degraded when it takes longer.
    pub degraded_above_ms: Option<u32>,
}

impl FromFields for Config {
    const FORM: Form = FORM;

    fn read(fields: &mut Fields<'_>) -> Self {
        let is_encrypted = fields.choice("security", &[("none", false), ("tls", true)]).unwrap_or(true);
        if !is_encrypted {
            refuse_tls(fields);
        }
        if fields.get("port").is_none() {
            let message = "`port` is missing; say where the server listens, for gRPC has no usual port".to_owned();
            fields.add("config-missing-field", "/port".to_owned(), message);
        }
        let headers = fields.headers(&RESERVED);
        let has_secret = headers.iter().any(Header::is_secret);
        fields.guard_login(is_encrypted || !has_secret, "headers");
        let certificate = fields.text("client_certificate", CERTIFICATE_MAX).map(str::to_owned);
        let key = fields.secret("client_key");
        Config {
            host: fields.host("host").unwrap_or_default().to_owned(),
            port: fields.port().unwrap_or_default(),
            is_encrypted,
            authority: authority(fields),
            client: fields.together(("client_certificate", certificate), ("client_key", key)),
            headers,
            ip_version: fields.ip_version(),
            verify_tls: fields.boolean("verify_tls").unwrap_or(true),
            service: fields.text("service", SERVICE_MAX).unwrap_or_default().to_owned(),
            certificate_days_min: fields
                .number("certificate_days_min", 1, CERTIFICATE_DAYS_MAX)
                .map(|days| days as u16),
            degraded_above_ms: fields.limit_ms("degraded_above_ms"),
        }
    }
}

fn refuse_tls(fields: &mut Fields<'_>) {
    for field in ["verify_tls", "client_certificate", "client_key", "certificate_days_min"] {
        if fields.get(field).is_some() {
            fields.bad(field, format!("`{field}` is about TLS; set `security` to \"tls\", or leave it out"));
        }
    }
}

fn authority(fields: &mut Fields<'_>) -> Option<String> {
    let authority = fields.text("authority", HOST_MAX)?;
    if authority.is_empty() || !authority.bytes().all(|byte| byte.is_ascii_graphic()) || authority.contains(['/', '@'])
    {
        fields.bad("authority", format!("`{authority}` is no name of a server; write one such as api.example.com"));
    }
    Some(authority.to_owned())
}

impl Config {
    /// Where the health service is.
    pub fn url(&self) -> String {
        let scheme = if self.is_encrypted { "https" } else { "http" };
        let is_bare_address = self.host.contains(':') && !self.host.starts_with('[');
        let (open, close) = if is_bare_address { ("[", "]") } else { ("", "") };
        format!("{scheme}://{open}{}{close}:{}{METHOD}", self.host, self.port)
    }

    /// All that is sent before the question.
    ///
    /// # Errors
    /// When a secret is missing or cannot be sent.
    pub fn metadata(&self) -> Result<Vec<(&str, String)>, Problem> {
        let usual = [("content-type", "application/grpc"), ("te", "trailers"), ("user-agent", USER_AGENT)];
        let mut metadata: Vec<_> = usual.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        metadata.extend(self.authority.iter().map(|authority| ("host", authority.clone())));
        for header in &self.headers {
            metadata.push((&header.name, header.reveal()?));
        }
        Ok(metadata)
    }

    /// What is shown when the server asks for a certificate.
    ///
    /// # Errors
    /// When the secret is missing.
    pub fn client(&self) -> Result<Option<(&str, String)>, Problem> {
        let Some((certificate, key)) = &self.client else { return Ok(None) };
        Ok(Some((certificate, key.reveal()?)))
    }
}

#[cfg(test)]
mod tests {
    use farwatch_guest::fields::{judge, reread};

    use super::*;

    fn config(json: &str) -> Config {
        reread(&judge::<Config>(json).unwrap()).unwrap()
    }

    #[test]
    fn host_and_port_are_all_that_is_needed_and_every_field_is_read() {
        let usual = config(r#"{"host": "a.example", "port": 443}"#);
        assert_eq!(usual.url(), "https://a.example:443/grpc.health.v1.Health/Check");
        assert_eq!((usual.service.as_str(), usual.verify_tls, usual.metadata().unwrap().len()), ("", true, 3));
        let said = config(
            r#"{"host": "2001:db8::7", "port": 50051, "ip_version": 6, "security": "none", "authority": "b.example",
                "degraded_above_ms": 20, "allow_plaintext_login": true, "service": "shop.Cart",
                "headers": {"x-tenant": "7", "authorization": {"secret": "t"}}}"#,
        );
        assert_eq!(said.url(), "http://[2001:db8::7]:50051/grpc.health.v1.Health/Check");
        assert_eq!((said.service.as_str(), said.ip_version), ("shop.Cart", Some(IpVersion::Ipv6)));
        assert_eq!((said.degraded_above_ms, said.headers.len()), (Some(20), 2));
        assert_eq!(said.authority.as_deref(), Some("b.example"));
        let tls = config(
            r#"{"host": "a", "port": 1, "security": "tls", "verify_tls": false, "certificate_days_min": 14,
                "client_certificate": "PEM", "client_key": {"secret": "k"}}"#,
        );
        assert_eq!((tls.verify_tls, tls.certificate_days_min, tls.client.is_some()), (false, Some(14), true));
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        for (fields, field) in [
            (r#""security": "starttls""#, "/security"),
            (r#""security": "none", "verify_tls": false"#, "/verify_tls"),
            (r#""security": "none", "headers": {"authorization": {"secret": "t"}}"#, "/headers"),
            (r#""headers": {"TE": "x"}"#, "/headers/TE"),
            (r#""authority": "https://a""#, "/authority"),
            (r#""client_certificate": "PEM""#, "/client_key"),
            (r#""service": 7"#, "/service"),
            (r#""path": "/""#, "/path"),
        ] {
            let problems = judge::<Config>(&format!(r#"{{"host": "a", "port": 1, {fields}}}"#)).unwrap_err();
            assert_eq!((problems.len(), problems[0].field.as_deref()), (1, Some(field)), "{fields}: {problems:?}");
        }
        assert_eq!(judge::<Config>(r#"{"host": "a"}"#).unwrap_err()[0].field.as_deref(), Some("/port"));
    }
}
