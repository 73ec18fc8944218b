//! The built-in `amqp` check: logs in to a broker that speaks AMQP 0-9-1, and looks at a queue or an exchange there without
//! touching it.
//!
//! It declares nothing, publishes nothing and consumes nothing.

mod config;
mod frame;
mod judge;
mod method;
mod table;
mod talk;

use farwatch_guest::check::Check;
use farwatch_guest::credentials;
use farwatch_guest::fields::{judge, reread};
use farwatch_guest::wit;
use wit::exports::farwatch::check::check::RunContext;
use wit::farwatch::check::types::{Outcome, Problem};

use crate::config::{BROKER, Config};
use crate::talk::converse;

/// The module, as the treaty sees it.
struct AmqpCheck;

impl Check for AmqpCheck {
    const NAME: &'static str = "amqp";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Logs in to an AMQP broker, and judges a queue by its messages and consumers.";
    const CAPABILITIES: &'static [&'static str] = &["tcp"];

    fn schema() -> String {
        credentials::schema(&BROKER.schema(&farwatch_guest::squeezed_text!("src/schema.json")))
    }

    fn validate(config: &str) -> Result<Vec<u8>, Vec<Problem>> {
        judge::<Config>(config)
    }

    fn run(context: &RunContext) -> Result<Outcome, Problem> {
        let config = reread::<Config>(&context.config)?;
        config.service.talk(context, |dialogue| converse(&config, dialogue))
    }
}

farwatch_guest::export!(AmqpCheck);
