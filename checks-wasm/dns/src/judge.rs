//! What an answer says about a name and its server.

use farwatch_guest::outcome::{Finding, TIMES, found, integer, slow, text, times};

use crate::config::Config;
use crate::values::comparable;
use crate::wit::farwatch::check::dns::{Entry, Response};
use crate::wit::farwatch::check::types::{Attribute, Outcome, Status, Value};

/// How many records a message lists.
const SHOWN_MAX: usize = 8;

/// Judges an answer.
pub fn response(config: &Config, response: &Response) -> Outcome {
    let total_us = u64::from(response.times.total);
    let finding = code(config, response)
        .or_else(|| authority(config, response))
        .or_else(|| records(config, response))
        .or_else(|| slow("answered", total_us, config.degraded_above_ms));
    found(finding, total_us, attributes(config, response))
}

fn place(response: &Response) -> String {
    format!("from {} after {} ms", response.remote, response.times.total / 1_000)
}

fn code(config: &Config, response: &Response) -> Finding {
    if response.rcode == config.expected_rcode {
        return None;
    }
    let message = format!("expected {}, got {} {}", config.expected_rcode, response.rcode, place(response));
    Some((Status::Down, "rcode-unexpected", message))
}

fn authority(config: &Config, response: &Response) -> Finding {
    if config.authoritative && !response.authoritative {
        let message = format!("the answer is not the server's own, {}", place(response));
        return Some((Status::Down, "answer-not-authoritative", message));
    }
    if config.dnssec && !response.authentic_data {
        let message = format!("the server has not verified its answer by DNSSEC, {}", place(response));
        return Some((Status::Down, "dnssec-not-verified", message));
    }
    None
}

/// The records that were asked for: not the aliases that led to them, unless those were.
fn wanted<'a>(config: &Config, response: &'a Response) -> Vec<&'a Entry> {
    response
        .answers
        .iter()
        .filter(|entry| entry.record_type == config.record_type || config.record_type == "ANY")
        .collect()
}

fn records(config: &Config, response: &Response) -> Finding {
    let wanted = wanted(config, response);
    let have: Vec<String> = wanted.iter().map(|entry| comparable(&entry.record_type, &entry.data)).collect();
    let compared = |said: &String| comparable(&config.record_type, said);
    let down = |code, what: String| {
        Some((Status::Down, code, format!("{what} in the answer {}: {}", place(response), list(&wanted))))
    };
    if config.no_records {
        return if have.is_empty() { None } else { down("records-unexpected", "there are records".to_owned()) };
    }
    // Of a name that is to be absent there are none, which its code has said.
    if have.is_empty() && config.expected_rcode == "NOERROR" {
        return down("answer-empty", format!("no {} record is", config.record_type));
    }
    let expected = config.exactly.iter().chain(&config.including);
    if let Some(missing) = expected.clone().find(|said| !have.contains(&compared(said))) {
        return down("record-missing", format!("`{missing}` is not"));
    }
    let exactly: Vec<String> = config.exactly.iter().map(compared).collect();
    if let Some(other) = wanted.iter().zip(&have).find(|(_, have)| !exactly.is_empty() && !exactly.contains(have)) {
        return down("records-unexpected", format!("`{}` is not expected", other.0.data));
    }
    let pattern = config.regex.as_deref()?;
    let matches = farwatch_guest::pattern::compile(pattern)
        .is_ok_and(|regex| wanted.iter().any(|entry| regex.is_match(&entry.data)));
    if matches { None } else { down("record-pattern-missing", format!("`{pattern}` matches nothing")) }
}

fn list(entries: &[&Entry]) -> String {
    if entries.is_empty() {
        return "none".to_owned();
    }
    let shown: Vec<&str> = entries.iter().take(SHOWN_MAX).map(|entry| entry.data.as_str()).collect();
    let more = entries.len().saturating_sub(SHOWN_MAX);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

fn attributes(config: &Config, response: &Response) -> Vec<Attribute> {
    let flag = |key: &str, value| Attribute { key: key.to_owned(), value: Value::Boolean(value) };
    let mut attributes = Vec::with_capacity(TIMES + 8);
    times(&mut attributes, &response.times);
    let wanted = wanted(config, response);
    attributes.push(text("dns.rcode", response.rcode.clone()));
    attributes.push(integer("dns.answers", wanted.len() as i64));
    attributes.extend(wanted.iter().map(|entry| entry.ttl_s).min().map(|ttl| integer("dns.ttl-min-s", ttl.into())));
    attributes.push(flag("dns.authoritative", response.authoritative));
    attributes.push(flag("dns.authentic-data", response.authentic_data));
    attributes.push(flag("dns.truncated", response.truncated));
    attributes.push(text("net.remote", response.remote.clone()));
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wit::farwatch::check::types::PhaseTimes;
    use farwatch_guest::fields::{judge, reread};

    fn entry(record_type: &str, data: &str) -> Entry {
        Entry { name: "a.example.".to_owned(), record_type: record_type.to_owned(), ttl_s: 300, data: data.to_owned() }
    }

    fn answer(answers: Vec<Entry>) -> Response {
        let first_byte = Some(20_000);
        Response {
            remote: "192.0.2.53:53".to_owned(),
            rcode: "NOERROR".to_owned(),
            authoritative: false,
            truncated: false,
            recursion_available: true,
            authentic_data: false,
            answers,
            authorities: Vec::new(),
            additionals: Vec::new(),
            bytes: 60,
            times: PhaseTimes { resolve: None, connect: None, tls: None, first_byte, transfer: None, total: 21_000 },
            tls: None,
        }
    }

    fn judged(fields: &str, answer: &Response) -> Outcome {
        let comma = if fields.is_empty() { "" } else { ", " };
        let config = format!(r#"{{"name": "a.example"{comma}{fields}}}"#);
        response(&reread::<Config>(&judge::<Config>(&config).unwrap()).unwrap(), answer)
    }

    #[test]
    fn records_are_judged_as_the_config_says() {
        let two = || answer(vec![entry("CNAME", "b.example."), entry("A", "192.0.2.7"), entry("A", "192.0.2.8")]);
        let none = || answer(vec![entry("CNAME", "b.example.")]);
        let verified = || Response { authoritative: true, authentic_data: true, ..two() };
        for (fields, answer, status, code) in [
            ("", two(), Status::Up, "ok"),
            ("", none(), Status::Down, "answer-empty"),
            (r#""expect_no_records": true"#, none(), Status::Up, "ok"),
            (r#""expect_no_records": true"#, two(), Status::Down, "records-unexpected"),
            (r#""expect_exactly": ["192.0.2.8", "192.0.2.7"]"#, two(), Status::Up, "ok"),
            (r#""expect_exactly": ["192.0.2.7"]"#, two(), Status::Down, "records-unexpected"),
            (r#""expect_exactly": ["192.0.2.7", "192.0.2.8", "192.0.2.9"]"#, two(), Status::Down, "record-missing"),
            (r#""expect_including": ["192.0.2.8"]"#, two(), Status::Up, "ok"),
            (r#""expect_including": ["192.0.2.9"]"#, two(), Status::Down, "record-missing"),
            (r#""expect_regex": "[.]8$""#, two(), Status::Up, "ok"),
            (r#""expect_regex": "[.]9$""#, two(), Status::Down, "record-pattern-missing"),
            (r#""record_type": "CNAME", "expect_exactly": ["B.example"]"#, none(), Status::Up, "ok"),
            (r#""dnssec": true"#, two(), Status::Down, "dnssec-not-verified"),
            (r#""authoritative": true"#, two(), Status::Down, "answer-not-authoritative"),
            (r#""dnssec": true, "authoritative": true"#, verified(), Status::Up, "ok"),
            (r#""degraded_above_ms": 20"#, two(), Status::Degraded, "slow"),
        ] {
            let outcome = judged(fields, &answer);
            assert_eq!((outcome.status, outcome.code.as_str()), (status, code), "{fields}: {}", outcome.message);
        }
    }

    #[test]
    fn the_code_is_judged_first_and_an_absent_name_may_be_what_is_expected() {
        let absent = Response { rcode: "NXDOMAIN".to_owned(), ..answer(Vec::new()) };
        let outcome = judged("", &absent);
        assert_eq!((outcome.status, outcome.code.as_str()), (Status::Down, "rcode-unexpected"));
        assert_eq!(outcome.message, "expected NOERROR, got NXDOMAIN from 192.0.2.53:53 after 21 ms");
        assert_eq!(judged(r#""expected_rcode": "NXDOMAIN""#, &absent).status, Status::Up);
    }

    #[test]
    fn a_message_says_what_came_instead() {
        let many = (1..=10).map(|n| entry("A", &format!("192.0.2.{n}"))).collect();
        let message = judged(r#""expect_including": ["198.51.100.7"]"#, &answer(many)).message;
        assert!(message.starts_with("`198.51.100.7` is not in the answer from 192.0.2.53:53 after 21 ms: 192.0.2.1, "));
        assert!(message.ends_with("192.0.2.8 and 2 more"), "{message}");
    }
}
