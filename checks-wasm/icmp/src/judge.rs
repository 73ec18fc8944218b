//! What loss and round trips say about the target.

use farwatch_guest::outcome::{Finding, found, integer, plural, slow, text};

use crate::config::Config;
use crate::wit::farwatch::check::icmp::Response;
use crate::wit::farwatch::check::types::{Attribute, Outcome, Status};

/// Judges what came back. The latency is the mean of the round trips.
pub fn response(config: &Config, response: &Response) -> Outcome {
    let trips = &response.round_trips_us;
    let mean_us = trips.iter().map(|took| u64::from(*took)).sum::<u64>().checked_div(trips.len() as u64);
    let finding = loss(config, response).or_else(|| slow("answered", mean_us?, config.degraded_above_ms));
    found(finding, mean_us.unwrap_or(0), attributes(response, mean_us))
}

/// How many of a hundred requests were lost.
fn lost_percent(response: &Response) -> u64 {
    let (sent, answered) = (u64::from(response.sent), response.round_trips_us.len() as u64);
    (sent.saturating_sub(answered) * 100).checked_div(sent).unwrap_or(100)
}

fn loss(config: &Config, response: &Response) -> Finding {
    let percent = lost_percent(response);
    let said = |allowed: u64| {
        let sent = plural(response.sent, "echo request");
        let answered = response.round_trips_us.len();
        format!("{answered} of {sent} to {} were answered: {percent} % lost, more than {allowed} %", response.remote)
    };
    if percent > config.down_above_loss_percent {
        return Some((Status::Down, "packets-lost", said(config.down_above_loss_percent)));
    }
    let allowed = config.degraded_above_loss_percent.filter(|allowed| percent > *allowed)?;
    Some((Status::Degraded, "packets-lost", said(allowed)))
}

fn attributes(response: &Response, mean_us: Option<u64>) -> Vec<Attribute> {
    let trips = &response.round_trips_us;
    let us = |key: &str, took: Option<u64>| took.map(|took| integer(key, took.cast_signed()));
    let mut attributes = vec![
        integer("icmp.sent", response.sent.into()),
        integer("icmp.answered", trips.len() as i64),
        integer("icmp.loss-percent", lost_percent(response).cast_signed()),
    ];
    attributes.extend(us("icmp.round-trip-min-us", trips.iter().min().map(|took| u64::from(*took))));
    attributes.extend(us("icmp.round-trip-mean-us", mean_us));
    attributes.extend(us("icmp.round-trip-max-us", trips.iter().max().map(|took| u64::from(*took))));
    attributes.extend(response.times.resolve.map(|took| integer("time.resolve-us", took.into())));
    attributes.push(text("net.remote", response.remote.clone()));
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wit::farwatch::check::types::PhaseTimes;
    use farwatch_guest::fields::{judge, reread};

    fn judged(fields: &str, sent: u32, trips: &[u32]) -> Outcome {
        let config = reread::<Config>(&judge::<Config>(&format!(r#"{{"host": "a"{fields}}}"#)).unwrap()).unwrap();
        let times = PhaseTimes { resolve: None, connect: None, tls: None, first_byte: None, transfer: None, total: 9 };
        let (remote, round_trips_us) = ("192.0.2.7".to_owned(), trips.to_vec());
        response(&config, &Response { remote, sent, round_trips_us, times })
    }

    #[test]
    fn loss_and_round_trips_are_judged() {
        let half = r#", "down_above_loss_percent": 50, "degraded_above_loss_percent": 0, "degraded_above_ms": 20"#;
        for (fields, sent, trips, status, code) in [
            ("", 3, &[10_000, 20_000, 30_000][..], Status::Up, "ok"),
            ("", 3, &[10_000], Status::Up, "ok"),
            ("", 3, &[], Status::Down, "packets-lost"),
            ("", 0, &[], Status::Down, "packets-lost"),
            (half, 4, &[10_000, 10_000, 10_000, 10_000], Status::Up, "ok"),
            (half, 4, &[10_000, 10_000, 10_000], Status::Degraded, "packets-lost"),
            (half, 4, &[10_000, 10_000], Status::Degraded, "packets-lost"),
            (half, 4, &[10_000], Status::Down, "packets-lost"),
            (half, 2, &[10_000, 30_002], Status::Degraded, "slow"),
        ] {
            let outcome = judged(fields, sent, trips);
            assert_eq!((outcome.status, outcome.code.as_str()), (status, code), "{fields} {sent} {trips:?}");
        }
        let outcome = judged("", 3, &[]);
        assert_eq!(outcome.message, "0 of 3 echo requests to 192.0.2.7 were answered: 100 % lost, more than 99 %");
        assert_eq!(judged("", 3, &[10_000, 20_000, 30_000]).latency_us, 20_000);
    }
}
