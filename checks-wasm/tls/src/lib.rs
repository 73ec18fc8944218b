//! The built-in `tls` check: what a server shows in its handshake, and which old ways of speaking it still accepts.
//!
//! It speaks to nobody by itself: the host's `tls` does.

mod config;
mod judge;
mod run;
mod staple;
mod suites;

use farwatch_guest::check::Check;
use farwatch_guest::fields::judge;
use farwatch_guest::wit;
use wit::exports::farwatch::check::check::RunContext;
use wit::farwatch::check::tls;
use wit::farwatch::check::types::{Outcome, Problem};

use crate::config::Config;

/// The module, as the treaty sees it.
struct TlsCheck;

impl Check for TlsCheck {
    const NAME: &'static str = "tls";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Judges a server's certificate, its versions of TLS and its cipher suites.";
    const CAPABILITIES: &'static [&'static str] = &["tls"];

    fn schema() -> String {
        farwatch_guest::squeezed_text!("src/schema.json")
    }

    fn validate(config: &str) -> Result<Vec<u8>, Vec<Problem>> {
        judge::<Config>(config)
    }

    fn run(context: &RunContext) -> Result<Outcome, Problem> {
        run::run(context, |target| tls::shake_hands(target, &[]), tls::propose)
    }
}

farwatch_guest::export!(TlsCheck);
