//! The handshake of RFC 6455, section 4: the request that asks for a WebSocket, and the answer that grants it or does not.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use farwatch_guest::escapes::show;
use sha1::{Digest, Sha1};

/// What the server hashes together with the key, so that none takes the handshake for another request.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// How much of a header is shown, in characters.
const SHOWN_MAX: usize = 160;

/// What is asked for.
pub struct Request<'a> {
    /// The path and its query.
    pub path: &'a str,
    /// The key, in Base64.
    pub key: &'a str,
    /// The headers that are sent along, the host among them.
    pub headers: &'a [(&'a str, String)],
    /// The subprotocols that are offered.
    pub subprotocols: &'a [String],
}

/// The head of the answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers, their names in lower case.
    pub headers: Vec<(String, String)>,
}

/// What is wrong with an answer: the code of the outcome, and words.
pub type Refusal = (&'static str, String);

/// A key of 16 random bytes.
pub fn key(random: &[u8]) -> String {
    STANDARD.encode(random)
}

/// What a server that has read the key answers.
pub fn accept(key: &str) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

/// The request as the wire has it.
pub fn request(request: &Request<'_>) -> Vec<u8> {
    let Request { path, key, headers, subprotocols } = request;
    let mut text = format!("GET {path} HTTP/1.1\r\n");
    let headers = headers.iter().map(|(name, value)| (*name, value.as_str()));
    let usual = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", key),
    ];
    let offered = subprotocols.join(", ");
    let offered = (!offered.is_empty()).then_some(("Sec-WebSocket-Protocol", offered.as_str()));
    for (name, value) in headers.chain(usual).chain(offered) {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// The status in the first line of an answer; none where it is no answer of HTTP/1.
pub fn status(line: &str) -> Option<u16> {
    let rest = line.strip_prefix("HTTP/1.")?;
    let status = rest.split(' ').nth(1).filter(|status| status.len() == 3)?;
    status.parse().ok().filter(|status| (100..600).contains(status))
}

impl Answer {
    /// Adds the header that a line holds. A line that holds none is left out, as browsers do.
    pub fn add(&mut self, line: &str) {
        if let Some((name, value)) = line.split_once(':') {
            self.headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    fn has_word(&self, name: &str, word: &str) -> bool {
        let is_named = |(found, _): &&(String, String)| found == name;
        self.headers
            .iter()
            .filter(is_named)
            .flat_map(|(_, value)| value.split(','))
            .any(|part| part.trim().eq_ignore_ascii_case(word))
    }

    /// Whether it grants what was asked for, and by which subprotocol.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn judge(&self, key: &str, offered: &[String]) -> Result<Option<&str>, Refusal> {
        self.granted()?;
        let expected = accept(key);
        match self.header("sec-websocket-accept") {
            Some(accept) if accept == expected => {}
            accept => {
                let got = accept.map_or_else(|| "none".to_owned(), |accept| format!("`{}`", shown(accept)));
                return Err(invalid(format!("expected the header sec-websocket-accept `{expected}`, got {got}")));
            }
        }
        if let Some(extension) = self.header("sec-websocket-extensions") {
            return Err(invalid(format!("expected no extension, got `{}`", shown(extension))));
        }
        let chosen = self.header("sec-websocket-protocol");
        match chosen {
            Some(chosen) if !offered.iter().any(|offered| offered == chosen) => {
                let message = format!("expected {}, got `{}`", listed(offered), shown(chosen));
                Err(("subprotocol-refused", message))
            }
            None if !offered.is_empty() => {
                Err(("subprotocol-refused", format!("expected {}, got none", listed(offered))))
            }
            chosen => Ok(chosen),
        }
    }

    fn granted(&self) -> Result<(), Refusal> {
        let status = self.status;
        let message = format!("expected status 101, got {status}");
        match status {
            101 => {}
            401 | 403 | 407 => return Err(("login-refused", message)),
            _ => {
                let place = self.header("location").map(|place| format!(" with a redirect to `{}`", shown(place)));
                return Err(("upgrade-refused", message + &place.unwrap_or_default()));
            }
        }
        for (name, word) in [("upgrade", "websocket"), ("connection", "upgrade")] {
            if !self.has_word(name, word) {
                let got = self.header(name).map_or_else(|| "none".to_owned(), |got| format!("`{}`", shown(got)));
                return Err(invalid(format!("expected the header {name} `{word}`, got {got}")));
            }
        }
        Ok(())
    }
}

const fn invalid(message: String) -> Refusal {
    ("upgrade-invalid", message)
}

fn shown(text: &str) -> String {
    show(text.as_bytes(), SHOWN_MAX)
}

fn listed(offered: &[String]) -> String {
    match offered {
        [] => "no subprotocol".to_owned(),
        offered => format!("the subprotocol `{}`", offered.join("` or `")),
    }
}

#[cfg(test)]
#[path = "handshake_tests.rs"]
mod tests;
