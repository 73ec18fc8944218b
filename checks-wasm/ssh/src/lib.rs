//! The built-in `ssh` check: the key exchange with the proof of the host key, and a login where one is wanted.
//!
//! It opens no channel and runs no command. What it can verify are host keys of Ed25519, ECDSA on nistp256 and RSA with
//! SHA-2; what it can exchange keys by are curve25519 and nistp256, each with SHA-256.

mod config;
mod exchange;
mod host_key;
mod identity;
mod login;
mod offer;
mod packets;
mod rsa;
mod sealing;
mod talk;
mod wire;

use farwatch_guest::check::Check;
use farwatch_guest::fields::{judge, reread};
use farwatch_guest::wit;
use wit::exports::farwatch::check::check::RunContext;
use wit::farwatch::check::types::{Outcome, Problem};

use crate::config::Config;

/// The module, as the treaty sees it.
struct SshCheck;

impl Check for SshCheck {
    const NAME: &'static str = "ssh";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str =
        "Exchanges keys with an SSH server, verifies its host key, and logs in where that is wanted.";
    const CAPABILITIES: &'static [&'static str] = &["tcp"];

    fn schema() -> String {
        farwatch_guest::squeezed_text!("src/schema.json")
    }

    fn validate(config: &str) -> Result<Vec<u8>, Vec<Problem>> {
        judge::<Config>(config)
    }

    fn run(context: &RunContext) -> Result<Outcome, Problem> {
        let config = reread::<Config>(&context.config)?;
        config.service.talk(context, |dialogue| talk::talk(&config, dialogue))
    }
}

farwatch_guest::export!(SshCheck);
