//! What a customer says of a check: the body of the API and the first half of what a revision stores.

use std::collections::BTreeMap;
use std::fmt;

use farwatch_proto::check::Repeat;
use farwatch_proto::id::ContactId;
use farwatch_proto::interval::{INTERVALS_S, Interval};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// A check in the customer's words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// What it is called.
    pub name: String,
    /// Which module runs: `http`, `http@0.1.0` or `mod_<hash>`.
    pub module: String,
    /// What the module is told.
    #[serde(default = "empty_object")]
    pub config: Value,
    /// How often: seconds, or a text such as `10s`, `5min` or `1h`.
    #[serde(deserialize_with = "interval")]
    pub interval: Interval,
    /// How long one run may take; the default follows from the interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u32>,
    /// A region, country or continent of the fleet; the world when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Labels that a host must carry, all of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// From how many vantage points at once.
    #[serde(default = "one_stream")]
    pub streams: u16,
    /// Whether it may be run twice.
    #[serde(default)]
    pub repeat: Repeat,
    /// How an outage is confirmed, where it is not by the usual rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<Confirm>,
    /// Whom to tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<ContactId>,
    /// Whether it is kept without being due.
    #[serde(default)]
    pub paused: bool,
}

/// How an outage is confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirm {
    /// How many vantage points must see it fail.
    pub need: u8,
}

fn empty_object() -> Value {
    Value::Object(Map::new())
}

const fn one_stream() -> u16 {
    1
}

fn interval<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Interval, D::Error> {
    deserializer.deserialize_any(IntervalVisitor)
}

/// Takes seconds as a number, or a text with a unit.
struct IntervalVisitor;

impl Visitor<'_> for IntervalVisitor {
    type Value = Interval;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("seconds, or a text such as \"10s\", \"5min\" or \"1h\"")
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<Interval, E> {
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        Interval::from_seconds(seconds).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, seconds: i64) -> Result<Interval, E> {
        self.visit_u64(u64::try_from(seconds).unwrap_or(0))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Interval, E> {
        let seconds = seconds_of(text).ok_or_else(|| {
            E::custom(format!("{text:?} is no interval; use one of {INTERVALS_S:?} seconds, or such as 10s, 5min, 1h"))
        })?;
        Interval::from_seconds(seconds).map_err(E::custom)
    }
}

fn seconds_of(text: &str) -> Option<u32> {
    let digits_end = text.find(|sign: char| !sign.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits_end);
    let factor = match unit.trim_start() {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        _ => return None,
    };
    number.parse::<u32>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn interval_of(value: &Value) -> Result<u32, String> {
        let wish = json!({"name": "a", "module": "http", "interval": value});
        serde_json::from_value::<Wish>(wish).map(|wish| wish.interval.seconds()).map_err(|error| error.to_string())
    }

    #[test]
    fn an_interval_is_a_number_or_a_text_with_a_unit() {
        for (value, seconds) in
            [(json!(10), 10), (json!("10s"), 10), (json!("5min"), 300), (json!("5 m"), 300), (json!("1h"), 3600)]
        {
            assert_eq!(interval_of(&value), Ok(seconds), "{value}");
        }
        for value in [json!(11), json!(-1), json!("10 parsecs"), json!(""), json!("h"), json!(1.5), json!(null)] {
            assert!(interval_of(&value).is_err(), "{value}");
        }
        assert!(interval_of(&json!("11s")).unwrap_err().starts_with("11 is no interval; use one of 10, 15"));
    }

    #[test]
    fn a_wish_reads_what_it_writes_and_says_no_more_than_was_said() {
        let said = json!({"name": "a", "module": "http", "config": {"url": "https://example.org"}, "interval": 10});
        let wish: Wish = serde_json::from_value(said).unwrap();
        let written = serde_json::to_value(&wish).unwrap();
        assert_eq!(serde_json::from_value::<Wish>(written.clone()).unwrap(), wish);
        assert!(written.get("timeout_ms").is_none() && written.get("location").is_none());
    }
}
