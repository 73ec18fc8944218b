//! The words that outcomes of all modules share: attributes of what was measured, and problems that are not the
//! target's.
//!
//! Nothing is formatted here unless it is asked for, since most runs find that all is well and each should cost little.

use crate::wit::farwatch::check::types::{
    Attribute, Failure, Outcome, Phase, PhaseTimes, Problem, Status, TlsInfo, Value,
};

const DAY_MS: i64 = 86_400_000;

/// How many attributes `times` adds at most.
pub const TIMES: usize = 5;

/// The problem of a plan that cannot be read.
pub fn unreadable() -> Problem {
    Problem {
        code: "config-unreadable".to_owned(),
        message: "the prepared config is damaged or was made by another version; save the check again".to_owned(),
        field: None,
    }
}

/// The problem that a failure is when it was the host that made no probe: that says nothing about the target.
///
/// # Errors
/// The failure, when the target is to blame.
pub fn problem_of_host(failure: Failure) -> Result<Problem, Failure> {
    if matches!(failure.phase, Phase::Prepare) || failure.code == "egress-refused" {
        return Ok(Problem { code: failure.code, message: failure.message, field: None });
    }
    Err(failure)
}

/// What a target is found to be, why, and in what words.
pub type Finding = Option<(Status, &'static str, String)>;

/// The outcome of the first thing that is wrong, or of nothing. Whoever calls puts what is down before what is degraded.
pub fn found(finding: Finding, latency_us: u64, attributes: Vec<Attribute>) -> Outcome {
    let (status, code, message) = finding.unwrap_or((Status::Up, "ok", String::new()));
    Outcome { status, code: code.to_owned(), message, latency_us, attributes }
}

/// The outcome of a probe that got no answer.
///
/// # Errors
/// The problem, when it was the host that made no probe: that says nothing about the target.
pub fn failed(failure: Failure) -> Result<Outcome, Problem> {
    let failure = match problem_of_host(failure) {
        Ok(problem) => return Err(problem),
        Err(failure) => failure,
    };
    let mut attributes = Vec::with_capacity(TIMES + 1);
    times(&mut attributes, &failure.times);
    attributes.extend(failure.remote.map(|remote| text("net.remote", remote)));
    let (code, message, latency_us) = (failure.code, failure.message, failure.times.total.into());
    Ok(Outcome { status: Status::Down, code, message, latency_us, attributes })
}

/// What took longer than it should; `what` was done.
pub fn slow(what: &str, took_us: u64, limit_ms: Option<u32>) -> Finding {
    let limit_ms = limit_ms.filter(|limit_ms| took_us > u64::from(*limit_ms) * 1_000)?;
    Some((Status::Degraded, "slow", format!("{what} in {} ms, slower than {limit_ms} ms", took_us / 1_000)))
}

/// Adds how long each step took.
pub fn times(attributes: &mut Vec<Attribute>, times: &PhaseTimes) {
    let phases = [
        ("time.resolve-us", times.resolve),
        ("time.connect-us", times.connect),
        ("time.tls-us", times.tls),
        ("time.first-byte-us", times.first_byte),
        ("time.transfer-us", times.transfer),
    ];
    attributes.extend(phases.into_iter().filter_map(|(key, time)| Some(integer(key, time?.into()))));
}

/// A number as an attribute.
pub fn integer(key: &str, value: i64) -> Attribute {
    Attribute { key: key.to_owned(), value: Value::Integer(value) }
}

/// A text as an attribute.
pub fn text(key: &str, value: String) -> Attribute {
    Attribute { key: key.to_owned(), value: Value::Text(value) }
}

/// Whole days until the certificate expires; negative once it has.
pub fn certificate_days_left(tls: &TlsInfo, now_ms: u64) -> Option<i64> {
    let not_after = i64::try_from(tls.certificate_not_after_ms?).ok()?;
    let now = i64::try_from(now_ms).ok()?;
    Some((not_after - now).div_euclid(DAY_MS))
}

/// What is wrong with a certificate that has so many days left and should have more.
pub fn certificate_expiring(days_left: i64, days_min: u16) -> Option<String> {
    match days_left {
        left if left >= i64::from(days_min) => None,
        left if left < 0 => Some(format!("the certificate expired {} ago", plural(left.unsigned_abs(), "day"))),
        left => Some(format!("the certificate expires in {}, sooner than in {days_min}", plural(left, "day"))),
    }
}

/// A number of things.
pub fn plural(count: impl Into<i128>, noun: &str) -> String {
    match count.into() {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}
