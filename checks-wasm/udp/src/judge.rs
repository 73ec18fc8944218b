//! What an answer says about the target.

use farwatch_guest::escapes::show;
use farwatch_guest::outcome::{Finding, TIMES, found, integer, slow, text, times};

use crate::config::Config;
use crate::wit::farwatch::check::types::{Attribute, Outcome, Status};
use crate::wit::farwatch::check::udp::Response;

/// How much of an answer a message shows, in characters.
const SHOWN_MAX: usize = 120;

/// Judges an answer.
pub fn response(config: &Config, response: &Response) -> Outcome {
    let took_us = response.times.total.into();
    let finding = answer(config, response).or_else(|| slow("answered", took_us, config.degraded_above_ms));
    found(finding, took_us, attributes(response))
}

fn answer(config: &Config, response: &Response) -> Finding {
    let datagram = &response.datagram;
    let place = || {
        let shown = show(datagram, SHOWN_MAX);
        format!("in the answer of {} bytes from {}: `{shown}`", datagram.len(), response.remote)
    };
    if let Some(wanted) = config.contains.as_deref().filter(|wanted| !contains(datagram, wanted)) {
        let message = format!("`{}` is not {}", show(wanted, SHOWN_MAX), place());
        return Some((Status::Down, "answer-text-missing", message));
    }
    let pattern = config.regex.as_deref()?;
    let matches =
        farwatch_guest::pattern::compile(pattern).is_ok_and(|regex| regex.is_match(&String::from_utf8_lossy(datagram)));
    let missing = || (Status::Down, "answer-pattern-missing", format!("`{pattern}` matches nothing {}", place()));
    (!matches).then(missing)
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty() || bytes.windows(wanted.len()).any(|window| window == wanted)
}

fn attributes(response: &Response) -> Vec<Attribute> {
    let mut attributes = Vec::with_capacity(TIMES + 3);
    times(&mut attributes, &response.times);
    attributes.push(integer("udp.sent", response.sent.into()));
    attributes.push(integer("udp.answer-bytes", response.datagram.len() as i64));
    attributes.push(text("net.remote", response.remote.clone()));
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wit::farwatch::check::types::PhaseTimes;
    use farwatch_guest::fields::{judge, reread};

    #[test]
    fn answers_are_judged() {
        let times =
            PhaseTimes { resolve: None, connect: None, tls: None, first_byte: None, transfer: None, total: 20_000 };
        let (remote, datagram) = ("192.0.2.7:7".to_owned(), b"pong\n".to_vec());
        let answer = Response { remote, datagram, sent: 1, sent_at_us: 0, received_at_us: 20_000, times };
        for (fields, status, code) in [
            ("", Status::Up, "ok"),
            (r#", "expect_contains": "pong\\n""#, Status::Up, "ok"),
            (r#", "expect_contains": "ping""#, Status::Down, "answer-text-missing"),
            (r#", "expect_regex": "^po""#, Status::Up, "ok"),
            (r#", "expect_regex": "^ng""#, Status::Down, "answer-pattern-missing"),
            (r#", "degraded_above_ms": 19"#, Status::Degraded, "slow"),
        ] {
            let config = format!(r#"{{"host": "a", "port": 7, "send": "ping"{fields}}}"#);
            let outcome = response(&reread::<Config>(&judge::<Config>(&config).unwrap()).unwrap(), &answer);
            assert_eq!((outcome.status, outcome.code.as_str()), (status, code), "{fields}: {}", outcome.message);
        }
    }
}
