//! Reads the JSON config: which fields there are, how they fit together, and what is wrong with them.
//!
//! It runs only when a config is written, never in a run. It does not decide what may be reached.

use farwatch_guest::escapes;
use farwatch_guest::fields::{self, Fields, Form, HOST_MAX};

use crate::plan::{Limits, Plan, Tls, Until};
use crate::wit::farwatch::check::types::Problem;

/// More would be copied on every run.
const SEND_MAX: usize = 16_384;
/// Text and patterns to look for. Longer ones are compared no faster and read by nobody.
const NEEDLE_MAX: usize = 1_024;
/// Answers that a check judges are far shorter.
pub const ANSWER_MAX: u32 = 65_536;
/// Public certificates live shorter than this.
const CERTIFICATE_DAYS_MAX: u64 = 825;
/// What ends an answer that a pattern is looked for in, where nothing is said: the usual end of a line.
const LINE_END: &[u8] = b"\n";

const FORM: Form = Form {
    example: "{\"host\": \"mail.example.com\", \"port\": 25}",
    fields: &[&[
        "host",
        "port",
        "ip_version",
        "tls",
        "verify_tls",
        "server_name",
        "certificate_days_min",
        "send",
        "read_until",
        "read_bytes",
        "expect_contains",
        "expect_regex",
        "resolve_degraded_above_ms",
        "connect_degraded_above_ms",
        "tls_degraded_above_ms",
        "first_byte_degraded_above_ms",
        "degraded_above_ms",
    ]],
};

/// The fields that mean something only where TLS is spoken.
const OF_TLS: [&str; 4] = ["verify_tls", "server_name", "certificate_days_min", "tls_degraded_above_ms"];

/// Turns a config into the bytes that runs get.
///
/// # Errors
/// Everything that is wrong with it.
pub fn prepare(config: &str) -> Result<Vec<u8>, Vec<Problem>> {
    fields::prepare(config, &FORM, |fields| Some(read(fields).encode()))
}

/// The plan. Where something is wrong with a field, its problem is kept and another value stands in its place.
fn read<'a>(fields: &mut Fields<'a>) -> Plan<'a> {
    let is_regex = |text: &str| farwatch_guest::pattern::compile(text).map(drop);
    let (host, port) = (fields.host("host").unwrap_or_default(), port(fields));
    let tls = tls(fields);
    let contains = bytes(fields, "expect_contains", NEEDLE_MAX);
    let regex = fields.regex("expect_regex", NEEDLE_MAX, is_regex);
    let until = until(fields, contains.as_deref(), regex.is_some());
    let plan = Plan {
        host,
        port,
        ip_version: fields.ip_version(),
        send: bytes(fields, "send", SEND_MAX),
        limits: Limits {
            resolve: fields.limit_ms("resolve_degraded_above_ms"),
            connect: fields.limit_ms("connect_degraded_above_ms"),
            tls: fields.limit_ms("tls_degraded_above_ms"),
            first_byte: fields.limit_ms("first_byte_degraded_above_ms"),
            total: fields.limit_ms("degraded_above_ms"),
        },
        tls,
        until,
        contains,
        regex,
    };
    if plan.limits.first_byte.is_some() && plan.until.is_none() {
        let message = "`first_byte_degraded_above_ms` is about an answer, and none is read; say what ends it by \
                       `expect_contains`, `expect_regex`, `read_until` or `read_bytes`";
        fields.bad("first_byte_degraded_above_ms", message.to_owned());
    }
    plan
}

fn port(fields: &mut Fields<'_>) -> u16 {
    if fields.get("port").is_none() {
        let message = "`port` is missing; say where the target listens".to_owned();
        fields.add("config-missing-field", "/port".to_owned(), message);
    }
    fields.port().unwrap_or_default()
}

fn tls<'a>(fields: &mut Fields<'a>) -> Option<Tls<'a>> {
    let is_wanted = fields.boolean("tls").unwrap_or(false);
    if !is_wanted {
        for field in OF_TLS.into_iter().filter(|field| fields.get(field).is_some()).collect::<Vec<_>>() {
            fields.bad(field, format!("`{field}` is about TLS; set `tls` to true, or leave it out"));
        }
        return None;
    }
    Some(Tls {
        verify: fields.boolean("verify_tls").unwrap_or(true),
        server_name: fields.text("server_name", HOST_MAX),
        certificate_days_min: fields.number("certificate_days_min", 1, CERTIFICATE_DAYS_MAX).map(|days| days as u16),
    })
}

/// Bytes that are written as a text with escapes.
fn bytes(fields: &mut Fields<'_>, field: &str, max: usize) -> Option<Vec<u8>> {
    let text = fields.text(field, max)?;
    match escapes::read(text) {
        Ok(bytes) if bytes.is_empty() => {
            fields.bad(field, format!("`{field}` is empty; leave it out"));
            None
        }
        Ok(bytes) => Some(bytes),
        Err(message) => {
            fields.bad(field, format!("`{field}`: {message}"));
            None
        }
    }
}

/// What ends the answer: what was said, else what is looked for, else the end of a line.
fn until(fields: &mut Fields<'_>, contains: Option<&[u8]>, has_regex: bool) -> Option<Until> {
    let delimiter = bytes(fields, "read_until", NEEDLE_MAX);
    let count = fields.number("read_bytes", 1, ANSWER_MAX.into());
    if delimiter.is_some() && count.is_some() {
        fields
            .bad("read_bytes", "`read_bytes` and `read_until` both say what ends the answer; leave one out".to_owned());
    }
    delimiter
        .map(Until::Delimiter)
        .or_else(|| count.map(|count| Until::Count(count as u32)))
        .or_else(|| has_regex.then(|| Until::Delimiter(LINE_END.to_vec())))
        .or_else(|| contains.map(|text| Until::Delimiter(text.to_vec())))
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
