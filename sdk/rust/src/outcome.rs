//! Words for what was found: outcomes and their attributes, and problems that are not the target's.

use crate::wit::farwatch::check::types::{Attribute, Failure, Outcome, Phase, PhaseTimes, Problem, Status, Value};

impl Outcome {
    /// The target did everything that was asked of it.
    pub fn up(message: impl Into<String>) -> Self {
        Self::new(Status::Up, "ok", message.into())
    }

    /// The target works, but worse than it should. `code` is a stable word such as `slow`.
    pub fn degraded(code: &str, message: impl Into<String>) -> Self {
        Self::new(Status::Degraded, code, message.into())
    }

    /// The target failed. `code` is a stable word such as `status-unexpected`; `message` is what people read at night.
    pub fn down(code: &str, message: impl Into<String>) -> Self {
        Self::new(Status::Down, code, message.into())
    }

    fn new(status: Status, code: &str, message: String) -> Self {
        Self { status, code: code.to_owned(), message, latency_us: 0, attributes: Vec::new() }
    }

    /// The latency by which the target is judged, in microseconds.
    #[must_use]
    pub fn latency_us(mut self, latency_us: impl Into<u64>) -> Self {
        self.latency_us = latency_us.into();
        self
    }

    /// One more fact, for display and for graphs: `page.links`, 12.
    #[must_use]
    pub fn attribute(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.attributes.push(Attribute { key: key.to_owned(), value: value.into() });
        self
    }

    /// Several more.
    #[must_use]
    pub fn attributes(mut self, more: impl IntoIterator<Item = Attribute>) -> Self {
        self.attributes.extend(more);
        self
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Integer(value.into())
    }
}

impl From<u16> for Value {
    fn from(value: u16) -> Self {
        Self::Integer(value.into())
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

/// Something that is wrong with the config or with the run itself, never with the target.
pub fn problem(code: &str, message: impl Into<String>) -> Problem {
    Problem { code: code.to_owned(), message: message.into(), field: None }
}

impl Failure {
    /// What a probe without an answer says of its target: that it is down, by the failure's own words.
    ///
    /// # Errors
    /// Where it was the host that made no probe, which says nothing of the target.
    pub fn judged(self) -> Result<Outcome, Problem> {
        if matches!(self.phase, Phase::Prepare) || self.code == "egress-refused" {
            return Err(problem(&self.code, self.message));
        }
        let outcome = Outcome::down(&self.code, self.message).latency_us(self.times.total);
        Ok(outcome.attributes(attributes_of(&self.times)))
    }
}

/// How long each step of a probe took, under the names that the built-in modules use.
pub fn attributes_of(times: &PhaseTimes) -> impl Iterator<Item = Attribute> {
    let phases = [
        ("time.resolve-us", times.resolve),
        ("time.connect-us", times.connect),
        ("time.tls-us", times.tls),
        ("time.first-byte-us", times.first_byte),
        ("time.transfer-us", times.transfer),
    ];
    phases.into_iter().filter_map(|(key, time)| Some(Attribute { key: key.to_owned(), value: time?.into() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(phase: Phase, code: &str) -> Failure {
        let times =
            PhaseTimes { resolve: None, connect: Some(40), tls: None, first_byte: None, transfer: None, total: 41 };
        Failure { phase, code: code.to_owned(), message: "it failed".to_owned(), remote: None, times, tls: None }
    }

    #[test]
    fn a_failure_is_the_targets_unless_the_host_made_no_probe() {
        let outcome = failure(Phase::Connect, "connection-refused").judged().unwrap();
        assert_eq!(
            (outcome.status, outcome.code.as_str(), outcome.latency_us),
            (Status::Down, "connection-refused", 41)
        );
        assert!(matches!(&outcome.attributes[..], [Attribute { key, .. }] if key == "time.connect-us"));
        for (phase, code) in [(Phase::Prepare, "host-trouble"), (Phase::Resolve, "egress-refused")] {
            assert_eq!(failure(phase, code).judged().unwrap_err().code, code);
        }
    }
}
