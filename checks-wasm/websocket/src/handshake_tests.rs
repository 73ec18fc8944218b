//! The handshake of the RFC's own example, and everything that an answer can get wrong.

use super::*;

/// Section 1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

#[test]
fn the_example_of_the_standard_is_met() {
    assert_eq!((key(b"the sample nonce").as_str(), accept(KEY).as_str()), (KEY, ACCEPT));
    let headers = [("Host", "server.example".to_owned())];
    let subprotocols = ["chat".to_owned(), "superchat".to_owned()];
    let bytes = request(&Request { path: "/chat?a", key: KEY, headers: &headers, subprotocols: &subprotocols });
    let expected = format!(
        "GET /chat?a HTTP/1.1\r\nHost: server.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Protocol: chat, superchat\r\n\r\n"
    );
    assert_eq!(String::from_utf8(bytes).unwrap(), expected);
}

#[test]
fn only_first_lines_of_http_have_a_status() {
    for (line, found) in [
        ("HTTP/1.1 101 Switching Protocols", Some(101)),
        ("HTTP/1.0 502", Some(502)),
        ("HTTP/1.1 1010 x", None),
        ("HTTP/1.1 999", None),
        ("HTTP/2 101", None),
        ("220 mail.example", None),
        ("", None),
    ] {
        assert_eq!(status(line), found, "{line}");
    }
}

fn judged(status: u16, lines: &[&str], offered: &[&str]) -> Result<Option<String>, Refusal> {
    let mut answer = Answer { status, headers: Vec::new() };
    lines.iter().for_each(|line| answer.add(line));
    let offered: Vec<_> = offered.iter().map(|&name| name.to_owned()).collect();
    answer.judge(KEY, &offered).map(|chosen| chosen.map(str::to_owned))
}

#[test]
fn an_answer_that_is_good_grants_what_was_asked_for() {
    let accept = format!("Sec-WebSocket-Accept: {ACCEPT}");
    let good = ["Upgrade: WebSocket", "Connection: keep-alive, upgrade", &accept];
    assert_eq!(judged(101, &good, &[]), Ok(None));
    let chosen = [&good[..], &["sec-websocket-protocol: b"]].concat();
    assert_eq!(judged(101, &chosen, &["a", "b"]), Ok(Some("b".to_owned())));
}

/// A status, the lines of the answer, the subprotocols that were offered, and what is found.
type Wrong<'a> = (u16, &'a [&'a str], &'a [&'a str], &'a str, &'a str);

#[test]
fn what_is_wrong_with_an_answer_is_told() {
    let accept = format!("Sec-WebSocket-Accept: {ACCEPT}");
    let (upgrade, connection) = ("Upgrade: websocket", "Connection: Upgrade");
    let cases: &[Wrong<'_>] = &[
        (200, &[], &[], "upgrade-refused", "expected status 101, got 200"),
        (301, &["Location: https://b/"], &[], "upgrade-refused", "got 301 with a redirect to `https://b/`"),
        (401, &[], &[], "login-refused", "expected status 101, got 401"),
        (101, &[connection, &accept], &[], "upgrade-invalid", "the header upgrade `websocket`, got none"),
        (101, &["Upgrade: h2c", connection], &[], "upgrade-invalid", "got `h2c`"),
        (101, &[upgrade, &accept], &[], "upgrade-invalid", "the header connection `upgrade`, got none"),
        (101, &[upgrade, connection], &[], "upgrade-invalid", "sec-websocket-accept `s3p"),
        (101, &[upgrade, connection, "Sec-WebSocket-Accept: x"], &[], "upgrade-invalid", "got `x`"),
        (101, &[upgrade, connection, &accept, "Sec-WebSocket-Extensions: e"], &[], "upgrade-invalid", "got `e`"),
        (101, &[upgrade, connection, &accept], &["a", "b"], "subprotocol-refused", "`a` or `b`, got none"),
        (101, &[upgrade, connection, &accept, "Sec-WebSocket-Protocol: c"], &["a"], "subprotocol-refused", "got `c`"),
        (101, &[upgrade, connection, &accept, "Sec-WebSocket-Protocol: c"], &[], "subprotocol-refused", "got `c`"),
    ];
    for (status, lines, offered, code, words) in cases {
        let (found, message) = judged(*status, lines, offered).unwrap_err();
        assert_eq!(found, *code, "{lines:?}: {message}");
        assert!(message.contains(words), "{lines:?}: {message}");
    }
}
