//! Messages of SIP (RFC 3261): the question, and what an answer to it says.
//!
//! Of an answer only its status and a few headers are read; its body means nothing here.

use farwatch_guest::service::Security;

use crate::config::{Config, Transport};

/// How many random bytes a question is made of.
pub const DRAWN: u32 = 16;
/// What the branch of a request begins with, by which servers know that it is one of RFC 3261.
const BRANCH: &str = "z9hG4bK";
/// A name that nobody has (RFC 2606). Answers come back to where the question came from, which is asked for by `rport`.
const NOBODY: &str = "farwatch.invalid";

/// A question, and the names by which its answer is known.
pub struct Question {
    /// The message.
    pub message: String,
    call: String,
}

impl Question {
    /// Asks whom the config names, by names that are made of these random bytes.
    pub fn new(config: &Config, drawn: &[u8]) -> Self {
        let call: String = drawn.iter().map(|byte| format!("{byte:02x}")).collect();
        let uri = config.uri.clone().unwrap_or_else(|| usual_uri(config));
        let transport = match (config.transport, config.service.security) {
            (Transport::Udp, _) => "UDP",
            (Transport::Tcp, Security::None) => "TCP",
            (Transport::Tcp, _) => "TLS",
        };
        let message = format!(
            "OPTIONS {uri} SIP/2.0\r\n\
             Via: SIP/2.0/{transport} {NOBODY};branch={BRANCH}{call};rport\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:watcher@{NOBODY}>;tag={call}\r\n\
             To: <{uri}>\r\n\
             Call-ID: {call}\r\n\
             CSeq: 1 OPTIONS\r\n\
             Contact: <sip:watcher@{NOBODY}>\r\n\
             Accept: application/sdp\r\n\
             User-Agent: Farwatch\r\n\
             Content-Length: 0\r\n\r\n"
        );
        Self { message, call }
    }

    /// Reads the answer; none where it is not one, or one to another question.
    pub fn answer(&self, message: &str) -> Option<Answer> {
        let (head, _) = message.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let (status, reason) = status(lines.next()?)?;
        let mut answer = Answer { status, reason, server: None, allows: None };
        let (mut is_ours, mut is_of_options) = (false, false);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "call-id" | "i" => is_ours = value == self.call,
                "cseq" => is_of_options = value.split_whitespace().eq(["1", "OPTIONS"]),
                "server" => answer.server = Some(value.to_owned()),
                "user-agent" if answer.server.is_none() => answer.server = Some(value.to_owned()),
                "allow" => answer.allows = Some(value.to_owned()),
                _ => {}
            }
        }
        (is_ours && is_of_options).then_some(answer)
    }
}

fn usual_uri(config: &Config) -> String {
    let host = config.service.host();
    // An address of IPv6 stands in brackets.
    if host.contains(':') && !host.starts_with('[') { format!("sip:[{host}]") } else { format!("sip:{host}") }
}

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status, 100 to 699.
    pub status: u16,
    /// The same in words.
    pub reason: String,
    /// What the server calls itself.
    pub server: Option<String>,
    /// The methods that it allows.
    pub allows: Option<String>,
}

impl Answer {
    /// Whether another answer follows.
    pub fn is_provisional(&self) -> bool {
        self.status < 200
    }
}

fn status(line: &str) -> Option<(u16, String)> {
    let rest = line.strip_prefix("SIP/2.0 ")?;
    let (status, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let status = (status.len() == 3).then(|| status.parse().ok())??;
    (100..700).contains(&status).then(|| (status, reason.to_owned()))
}

#[cfg(test)]
mod tests {
    use farwatch_guest::fields::{judge, reread};

    use super::*;

    fn question(config: &str) -> Question {
        Question::new(&reread::<Config>(&judge::<Config>(config).unwrap()).unwrap(), &[0xab; 4])
    }

    #[test]
    fn a_question_says_whom_it_asks_and_over_what() {
        for (config, first, via) in [
            (r#"{"host": "a.example"}"#, "OPTIONS sip:a.example SIP/2.0\r\n", "SIP/2.0/UDP"),
            (r#"{"host": "2001:db8::7", "transport": "tcp"}"#, "OPTIONS sip:[2001:db8::7] SIP/2.0\r\n", "SIP/2.0/TCP"),
            (r#"{"host": "a", "security": "tls", "uri": "sips:b"}"#, "OPTIONS sips:b SIP/2.0\r\n", "SIP/2.0/TLS"),
        ] {
            let message = question(config).message;
            assert!(message.starts_with(first) && message.contains(via) && message.ends_with("\r\n\r\n"), "{message}");
        }
    }

    #[test]
    fn answers_are_read_and_those_to_others_are_not() {
        let question = question(r#"{"host": "a"}"#);
        let ours = "Call-ID: abababab\r\nCSeq:  1  OPTIONS\r\n";
        let read = |message: &str| question.answer(message);
        let answer = read(&format!("SIP/2.0 200 OK\r\n{ours}Server: x\r\nAllow: INVITE, ACK\r\n\r\n")).unwrap();
        assert_eq!((answer.status, answer.reason.as_str()), (200, "OK"));
        assert_eq!((answer.server.as_deref(), answer.allows.as_deref()), (Some("x"), Some("INVITE, ACK")));
        assert!(!answer.is_provisional());
        let short = read("SIP/2.0 100 \r\ni: abababab\r\ncseq: 1 OPTIONS\r\nUser-Agent: y\r\n\r\n").unwrap();
        assert!(short.is_provisional() && short.server.as_deref() == Some("y"));
        for message in [
            "",
            "HTTP/1.1 200 OK\r\n\r\n",
            "SIP/2.0 200 OK\r\n\r\n",
            "SIP/2.0 200 OK\r\nCall-ID: other\r\nCSeq: 1 OPTIONS\r\n\r\n",
            "SIP/2.0 200 OK\r\nCall-ID: abababab\r\nCSeq: 1 INVITE\r\n\r\n",
            "SIP/2.0 +20 OK\r\nCall-ID: abababab\r\nCSeq: 1 OPTIONS\r\n\r\n",
            "SIP/2.0 200 OK\r\nCall-ID: abababab\r\nCSeq: 1 OPTIONS\r\n",
        ] {
            assert_eq!(read(message), None, "{message}");
        }
        assert_eq!(read(&format!("SIP/2.0 999 x\r\n{ours}\r\n")), None);
    }
}
