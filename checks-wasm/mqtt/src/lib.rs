//! The built-in `mqtt` check: logs in to a broker and sends a message through it to itself, or reads a retained one.
//!
//! It speaks MQTT 3.1.1 and 5 and leaves no session, no subscription and no retained message behind.

mod config;
mod packet;
mod refusal;
mod talk;

use farwatch_guest::check::Check;
use farwatch_guest::fields::{judge, reread};
use farwatch_guest::wit;
use wit::exports::farwatch::check::check::RunContext;
use wit::farwatch::check::entropy;
use wit::farwatch::check::types::{Outcome, Problem};

use crate::config::{BROKER, Config};
use crate::talk::{Names, converse};

/// The module, as the treaty sees it.
struct MqttCheck;

impl Check for MqttCheck {
    const NAME: &'static str = "mqtt";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Sends a message through an MQTT broker to itself, or reads a retained one.";
    const CAPABILITIES: &'static [&'static str] = &["tcp"];

    fn schema() -> String {
        BROKER.schema(&farwatch_guest::squeezed_text!("src/schema.json"))
    }

    fn validate(config: &str) -> Result<Vec<u8>, Vec<Problem>> {
        judge::<Config>(config)
    }

    fn run(context: &RunContext) -> Result<Outcome, Problem> {
        let config = reread::<Config>(&context.config)?;
        let names = Names::of(&entropy::get(Names::DRAWN));
        config.service.talk(context, |dialogue| converse(&config, &names, dialogue))
    }
}

farwatch_guest::export!(MqttCheck);
