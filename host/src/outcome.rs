//! How a run ended in its sandbox, in the words that cross machines.
//!
//! A plainly good run is only its latency. Everything that says more than that keeps its evidence.

use farwatch_proto::outcome::{Attribute, Blame, Detail, Outcome, Status, Value};
use farwatch_sandbox::{Fault, RunEnd, types};

use crate::probe::RATE_CAPPED;

/// The code of a run that found nothing worth telling.
const PLAINLY_GOOD: &str = "ok";

/// The outcome of a run that was not disturbed.
pub(crate) fn of_end(end: RunEnd) -> Outcome {
    match end {
        RunEnd::Judged(judged) if is_plainly_good(&judged) => Outcome::up(latency_us(&judged)),
        end => whole_of_end(end),
    }
}

/// The same with all that was measured, where the run was plainly good, too.
pub(crate) fn whole_of_end(end: RunEnd) -> Outcome {
    match end {
        RunEnd::Judged(judged) => of_judged(judged),
        RunEnd::Problem(problem) => Outcome::told(Status::Unknown(Blame::Module), 0, &problem.code, &problem.message),
        RunEnd::Stopped(stop) => {
            let blame = match stop.code.fault() {
                Fault::Module => Blame::Module,
                Fault::Host => Blame::Host,
            };
            Outcome::told(Status::Unknown(blame), 0, stop.code.as_str(), &stop.message)
        }
    }
}

/// A run that says nothing of its target because this host was in trouble.
pub(crate) fn host_trouble(code: &str, message: &str) -> Outcome {
    Outcome::told(Status::Unknown(Blame::Host), 0, code, message)
}

/// What a run found of which a probe was not made, because its tenant has connected as often as it may. Whatever its
/// module made of that, it is nothing that the target did. The tenant brought it about, so the slot is covered: no other
/// host shall connect in its stead.
pub(crate) fn despite_cap(found: Outcome, why: &str) -> Outcome {
    match found.status {
        Status::Down | Status::Degraded => Outcome::told(Status::Unknown(Blame::Module), 0, RATE_CAPPED, why),
        Status::Up | Status::Unknown(_) => found,
    }
}

/// A run during which this host was paused.
pub(crate) fn paused() -> Outcome {
    host_trouble("host-paused", "this host was paused during the run, so its times mean nothing")
}

fn is_plainly_good(judged: &types::Outcome) -> bool {
    judged.status == types::Status::Up && judged.code == PLAINLY_GOOD && judged.message.is_empty()
}

fn latency_us(judged: &types::Outcome) -> u32 {
    u32::try_from(judged.latency_us).unwrap_or(u32::MAX)
}

fn of_judged(judged: types::Outcome) -> Outcome {
    let latency_us = latency_us(&judged);
    let status = match judged.status {
        types::Status::Up => Status::Up,
        types::Status::Degraded => Status::Degraded,
        types::Status::Down => Status::Down,
    };
    let attributes = judged.attributes.into_iter().map(attribute).collect();
    let detail = Detail { code: judged.code, message: judged.message, attributes, shown: Vec::new() };
    Outcome { status, latency_us, detail: Some(Box::new(detail)) }
}

fn attribute(attribute: types::Attribute) -> Attribute {
    let value = match attribute.value {
        types::Value::Boolean(yes) => Value::Boolean(yes),
        types::Value::Integer(number) => Value::Integer(number),
        // JSON knows no other numbers; what is none is told as text.
        types::Value::Float(number) if number.is_finite() => Value::Float(number),
        types::Value::Float(number) => Value::Text(number.to_string()),
        types::Value::Text(text) => Value::Text(text),
    };
    Attribute { key: attribute.key, value }
}

#[cfg(test)]
mod tests {
    use farwatch_sandbox::{Stop, StopCode};

    use super::*;

    fn judged(status: types::Status, code: &str) -> RunEnd {
        let attributes = vec![types::Attribute { key: "x".to_owned(), value: types::Value::Float(f64::NAN) }];
        let (code, message) = (code.to_owned(), String::new());
        RunEnd::Judged(types::Outcome { status, code, message, latency_us: 7, attributes })
    }

    #[test]
    fn a_plainly_good_run_is_only_its_latency() {
        assert_eq!(of_end(judged(types::Status::Up, "ok")), Outcome::up(7));
        assert_eq!(of_end(judged(types::Status::Up, "expires-soon")).code(), "expires-soon");
        let whole = whole_of_end(judged(types::Status::Up, "ok"));
        assert_eq!((whole.status, whole.detail.map(|detail| detail.attributes.len())), (Status::Up, Some(1)));
    }

    #[test]
    fn evidence_is_kept_and_is_valid_json() {
        let down = of_end(judged(types::Status::Down, "status-unexpected"));
        let detail = down.detail.unwrap();
        assert_eq!(detail.attributes[0].value, Value::Text("NaN".to_owned()));
        assert!(serde_json::to_string(&*detail).is_ok());
    }

    #[test]
    fn a_capped_run_never_blames_its_target() {
        let told = |status| despite_cap(of_end(judged(status, "x")), "too often");
        for status in [types::Status::Down, types::Status::Degraded] {
            let found = told(status);
            assert_eq!((found.status, found.code()), (Status::Unknown(Blame::Module), "rate-capped"));
            assert!(found.status.covers());
        }
        assert_eq!(told(types::Status::Up).status, Status::Up);
    }

    #[test]
    fn blame_follows_the_fault() {
        let stopped = |code| of_end(RunEnd::Stopped(Stop { code, message: "m".to_owned() })).status;
        assert_eq!(stopped(StopCode::Trapped), Status::Unknown(Blame::Module));
        assert_eq!(stopped(StopCode::NoRunPlace), Status::Unknown(Blame::Host));
        let problem = types::Problem { code: "c".to_owned(), message: "m".to_owned(), field: None };
        assert_eq!(of_end(RunEnd::Problem(problem)).status, Status::Unknown(Blame::Module));
    }
}
