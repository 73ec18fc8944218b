//! Reads the JSON config, strictly, and finds everything that is wrong with it at once.
//!
//! It runs only when a config is written, never in a run. It does not decide what may be reached.

use farwatch_guest::fields::{self, Fields, Form, escape, kind};
use serde_json::Value;

use crate::plan::Plan;
use crate::statuses::{self, StatusRange};
use crate::url;
use crate::wit::farwatch::check::http::Version;
use crate::wit::farwatch::check::types::Problem;

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
/// Public certificates live shorter than this.
const CERTIFICATE_DAYS_MAX: u64 = 825;

/// Headers that say how a message travels. The host alone knows that.
const RESERVED_HEADERS: [&str; 7] =
    ["connection", "content-length", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"];

const FORM: Form = Form { example: "{\"url\": \"https://example.com/\"}", fields: &[&FIELDS] };

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
    fields::prepare(config, &FORM, |fields| read(fields).map(|plan| plan.encode()))
}

fn read<'a>(fields: &mut Fields<'a>) -> Option<Plan<'a>> {
    let url = url(fields);
    let is_regex = |text: &str| regex_lite::Regex::new(text).map(drop).map_err(|error| error.to_string());
    let body_regex = fields.regex("body_regex", NEEDLE_MAX, is_regex);
    let plan = Plan {
        url: url.unwrap_or_default(),
        method: method(fields).unwrap_or("GET"),
        headers: headers(fields),
        body: fields.text("body", BODY_MAX).map(str::as_bytes),
        follow_redirects: fields.boolean("follow_redirects").unwrap_or(true),
        max_redirects: fields.number("max_redirects", 0, REDIRECTS_MAX).map_or(REDIRECTS_DEFAULT, |n| n as u8),
        expected: expected_status(fields),
        body_contains: fields.text("body_contains", NEEDLE_MAX),
        body_not_contains: fields.text("body_not_contains", NEEDLE_MAX),
        body_regex,
        degraded_above_ms: fields.number("degraded_above_ms", 1, DEGRADED_ABOVE_MAX_MS).map(|n| n as u32),
        certificate_days_min: fields.number("certificate_days_min", 1, CERTIFICATE_DAYS_MAX).map(|n| n as u16),
        verify_tls: fields.boolean("verify_tls").unwrap_or(true),
        ip_version: fields.ip_version(),
        version: fields
            .choice("http_version", &[("auto", Version::Automatic), ("1.1", Version::Http1), ("2", Version::Http2)])
            .unwrap_or(Version::Automatic),
    };
    url.is_some().then_some(plan)
}

fn url<'a>(fields: &mut Fields<'a>) -> Option<&'a str> {
    let Some(value) = fields.get("url") else {
        fields.add("config-missing-field", "/url".to_owned(), "`url` is missing; say what to fetch".to_owned());
        return None;
    };
    let Some(url) = value.as_str() else {
        fields.wrong_type("url", "a text", value);
        return None;
    };
    match url::split(url) {
        Ok(_) => Some(url),
        Err(message) => {
            fields.bad("url", message);
            None
        }
    }
}

fn method<'a>(fields: &mut Fields<'a>) -> Option<&'a str> {
    let method = fields.text("method", 32)?;
    if !is_token(method) {
        fields.bad("method", format!("`{method}` is no HTTP method; write one such as GET, HEAD or POST"));
    }
    Some(method)
}

fn headers<'a>(fields: &mut Fields<'a>) -> Vec<(&'a str, &'a str)> {
    let map = match fields.get("headers") {
        None => return Vec::new(),
        Some(Value::Object(map)) => map,
        Some(other) => {
            fields.wrong_type("headers", "an object of names and values", other);
            return Vec::new();
        }
    };
    if map.len() > HEADERS_MAX {
        fields.bad("headers", format!("`headers` has {} entries; at most {HEADERS_MAX} are allowed", map.len()));
    }
    let mut headers = Vec::new();
    for (name, value) in map {
        match check_header(name, value) {
            Ok(value) => headers.push((name.as_str(), value)),
            Err(message) => fields.bad(&format!("headers/{}", escape(name)), message),
        }
    }
    headers
}

fn expected_status(fields: &mut Fields<'_>) -> Vec<StatusRange> {
    let pointer = "expected_status";
    let parts = match fields.get(pointer) {
        None => return vec![StatusRange::SUCCESS],
        Some(Value::Array(parts)) => parts.as_slice(),
        Some(single) => std::slice::from_ref(single),
    };
    if parts.is_empty() {
        fields.bad(pointer, "`expected_status` is empty, so no answer would do; leave it out for 200-299".to_owned());
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
            Err(message) if parts.len() == 1 => fields.bad(pointer, message),
            Err(message) => fields.bad(&format!("{pointer}/{index}"), message),
        }
    }
    ranges
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

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
