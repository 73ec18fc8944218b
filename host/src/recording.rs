//! What the probes of one run were asked and what they answered, kept so that the run can be made again without a network.
//!
//! A recorder stands around the probes of a run, and a replay stands in their place; the sandbox and the module notice
//! neither. The values of secrets are taken out of all that is kept. Files are read and written by whoever wants them, and
//! no host records what it runs.

mod bytes;
mod departure;
mod hidden;
mod recorder;
mod replay;
mod written;

use farwatch_proto::outcome::Shown;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

pub use departure::{Departure, Place};
pub(crate) use recorder::Recorder;
pub(crate) use replay::Replay;

/// Calls that are kept of one run: every probe that it may make with thirty steps each, which no conversation of a check
/// has. A module that asks for its secrets in a loop would fill the memory otherwise.
pub const CALLS_MAX: usize = 1_000;

/// One call of a probe, or of the secrets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// What was called, in the words of `wit/`: `http.fetch`, `tcp.open`.
    pub probe: String,
    /// Which connection of the run it was about, counted from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<u32>,
    /// What was asked.
    pub request: Value,
    /// What was answered. Neither this nor a failure is there where the run ended before.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub answer: Option<Value>,
    /// Why there was no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Value>,
    /// How long the steps of its connection had taken by then, where the answer does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<Value>,
    /// What came from the target, for people: also what the module did not ask for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shown: Vec<Shown>,
    /// When it was called, after the beginning of the run.
    pub began_us: u64,
    /// How long it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_us: Option<u64>,
}

/// An answer that is null is an answer.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_call_without_an_answer_is_told_from_one_whose_answer_is_nothing() {
        let sent =
            json!({"probe": "tcp.send", "connection": 0, "request": {"bytes": "x"}, "answer": null, "began_us": 1});
        let call: Call = serde_json::from_value(sent.clone()).unwrap();
        assert_eq!(call.answer, Some(Value::Null));
        assert_eq!(serde_json::to_value(&call).unwrap(), sent);
        let hanging: Call =
            serde_json::from_value(json!({"probe": "http.fetch", "request": {}, "began_us": 1})).unwrap();
        assert_eq!((hanging.answer, hanging.failure), (None, None));
    }
}
