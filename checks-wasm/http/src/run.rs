//! One run: a token where one is needed, the request, and its redirects.
//!
//! What most checks ask for is read from a plan without a parser and without copies. What an answer means is not decided here.

use farwatch_guest::fields::reread;
use farwatch_guest::outcome::{integer, unreadable};
use farwatch_guest::web::exchange::{Time, left_ms, look};
use farwatch_guest::web::wish::Filling;

use crate::config::{AS_JSON, Config};
use crate::plan::Plan;
use crate::token::{self, Token};
use crate::wit::exports::farwatch::check::check::RunContext;
use crate::wit::farwatch::check::http::{Request, Response};
use crate::wit::farwatch::check::types::{Failure, Outcome, Problem};

/// Makes the run, asking by `fetch`.
///
/// # Errors
/// A problem that says nothing about the target: the prepared config is damaged, a secret is missing, or the host refused
/// the request.
pub fn run(
    context: &RunContext,
    filling: &impl Filling,
    fetch: impl FnMut(Request<'_>) -> Result<Response, Failure>,
) -> Result<Outcome, Problem> {
    let time = Time { now_ms: context.now_ms, timeout_ms: context.timeout_ms };
    if let Some((&AS_JSON, json)) = context.config.split_first() {
        return run_config(&reread::<Config>(json)?, time, filling, fetch);
    }
    let Plan { ask, expect } = Plan::decode(&context.config).ok_or_else(unreadable)?;
    look(&ask, &expect, expect.wants(), time, fetch).map(|(outcome, _)| outcome)
}

fn run_config(
    config: &Config,
    mut time: Time,
    filling: &impl Filling,
    mut fetch: impl FnMut(Request<'_>) -> Result<Response, Failure>,
) -> Result<Outcome, Problem> {
    let mut ready = config.wish.ready(filling)?;
    let mut token_us = None;
    if let Some(grant) = &config.grant {
        match token::fetch(grant, &config.wish, time, filling, &mut fetch)? {
            Token::Granted(token, took_us) => {
                ready.bearer(&token);
                time.timeout_ms = left_ms(time.timeout_ms, took_us);
                token_us = Some(took_us);
            }
            Token::Refused(outcome) => return Ok(outcome),
        }
    }
    let expect = &config.expect;
    let (mut outcome, _) = look(&ready.ask(), expect, expect.wants(), time, fetch)?;
    outcome.attributes.extend(token_us.map(|took_us| integer("http.token-us", took_us as i64)));
    Ok(outcome)
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
