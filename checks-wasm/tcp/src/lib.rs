//! The built-in `tcp` check: a connection, what is said over it, and what was expected of the answer.
//!
//! It keeps nothing, resolves nothing and connects to nothing by itself: the host's `tcp` does. Everything that
//! can be done once is done in `validate`; a run decodes a few bytes, has its conversation and compares.

mod config;
mod judge;
mod plan;
mod run;

use farwatch_guest::check::Check;
use farwatch_guest::wit;
use wit::exports::farwatch::check::check::RunContext;
use wit::farwatch::check::types::{Outcome, Problem};

/// The module, as the treaty sees it.
struct TcpCheck;

impl Check for TcpCheck {
    const NAME: &'static str = "tcp";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str =
        "Connects to a port, sends a text, and judges the answer, its times and the certificate.";
    const CAPABILITIES: &'static [&'static str] = &["tcp"];

    fn schema() -> String {
        farwatch_guest::squeezed_text!("src/schema.json")
    }

    fn validate(config: &str) -> Result<Vec<u8>, Vec<Problem>> {
        config::prepare(config)
    }

    fn run(context: &RunContext) -> Result<Outcome, Problem> {
        run::run(context, run::converse)
    }
}

farwatch_guest::export!(TcpCheck);
