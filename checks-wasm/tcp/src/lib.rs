//! The built-in `tcp` check: a connection, what is said over it, and what was expected of the answer.
//!
//! It keeps nothing, resolves nothing and connects to nothing by itself: the host's `tcp` does. Everything that
//! can be done once is done in `validate`; a run decodes a few bytes, has its conversation and compares.

mod config;
mod judge;
mod plan;
mod run;

use farwatch_guest::wit;
use wit::exports::farwatch::check::check::{Description, Guest, Prepared, RunContext};
use wit::farwatch::check::types::{Outcome, Problem};

/// The module, as the treaty sees it.
struct TcpCheck;

impl Guest for TcpCheck {
    fn describe() -> Description {
        Description {
            name: "tcp".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Connects to a port, sends a text, and judges the answer, its times and the certificate."
                .to_owned(),
            config_schema: include_str!("schema.json").to_owned(),
            capabilities: vec!["tcp".to_owned()],
        }
    }

    fn validate(config: String) -> Result<Prepared, Vec<Problem>> {
        config::prepare(&config).map(|config| Prepared { config })
    }

    fn run(context: RunContext) -> Result<Outcome, Problem> {
        run::run(&context, run::converse)
    }
}

wit::export!(TcpCheck with_types_in farwatch_guest::wit);
