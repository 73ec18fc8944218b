//! The JSON config: which fields there are, and what they are when nothing is said.

use farwatch_guest::fields::{Fields, Form, FromFields};
use farwatch_guest::headers::{Header, is_token};
use farwatch_guest::service::{FIELDS, Kind, Security, Service};

/// Where WebSockets are served (RFC 6455, section 3).
pub const SERVER: Kind =
    Kind { port: 80, tls_port: 443, can_start_tls: false, security: Security::Tls, alpn: &["http/1.1"] };
/// Servers commonly refuse longer paths.
const PATH_MAX: usize = 8_192;
/// Far more than any server offers.
const SUBPROTOCOLS_MAX: usize = 16;
const SUBPROTOCOL_MAX: usize = 128;
/// More would be copied on every run.
const SEND_MAX: usize = 16_384;
/// Text and patterns to look for. Longer ones are read by nobody.
const NEEDLE_MAX: usize = 1_024;
/// Headers by which the handshake is made. They are the module's.
const RESERVED: [&str; 9] = [
    "connection",
    "content-length",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "transfer-encoding",
    "upgrade",
];

const FORM: Form = Form {
    example: "{\"host\": \"example.com\", \"path\": \"/socket\"}",
    fields: &[
        FIELDS,
        &[
            "allow_plaintext_login",
            "path",
            "headers",
            "subprotocols",
            "send",
            "expect_contains",
            "expect_regex",
            "round_trip_degraded_above_ms",
        ],
    ],
};

/// What a run does and expects.
#[derive(Debug, Clone)]
pub struct Config {
    /// The server.
    pub service: Service,
    /// What is asked for, with its query.
    pub path: String,
    /// What is sent along.
    pub headers: Vec<Header>,
    /// The subprotocols that are offered, of which the server must choose one. None are offered where there are none.
    pub subprotocols: Vec<String>,
    /// What is said once the connection stands.
    pub send: Option<String>,
    /// A message holds this text.
    pub contains: Option<String>,
    /// This pattern matches somewhere in a message.
    pub regex: Option<String>,
    /// It is degraded when the pong or the message takes longer.
    pub round_trip_degraded_above_ms: Option<u32>,
}

impl Config {
    /// Whether a message is waited for, and not only a pong.
    pub fn wants_message(&self) -> bool {
        self.contains.is_some() || self.regex.is_some()
    }

    /// The port that need not be named.
    pub fn usual_port(&self) -> u16 {
        if self.service.security == Security::None { SERVER.port } else { SERVER.tls_port }
    }
}

impl FromFields for Config {
    const FORM: Form = FORM;

    fn read(fields: &mut Fields<'_>) -> Self {
        let service = SERVER.read(fields);
        let headers = fields.headers(&RESERVED);
        let has_secret = headers.iter().any(Header::is_secret);
        fields.guard_login(service.security != Security::None || !has_secret, "headers");
        let is_regex = |text: &str| farwatch_guest::pattern::compile(text).map(drop);
        let config = Config {
            service,
            path: path(fields),
            headers,
            subprotocols: subprotocols(fields),
            send: fields.text("send", SEND_MAX).map(str::to_owned),
            contains: fields.text("expect_contains", NEEDLE_MAX).map(str::to_owned),
            regex: fields.regex("expect_regex", NEEDLE_MAX, is_regex).map(str::to_owned),
            round_trip_degraded_above_ms: fields.limit_ms("round_trip_degraded_above_ms"),
        };
        if config.send.is_some() && !config.wants_message() {
            let message = "`send` is answered by something; say what by `expect_contains` or `expect_regex`".to_owned();
            fields.bad("send", message);
        }
        config
    }
}

fn path(fields: &mut Fields<'_>) -> String {
    let path = fields.text("path", PATH_MAX).unwrap_or("/");
    if !path.starts_with('/') || path.contains('#') || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = format!("`{path}` is no path; it begins with `/`, and what is not ASCII is percent-encoded");
        fields.bad("path", message);
    }
    path.to_owned()
}

fn subprotocols(fields: &mut Fields<'_>) -> Vec<String> {
    let subprotocols = fields.texts("subprotocols", SUBPROTOCOLS_MAX, SUBPROTOCOL_MAX);
    for (index, subprotocol) in subprotocols.iter().enumerate().filter(|(_, name)| !name.is_empty() && !is_token(name))
    {
        fields.bad(&format!("subprotocols/{index}"), format!("`{subprotocol}` is no name of a subprotocol"));
    }
    subprotocols.into_iter().map(str::to_owned).collect()
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
        assert_eq!((usual.path.as_str(), usual.usual_port(), usual.wants_message()), ("/", 443, false));
        let said = config(
            r#"{"host": "a", "security": "none", "allow_plaintext_login": true, "path": "/s?x=1",
                "headers": {"authorization": {"secret": "t"}}, "subprotocols": ["chat.v2", "chat"], "send": "ping",
                "expect_contains": "po", "expect_regex": "^p", "round_trip_degraded_above_ms": 20}"#,
        );
        assert_eq!((said.path.as_str(), said.usual_port(), said.wants_message()), ("/s?x=1", 80, true));
        assert_eq!((said.headers.len(), said.subprotocols), (1, vec!["chat.v2".to_owned(), "chat".to_owned()]));
        let texts = (said.send.as_deref(), said.contains.as_deref(), said.regex.as_deref());
        assert_eq!(texts, (Some("ping"), Some("po"), Some("^p")));
        assert_eq!(said.round_trip_degraded_above_ms, Some(20));
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        for (fields, field) in [
            (r#""path": "socket""#, "/path"),
            (r#""path": "/a b""#, "/path"),
            (r##""path": "/a#b""##, "/path"),
            (r#""headers": {"Upgrade": "h2c"}"#, "/headers/Upgrade"),
            (r#""security": "none", "headers": {"cookie": {"secret": "t"}}"#, "/headers"),
            (r#""subprotocols": ["a b"]"#, "/subprotocols/0"),
            (r#""subprotocols": "chat""#, "/subprotocols"),
            (r#""send": "hello""#, "/send"),
            (r#""expect_regex": "(""#, "/expect_regex"),
            (r#""url": "wss://a""#, "/url"),
        ] {
            let problems = judge::<Config>(&format!(r#"{{"host": "a", {fields}}}"#)).unwrap_err();
            assert_eq!((problems.len(), problems[0].field.as_deref()), (1, Some(field)), "{fields}: {problems:?}");
        }
    }
}
