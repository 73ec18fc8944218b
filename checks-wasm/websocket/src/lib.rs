//! The built-in `websocket` check: opens a WebSocket (RFC 6455), and demands a pong, or a message that says what it should.
//!
//! It follows no redirects and agrees to no extensions.

mod config;
mod frame;
mod handshake;
mod talk;

use farwatch_guest::check::Check;
use farwatch_guest::fields::{judge, reread};
use farwatch_guest::wit;
use wit::exports::farwatch::check::check::RunContext;
use wit::farwatch::check::types::{Outcome, Problem};

use crate::config::{Config, SERVER};
use crate::talk::converse;

/// The module, as the treaty sees it.
struct WebsocketCheck;

impl Check for WebsocketCheck {
    const NAME: &'static str = "websocket";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Opens a WebSocket, and judges its pong or what it says.";
    const CAPABILITIES: &'static [&'static str] = &["tcp"];

    fn schema() -> String {
        SERVER.schema(&farwatch_guest::squeezed_text!("src/schema.json"))
    }

    fn validate(config: &str) -> Result<Vec<u8>, Vec<Problem>> {
        judge::<Config>(config)
    }

    fn run(context: &RunContext) -> Result<Outcome, Problem> {
        let config = reread::<Config>(&context.config)?;
        config.service.talk(context, |dialogue| converse(&config, dialogue))
    }
}

farwatch_guest::export!(WebsocketCheck);
