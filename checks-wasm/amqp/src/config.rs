//! The JSON config: which fields there are, and what they are when nothing is said.

use farwatch_guest::credentials::{self, Credentials};
use farwatch_guest::fields::{Fields, Form, FromFields};
use farwatch_guest::service::{FIELDS, Kind, Security, Service};

/// Where brokers listen (IANA).
pub const BROKER: Kind = Kind { port: 5672, tls_port: 5671, can_start_tls: false, security: Security::Tls, alpn: &[] };
/// The longest name that the protocol has.
const NAME_MAX: usize = 255;
/// The virtual host that every broker has.
const VHOST: &str = "/";
/// More messages than any queue holds, and more consumers.
const COUNT_MAX: u64 = u32::MAX as u64;

const FORM: Form = Form {
    example: "{\"host\": \"broker.example.com\", \"username\": \"farwatch\", \"password\": {\"secret\": \"amqp-password\"}}",
    fields: &[
        FIELDS,
        credentials::FIELDS,
        &["vhost", "exchange", "queue", "messages_down_above", "messages_degraded_above", "consumers_min"],
    ],
};

/// What a run does and expects.
#[derive(Debug, Clone)]
pub struct Config {
    /// The broker.
    pub service: Service,
    /// Who logs in. A run always has them: a config without them is refused.
    pub credentials: Option<Credentials>,
    /// The virtual host that is opened.
    pub vhost: String,
    /// The exchange that has to be there.
    pub exchange: Option<String>,
    /// The queue that has to be there.
    pub queue: Option<String>,
    /// What its counts may be.
    pub limits: Limits,
}

/// What the counts of a queue may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// With more messages that nobody has taken it is down.
    pub messages_down_above: Option<u32>,
    /// With more of them it is degraded.
    pub messages_degraded_above: Option<u32>,
    /// With fewer consumers it is down.
    pub consumers_min: Option<u32>,
}

impl FromFields for Config {
    const FORM: Form = FORM;

    fn read(fields: &mut Fields<'_>) -> Self {
        let service = BROKER.read(fields);
        let mut count = |field| fields.number(field, 0, COUNT_MAX).map(|count| count as u32);
        let limits = Limits {
            messages_down_above: count("messages_down_above"),
            messages_degraded_above: count("messages_degraded_above"),
            consumers_min: count("consumers_min"),
        };
        refuse_limits(fields, limits);
        Config {
            credentials: Credentials::needed(fields, &service),
            vhost: name(fields, "vhost").unwrap_or_else(|| VHOST.to_owned()),
            exchange: name(fields, "exchange"),
            queue: name(fields, "queue"),
            service,
            limits,
        }
    }
}

/// A name as the protocol has it. The empty one means other things: the last queue, the usual exchange.
fn name(fields: &mut Fields<'_>, field: &str) -> Option<String> {
    let name = fields.text(field, NAME_MAX)?;
    if name.is_empty() {
        fields.bad(field, format!("`{field}` is empty; leave it out"));
    }
    Some(name.to_owned())
}

fn refuse_limits(fields: &mut Fields<'_>, limits: Limits) {
    for field in ["messages_down_above", "messages_degraded_above", "consumers_min"] {
        if fields.get(field).is_some() && fields.get("queue").is_none() {
            fields.bad(field, format!("`{field}` is about a queue; say which by `queue`"));
        }
    }
    let pair = limits.messages_degraded_above.zip(limits.messages_down_above);
    if let Some((degraded, down)) = pair.filter(|(degraded, down)| degraded >= down) {
        let message =
            format!("`messages_degraded_above` is {degraded}, which says nothing where {down} is down already");
        fields.bad("messages_degraded_above", message);
    }
}

#[cfg(test)]
mod tests {
    use farwatch_guest::fields::{judge, reread};

    use super::*;

    const LOGIN: &str = r#""host": "a", "username": "u", "password": {"secret": "p"}"#;

    fn config(fields: &str) -> Config {
        reread(&judge::<Config>(&format!("{{{LOGIN}{fields}}}")).unwrap()).unwrap()
    }

    #[test]
    fn a_host_and_a_login_are_all_that_is_needed_and_every_field_is_read() {
        let usual = config("");
        assert_eq!(
            (usual.vhost.as_str(), usual.service.security, usual.limits),
            ("/", Security::Tls, Limits::default())
        );
        assert!(usual.credentials.is_some_and(|credentials| credentials.username == "u"));
        let said = config(
            r#", "security": "none", "allow_plaintext_login": true, "vhost": "shop", "exchange": "in", "queue": "orders",
                "messages_down_above": 100, "messages_degraded_above": 10, "consumers_min": 2"#,
        );
        assert_eq!(
            (said.vhost.as_str(), said.exchange.as_deref(), said.queue.as_deref()),
            ("shop", Some("in"), Some("orders"))
        );
        let limits =
            Limits { messages_down_above: Some(100), messages_degraded_above: Some(10), consumers_min: Some(2) };
        assert_eq!(said.limits, limits);
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        for (fields, field) in [
            (r#""security": "none""#, "/password"),
            (r#""security": "starttls""#, "/security"),
            (r#""vhost": """#, "/vhost"),
            (r#""queue": """#, "/queue"),
            (r#""consumers_min": 1"#, "/consumers_min"),
            (r#""queue": "q", "messages_down_above": -1"#, "/messages_down_above"),
            (r#""queue": "q", "messages_down_above": 5, "messages_degraded_above": 5"#, "/messages_degraded_above"),
            (r#""routing_key": "r""#, "/routing_key"),
        ] {
            let problems = judge::<Config>(&format!("{{{LOGIN}, {fields}}}")).unwrap_err();
            assert_eq!((problems.len(), problems[0].field.as_deref()), (1, Some(field)), "{fields}: {problems:?}");
        }
        let problems = judge::<Config>(r#"{"host": "a"}"#).unwrap_err();
        assert_eq!((problems.len(), problems[0].field.as_deref()), (1, Some("/username")));
    }
}
