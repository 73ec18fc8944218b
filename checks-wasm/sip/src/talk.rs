//! The question over UDP and over connections, and what its answer says of the server.

use farwatch_guest::dialogue::{Dialogue, Said, down, protocol_error};
use farwatch_guest::outcome::{failed, integer, text};
use farwatch_guest::service::Heard;

use crate::config::Config;
use crate::message::{Answer, Question};
use crate::wit::farwatch::check::types::{Outcome, Problem};
use crate::wit::farwatch::check::udp;

/// The longest head of an answer that is read.
const HEAD_MAX: u32 = 16 << 10;
/// So many answers that announce another are heard; to this question nobody needs more.
const PROVISIONAL_MAX: usize = 4;
const EXPECTED: &str = "an answer to OPTIONS";

/// Asks by a datagram. Where its answer announces another, asking again is how that is asked for.
///
/// # Errors
/// Why nothing can be said of the server.
pub fn over_udp(config: &Config, question: &Question, timeout_ms: u32) -> Result<Outcome, Problem> {
    let (mut left_ms, mut asked) = (timeout_ms, 0);
    loop {
        asked += 1;
        let response = match udp::exchange(config.service.datagram(question.message.as_bytes(), left_ms)) {
            Ok(response) => response,
            Err(failure) => return failed(failure),
        };
        let answer = question.answer(&String::from_utf8_lossy(&response.datagram));
        left_ms = left_ms.saturating_sub(response.times.total / 1_000);
        if asked <= PROVISIONAL_MAX && left_ms > 0 && answer.as_ref().is_some_and(Answer::is_provisional) {
            continue;
        }
        let said = answer.ok_or_else(|| protocol_error(EXPECTED, &response.datagram));
        return config.service.judge_datagram(&response, said.and_then(|answer| heard(config, answer)));
    }
}

/// Asks over a connection.
///
/// # Errors
/// At the first thing that is wrong.
pub fn over_connection(config: &Config, question: &Question, dialogue: &Dialogue) -> Said<Heard> {
    dialogue.send(question.message.as_bytes())?;
    for _ in 0..=PROVISIONAL_MAX {
        let head = dialogue.until(b"\r\n\r\n", HEAD_MAX, "the end of the head")?;
        let answer = question.answer(&String::from_utf8_lossy(&head));
        let answer = answer.ok_or_else(|| protocol_error(EXPECTED, &head))?;
        if !answer.is_provisional() {
            return heard(config, answer);
        }
    }
    Err(down("protocol-error", format!("more than {PROVISIONAL_MAX} answers only announced another")))
}

fn heard(config: &Config, answer: Answer) -> Said<Heard> {
    let Answer { status, reason, server, allows } = answer;
    if !config.expects(status) {
        let expected = config.expected();
        return Err(down("status-unexpected", format!("expected status {expected}, got {status} {reason}")));
    }
    let mut attributes = vec![integer("sip.status", status.into())];
    attributes.extend(server.map(|server| text("sip.server", server)));
    attributes.extend(allows.map(|allows| text("sip.allows", allows)));
    Ok(Heard::from(attributes))
}

#[cfg(test)]
mod tests {
    use farwatch_guest::dialogue::Wrong;
    use farwatch_guest::fields::{judge, reread};

    use super::*;

    #[test]
    fn statuses_are_judged() {
        let config = reread::<Config>(&judge::<Config>(r#"{"host": "a"}"#).unwrap()).unwrap();
        let answer = |status| Answer { status, reason: "So".to_owned(), server: Some("x".to_owned()), allows: None };
        assert_eq!(heard(&config, answer(200)).unwrap().attributes.len(), 2);
        for status in [100, 302, 404, 503] {
            match heard(&config, answer(status)) {
                Err(Wrong::Found(_, code, message)) => {
                    assert_eq!(code, "status-unexpected");
                    assert_eq!(message, format!("expected status 200-299, got {status} So"));
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
