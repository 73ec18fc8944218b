//! What the answer of an agent, or the lack of one, says.
//!
//! Plain functions of what was found: nothing is sent here.

use farwatch_guest::escapes::show;
use farwatch_guest::outcome::{TIMES, found, integer, slow, text, times};

use crate::config::{Config, Wanted};
use crate::message::{self, Answer, Value, error_name};
use crate::wit::farwatch::check::types::{Attribute, Failure, Outcome, Status, Value as Attributed};
use crate::wit::farwatch::check::udp::Response;

/// How much of an answer a message shows, in characters.
const SHOWN_MAX: usize = 80;
/// The error of version 1 for a value that is not there.
const NO_SUCH_NAME: i64 = 2;

/// Judges an answer to the question of this number.
pub fn response(config: &Config, id: u32, response: &Response) -> Outcome {
    let took_us = response.times.total.into();
    let mut attributes = Vec::with_capacity(TIMES + 1 + config.values.len());
    times(&mut attributes, &response.times);
    let finding = match message::answer(id, &response.datagram) {
        Some(answer) => {
            attributes.extend(config.values.iter().filter_map(|wanted| attribute(wanted, value(&answer, wanted)?)));
            finding(&answer, config)
        }
        None => {
            let shown = show(&response.datagram, SHOWN_MAX);
            Some(("protocol-error", format!("expected an answer to the question, got `{shown}`")))
        }
    };
    let finding = finding
        .map(|(code, message)| {
            (Status::Down, code, format!("{message} from {} after {} ms", response.remote, took_us / 1_000))
        })
        .or_else(|| slow("answered", took_us, config.degraded_above_ms));
    attributes.push(text("net.remote", response.remote.clone()));
    found(finding, took_us, attributes)
}

/// Agents say nothing to those who do not know their community, and a silence should not be misread.
pub fn explained(mut failure: Failure) -> Failure {
    if failure.code == "first-byte-timeout" {
        failure.message.push_str("; an agent is also silent where it does not know the community");
    }
    failure
}

type Wrong = Option<(&'static str, String)>;

fn finding(answer: &Answer, config: &Config) -> Wrong {
    if answer.error != 0 {
        return Some(refused(answer, config));
    }
    config.values.iter().find_map(|wanted| match value(answer, wanted) {
        None | Some(Value::Missing) => Some(missing(wanted)),
        Some(value) => unexpected(wanted, value),
    })
}

fn refused(answer: &Answer, config: &Config) -> (&'static str, String) {
    let about = usize::try_from(answer.error_at - 1).ok().and_then(|at| config.values.get(at));
    if let Some(wanted) = about.filter(|_| answer.error == NO_SUCH_NAME) {
        return missing(wanted);
    }
    let about = about.map_or(String::new(), |wanted| format!(" about {}", called(wanted)));
    ("request-refused", format!("expected values, got {} ({}){about}", error_name(answer.error), answer.error))
}

fn value<'a>(answer: &'a Answer, wanted: &Wanted) -> Option<&'a Value> {
    answer.values.iter().find(|(oid, _)| *oid == wanted.oid).map(|(_, value)| value)
}

fn missing(wanted: &Wanted) -> (&'static str, String) {
    ("value-missing", format!("expected a value of {}, got none", called(wanted)))
}

fn called(wanted: &Wanted) -> String {
    match &wanted.name {
        Some(name) => format!("{name} ({})", wanted.written),
        None => wanted.written.clone(),
    }
}

/// The first thing that a value is not.
fn unexpected(wanted: &Wanted, value: &Value) -> Wrong {
    let shown = value.shown();
    let said =
        |expected: String| Some(("value-unexpected", format!("expected {} {expected}, got `{shown}`", called(wanted))));
    if let Some(text) = wanted.equals.as_ref().filter(|text| **text != shown) {
        return said(format!("to be `{text}`"));
    }
    if let Some(pattern) = &wanted.regex {
        // It was compiled once when the config was written, so it compiles again.
        let matches = farwatch_guest::pattern::compile(pattern).is_ok_and(|regex| regex.is_match(&shown));
        if !matches {
            return said(format!("to match `{pattern}`"));
        }
    }
    let number = value.number();
    if let Some(minimum) = wanted.minimum.filter(|minimum| number.is_none_or(|number| number < *minimum)) {
        return said(format!("to be at least {minimum}"));
    }
    let maximum = wanted.maximum.filter(|maximum| number.is_none_or(|number| number > *maximum))?;
    said(format!("to be at most {maximum}"))
}

/// What is shown of a value that has a name.
fn attribute(wanted: &Wanted, value: &Value) -> Option<Attribute> {
    let key = format!("snmp.{}", wanted.name.as_ref()?);
    match value {
        Value::Missing => None,
        Value::Number(number) => Some(match i64::try_from(*number) {
            Ok(number) => integer(&key, number),
            Err(_) => Attribute { key, value: Attributed::Float(*number as f64) },
        }),
        other => Some(text(&key, other.shown())),
    }
}

#[cfg(test)]
mod tests {
    use farwatch_guest::fields::{judge, reread};

    use super::*;
    use crate::ber::{element, tag};
    use crate::message::tests::answered;
    use crate::wit::farwatch::check::types::PhaseTimes;

    fn judged(value: &str, datagram: Vec<u8>) -> Outcome {
        let config = format!(r#"{{"host": "a", "degraded_above_ms": 19, "values": [{{"oid": "1.3.6"{value}}}]}}"#);
        let config = reread::<Config>(&judge::<Config>(&config).unwrap()).unwrap();
        let total = if value.contains("slow") { 20_000 } else { 10_000 };
        let times = PhaseTimes { resolve: None, connect: None, tls: None, first_byte: None, transfer: None, total };
        let remote = "192.0.2.7:161".to_owned();
        response(&config, 9, &Response { remote, datagram, sent: 1, sent_at_us: 0, received_at_us: 0, times })
    }

    #[test]
    fn values_are_judged() {
        for (value, tag, inner, status, code) in [
            ("", tag::INTEGER, &[5][..], Status::Up, "ok"),
            (r#", "equals": 5"#, tag::INTEGER, &[5], Status::Up, "ok"),
            (r#", "equals": "6""#, tag::INTEGER, &[5], Status::Down, "value-unexpected"),
            (r#", "minimum": 5, "maximum": 5"#, tag::INTEGER, &[5], Status::Up, "ok"),
            (r#", "minimum": 5.1"#, tag::INTEGER, &[5], Status::Down, "value-unexpected"),
            (r#", "maximum": 0.3"#, tag::OCTETS, b"0.31", Status::Down, "value-unexpected"),
            (r#", "minimum": 0"#, tag::OCTETS, b"many", Status::Down, "value-unexpected"),
            (r#", "regex": "^up""#, tag::OCTETS, b"up 3", Status::Up, "ok"),
            (r#", "regex": "^up""#, tag::OCTETS, b"down", Status::Down, "value-unexpected"),
            ("", 0x81, &[], Status::Down, "value-missing"),
            (r#", "name": "slow""#, tag::INTEGER, &[5], Status::Degraded, "slow"),
        ] {
            let outcome = judged(value, answered(9, 0, tag, inner));
            assert_eq!((outcome.status, outcome.code.as_str()), (status, code), "{value}: {}", outcome.message);
        }
    }

    #[test]
    fn errors_and_garbage_are_told() {
        for (datagram, code, words) in [
            (answered(9, 2, tag::NULL, &[]), "value-missing", "expected a value of 1.3.6, got none from 192.0.2.7:161"),
            (answered(9, 5, tag::NULL, &[]), "request-refused", "got genErr (5) about 1.3.6 from"),
            (answered(8, 0, tag::INTEGER, &[5]), "protocol-error", "expected an answer to the question"),
            (b"\xffgarbage".to_vec(), "protocol-error", "garbage"),
            (element(tag::SEQUENCE, &[]), "protocol-error", "after 10 ms"),
        ] {
            let outcome = judged("", datagram);
            assert!(outcome.code == code && outcome.message.contains(words), "{}: {}", outcome.code, outcome.message);
        }
    }

    #[test]
    fn values_with_a_name_are_shown() {
        let keys = |outcome: Outcome| outcome.attributes.into_iter().map(|shown| shown.key).collect::<Vec<_>>();
        let named = judged(r#", "name": "load""#, answered(9, 0, tag::INTEGER, &[5]));
        assert_eq!(keys(named), ["snmp.load", "net.remote"]);
        assert_eq!(keys(judged("", answered(9, 0, tag::INTEGER, &[5]))), ["net.remote"]);
    }
}
