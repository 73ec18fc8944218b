//! What the codes of a broker's refusals mean, in words and as codes of outcomes.

use crate::packet::{Reason, Version};

/// From here on a code is a refusal wherever it stands.
const REFUSED: u8 = 0x80;

/// What CONNECT was refused with: the code of the outcome, and words. None where it was not refused.
pub fn of_connect(version: Version, reason: &Reason) -> Option<(&'static str, String)> {
    let code = match (version, reason.code) {
        (_, 0) => return None,
        // Brokers that know only the old version answer in it.
        (Version::V311, 1) | (Version::V5, 0x01 | 0x84) => "version-refused",
        (Version::V311, 2) | (Version::V5, 0x85) => "client-id-refused",
        (Version::V311, 3) | (Version::V5, 0x88 | 0x89 | 0x97 | 0x9f) => "broker-unavailable",
        (Version::V311, 4 | 5) | (Version::V5, 0x86 | 0x87 | 0x8a | 0x8c) => "login-refused",
        (Version::V5, 0x9c | 0x9d) => "broker-moved",
        _ => "connect-refused",
    };
    let words = match (version, reason.code) {
        (Version::V311, 1) => "unacceptable protocol version",
        (Version::V311, 2) => "identifier rejected",
        (Version::V311, 3) => "server unavailable",
        (Version::V311, 4) => "bad user name or password",
        (Version::V311, 5) => "not authorized",
        (Version::V311, _) => "an unknown code",
        (Version::V5, other) => name(other),
    };
    Some((code, told(words, reason)))
}

/// What else was refused, in words; none where it was not.
pub fn of_other(version: Version, reason: &Reason) -> Option<String> {
    if reason.code < REFUSED {
        return None;
    }
    let words = if version == Version::V311 { "failure" } else { name(reason.code) };
    Some(told(words, reason))
}

/// Why the broker threw the client out, in words.
pub fn of_goodbye(reason: &Reason) -> String {
    told(name(reason.code), reason)
}

fn told(words: &str, reason: &Reason) -> String {
    match reason.text.as_str() {
        "" => format!("0x{:02x} {words}", reason.code),
        text => format!("0x{:02x} {words}: {text}", reason.code),
    }
}

/// The names of version 5 (its section 2.4).
fn name(code: u8) -> &'static str {
    match code {
        0x00 => "normal",
        0x01 | 0x84 => "unsupported protocol version",
        0x80 => "unspecified error",
        0x81 => "malformed packet",
        0x82 => "protocol error",
        0x83 => "implementation specific error",
        0x85 => "client identifier not valid",
        0x86 => "bad user name or password",
        0x87 => "not authorized",
        0x88 => "server unavailable",
        0x89 => "server busy",
        0x8a => "banned",
        0x8b => "server shutting down",
        0x8c => "bad authentication method",
        0x8e => "session taken over",
        0x8f => "topic filter invalid",
        0x90 => "topic name invalid",
        0x93 => "receive maximum exceeded",
        0x95 => "packet too large",
        0x96 => "message rate too high",
        0x97 => "quota exceeded",
        0x98 => "administrative action",
        0x99 => "payload format invalid",
        0x9a => "retain not supported",
        0x9b => "QoS not supported",
        0x9c => "use another server",
        0x9d => "server moved",
        0x9e => "shared subscriptions not supported",
        0x9f => "connection rate exceeded",
        0xa0 => "maximum connect time",
        _ => "an unknown code",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_code_and_its_words() {
        for (version, code, found) in [
            (Version::V311, 0, None),
            (Version::V311, 1, Some(("version-refused", "0x01 unacceptable protocol version"))),
            (Version::V311, 5, Some(("login-refused", "0x05 not authorized"))),
            (Version::V311, 9, Some(("connect-refused", "0x09 an unknown code"))),
            (Version::V5, 0x01, Some(("version-refused", "0x01 unsupported protocol version"))),
            (Version::V5, 0x86, Some(("login-refused", "0x86 bad user name or password"))),
            (Version::V5, 0x89, Some(("broker-unavailable", "0x89 server busy"))),
            (Version::V5, 0x9d, Some(("broker-moved", "0x9d server moved"))),
            (Version::V5, 0x82, Some(("connect-refused", "0x82 protocol error"))),
        ] {
            let reason = Reason { code, text: String::new() };
            let refused = of_connect(version, &reason);
            assert_eq!(refused.as_ref().map(|(code, words)| (*code, words.as_str())), found, "{version:?} {code:x}");
        }
        let reason = Reason { code: 0x87, text: "no such topic".to_owned() };
        assert_eq!(of_other(Version::V5, &reason).as_deref(), Some("0x87 not authorized: no such topic"));
        assert_eq!(
            of_other(Version::V311, &Reason { code: 0x80, text: String::new() }).as_deref(),
            Some("0x80 failure")
        );
        assert_eq!(of_other(Version::V311, &Reason { code: 1, text: String::new() }), None);
    }
}
