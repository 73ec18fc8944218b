//! Reads the JSON config, strictly, and finds everything that is wrong with it at once.
//!
//! It runs only when a config is written, never in a run. It does not decide what may be reached.

use serde_json::{Map, Value};

use crate::plan::Plan;
use crate::statuses::{self, StatusRange};
use crate::url;
use crate::wit::farwatch::check::http::Version;
use crate::wit::farwatch::check::types::{IpVersion, Problem};

/// More would be copied on every run.
const BODY_MAX: usize = 65_536;
/// Servers commonly refuse more.
const HEADERS_MAX: usize = 64;
/// Servers commonly refuse more in one header.
const HEADER_MAX: usize = 8_192;
/// Text and patterns to look for. Longer ones are compared no faster and read by nobody.
const NEEDLE_MAX: usize = 1_024;
/// What browsers stop at, too.
const REDIRECTS_MAX: u64 = 20;
/// Enough for http to https to www to a language.
const REDIRECTS_DEFAULT: u8 = 5;
/// The largest timeout that any check can have.
const DEGRADED_ABOVE_MAX_MS: u64 = 3_600_000;
/// No valid config is nested deeper than three times. The parser follows every nesting with a call, and the stack of an
/// instance is small.
const NESTING_MAX: usize = 16;
/// Public certificates live shorter than this.
const CERTIFICATE_DAYS_MAX: u64 = 825;

/// Headers that say how a message travels. The host alone knows that.
const RESERVED_HEADERS: [&str; 7] =
    ["connection", "content-length", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"];

/// The fields of a config, in the order of the schema.
const FIELDS: [&str; 15] = [
    "url",
    "method",
    "headers",
    "body",
    "follow_redirects",
    "max_redirects",
    "expected_status",
    "body_contains",
    "body_not_contains",
    "body_regex",
    "degraded_above_ms",
    "certificate_days_min",
    "verify_tls",
    "ip_version",
    "http_version",
];

/// Turns a config into the bytes that runs get.
///
/// # Errors
/// Everything that is wrong with it.
pub fn prepare(config: &str) -> Result<Vec<u8>, Vec<Problem>> {
    if nesting(config) > NESTING_MAX {
        let message = format!("the config is nested deeper than {NESTING_MAX} times; no field of this module is");
        return Err(vec![problem("config-too-deep", message, None)]);
    }
    let value: Value = serde_json::from_str(config)
        .map_err(|error| vec![problem("config-not-json", format!("the config is not valid JSON: {error}"), None)])?;
    let Value::Object(map) = &value else {
        let message = "the config must be a JSON object such as {\"url\": \"https://example.com/\"}".to_owned();
        return Err(vec![problem("config-wrong-type", message, Some(String::new()))]);
    };
    let mut fields = Fields { map, problems: Vec::new() };
    let plan = read(&mut fields);
    match plan {
        Some(plan) if fields.problems.is_empty() => Ok(plan.encode()),
        _ => Err(fields.problems),
    }
}

/// How deep brackets and braces are nested, outside of texts. Of what is no JSON it may say anything.
fn nesting(config: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut in_text = false;
    let mut bytes = config.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_text = !in_text,
            // What follows a backslash never ends a text.
            b'\\' if in_text => drop(bytes.next()),
            b'[' | b'{' if !in_text => depth += 1,
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

fn read<'a>(fields: &mut Fields<'a>) -> Option<Plan<'a>> {
    fields.refuse_unknown();
    let url = fields.url();
    let body_regex = fields.text("body_regex", NEEDLE_MAX);
    if let Some(Err(error)) = body_regex.map(regex_lite::Regex::new) {
        fields.bad("body_regex", format!("`body_regex` is no regular expression: {error}"));
    }
    let plan = Plan {
        url: url.unwrap_or_default(),
        method: fields.method().unwrap_or("GET"),
        headers: fields.headers(),
        body: fields.text("body", BODY_MAX).map(str::as_bytes),
        follow_redirects: fields.boolean("follow_redirects").unwrap_or(true),
        max_redirects: fields.number("max_redirects", 0, REDIRECTS_MAX).map_or(REDIRECTS_DEFAULT, |n| n as u8),
        expected: fields.expected_status(),
        body_contains: fields.text("body_contains", NEEDLE_MAX),
        body_not_contains: fields.text("body_not_contains", NEEDLE_MAX),
        body_regex,
        degraded_above_ms: fields.number("degraded_above_ms", 1, DEGRADED_ABOVE_MAX_MS).map(|n| n as u32),
        certificate_days_min: fields.number("certificate_days_min", 1, CERTIFICATE_DAYS_MAX).map(|n| n as u16),
        verify_tls: fields.boolean("verify_tls").unwrap_or(true),
        ip_version: fields.choice("ip_version", &[("4", IpVersion::Ipv4), ("6", IpVersion::Ipv6)]),
        version: fields
            .choice("http_version", &[("auto", Version::Automatic), ("1.1", Version::Http1), ("2", Version::Http2)])
            .unwrap_or(Version::Automatic),
    };
    url.is_some().then_some(plan)
}

fn problem(code: &str, message: String, field: Option<String>) -> Problem {
    Problem { code: code.to_owned(), message, field }
}

/// The fields of the config, and what was found wrong with them so far.
struct Fields<'a> {
    map: &'a Map<String, Value>,
    problems: Vec<Problem>,
}

impl<'a> Fields<'a> {
    fn add(&mut self, code: &str, pointer: String, message: String) {
        self.problems.push(problem(code, message, Some(pointer)));
    }

    fn bad(&mut self, field: &str, message: String) {
        self.add("config-bad-value", format!("/{field}"), message);
    }

    fn wrong_type(&mut self, field: &str, wanted: &str, found: &Value) {
        let message = format!("`{field}` must be {wanted}, not {}", kind(found));
        self.add("config-wrong-type", format!("/{field}"), message);
    }

    /// The value of a field. `null` is the same as nothing.
    fn get(&self, field: &str) -> Option<&'a Value> {
        self.map.get(field).filter(|value| !value.is_null())
    }

    fn refuse_unknown(&mut self) {
        for name in self.map.keys().filter(|name| !FIELDS.contains(&name.as_str())) {
            let message = format!("`{name}` is no field of this module; the fields are {}", FIELDS.join(", "));
            self.add("config-unknown-field", format!("/{}", escape(name)), message);
        }
    }

    fn url(&mut self) -> Option<&'a str> {
        let Some(value) = self.get("url") else {
            self.add("config-missing-field", "/url".to_owned(), "`url` is missing; say what to fetch".to_owned());
            return None;
        };
        let Some(url) = value.as_str() else {
            self.wrong_type("url", "a text", value);
            return None;
        };
        match url::split(url) {
            Ok(_) => Some(url),
            Err(message) => {
                self.bad("url", message);
                None
            }
        }
    }

    fn method(&mut self) -> Option<&'a str> {
        let method = self.text("method", 32)?;
        if !is_token(method) {
            self.bad("method", format!("`{method}` is no HTTP method; write one such as GET, HEAD or POST"));
        }
        Some(method)
    }

    fn text(&mut self, field: &str, max: usize) -> Option<&'a str> {
        let value = self.get(field)?;
        match value.as_str() {
            None => self.wrong_type(field, "a text", value),
            Some(text) if text.len() > max => {
                self.bad(field, format!("`{field}` has {} bytes; at most {max} are allowed", text.len()));
            }
            text => return text,
        }
        None
    }

    fn boolean(&mut self, field: &str) -> Option<bool> {
        let value = self.get(field)?;
        if !value.is_boolean() {
            self.wrong_type(field, "true or false", value);
        }
        value.as_bool()
    }

    fn number(&mut self, field: &str, min: u64, max: u64) -> Option<u64> {
        let value = self.get(field)?;
        if !value.is_number() {
            self.wrong_type(field, "a number", value);
            return None;
        }
        let number = value.as_u64().filter(|number| (min..=max).contains(number));
        if number.is_none() {
            self.bad(field, format!("`{field}` is {value}; it must be a whole number from {min} to {max}"));
        }
        number
    }

    /// One of a few texts. A number stands for the text that looks like it.
    fn choice<T: Copy>(&mut self, field: &str, choices: &[(&str, T)]) -> Option<T> {
        let value = self.get(field)?;
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let found = choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice);
        if found.is_none() {
            let names: Vec<_> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
            self.bad(field, format!("`{field}` is {value}; it must be {}", names.join(" or ")));
        }
        found
    }

    fn headers(&mut self) -> Vec<(&'a str, &'a str)> {
        let map = match self.get("headers") {
            None => return Vec::new(),
            Some(Value::Object(map)) => map,
            Some(other) => {
                self.wrong_type("headers", "an object of names and values", other);
                return Vec::new();
            }
        };
        if map.len() > HEADERS_MAX {
            self.bad("headers", format!("`headers` has {} entries; at most {HEADERS_MAX} are allowed", map.len()));
        }
        let mut headers = Vec::new();
        for (name, value) in map {
            match check_header(name, value) {
                Ok(value) => headers.push((name.as_str(), value)),
                Err(message) => self.bad(&format!("headers/{}", escape(name)), message),
            }
        }
        headers
    }

    fn expected_status(&mut self) -> Vec<StatusRange> {
        let pointer = "expected_status";
        let parts = match self.get(pointer) {
            None => return vec![StatusRange::SUCCESS],
            Some(Value::Array(parts)) => parts.as_slice(),
            Some(single) => std::slice::from_ref(single),
        };
        if parts.is_empty() {
            self.bad(pointer, "`expected_status` is empty, so no answer would do; leave it out for 200-299".to_owned());
        }
        let mut ranges = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            let read = match part {
                Value::String(text) => statuses::parse(text),
                Value::Number(number) => StatusRange::single(number.as_u64().unwrap_or(0)).map(|range| vec![range]),
                other => Err(format!("a status must be a number or a text, not {}", kind(other))),
            };
            match read {
                Ok(read) => ranges.extend(read),
                Err(message) if parts.len() == 1 => self.bad(pointer, message),
                Err(message) => self.bad(&format!("{pointer}/{index}"), message),
            }
        }
        ranges
    }
}

fn check_header<'a>(name: &str, value: &'a Value) -> Result<&'a str, String> {
    if !is_token(name) {
        return Err(format!("`{name}` is no header name"));
    }
    if RESERVED_HEADERS.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
        return Err(format!("the header `{name}` is set by the host; leave it out"));
    }
    let value = value.as_str().ok_or_else(|| format!("the header `{name}` must be a text, not {}", kind(value)))?;
    if value.len() > HEADER_MAX {
        return Err(format!("the header `{name}` has {} bytes; at most {HEADER_MAX} are allowed", value.len()));
    }
    if value.chars().any(|c| c.is_control() && c != '\t') {
        return Err(format!("the header `{name}` holds a line break or another control character; remove it"));
    }
    Ok(value)
}

/// Whether the text is a token of RFC 9110, as methods and names of headers are.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
