//! How a run departed from its recording, in words that say what was recorded and what was asked.

use std::fmt;

use serde_json::Value;

/// Differences that are told of one request: with more of them it is another request altogether.
const PLACES_MAX: usize = 6;
/// How much is told of a value, in bytes.
const TOLD_MAX_BYTES: usize = 200;
/// How long a probe may take is no part of what it asks: it follows from how long everything before it took.
const PASSED_OVER: &str = "timeout_ms";

/// How a run departed from its recording.
#[derive(Clone, Debug, PartialEq)]
pub enum Departure {
    /// It asked something else than was recorded next.
    Other {
        /// Which call, counted from 1.
        call: usize,
        /// The probe that was recorded, and that was asked.
        probes: (String, String),
        /// In what the requests differ.
        places: Vec<Place>,
    },
    /// It asked more than was recorded.
    Beyond {
        /// How many calls were recorded.
        recorded: usize,
        /// The probe that it asked, and what.
        asked: (String, Value),
    },
    /// It asked less.
    Short {
        /// How many calls were recorded.
        recorded: usize,
        /// How many it made.
        made: usize,
        /// The probe that it did not ask.
        next: String,
    },
    /// What was recorded cannot be read.
    Unreadable {
        /// Which call, counted from 1.
        call: usize,
        /// What is wrong with it.
        why: String,
    },
}

/// One difference between two requests.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// Where, as a JSON pointer.
    pub pointer: String,
    /// What was recorded there; nothing, where that is none.
    pub recorded: Option<Value>,
    /// What was asked.
    pub asked: Option<Value>,
}

/// In what two requests differ.
pub(super) fn places(recorded: &Value, asked: &Value) -> Vec<Place> {
    let mut places = Vec::new();
    compare("", Some(recorded), Some(asked), &mut places);
    places
}

fn compare(pointer: &str, recorded: Option<&Value>, asked: Option<&Value>, places: &mut Vec<Place>) {
    match (recorded, asked) {
        (Some(Value::Object(before)), Some(Value::Object(now))) => {
            let added = now.keys().filter(|key| !before.contains_key(*key));
            for key in before.keys().chain(added).filter(|key| *key != PASSED_OVER) {
                compare(&format!("{pointer}/{key}"), before.get(key), now.get(key), places);
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(now))) => {
            for index in 0..before.len().max(now.len()) {
                compare(&format!("{pointer}/{index}"), before.get(index), now.get(index), places);
            }
        }
        (before, now) if before == now => {}
        (before, now) if places.len() < PLACES_MAX => {
            places.push(Place { pointer: pointer.to_owned(), recorded: before.cloned(), asked: now.cloned() });
        }
        _ => {}
    }
}

impl fmt::Display for Departure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other { call, probes: (recorded, asked), places } if recorded == asked => {
                let places: Vec<String> = places.iter().map(ToString::to_string).collect();
                write!(formatter, "call {call}, {asked}, is not what was recorded: {}", places.join("; "))
            }
            Self::Other { call, probes: (recorded, asked), .. } => {
                write!(formatter, "call {call} is {asked}, and {recorded} was recorded")
            }
            Self::Beyond { recorded, asked: (probe, request) } => {
                let request = told(Some(request));
                write!(formatter, "the recording has {recorded} calls, and the module makes another: {probe} {request}")
            }
            Self::Short { recorded, made, next } => {
                write!(formatter, "the module made {made} of {recorded} recorded calls; the next is {next}")
            }
            Self::Unreadable { call, why } => write!(formatter, "call {call} of the recording cannot be read: {why}"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (recorded, asked) = (told(self.recorded.as_ref()), told(self.asked.as_ref()));
        write!(formatter, "{} was {recorded} and is {asked}", self.pointer)
    }
}

/// The beginning of a value.
fn told(value: Option<&Value>) -> String {
    let Some(value) = value else { return "absent".to_owned() };
    let mut text = value.to_string();
    if text.len() > TOLD_MAX_BYTES {
        text.truncate(text.floor_char_boundary(TOLD_MAX_BYTES));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_difference_is_told_with_its_place_and_both_sides() {
        let recorded = json!({"url": "http://a", "headers": [["a", "b"]], "timeout_ms": 9_876, "body": null});
        let asked = json!({"url": "http://b", "headers": [["a", "c"], ["d", "e"]], "timeout_ms": 10_000, "body": null});
        let places = places(&recorded, &asked);
        let probe = || "http.fetch".to_owned();
        let told = Departure::Other { call: 2, probes: (probe(), probe()), places }.to_string();
        assert_eq!(
            told,
            "call 2, http.fetch, is not what was recorded: /headers/0/1 was \"b\" and is \"c\"; \
             /headers/1 was absent and is [\"d\",\"e\"]; /url was \"http://a\" and is \"http://b\""
        );
    }

    #[test]
    fn how_long_a_probe_may_take_makes_no_other_request() {
        let request = |timeout_ms: u32| json!({"target": {"host": "a", "timeout_ms": timeout_ms}});
        assert_eq!(places(&request(1), &request(2)), []);
    }

    #[test]
    fn another_request_altogether_is_told_in_short() {
        let many = |sign: &str| (0..20).map(|_| json!(sign.repeat(1_000))).collect::<Value>();
        let places = places(&many("a"), &many("b"));
        assert_eq!(places.len(), PLACES_MAX);
        assert!(places[0].to_string().len() < 3 * TOLD_MAX_BYTES);
    }
}
