//! What a customer says of a check: the body of the API and the first half of what a revision stores.

use std::collections::BTreeMap;
use std::fmt;

use farwatch_core::confirm::VOTERS_MAX;
use farwatch_proto::check::{Repeat, STREAMS_MAX};
use farwatch_proto::id::ContactId;
use farwatch_proto::interval::{INTERVALS_S, Interval, LONGEST_TIMEOUT_MS, SHORTEST_TIMEOUT_MS};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::names::{labels_schema, name_schema};
use super::rules::{CONTACTS_MAX, LABELS_MAX};

/// A check in the customer's words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// What it is called.
    #[schemars(schema_with = "name_schema")]
    pub name: String,
    /// Which module runs: `http`, `http@latest`, `http@0.1.0`, a range such as `http@^0.1`, or `mod_<hash>`. Which version that
    /// is, is found when this is written.
    #[schemars(length(min = 1, max = 129), pattern(r"^[A-Za-z0-9_.+@-]+$"), example = &"http")]
    pub module: String,
    /// What the module is told.
    #[serde(default = "empty_object")]
    #[schemars(with = "Map<String, Value>")]
    pub config: Value,
    /// How often: seconds, or a text such as `10s`, `5min` or `1h`; each minute when absent.
    #[serde(default, deserialize_with = "interval")]
    #[schemars(schema_with = "interval_schema")]
    pub interval: Interval,
    /// How long one run may take; the default follows from the interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = SHORTEST_TIMEOUT_MS, max = LONGEST_TIMEOUT_MS))]
    pub timeout_ms: Option<u32>,
    /// A region, country or continent of the fleet; the world when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Labels that a host must carry, all of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "labels_schema::<LABELS_MAX>")]
    pub labels: BTreeMap<String, String>,
    /// From how many vantage points at once.
    #[serde(default = "one_stream")]
    #[schemars(range(min = 1, max = STREAMS_MAX))]
    pub streams: u16,
    /// Whether it may be run twice.
    #[serde(default)]
    pub repeat: Repeat,
    /// How an outage is confirmed, where it is not by the usual rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<Confirm>,
    /// Whom to tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = CONTACTS_MAX), extend("uniqueItems" = true))]
    pub contacts: Vec<ContactId>,
    /// Whether it is kept without being due.
    #[serde(default)]
    pub paused: bool,
}

/// How an outage is confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Confirm {
    /// How many vantage points must see it fail.
    #[schemars(range(min = 1, max = VOTERS_MAX))]
    pub need: u8,
}

/// The interval in both of its forms.
fn interval_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"anyOf": [
        {"type": "integer", "enum": INTERVALS_S},
        {"type": "string", "pattern": "^[0-9]+ *(s|m|min|h)?$", "examples": ["10s", "5min", "1h"]},
    ]})
}

pub(super) fn empty_object() -> Value {
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
