//! The JSON config: which fields there are, and what they are when nothing is said.

use farwatch_guest::fields::{Fields, Form, FromFields, HOST_MAX};

use crate::registries;

/// The longest name of the DNS, as text.
const DOMAIN_MAX: usize = 253;
/// Longer addresses of registries are in use nowhere.
const URL_MAX: usize = 512;
/// Where WHOIS is spoken (RFC 3912).
const WHOIS_PORT: u64 = 43;
/// No domain is registered for longer than ten years.
const DAYS_MAX: u64 = 3_650;
/// Time enough to pay a bill.
const DEGRADED_DAYS: u64 = 30;
/// Time enough to call somebody.
const DOWN_DAYS: u64 = 7;

/// What a run asks and expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The domain, in lower case.
    pub domain: String,
    /// The base of the RDAP server, if its registry has one.
    pub rdap: Option<String>,
    /// The WHOIS server and its port, if its registry has one.
    pub whois: Option<(String, u16)>,
    /// It is degraded when fewer days are left.
    pub degraded_days: i64,
    /// It is down when fewer are left.
    pub down_days: i64,
    /// Whether a registry that does not say until when has to.
    pub needs_expiry: bool,
    /// It is degraded when the answer takes longer.
    pub degraded_above_ms: Option<u32>,
}

impl FromFields for Config {
    const FORM: Form = Form {
        example: "{\"domain\": \"example.com\"}",
        fields: &[&[
            "domain",
            "days_degraded",
            "days_down",
            "needs_expiry",
            "rdap_url",
            "whois_host",
            "whois_port",
            "degraded_above_ms",
        ]],
    };

    fn read(fields: &mut Fields<'_>) -> Self {
        let domain = domain(fields);
        let top_level = domain.rsplit('.').next().unwrap_or_default();
        let port = fields.number("whois_port", 1, u16::MAX.into()).unwrap_or(WHOIS_PORT) as u16;
        let (said_rdap, said_whois) = (rdap_url(fields), fields.text("whois_host", HOST_MAX).map(str::to_owned));
        // Whoever names one way to ask and not the other means that one.
        let (only_rdap, only_whois) =
            (said_rdap.is_some() && said_whois.is_none(), said_whois.is_some() && said_rdap.is_none());
        let rdap = said_rdap.or_else(|| registries::rdap(top_level).filter(|_| !only_whois));
        let whois = said_whois.or_else(|| registries::whois(top_level).filter(|_| !only_rdap));
        if rdap.is_none() && whois.is_none() && !domain.is_empty() {
            let message = format!("no registry of `.{top_level}` is known; name one by `rdap_url` or `whois_host`");
            fields.bad("domain", message);
        }
        let config = Self {
            domain,
            rdap,
            whois: whois.map(|host| (host, port)),
            degraded_days: fields.number("days_degraded", 0, DAYS_MAX).unwrap_or(DEGRADED_DAYS) as i64,
            down_days: fields.number("days_down", 0, DAYS_MAX).unwrap_or(DOWN_DAYS) as i64,
            needs_expiry: fields.boolean("needs_expiry").unwrap_or(true),
            degraded_above_ms: fields.limit_ms("degraded_above_ms"),
        };
        if config.down_days > config.degraded_days {
            let message =
                format!("`days_down` is {}, more than `days_degraded`, {}", config.down_days, config.degraded_days);
            fields.bad("days_down", message);
        }
        config
    }
}

fn domain(fields: &mut Fields<'_>) -> String {
    let what = "which one is watched";
    let Some(text) = fields.needed("domain", what, DOMAIN_MAX) else { return String::new() };
    let domain = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let is_label = |label: &str| {
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(is_good)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if !domain.contains('.') || !domain.split('.').all(is_label) {
        let message =
            format!("`{text}` is no domain; write it as in example.com, and other letters as in xn--bcher-kva.example");
        fields.bad("domain", message);
        return String::new();
    }
    domain
}

fn rdap_url(fields: &mut Fields<'_>) -> Option<String> {
    let url = fields.text("rdap_url", URL_MAX)?;
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or_default();
    if rest.is_empty() || rest.contains(|c: char| c.is_whitespace() || c.is_control() || "?#@".contains(c)) {
        fields.bad(
            "rdap_url",
            format!("`{url}` is no base of an RDAP server; write it as in https://rdap.example.com/v1/"),
        );
    }
    Some(if url.ends_with('/') { url.to_owned() } else { format!("{url}/") })
}

#[cfg(test)]
mod tests {
    use farwatch_guest::fields::{judge, reread};

    use super::*;

    fn read(config: &str) -> Config {
        reread::<Config>(&judge::<Config>(config).unwrap()).unwrap()
    }

    #[test]
    fn a_domain_is_all_that_is_needed_and_every_field_is_read() {
        let config = read(r#"{"domain": "Example.COM."}"#);
        let expected = Config {
            domain: "example.com".to_owned(),
            rdap: Some("https://rdap.verisign.com/com/v1/".to_owned()),
            whois: Some(("whois.nic.com".to_owned(), 43)),
            degraded_days: 30,
            down_days: 7,
            needs_expiry: true,
            degraded_above_ms: None,
        };
        assert_eq!(config, expected);
        let config = read(
            r#"{"domain": "a.example", "rdap_url": "http://r.example/v1", "whois_host": "w.example", "whois_port": 4343,
            "days_degraded": 60, "days_down": 1, "needs_expiry": false, "degraded_above_ms": 500}"#,
        );
        assert_eq!(config.rdap.as_deref(), Some("http://r.example/v1/"));
        assert_eq!(config.whois, Some(("w.example".to_owned(), 4_343)));
        assert_eq!((config.degraded_days, config.down_days, config.needs_expiry), (60, 1, false));
        assert_eq!(config.degraded_above_ms, Some(500));
    }

    #[test]
    fn one_way_to_ask_that_is_named_is_the_only_one() {
        let config = read(r#"{"domain": "example.com", "whois_host": "w.example"}"#);
        assert_eq!((config.rdap, config.whois), (None, Some(("w.example".to_owned(), 43))));
        let config = read(r#"{"domain": "example.com", "rdap_url": "https://r.example/"}"#);
        assert_eq!((config.rdap.as_deref(), config.whois), (Some("https://r.example/"), None));
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        for (config, field) in [
            (r#"{}"#, "/domain"),
            (r#"{"domain": "com"}"#, "/domain"),
            (r#"{"domain": "bücher.com"}"#, "/domain"),
            (r#"{"domain": "a..com"}"#, "/domain"),
            (r#"{"domain": "watched.example"}"#, "/domain"),
            (r#"{"domain": "a.com", "rdap_url": "rdap.example"}"#, "/rdap_url"),
            (r#"{"domain": "a.com", "whois_host": 1}"#, "/whois_host"),
            (r#"{"domain": "a.com", "whois_port": 0}"#, "/whois_port"),
            (r#"{"domain": "a.com", "days_degraded": 5}"#, "/days_down"),
            (r#"{"domain": "a.com", "needs_expiry": "no"}"#, "/needs_expiry"),
            (r#"{"domain": "a.com", "host": "b"}"#, "/host"),
        ] {
            let problems = judge::<Config>(config).unwrap_err();
            assert_eq!((problems.len(), problems[0].field.as_deref()), (1, Some(field)), "{config}: {problems:?}");
        }
    }
}
