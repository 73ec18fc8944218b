//! What people use instead: the same target, judged by Prometheus' blackbox exporter and by the monitoring plugins.
//!
//! A case is given to one of them only where all that its config says can be said in its terms. What they find is up or
//! down; they know nothing between the two that all of them mean alike.

pub mod blackbox;
pub mod plugins;

use serde_json::{Map, Value};

/// What was found, in words that all of them have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It works, however badly.
    Up,
    /// It does not.
    Down,
    /// Nothing can be said of it.
    Unknown,
}

impl Verdict {
    /// As the table of differences has it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Unknown => "unknown",
        }
    }
}

/// The config of a case, of which each field that is looked at is told apart from those that nobody has looked at.
struct Said<'a> {
    config: &'a Map<String, Value>,
    understood: Vec<&'static str>,
}

impl<'a> Said<'a> {
    fn of(config: &'a Value) -> Option<Self> {
        Some(Self { config: config.as_object()?, understood: Vec::new() })
    }

    fn get(&mut self, field: &'static str) -> Option<&'a Value> {
        self.understood.push(field);
        self.config.get(field)
    }

    fn text(&mut self, field: &'static str) -> Option<&'a str> {
        self.get(field)?.as_str()
    }

    fn number(&mut self, field: &'static str) -> Option<u64> {
        self.get(field)?.as_u64()
    }

    fn flag(&mut self, field: &'static str, usual: bool) -> bool {
        self.get(field).and_then(Value::as_bool).unwrap_or(usual)
    }

    /// Whether there is no field that nobody has looked at. Beyond what time something is degraded is no matter here.
    fn is_all(&self) -> bool {
        self.config
            .keys()
            .all(|field| self.understood.contains(&field.as_str()) || field.ends_with("degraded_above_ms"))
    }
}

/// A text with the escapes of our configs as the bytes that it stands for, where these are text.
fn unescaped(text: &str) -> Option<String> {
    let plain = text.replace("\\r", "\r").replace("\\n", "\n").replace("\\t", "\t");
    (!plain.contains('\\')).then_some(plain)
}

/// A pattern that this text matches, and nothing else.
fn literal(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_alphanumeric() || c == ' ' { c.to_string() } else { format!("\\x{{{:x}}}", c as u32) })
        .collect()
}
