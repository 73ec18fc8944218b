//! The built-in `sip` check: asks a SIP server what it can do (`OPTIONS`), and judges the status of its answer.
//!
//! It registers nobody and makes no call.

mod config;
mod message;
mod talk;

use farwatch_guest::check::Check;
use farwatch_guest::fields::{judge, reread};
use farwatch_guest::wit;
use wit::exports::farwatch::check::check::RunContext;
use wit::farwatch::check::entropy;
use wit::farwatch::check::types::{Outcome, Problem};

use crate::config::{Config, KIND, Transport};
use crate::message::Question;

/// The module, as the treaty sees it.
struct SipCheck;

impl Check for SipCheck {
    const NAME: &'static str = "sip";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Asks a SIP server for its options, and judges the status of the answer.";
    const CAPABILITIES: &'static [&'static str] = &["tcp", "udp"];

    fn schema() -> String {
        KIND.schema(&farwatch_guest::squeezed_text!("src/schema.json"))
    }

    fn validate(config: &str) -> Result<Vec<u8>, Vec<Problem>> {
        judge::<Config>(config)
    }

    fn run(context: &RunContext) -> Result<Outcome, Problem> {
        let config = reread::<Config>(&context.config)?;
        let question = Question::new(&config, &entropy::get(message::DRAWN));
        match config.transport {
            Transport::Udp => talk::over_udp(&config, &question, context.timeout_ms),
            Transport::Tcp => {
                config.service.talk(context, |dialogue| talk::over_connection(&config, &question, dialogue))
            }
        }
    }
}

farwatch_guest::export!(SipCheck);
