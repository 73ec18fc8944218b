//! The built-in `http-flow` check: several requests in a row, as a visitor makes them, which use what earlier answers
//! brought.
//!
//! Cookies and values live for one run. Everything that is true of one request is shared with `http`.

mod capture;
mod config;
mod cookies;
mod run;
mod template;

use farwatch_guest::check::Check;
use farwatch_guest::fields::{judge, reread};
use farwatch_guest::web::{schema, wish::Revealed};
use farwatch_guest::wit;
use wit::exports::farwatch::check::check::RunContext;
use wit::farwatch::check::http;
use wit::farwatch::check::types::{Outcome, Problem};

use crate::config::Config;

/// The module, as the treaty sees it.
struct HttpFlowCheck;

impl Check for HttpFlowCheck {
    const NAME: &'static str = "http-flow";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str =
        "Makes several HTTP requests in a row and judges each, carrying values and cookies on.";
    const CAPABILITIES: &'static [&'static str] = &["http"];

    fn schema() -> String {
        schema(&farwatch_guest::squeezed_text!("src/schema.json"))
    }

    fn validate(config: &str) -> Result<Vec<u8>, Vec<Problem>> {
        judge::<Config>(config)
    }

    fn run(context: &RunContext) -> Result<Outcome, Problem> {
        run::run(context, &reread(&context.config)?, &Revealed, http::fetch)
    }
}

farwatch_guest::export!(HttpFlowCheck);
