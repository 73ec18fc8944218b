//! What the answer of a registry says of the domain.
//!
//! Plain functions of what was found: nothing is asked here.

use farwatch_guest::outcome::{Finding, TIMES, found, integer, plural, slow, text, times};

use crate::ask::Answer;
use crate::config::Config;
use crate::moment::Day;
use crate::record::{Record, Said, Trouble};
use crate::wit::farwatch::check::types::{Outcome, Problem, Status};

/// Judges an answer.
///
/// # Errors
/// When the registry does not say what has to be known.
pub fn answer(config: &Config, answer: Answer, now_ms: u64) -> Result<Outcome, Problem> {
    let Answer { said, remote, way, times: took } = answer;
    let took_us = took.total.into();
    let place = format!("says {remote} by {way}");
    let mut attributes = Vec::with_capacity(TIMES + 4);
    times(&mut attributes, &took);
    let finding = match said {
        Said::Unregistered => {
            let message = format!("nobody has registered {}, {place}", config.domain);
            Some((Status::Down, "domain-unregistered", message))
        }
        Said::Registered(record) => {
            let days = record.expires.map(|day| day.0 - Day::of(now_ms).0);
            attributes.extend(days.map(|days| integer("domain.days-left", days)));
            attributes.extend(record.expires.map(|day| text("domain.expires", day.shown())));
            let finding = registered(config, &record, days, &place)?;
            attributes.extend(record.registrar.map(|name| text("domain.registrar", name)));
            finding
        }
        Said::Unreadable => return Err(silent(&format!("what {remote} said by {way} is not understood"))),
    };
    attributes.push(text("net.remote", remote));
    let finding = finding.or_else(|| slow("the registry answered", took_us, config.degraded_above_ms));
    Ok(found(finding, took_us, attributes))
}

fn silent(message: &str) -> Problem {
    Problem { code: "registry-silent".to_owned(), message: message.to_owned(), field: None }
}

fn registered(config: &Config, record: &Record, days: Option<i64>, place: &str) -> Result<Finding, Problem> {
    if let Some((code, words)) = record.trouble.map(trouble) {
        return Ok(Some((Status::Down, code, format!("{} {words}, {place}", config.domain))));
    }
    let Some((days, day)) = days.zip(record.expires) else {
        if !config.needs_expiry {
            return Ok(None);
        }
        let domain = &config.domain;
        let message = format!(
            "until when {domain} is registered is not told: {place}; name another registry by `rdap_url` or `whois_host`, \
             or set `needs_expiry` to false"
        );
        return Err(Problem { code: "expiry-unknown".to_owned(), message, field: Some("/needs_expiry".to_owned()) });
    };
    Ok(expiry(config, days, &day.shown(), place))
}

const fn trouble(trouble: Trouble) -> (&'static str, &'static str) {
    match trouble {
        Trouble::ClientHold => ("domain-on-hold", "was taken out of the DNS by its registrar (clientHold)"),
        Trouble::ServerHold => ("domain-on-hold", "was taken out of the DNS by its registry (serverHold)"),
        Trouble::Redemption => ("domain-deleted", "was deleted, and can be had back for a while (redemptionPeriod)"),
        Trouble::PendingDelete => ("domain-deleted", "is about to be free for others (pendingDelete)"),
    }
}

fn expiry(config: &Config, days: i64, day: &str, place: &str) -> Finding {
    let domain = &config.domain;
    if days < 0 {
        let message = format!("the registration of {domain} ended {} ago, on {day}, {place}", plural(-days, "day"));
        return Some((Status::Down, "domain-expired", message));
    }
    let (status, limit) = match days {
        few if few < config.down_days => (Status::Down, config.down_days),
        few if few < config.degraded_days => (Status::Degraded, config.degraded_days),
        _ => return None,
    };
    let left = plural(days, "day");
    let message = format!("the registration of {domain} ends in {left}, on {day}, sooner than in {limit}, {place}");
    Some((status, "domain-expiring", message))
}

#[cfg(test)]
mod tests {
    use farwatch_guest::fields::{judge, reread};

    use super::*;
    use crate::wit::farwatch::check::types::PhaseTimes;

    /// The 18th of January 2027.
    const NOW_MS: u64 = 1_800_230_400_000;

    fn judged(fields: &str, said: Said) -> Result<Outcome, Problem> {
        let config = format!(r#"{{"domain": "a.com"{fields}}}"#);
        let config = reread::<Config>(&judge::<Config>(&config).unwrap()).unwrap();
        let times =
            PhaseTimes { resolve: None, connect: None, tls: None, first_byte: None, transfer: None, total: 20_000 };
        answer(&config, Answer { said, remote: "192.0.2.7:443".to_owned(), way: "RDAP", times }, NOW_MS)
    }

    fn until(day: &str, trouble: Option<Trouble>) -> Said {
        Said::Registered(Record { expires: Day::read(day), trouble, registrar: None })
    }

    #[test]
    fn days_and_statuses_are_judged() {
        for (fields, said, status, code) in [
            ("", until("2027-02-17", None), Status::Up, "ok"),
            ("", until("2027-02-16", None), Status::Degraded, "domain-expiring"),
            ("", until("2027-01-25", None), Status::Degraded, "domain-expiring"),
            ("", until("2027-01-24", None), Status::Down, "domain-expiring"),
            ("", until("2027-01-17", None), Status::Down, "domain-expired"),
            (r#", "days_degraded": 1, "days_down": 0"#, until("2027-01-19", None), Status::Up, "ok"),
            ("", until("2030-01-01", Some(Trouble::ClientHold)), Status::Down, "domain-on-hold"),
            ("", until("2030-01-01", Some(Trouble::PendingDelete)), Status::Down, "domain-deleted"),
            (r#", "needs_expiry": false"#, until("", None), Status::Up, "ok"),
            ("", Said::Unregistered, Status::Down, "domain-unregistered"),
            (r#", "degraded_above_ms": 19"#, until("2030-01-01", None), Status::Degraded, "slow"),
        ] {
            let outcome = judged(fields, said).unwrap();
            assert_eq!((outcome.status, outcome.code.as_str()), (status, code), "{fields}: {}", outcome.message);
        }
        let expected =
            "the registration of a.com ends in 1 day, on 2027-01-19, sooner than in 7, says 192.0.2.7:443 by RDAP";
        assert_eq!(judged("", until("2027-01-19", None)).unwrap().message, expected);
    }

    #[test]
    fn what_a_registry_does_not_tell_says_nothing_of_the_domain() {
        assert_eq!(judged("", until("", None)).unwrap_err().code, "expiry-unknown");
        assert_eq!(judged("", Said::Unreadable).unwrap_err().code, "registry-silent");
    }
}
