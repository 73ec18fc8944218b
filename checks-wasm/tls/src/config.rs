//! The JSON config: which fields there are, and what they are when nothing is said.

use farwatch_guest::fields::{Fields, Form, FromFields, HOST_MAX};

use crate::wit::farwatch::check::tls::Target;
use crate::wit::farwatch::check::types::IpVersion;

/// Where most servers speak TLS.
const PORT: u16 = 443;
/// Public certificates live shorter than this.
const CERTIFICATE_DAYS_MAX: u64 = 825;
/// Most are renewed a month before they run out, so that this leaves time to see why one was not.
const CERTIFICATE_DAYS: u64 = 14;

const FORM: Form = Form {
    example: "{\"host\": \"www.example.com\"}",
    fields: &[&[
        "host",
        "port",
        "ip_version",
        "server_name",
        "certificate_days_min",
        "allow_untrusted",
        "require_staple",
        "version_min",
        "refuse_old_versions",
        "refuse_weak_ciphers",
        "degraded_above_ms",
    ]],
};

/// What a run does and expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// What to connect to.
    pub host: String,
    /// Where it listens.
    pub port: u16,
    /// Which addresses may be used; any if none.
    pub ip_version: Option<IpVersion>,
    /// The name to ask for and to verify, where it is not the host.
    pub server_name: Option<String>,
    /// A certificate with fewer days left is `degraded`.
    pub certificate_days_min: u16,
    /// A certificate of an issuer that nobody knows is good.
    pub allow_untrusted: bool,
    /// The server must staple that its certificate is not revoked.
    pub require_staple: bool,
    /// The version that must be agreed on.
    pub version_min: &'static str,
    /// Versions before TLS 1.2 must be refused.
    pub refuse_old_versions: bool,
    /// Weak cipher suites must be refused.
    pub refuse_weak_ciphers: bool,
    /// It is degraded when it takes longer.
    pub degraded_above_ms: Option<u32>,
}

impl FromFields for Config {
    const FORM: Form = FORM;

    fn read(fields: &mut Fields<'_>) -> Self {
        let days = fields.number("certificate_days_min", 0, CERTIFICATE_DAYS_MAX).unwrap_or(CERTIFICATE_DAYS);
        let flag = |fields: &mut Fields<'_>, field, usual| fields.boolean(field).unwrap_or(usual);
        Config {
            host: fields.host("host").unwrap_or_default().to_owned(),
            port: fields.port().unwrap_or(PORT),
            ip_version: fields.ip_version(),
            server_name: fields.text("server_name", HOST_MAX).map(str::to_owned),
            certificate_days_min: days as u16,
            allow_untrusted: flag(fields, "allow_untrusted", false),
            require_staple: flag(fields, "require_staple", false),
            version_min: fields.choice("version_min", &[("1.2", "TLSv1.2"), ("1.3", "TLSv1.3")]).unwrap_or("TLSv1.2"),
            refuse_old_versions: flag(fields, "refuse_old_versions", false),
            refuse_weak_ciphers: flag(fields, "refuse_weak_ciphers", false),
            degraded_above_ms: fields.limit_ms("degraded_above_ms"),
        }
    }
}

impl Config {
    /// What each probe connects to.
    pub fn target(&self, timeout_ms: u32) -> Target<'_> {
        let Self { host, port, ip_version, server_name, .. } = self;
        let (server_name, client) = (server_name.as_deref(), None);
        Target { host, port: *port, ip_version: *ip_version, server_name, client, timeout_ms }
    }
}

#[cfg(test)]
mod tests {
    use farwatch_guest::fields::{judge, reread};

    use super::*;

    #[test]
    fn a_host_is_all_that_is_needed_and_every_field_is_read() {
        let config = reread::<Config>(&judge::<Config>(r#"{"host": "a.example"}"#).unwrap()).unwrap();
        assert_eq!((config.port, config.certificate_days_min, config.version_min), (443, 14, "TLSv1.2"));
        let said = r#"{"host": "a", "port": 8443, "ip_version": 6, "server_name": "b.example", "certificate_days_min": 30,
            "allow_untrusted": true, "require_staple": true, "version_min": "1.3", "refuse_old_versions": true,
            "refuse_weak_ciphers": true, "degraded_above_ms": 50}"#;
        let config = reread::<Config>(&judge::<Config>(said).unwrap()).unwrap();
        let target = config.target(900);
        assert_eq!((target.port, target.server_name, target.timeout_ms), (8_443, Some("b.example"), 900));
        assert!(
            config.allow_untrusted && config.require_staple && config.refuse_old_versions && config.refuse_weak_ciphers
        );
        assert_eq!((config.version_min, config.certificate_days_min), ("TLSv1.3", 30));
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        for (fields, field) in [
            (r#""port": 0"#, "/port"),
            (r#""version_min": "1.1""#, "/version_min"),
            (r#""certificate_days_min": 826"#, "/certificate_days_min"),
            (r#""allow_untrusted": 1"#, "/allow_untrusted"),
        ] {
            let problems = judge::<Config>(&format!(r#"{{"host": "a", {fields}}}"#)).unwrap_err();
            assert_eq!((problems.len(), problems[0].field.as_deref()), (1, Some(field)), "{fields}");
        }
    }
}
