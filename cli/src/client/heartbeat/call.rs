//! One call of a job: tried again a few times, for a signal that is lost is an alarm for nothing.

use std::fs;
use std::io::{Read, stdin};
use std::thread::sleep;
use std::time::Duration;

use clap::Args;
use ureq::Agent;

use crate::exit::{Failure, NO_INPUT, REFUSED, UNAVAILABLE, USAGE};

/// How long one attempt may take.
const LIMIT: Duration = Duration::from_secs(10);
/// What lies between attempts: enough for a takeover of the control plane, and short enough for a job to wait for.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(8)];
/// What is sent along at most; control keeps the end of it.
pub(super) const SENT_MAX_BYTES: usize = 64 * 1024;

/// Say how a job is
#[derive(Args, Debug)]
pub(super) struct SendArgs {
    /// Where the job calls, as `farwatch heartbeat show` says
    #[arg(value_name = "URL")]
    url: String,
    /// success, start, fail, log or an exit status
    #[arg(value_name = "WORD", default_value = "success")]
    word: String,
    /// Send the end of this file along; - is standard input
    #[arg(long, value_name = "FILE")]
    with: Option<String>,
}

impl SendArgs {
    pub(super) fn send(&self) -> Result<(), Failure> {
        let text = self.with.as_deref().map(text_in).transpose()?.unwrap_or_default();
        call(&url_of(&self.url)?, &self.word, &text)
    }
}

/// The URL of a job, which must be one.
pub(super) fn url_of(said: &str) -> Result<String, Failure> {
    let is_url = said.starts_with("http://") || said.starts_with("https://");
    if is_url && said.contains("/heartbeat/") {
        return Ok(said.trim_end_matches('/').to_owned());
    }
    let advice = "`farwatch heartbeat show` tells the URL of a job";
    Err(Failure::new(USAGE, format_args!("{said:?} is no URL of a heartbeat; {advice}")))
}

fn text_in(place: &str) -> Result<Vec<u8>, Failure> {
    let read = match place {
        "-" => {
            let mut text = Vec::new();
            stdin().read_to_end(&mut text).map(|_| text)
        }
        file => fs::read(file),
    };
    let text = read.map_err(|error| Failure::new(NO_INPUT, format_args!("cannot read --with {place}: {error}")))?;
    Ok(text[text.len().saturating_sub(SENT_MAX_BYTES)..].to_vec())
}

/// Calls, and again where nobody answers.
pub(super) fn call(url: &str, word: &str, text: &[u8]) -> Result<(), Failure> {
    let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(LIMIT)).build();
    let agent: Agent = config.into();
    let mut pauses = PAUSES.iter();
    loop {
        let Err(failure) = once(&agent, &format!("{url}/{word}"), text) else { return Ok(()) };
        match (failure.passes, pauses.next()) {
            (true, Some(pause)) => sleep(*pause),
            _ => return Err(failure.told),
        }
    }
}

/// Why a call was not heard.
struct Unheard {
    /// Whether it may be heard a little later.
    passes: bool,
    told: Failure,
}

fn once(agent: &Agent, url: &str, text: &[u8]) -> Result<(), Unheard> {
    let answer = agent.post(url).header("user-agent", concat!("farwatch/", env!("CARGO_PKG_VERSION"))).send(text);
    let mut answer = answer.map_err(|error| Unheard {
        passes: true,
        told: Failure::new(UNAVAILABLE, format_args!("the signal was not heard: {error}")),
    })?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let said = answer.body_mut().read_to_string().unwrap_or_default();
    let detail = serde_json::from_str::<serde_json::Value>(&said).ok();
    let detail = detail.and_then(|problem| problem["detail"].as_str().map(str::to_owned)).unwrap_or_default();
    let passes = status.is_server_error() || status.as_u16() == 429;
    let code = if passes { UNAVAILABLE } else { REFUSED };
    Err(Unheard { passes, told: Failure::new(code, format_args!("the signal was not heard, got {status}: {detail}")) })
}
