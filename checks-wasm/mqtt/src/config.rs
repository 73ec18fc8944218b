//! The JSON config: which fields there are, and what they are when nothing is said.

use farwatch_guest::fields::{Fields, Form, FromFields};
use farwatch_guest::secret::Secret;
use farwatch_guest::service::{FIELDS, Kind, Security, Service};

use crate::packet::Version;

/// Where brokers listen (IANA).
pub const BROKER: Kind = Kind { port: 1883, tls_port: 8883, can_start_tls: false, security: Security::Tls, alpn: &[] };
/// Names and passwords longer than this are refused by common brokers.
const USERNAME_MAX: usize = 1_024;
/// Common brokers refuse longer names of clients.
const CLIENT_ID_MAX: usize = 256;
/// Brokers of the large clouds refuse longer topics.
const TOPIC_MAX: usize = 256;
/// Below which topic messages are sent when nothing is said.
const TOPIC: &str = "farwatch";
/// Text and patterns to look for. Longer ones are read by nobody.
const NEEDLE_MAX: usize = 1_024;

const FORM: Form = Form {
    example: "{\"host\": \"broker.example.com\"}",
    fields: &[
        FIELDS,
        &[
            "allow_plaintext_login",
            "mqtt_version",
            "username",
            "password",
            "client_id",
            "topic",
            "qos",
            "round_trip_degraded_above_ms",
            "retained_topic",
            "retained_contains",
            "retained_regex",
        ],
    ],
};

/// What a run does and expects.
#[derive(Debug, Clone)]
pub struct Config {
    /// The broker.
    pub service: Service,
    /// The version of the protocol that is spoken.
    pub version: Version,
    /// Who logs in; nobody in particular if none.
    pub username: Option<String>,
    /// By which password.
    pub password: Option<Secret>,
    /// The name of the client; a random one if none.
    pub client_id: Option<String>,
    /// What is done then.
    pub task: Task,
}

/// What shows that the broker works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// A message comes back.
    RoundTrip {
        /// Below this topic, under a random name.
        topic: String,
        /// With this quality of service, 0 or 1.
        qos: u8,
        /// It is degraded when the message takes longer.
        degraded_above_ms: Option<u32>,
    },
    /// A retained message is there.
    Retained {
        /// Under this topic.
        topic: String,
        /// It holds this text.
        contains: Option<String>,
        /// This pattern matches somewhere in it.
        regex: Option<String>,
    },
}

impl FromFields for Config {
    const FORM: Form = FORM;

    fn read(fields: &mut Fields<'_>) -> Self {
        let service = BROKER.read(fields);
        let username = fields.text("username", USERNAME_MAX).map(str::to_owned);
        let password = fields.secret("password");
        if fields.get("username").is_none() && fields.get("password").is_some() {
            let message = "`password` means nothing without `username`; give both, or neither".to_owned();
            fields.add("config-missing-field", "/username".to_owned(), message);
        }
        fields.guard_login(service.security != Security::None, "password");
        Config {
            service,
            version: fields
                .choice("mqtt_version", &[("3.1.1", Version::V311), ("5", Version::V5)])
                .unwrap_or(Version::V311),
            username,
            password,
            client_id: fields.text("client_id", CLIENT_ID_MAX).map(str::to_owned),
            task: task(fields),
        }
    }
}

fn task(fields: &mut Fields<'_>) -> Task {
    let is_retained = fields.get("retained_topic").is_some();
    let (foreign, why): (&[&str], _) = if is_retained {
        (&["topic", "qos", "round_trip_degraded_above_ms"], "a message that is sent; leave it or `retained_topic` out")
    } else {
        (&["retained_contains", "retained_regex"], "a retained message; say which by `retained_topic`")
    };
    for field in foreign.iter().filter(|field| fields.get(field).is_some()).collect::<Vec<_>>() {
        fields.bad(field, format!("`{field}` is about {why}"));
    }
    if is_retained {
        return Task::Retained {
            topic: topic(fields, "retained_topic").unwrap_or_default(),
            contains: fields.text("retained_contains", NEEDLE_MAX).map(str::to_owned),
            regex: fields
                .regex("retained_regex", NEEDLE_MAX, |text| farwatch_guest::pattern::compile(text).map(drop))
                .map(str::to_owned),
        };
    }
    Task::RoundTrip {
        topic: topic(fields, "topic").unwrap_or_else(|| TOPIC.to_owned()),
        qos: fields.number("qos", 0, 1).unwrap_or(1) as u8,
        degraded_above_ms: fields.limit_ms("round_trip_degraded_above_ms"),
    }
}

/// A topic that is one, and not a pattern for many.
fn topic(fields: &mut Fields<'_>, field: &str) -> Option<String> {
    let topic = fields.text(field, TOPIC_MAX)?;
    if topic.is_empty() || topic.contains(['+', '#', '\0']) {
        fields.bad(field, format!("`{topic}` is no topic; write one without `+` and `#`, such as `farwatch/check`"));
    }
    Some(topic.to_owned())
}

#[cfg(test)]
mod tests {
    use farwatch_guest::fields::{judge, reread};

    use super::*;

    fn config(json: &str) -> Config {
        reread(&judge::<Config>(json).unwrap()).unwrap()
    }

    #[test]
    fn a_host_is_all_that_is_needed_and_every_field_is_read() {
        let usual = config(r#"{"host": "a.example"}"#);
        assert_eq!((usual.version, usual.service.security), (Version::V311, Security::Tls));
        assert_eq!(usual.task, Task::RoundTrip { topic: "farwatch".to_owned(), qos: 1, degraded_above_ms: None });
        let said = config(
            r#"{"host": "a", "security": "none", "allow_plaintext_login": true, "mqtt_version": 5, "username": "u",
                "password": {"secret": "p"}, "client_id": "c", "topic": "t/u", "qos": 0,
                "round_trip_degraded_above_ms": 20}"#,
        );
        assert_eq!(
            (said.version, said.username.as_deref(), said.client_id.as_deref()),
            (Version::V5, Some("u"), Some("c"))
        );
        assert!(said.password.is_some());
        assert_eq!(said.task, Task::RoundTrip { topic: "t/u".to_owned(), qos: 0, degraded_above_ms: Some(20) });
        let retained =
            config(r#"{"host": "a", "retained_topic": "r", "retained_contains": "o", "retained_regex": "^o"}"#);
        let (contains, regex) = (Some("o".to_owned()), Some("^o".to_owned()));
        assert_eq!(retained.task, Task::Retained { topic: "r".to_owned(), contains, regex });
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        for (fields, field) in [
            (r#""mqtt_version": 4"#, "/mqtt_version"),
            (r#""password": "p", "username": "u""#, "/password"),
            (r#""password": {"secret": "p"}"#, "/username"),
            (r#""security": "none", "username": "u", "password": {"secret": "p"}"#, "/password"),
            (r#""security": "starttls""#, "/security"),
            (r#""topic": "a/#""#, "/topic"),
            (r#""topic": """#, "/topic"),
            (r#""qos": 2"#, "/qos"),
            (r#""retained_contains": "a""#, "/retained_contains"),
            (r#""retained_topic": "a", "qos": 1"#, "/qos"),
            (r#""retained_topic": "a", "retained_regex": "(""#, "/retained_regex"),
            (r#""queue": 1"#, "/queue"),
        ] {
            let problems = judge::<Config>(&format!(r#"{{"host": "a", {fields}}}"#)).unwrap_err();
            assert_eq!((problems.len(), problems[0].field.as_deref()), (1, Some(field)), "{fields}: {problems:?}");
        }
    }
}
