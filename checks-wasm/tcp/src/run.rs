//! One run: one conversation, as the plan says.
//!
//! What its answer means is decided in `judge`.

use farwatch_guest::outcome::{failed, unreadable};

use crate::config::ANSWER_MAX;
use crate::judge;
use crate::plan::{Plan, Until};
use crate::wit::exports::farwatch::check::check::RunContext;
use crate::wit::farwatch::check::tcp::{self, Connection, Ended, Evidence, Received, Target, TlsOptions};
use crate::wit::farwatch::check::types::{Failure, Outcome, Problem};

/// What is to be said to whom, and how the answer ends.
pub struct Talk<'a> {
    /// To whom.
    pub target: Target<'a>,
    /// What to say.
    pub send: Option<&'a [u8]>,
    /// What ends the answer; none reads none.
    pub until: Option<tcp::Until<'a>>,
}

/// What came of it.
pub struct Conversation {
    /// What was received.
    pub bytes: Vec<u8>,
    /// Why reading ended; none where nothing was to be read.
    pub ended: Option<Ended>,
    /// What was seen on the way.
    pub evidence: Evidence,
}

/// Makes the run, asking by `converse`.
///
/// # Errors
/// A problem that says nothing about the target: the prepared config is damaged, or the host refused the probe.
pub fn run(
    context: &RunContext,
    converse: impl FnOnce(Talk<'_>) -> Result<Conversation, Failure>,
) -> Result<Outcome, Problem> {
    let plan = Plan::decode(&context.config).ok_or_else(unreadable)?;
    match converse(talk(&plan, context.timeout_ms)) {
        Ok(conversation) => Ok(judge::conversation(&plan, &conversation, context.now_ms)),
        Err(failure) => failed(failure),
    }
}

/// Holds the conversation over a connection of the host.
///
/// # Errors
/// Why there is none.
pub fn converse(talk: Talk<'_>) -> Result<Conversation, Failure> {
    let connection = Connection::open(talk.target)?;
    if let Some(bytes) = talk.send {
        connection.send(bytes)?;
    }
    let received = talk.until.map(|until| connection.receive(until, ANSWER_MAX)).transpose()?;
    let evidence = connection.evidence();
    let (bytes, ended) = received.map_or((Vec::new(), None), |Received { bytes, ended }| (bytes, Some(ended)));
    Ok(Conversation { bytes, ended, evidence })
}

fn talk<'a>(plan: &'a Plan<'_>, timeout_ms: u32) -> Talk<'a> {
    let tls = plan.tls.as_ref().map(|tls| TlsOptions {
        server_name: tls.server_name,
        verify: tls.verify,
        certificates: false,
        alpn: &[],
        client: None,
    });
    Talk {
        target: Target { host: plan.host, port: plan.port, ip_version: plan.ip_version, tls, timeout_ms },
        send: plan.send.as_deref(),
        until: plan.until.as_ref().map(|until| match until {
            Until::Delimiter(bytes) => tcp::Until::Delimiter(bytes),
            Until::Count(count) => tcp::Until::Count(*count),
        }),
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
