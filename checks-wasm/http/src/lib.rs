//! The built-in `http` check: one request, its redirects, and what was expected of the answer.
//!
//! It keeps nothing, resolves nothing and connects to nothing by itself: the host's `http.fetch` does. Everything that
//! can be done once is done in `validate`; a run decodes a few bytes, makes its request and compares.

mod config;
mod plan;
mod run;
mod token;

use farwatch_guest::check::Check;
use farwatch_guest::web::{schema, wish::Revealed};
use farwatch_guest::wit;
use wit::exports::farwatch::check::check::RunContext;
use wit::farwatch::check::http;
use wit::farwatch::check::types::{Outcome, Problem};

/// The module, as the treaty sees it.
struct HttpCheck;

impl Check for HttpCheck {
    const NAME: &'static str = "http";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Fetches a URL and judges status, headers, body, times and certificate.";
    const CAPABILITIES: &'static [&'static str] = &["http"];

    fn schema() -> String {
        schema(&farwatch_guest::squeezed_text!("src/schema.json"))
    }

    fn validate(config: &str) -> Result<Vec<u8>, Vec<Problem>> {
        config::prepare(config)
    }

    fn run(context: &RunContext) -> Result<Outcome, Problem> {
        run::run(context, &Revealed, http::fetch)
    }
}

farwatch_guest::export!(HttpCheck);
