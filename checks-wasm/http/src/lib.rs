//! The built-in `http` check: one request, its redirects, and what was expected of the answer.
//!
//! It keeps nothing, resolves nothing and connects to nothing by itself: the host's `http.fetch` does. Everything that
//! can be done once is done in `validate`; a run decodes a few bytes, makes its request and compares.

mod config;
mod judge;
mod plan;
mod run;
mod statuses;
mod url;

use farwatch_guest::wit;
use wit::exports::farwatch::check::check::{Description, Guest, Prepared, RunContext};
use wit::farwatch::check::types::{Outcome, Problem};

/// The module, as the treaty sees it.
struct HttpCheck;

impl Guest for HttpCheck {
    fn describe() -> Description {
        Description {
            name: "http".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Fetches a URL and judges status, body, response time and certificate.".to_owned(),
            config_schema: include_str!("schema.json").to_owned(),
            capabilities: vec!["http".to_owned()],
        }
    }

    fn validate(config: String) -> Result<Prepared, Vec<Problem>> {
        config::prepare(&config).map(|config| Prepared { config })
    }

    fn run(context: RunContext) -> Result<Outcome, Problem> {
        run::run(&context, wit::farwatch::check::http::fetch)
    }
}

wit::export!(HttpCheck with_types_in farwatch_guest::wit);
