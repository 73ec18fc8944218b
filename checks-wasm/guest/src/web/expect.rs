//! What is expected of an answer: what most checks ask for, and the rules of those that ask for more.
//!
//! Texts are borrowed where they come from a plan, so that a run copies none.

use std::borrow::Cow;

use serde_json::Value;

use super::rules::{self, Rules};
use super::statuses::{self, StatusRange};
use crate::fields::{Fields, kind};
use crate::wit::farwatch::check::http::Want;

/// Text and patterns to look for. Longer ones are compared no faster and read by nobody.
pub const NEEDLE_MAX: usize = 1_024;
/// Public certificates live shorter than this.
const CERTIFICATE_DAYS_MAX: u64 = 825;

/// The fields that say what is expected.
pub const FIELDS: &[&str] = &[
    "expected_status",
    "expected_http_version",
    "expected_addresses",
    "expect_headers",
    "body_contains",
    "body_not_contains",
    "body_regex",
    "expect_json",
    "body_bytes_min",
    "body_bytes_max",
    "tls_version_min",
    "certificate_days_min",
    "degraded_above_ms",
    "resolve_degraded_above_ms",
    "connect_degraded_above_ms",
    "tls_degraded_above_ms",
    "first_byte_degraded_above_ms",
    "transfer_degraded_above_ms",
    "down_above_ms",
    "resolve_down_above_ms",
    "connect_down_above_ms",
    "tls_down_above_ms",
    "first_byte_down_above_ms",
    "transfer_down_above_ms",
];

/// See the file's documentation.
#[derive(Debug, Clone, PartialEq)]
pub struct Expect<'a> {
    /// The statuses that are not a failure.
    pub statuses: Vec<StatusRange>,
    /// Text that must be in the body.
    pub body_contains: Option<Cow<'a, str>>,
    /// Text that must not be in the body.
    pub body_not_contains: Option<Cow<'a, str>>,
    /// A pattern that must match somewhere in the body.
    pub body_regex: Option<Cow<'a, str>>,
    /// A slower answer is `degraded`.
    pub degraded_above_ms: Option<u32>,
    /// A certificate with fewer days left is `degraded`.
    pub certificate_days_min: Option<u16>,
    /// What else is expected.
    pub rules: Option<Box<Rules>>,
}

impl Expect<'_> {
    /// Whether judging needs the bytes of the body for a text.
    pub fn reads_text(&self) -> bool {
        self.body_contains.is_some() || self.body_not_contains.is_some() || self.body_regex.is_some()
    }

    /// What of an answer judging needs.
    pub fn wants(&self) -> Want {
        let body = if self.reads_text() { Want::BODY } else { Want::empty() };
        self.rules.as_ref().map_or(body, |rules| body | rules.wants())
    }
}

/// Reads the fields.
pub fn read(fields: &mut Fields<'_>) -> Expect<'static> {
    let owned = |text: &str| Cow::Owned(text.to_owned());
    let statuses = expected_status(fields);
    let body_regex = fields.regex("body_regex", NEEDLE_MAX, is_regex).map(owned);
    let rules = rules::read(fields);
    Expect {
        statuses,
        body_contains: fields.text("body_contains", NEEDLE_MAX).map(owned),
        body_not_contains: fields.text("body_not_contains", NEEDLE_MAX).map(owned),
        body_regex,
        degraded_above_ms: fields.limit_ms("degraded_above_ms"),
        certificate_days_min: fields.number("certificate_days_min", 1, CERTIFICATE_DAYS_MAX).map(|n| n as u16),
        rules: (rules != Rules::default()).then(|| Box::new(rules)),
    }
}

/// Whether a text is a regular expression.
///
/// # Errors
/// What is wrong with it.
pub fn is_regex(text: &str) -> Result<(), String> {
    crate::pattern::compile(text).map(drop)
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
