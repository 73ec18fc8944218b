//! What one run found.
//!
//! The statuses are closed for ever; what is open is the list of attributes. A status says what is
//! known of the target, never what went wrong in the house.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest code, in bytes; codes are names, not prose.
pub const CODE_MAX_BYTES: usize = 64;
/// The longest message, in bytes; enough to say what was expected, what came and from where.
pub const MESSAGE_MAX_BYTES: usize = 1024;
/// The most attributes one outcome keeps.
pub const ATTRIBUTES_MAX: usize = 64;
/// The longest attribute key and text value together, in bytes.
pub const ATTRIBUTE_MAX_BYTES: usize = 512;

/// Who is to blame that a run could not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Blame {
    /// The module trapped, ran out of its limits or gave up: the slot was run, and is covered.
    Module,
    /// The host paused, had no place or no module: the slot is not covered.
    Host,
}

/// What is known of the target after one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// As wanted.
    Up,
    /// It answers, worse than wanted.
    Degraded,
    /// It does not do what it should.
    Down,
    /// The run could not tell. Never the target's fault.
    Unknown(Blame),
}

impl Status {
    /// The word people read; both kinds of unknown are one to them.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Unknown(_) => "unknown",
        }
    }

    /// The stored code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Up => 0,
            Self::Degraded => 1,
            Self::Down => 2,
            Self::Unknown(Blame::Module) => 3,
            Self::Unknown(Blame::Host) => 4,
        }
    }

    /// The status of a stored code.
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Up,
            1 => Self::Degraded,
            2 => Self::Down,
            3 => Self::Unknown(Blame::Module),
            4 => Self::Unknown(Blame::Host),
            _ => return None,
        })
    }

    /// Whether a completed run with this status covers its slot.
    pub const fn covers(self) -> bool {
        !matches!(self, Self::Unknown(Blame::Host))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A value of an attribute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Value {
    /// Yes or no.
    Boolean(bool),
    /// A whole number; its unit is in the key.
    Integer(i64),
    /// A number with a fraction; its unit is in the key.
    Float(f64),
    /// Anything else.
    Text(String),
}

/// One piece of evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Attribute {
    /// Its name, with the unit at the end where it has one, such as `connect_us`.
    pub key: String,
    /// What was seen.
    pub value: Value,
}

/// Texts that one run shows at most: an answer's headers and body, and a chain of certificates.
pub const SHOWN_MAX: usize = 4;
/// The longest of them, in bytes: where an error page says what went wrong.
pub const SHOWN_MAX_BYTES: usize = 4 * 1024;

/// Something that came from the target, as it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shown {
    /// What it is: `response-headers`, `response-body`, `certificate-chain`, `received`.
    pub what: String,
    /// Its beginning, as text.
    pub text: String,
}

/// What a run that was not plainly good has to say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    /// A short stable name, such as `connection-refused`.
    pub code: String,
    /// One sentence: what was expected, what came, and from where.
    pub message: String,
    /// The evidence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<Attribute>,
    /// What came from the target, where the run was worth showing it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shown: Vec<Shown>,
}

/// What one run found.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What is known of the target.
    pub status: Status,
    /// The latency the module judged by, in microseconds; 0 where there was none.
    pub latency_us: u32,
    /// Present unless the run was plainly good.
    pub detail: Option<Box<Detail>>,
}

impl Outcome {
    /// A plainly good run.
    pub const fn up(latency_us: u32) -> Self {
        Self { status: Status::Up, latency_us, detail: None }
    }

    /// A run that found or failed to find something, with its code and sentence.
    pub fn told(status: Status, latency_us: u32, code: &str, message: &str) -> Self {
        let detail = Detail { code: code.to_owned(), message: message.to_owned(), ..Detail::default() };
        Self { status, latency_us, detail: Some(Box::new(detail)) }
    }

    /// The code, or an empty text when the run was plainly good.
    pub fn code(&self) -> &str {
        self.detail.as_ref().map_or("", |detail| &detail.code)
    }

    /// The message, or an empty text when the run was plainly good.
    pub fn message(&self) -> &str {
        self.detail.as_ref().map_or("", |detail| &detail.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back_and_only_host_trouble_covers_nothing() {
        for code in 0..=4 {
            let status = Status::from_code(code).unwrap();
            assert_eq!(status.code(), code);
            assert_eq!(status.covers(), status != Status::Unknown(Blame::Host));
        }
        assert_eq!(Status::from_code(5), None);
    }
}
