//! Asks the registry: by RDAP, and by WHOIS where there is no RDAP or it did not answer.

use farwatch_guest::dialogue::{Dialogue, SHOWN_MAX, Wrong};
use farwatch_guest::escapes::show;
use farwatch_guest::outcome::problem_of_host;

use crate::config::Config;
use crate::record::Said;
use crate::wit::farwatch::check::http::{self, Request, Response, Version, Want};
use crate::wit::farwatch::check::tcp::Target;
use crate::wit::farwatch::check::types::{PhaseTimes, Problem};
use crate::{rdap, whois};

/// The largest answer that is read. Usual ones have some kilobytes.
const ANSWER_MAX: u32 = 256 << 10;
/// Registries send on to each other, but not in circles.
const REDIRECTS_MAX: usize = 3;

/// What a registry said.
pub struct Answer {
    /// What it means.
    pub said: Said,
    /// Where it came from.
    pub remote: String,
    /// How it was asked.
    pub way: &'static str,
    /// How long that took.
    pub times: PhaseTimes,
}

/// Why there is no answer: in words, or a problem of this host.
enum Silent {
    Because(String),
    Problem(Problem),
}

impl From<Wrong> for Silent {
    fn from(wrong: Wrong) -> Self {
        match wrong {
            Wrong::Failed(failure) => match problem_of_host(failure) {
                Ok(problem) => Self::Problem(problem),
                Err(failure) => Self::Because(failure.message),
            },
            Wrong::Problem(problem) => Self::Problem(problem),
            Wrong::Found(_, _, message) => Self::Because(message),
        }
    }
}

/// Asks it.
///
/// # Errors
/// When no registry answers in words that are understood: that says nothing of the domain.
pub fn registry(config: &Config, timeout_ms: u32) -> Result<Answer, Problem> {
    let (mut why, mut kept) = (Vec::new(), None);
    let mut left_ms = timeout_ms;
    if let Some(base) = &config.rdap {
        // Where there is another way, it gets a third of the time.
        let share_ms = if config.whois.is_some() { timeout_ms / 3 * 2 } else { timeout_ms };
        let mut taken_ms = 0;
        match by_rdap(&format!("{base}domain/{}", config.domain), share_ms, &mut taken_ms) {
            Ok(answer) if answer.is_enough(config) => return Ok(answer),
            Ok(answer) if answer.said == Said::Unreadable => why.push(answer.unread()),
            Ok(answer) => kept = Some(answer),
            Err(Silent::Because(message)) => why.push(format!("RDAP: {message}")),
            Err(Silent::Problem(problem)) => return Err(problem),
        }
        left_ms = timeout_ms.saturating_sub(taken_ms);
    }
    if let Some((host, port)) = &config.whois {
        match by_whois(config, host, *port, left_ms) {
            Ok(answer) if answer.said != Said::Unreadable => return Ok(answer),
            Ok(answer) => why.push(answer.unread()),
            Err(Silent::Because(message)) => why.push(format!("WHOIS: {message}")),
            Err(Silent::Problem(problem)) => return Err(problem),
        }
    }
    if let Some(answer) = kept {
        return Ok(answer);
    }
    let message = format!("no registry told of {}; {}", config.domain, why.join("; "));
    Err(Problem { code: "registry-silent".to_owned(), message, field: None })
}

impl Answer {
    /// Whether there is nothing more to find out by another way. That a domain is not known is asked twice: a registry may
    /// have moved since its server was written down.
    fn is_enough(&self, config: &Config) -> bool {
        let is_told =
            matches!(&self.said, Said::Registered(record) if record.expires.is_some() || !config.needs_expiry);
        self.said != Said::Unreadable && (is_told || config.whois.is_none())
    }

    fn unread(&self) -> String {
        format!("what {} said by {} is not understood", self.remote, self.way)
    }
}

fn by_rdap(url: &str, timeout_ms: u32, taken_ms: &mut u32) -> Result<Answer, Silent> {
    let mut url = url.to_owned();
    for _ in 0..=REDIRECTS_MAX {
        let response = fetch(&url, timeout_ms.saturating_sub(*taken_ms), taken_ms)?;
        let Response { status, location, body, body_truncated, remote, times, .. } = response;
        match location.filter(|to| to.starts_with("https://") || to.starts_with("http://")) {
            Some(to) => url = to,
            None => {
                let said = if body_truncated { Said::Unreadable } else { rdap::read(status, &body) };
                return Ok(Answer { said, remote: format!("{remote} (status {status})"), way: "RDAP", times });
            }
        }
    }
    Err(Silent::Because(format!("it sends on more than {REDIRECTS_MAX} times, last to {url}")))
}

fn fetch(url: &str, timeout_ms: u32, taken_ms: &mut u32) -> Result<Response, Silent> {
    let asked = http::fetch(Request {
        method: "GET",
        url,
        headers: &[("accept", "application/rdap+json")],
        body: None,
        version: Version::Automatic,
        verify_tls: true,
        client: None,
        ip_version: None,
        max_body_bytes: ANSWER_MAX,
        timeout_ms,
        want: Want::BODY,
    });
    let times = asked.as_ref().map_or_else(|failure| failure.times, |response| response.times);
    *taken_ms += times.total / 1_000;
    Ok(asked.map_err(Wrong::Failed)?)
}

fn by_whois(config: &Config, host: &str, port: u16, timeout_ms: u32) -> Result<Answer, Silent> {
    let dialogue = Dialogue::open(Target { host, port, ip_version: None, tls: None, timeout_ms })?;
    dialogue.send(whois::question(host, &config.domain).as_bytes())?;
    let answer = dialogue.rest(ANSWER_MAX)?;
    let evidence = dialogue.evidence();
    // Older servers write in other encodings, but facts in ASCII.
    let said = whois::read(&config.domain, &String::from_utf8_lossy(&answer));
    let shown = if said == Said::Unreadable { format!(" (`{}`)", show(&answer, SHOWN_MAX)) } else { String::new() };
    Ok(Answer { said, remote: format!("{}{shown}", evidence.remote), way: "WHOIS", times: evidence.times })
}
