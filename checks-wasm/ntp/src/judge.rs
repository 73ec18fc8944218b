//! What a time server says of itself and of the time.

use farwatch_guest::outcome::{Finding, TIMES, found, integer, slow, text, times};

use crate::config::Config;
use crate::packet::{self, Answer};
use crate::wit::farwatch::check::types::{Attribute, Outcome, Status};
use crate::wit::farwatch::check::udp::Response;

/// What a clock that is not synchronized warns with.
const UNSYNCHRONIZED: u8 = 3;

/// Judges an answer.
pub fn response(config: &Config, question: &[u8], response: &Response) -> Outcome {
    let took_us = response.times.total.into();
    let mut attributes = Vec::with_capacity(TIMES + 4);
    times(&mut attributes, &response.times);
    attributes.push(text("net.remote", response.remote.clone()));
    let Some(answer) = packet::answer(question, &response.datagram) else {
        let message = format!("what came from {} is no answer to the question", response.remote);
        return found(Some((Status::Down, "protocol-error", message)), took_us, attributes);
    };
    let offset_us = packet::offset_us(answer, response.sent_at_us, response.received_at_us);
    note(&mut attributes, answer, offset_us);
    let finding = state(config, answer, response)
        .or_else(|| offset(config, offset_us, response))
        .or_else(|| slow("answered", took_us, config.degraded_above_ms));
    found(finding, took_us, attributes)
}

fn note(attributes: &mut Vec<Attribute>, answer: Answer, offset_us: i64) {
    attributes.push(integer("ntp.stratum", answer.stratum.into()));
    attributes.push(integer("ntp.leap", answer.leap.into()));
    attributes.push(integer("ntp.offset-us", offset_us));
}

fn state(config: &Config, answer: Answer, response: &Response) -> Finding {
    let down = |code, message| Some((Status::Down, code, format!("{message}, says {}", response.remote)));
    // Four letters say why it refuses; without them, stratum 0 is that of a clock that knows nothing (RFC 5905).
    let why: String = answer.reference.iter().map(|byte| char::from(*byte)).filter(char::is_ascii_graphic).collect();
    if answer.stratum == 0 && !why.is_empty() {
        return down("refused", format!("it serves no time: {why}"));
    }
    if answer.stratum == 0 || answer.leap == UNSYNCHRONIZED || u64::from(answer.stratum) > 15 {
        return down("unsynchronized", "its clock is not synchronized".to_owned());
    }
    if answer.stratum > config.stratum_max {
        return down(
            "stratum-too-high",
            format!("its stratum is {}, more than {}", answer.stratum, config.stratum_max),
        );
    }
    None
}

fn offset(config: &Config, offset_us: i64, response: &Response) -> Finding {
    let is_above = |limit_ms: &u32| offset_us.unsigned_abs() > u64::from(*limit_ms) * 1_000;
    let said = |limit_ms: u32| {
        let (ms, way) = (offset_us.unsigned_abs() / 1_000, if offset_us < 0 { "behind" } else { "ahead of" });
        format!("the clock of {} is {ms} ms {way} the fleet's, more than {limit_ms} ms", response.remote)
    };
    if let Some(limit_ms) = config.offset_down_above_ms.filter(is_above) {
        return Some((Status::Down, "offset-too-large", said(limit_ms)));
    }
    let limit_ms = config.offset_degraded_above_ms.filter(is_above)?;
    Some((Status::Degraded, "offset-too-large", said(limit_ms)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wit::farwatch::check::types::PhaseTimes;
    use farwatch_guest::fields::{judge, reread};

    const NOW_S: u64 = 1_800_000_000;

    /// A server's answer whose clock is so far ahead.
    fn judged(fields: &str, leap: u8, stratum: u8, ahead_ms: i64) -> Outcome {
        let question = packet::question(&[7; 8]);
        let at_us = (NOW_S * 1_000_000).saturating_add_signed(ahead_ms * 1_000);
        let seconds = u32::try_from(at_us / 1_000_000 + 2_208_988_800).unwrap().to_be_bytes();
        let fraction = u32::try_from((at_us % 1_000_000) * (1 << 32) / 1_000_000).unwrap().to_be_bytes();
        let mut datagram = vec![0; 48];
        datagram[0] = leap << 6 | 0x24;
        datagram[1] = stratum;
        if leap != UNSYNCHRONIZED {
            datagram[12..16].copy_from_slice(b"RATE");
        }
        datagram[24..32].copy_from_slice(&[7; 8]);
        for at in [32, 40] {
            datagram[at..at + 4].copy_from_slice(&seconds);
            datagram[at + 4..at + 8].copy_from_slice(&fraction);
        }
        let times =
            PhaseTimes { resolve: None, connect: None, tls: None, first_byte: None, transfer: None, total: 20_000 };
        let (sent_at_us, received_at_us) = (NOW_S * 1_000_000 - 5_000, NOW_S * 1_000_000 + 5_000);
        let remote = "192.0.2.7:123".to_owned();
        let response = Response { remote, datagram, sent: 1, sent_at_us, received_at_us, times };
        let comma = if fields.is_empty() { "" } else { ", " };
        let config =
            reread::<Config>(&judge::<Config>(&format!(r#"{{"host": "a"{comma}{fields}}}"#)).unwrap()).unwrap();
        super::response(&config, &question, &response)
    }

    #[test]
    fn state_stratum_and_offset_are_judged() {
        let limits = r#""offset_down_above_ms": 1000, "offset_degraded_above_ms": 100, "stratum_max": 3"#;
        for (fields, leap, stratum, ahead_ms, status, code) in [
            ("", 0, 2, 0, Status::Up, "ok"),
            ("", 0, 2, 60_000, Status::Up, "ok"),
            ("", 3, 2, 0, Status::Down, "unsynchronized"),
            ("", 0, 16, 0, Status::Down, "unsynchronized"),
            ("", 0, 0, 0, Status::Down, "refused"),
            ("", 3, 0, 0, Status::Down, "unsynchronized"),
            (limits, 1, 3, 99, Status::Up, "ok"),
            (limits, 0, 4, 0, Status::Down, "stratum-too-high"),
            (limits, 0, 2, 101, Status::Degraded, "offset-too-large"),
            (limits, 0, 2, -1_001, Status::Down, "offset-too-large"),
            (r#""degraded_above_ms": 19"#, 0, 2, 0, Status::Degraded, "slow"),
        ] {
            let outcome = judged(fields, leap, stratum, ahead_ms);
            assert_eq!((outcome.status, outcome.code.as_str()), (status, code), "{fields}: {}", outcome.message);
        }
        let message = judged(limits, 0, 2, -2_000).message;
        assert_eq!(message, "the clock of 192.0.2.7:123 is 2000 ms behind the fleet's, more than 1000 ms");
        assert!(judged("", 0, 0, 0).message.starts_with("it serves no time: RATE"));
    }
}
