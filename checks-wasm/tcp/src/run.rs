//! One run: one conversation, as the plan says.
//!
//! What its answer means is decided in `judge`.

use farwatch_guest::outcome::unreadable;

use crate::config::ANSWER_MAX;
use crate::judge;
use crate::plan::{Plan, Until};
use crate::wit::exports::farwatch::check::check::RunContext;
use crate::wit::farwatch::check::tcp::{self, Receive, Request, Response, TlsOptions};
use crate::wit::farwatch::check::types::{Failure, Outcome, Problem};

/// Makes the run, asking by `converse`.
///
/// # Errors
/// A problem that says nothing about the target: the prepared config is damaged, or the host refused the probe.
pub fn run(
    context: &RunContext,
    converse: impl FnOnce(Request<'_>) -> Result<Response, Failure>,
) -> Result<Outcome, Problem> {
    let plan = Plan::decode(&context.config).ok_or_else(unreadable)?;
    match converse(request(&plan, context.timeout_ms)) {
        Ok(response) => Ok(judge::response(&plan, &response, context.now_ms)),
        Err(failure) => judge::failure(failure),
    }
}

fn request<'a>(plan: &'a Plan<'_>, timeout_ms: u32) -> Request<'a> {
    Request {
        host: plan.host,
        port: plan.port,
        ip_version: plan.ip_version,
        tls: plan.tls.as_ref().map(|tls| TlsOptions {
            server_name: tls.server_name,
            verify: tls.verify,
            certificates: false,
        }),
        send: plan.send.as_deref(),
        receive: plan.until.as_ref().map(|until| Receive {
            until: match until {
                Until::Delimiter(bytes) => tcp::Until::Delimiter(bytes),
                Until::Count(count) => tcp::Until::Count(*count),
            },
            max_bytes: ANSWER_MAX,
        }),
        timeout_ms,
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
