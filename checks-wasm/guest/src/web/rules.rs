//! Rules that go beyond what most checks ask for: headers, values in JSON, sizes, versions, addresses, and the time of every
//! step.
//!
//! Plain functions of what was found: nothing is fetched here.

use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

use super::exchange::Progress;
use super::test::{self, Test};
use super::wish::VERSIONS;
use super::{json, judge};
use crate::fields::Fields;
use crate::headers::is_token;
use crate::outcome::{Finding, plural};
use crate::wit::farwatch::check::http::{Response, Version, Want};
use crate::wit::farwatch::check::types::Status;

/// More are read by nobody.
const RULES_MAX: usize = 32;
/// A name of a header.
const NAME_MAX: usize = 256;
/// An address and the length of its network.
const NETWORK_MAX: usize = 64;
/// As much of a body as is read.
const BYTES_MAX: u64 = super::exchange::BODY_MAX as u64;

/// The fields of a rule for a header.
const HEADER_FIELDS: &[&[&str]] = &[&["name"], test::FIELDS];
/// The fields of a rule for a value in JSON.
const JSON_FIELDS: &[&[&str]] = &[&["path"], test::FIELDS];

/// The steps, in the order of [`Limits`], and what each is.
const STEPS: [(&str, &str); 6] = [
    ("resolve_", "the lookup of the name"),
    ("connect_", "the connection"),
    ("tls_", "the TLS handshake"),
    ("first_byte_", "the first byte of the answer"),
    ("transfer_", "the rest of the answer"),
    ("", "the whole answer"),
];

/// What each step may take, in milliseconds.
type Limits = [Option<u32>; STEPS.len()];

/// See the file's documentation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    version: Option<Version>,
    tls_version_min: Option<&'static str>,
    networks: Vec<Network>,
    headers: Vec<(String, Test)>,
    json: Vec<(String, Test)>,
    bytes_min: Option<u32>,
    bytes_max: Option<u32>,
    down_above_ms: Limits,
    degraded_above_ms: Limits,
}

/// Addresses that begin alike.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u8,
    text: String,
}

/// Reads the fields. The whole time beyond which an answer is degraded is none of them.
pub fn read(fields: &mut Fields<'_>) -> Rules {
    let texts = fields.texts("expected_addresses", RULES_MAX, NETWORK_MAX);
    let networks: Vec<_> = texts.iter().map(|text| Network::read(text)).collect();
    if let Some(at) = networks.iter().position(Option::is_none) {
        let message = format!("`{}` is no address and no network such as 192.0.2.0/24", texts[at]);
        fields.bad(&format!("expected_addresses/{at}"), message);
    }
    let bytes = |fields: &mut Fields<'_>, field| fields.number(field, 0, BYTES_MAX).map(|bytes| bytes as u32);
    Rules {
        version: fields.choice("expected_http_version", &VERSIONS),
        tls_version_min: fields.choice("tls_version_min", &[("1.2", "TLSv1.2"), ("1.3", "TLSv1.3")]),
        networks: networks.into_iter().flatten().collect(),
        headers: fields.objects("expect_headers", RULES_MAX, HEADER_FIELDS, |fields| {
            let name = fields.needed("name", "which header it is", NAME_MAX).unwrap_or_default();
            if fields.get("name").is_some() && !is_token(name) {
                fields.bad("name", format!("`{name}` is no header name"));
            }
            (name.to_ascii_lowercase(), test::read(fields))
        }),
        json: fields.objects("expect_json", RULES_MAX, JSON_FIELDS, |fields| {
            let path = fields.needed("path", "where the value is", json::PATH_MAX).unwrap_or("$");
            if let Err(error) = json::is_path(path) {
                fields.bad("path", format!("`{path}` is no JSONPath: {error}"));
            }
            (path.to_owned(), test::read(fields))
        }),
        bytes_min: bytes(fields, "body_bytes_min"),
        bytes_max: bytes(fields, "body_bytes_max"),
        down_above_ms: STEPS.map(|(step, _)| fields.limit_ms(&format!("{step}down_above_ms"))),
        degraded_above_ms: STEPS.map(|(step, _)| match step {
            "" => None,
            step => fields.limit_ms(&format!("{step}degraded_above_ms")),
        }),
    }
}

impl Rules {
    /// What of an answer judging needs.
    pub fn wants(&self) -> Want {
        let headers = if self.headers.is_empty() { Want::empty() } else { Want::HEADERS };
        headers | if self.json.is_empty() { Want::empty() } else { Want::BODY }
    }

    /// Why an answer means that the target is down.
    pub fn down(&self, response: &Response, progress: Progress) -> Finding {
        let (code, wish, got) = self
            .http_version(response)
            .or_else(|| self.address(response))
            .or_else(|| self.tls_version(response))
            .or_else(|| self.header(response))
            .or_else(|| self.size(response))
            .or_else(|| self.json(response))
            .or_else(|| over(&self.down_above_ms, response, progress).map(|(wish, got)| ("too-slow", wish, got)))?;
        let place = judge::place(response, progress);
        Some((Status::Down, code, format!("expected {wish}, got {got} {place}")))
    }

    /// Which step took longer than it should.
    pub fn degraded(&self, response: &Response, progress: Progress) -> Finding {
        let (wish, got) = over(&self.degraded_above_ms, response, progress)?;
        let place = judge::place(response, progress);
        Some((Status::Degraded, "slow", format!("expected {wish}, got {got} {place}")))
    }

    fn http_version(&self, response: &Response) -> Wrong {
        let wanted = self.version.filter(|wanted| *wanted != response.version)?;
        let name = |version| VERSIONS.iter().find(|(_, it)| *it == version).map_or("another", |(name, _)| name);
        let got = format!("HTTP/{}", name(response.version));
        Some(("http-version-unexpected", format!("HTTP/{}", name(wanted)), got))
    }

    fn address(&self, response: &Response) -> Wrong {
        let address = response.remote.parse::<SocketAddr>().ok().map(|remote| remote.ip());
        let is_expected = |address| self.networks.iter().any(|network| network.contains(address));
        if self.networks.is_empty() || address.is_some_and(is_expected) {
            return None;
        }
        let wanted: Vec<_> = self.networks.iter().map(|network| network.text.as_str()).collect();
        let got = address.map_or_else(|| "none".to_owned(), |address| address.to_string());
        Some(("address-unexpected", format!("an address of {}", wanted.join(", ")), got))
    }

    fn tls_version(&self, response: &Response) -> Wrong {
        let wanted = self.tls_version_min?;
        let spoken = response.tls.as_ref().map(|tls| tls.version.as_str());
        if spoken.is_some_and(|version| version >= wanted) {
            return None;
        }
        Some(("tls-version-too-old", format!("{wanted} or newer"), spoken.unwrap_or("no TLS").to_owned()))
    }

    fn header(&self, response: &Response) -> Wrong {
        self.headers.iter().find_map(|(name, test)| {
            let same = response.headers.iter().filter(|(other, _)| other == name);
            let values: Vec<_> = same.map(|(_, value)| value.as_str()).collect();
            let value = (!values.is_empty()).then(|| Value::String(values.join(", ")));
            let (wish, got) = test.wrong(value.as_ref().as_slice())?;
            Some(("header-unexpected", format!("the header `{name}` {wish}"), got))
        })
    }

    fn size(&self, response: &Response) -> Wrong {
        let bytes = response.body_bytes;
        let got = || plural(bytes, "byte");
        if let Some(least) = self.bytes_min.filter(|least| bytes < *least) {
            return Some(("body-size-unexpected", format!("a body of at least {}", plural(least, "byte")), got()));
        }
        let is_over = |most: &u32| bytes > *most || bytes == *most && response.body_truncated;
        let most = self.bytes_max.filter(is_over)?;
        Some(("body-size-unexpected", format!("a body of at most {}", plural(most, "byte")), got()))
    }

    fn json(&self, response: &Response) -> Wrong {
        if self.json.is_empty() {
            return None;
        }
        let value = match json::parse(&response.body) {
            Ok(value) => value,
            Err(wrong) => return Some(("json-invalid", "JSON".to_owned(), format!("a body that {wrong}"))),
        };
        self.json.iter().find_map(|(path, test)| {
            let (wish, got) = test.wrong(&json::find(path, &value))?;
            Some(("json-unexpected", format!("`{path}` {wish}"), got))
        })
    }
}

/// A code, what was expected, and what was got.
type Wrong = Option<(&'static str, String, String)>;

/// The first step that took longer than its limit.
fn over(limits: &Limits, response: &Response, progress: Progress) -> Option<(String, String)> {
    let times = &response.times;
    let took_us = [times.resolve, times.connect, times.tls, times.first_byte, times.transfer];
    let took_us = took_us.map(|time| time.map(u64::from)).into_iter().chain([Some(progress.elapsed_us)]);
    limits.iter().zip(took_us).zip(STEPS).find_map(|((limit_ms, took_us), (_, what))| {
        let (limit_ms, took_us) = ((*limit_ms)?, took_us?);
        let is_over = took_us > u64::from(limit_ms) * 1_000;
        is_over.then(|| (format!("{what} within {limit_ms} ms"), format!("{} ms", took_us / 1_000)))
    })
}

impl Network {
    fn read(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(most), |bits| bits.parse().ok())?;
        (bits <= most).then(|| Self { address, bits, text: text.to_owned() })
    }

    fn contains(&self, address: IpAddr) -> bool {
        let differs = match (self.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => u128::from(ours.to_bits() ^ theirs.to_bits()) << 96,
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => ours.to_bits() ^ theirs.to_bits(),
            _ => return false,
        };
        differs.leading_zeros() >= self.bits.into()
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
