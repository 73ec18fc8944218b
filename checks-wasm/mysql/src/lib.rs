//! The built-in `mysql` check: logs in to a MySQL or MariaDB server, asks one query in a session that may only read, and
//! judges its first value.
//!
//! It reads one row and changes nothing, whatever the query says.

mod config;
mod login;
mod packet;
mod proof;
mod refusal;
mod talk;

use farwatch_guest::check::Check;
use farwatch_guest::fields::{judge, reread};
use farwatch_guest::wit;
use wit::exports::farwatch::check::check::RunContext;
use wit::farwatch::check::types::{Outcome, Problem};

use crate::config::{Config, KIND};

/// How services are encrypted, as their schema has it, and how servers of this protocol are: never from the first byte.
const ANY_SECURITY: &str = r#"["none", "tls", "starttls"]"#;
const SECURITY: &str = r#"["none", "starttls"]"#;

/// The module, as the treaty sees it.
struct MysqlCheck;

impl Check for MysqlCheck {
    const NAME: &'static str = "mysql";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str =
        "Logs in to a MySQL or MariaDB server, asks a query that only reads, and judges its first value.";
    const CAPABILITIES: &'static [&'static str] = &["tcp"];

    fn schema() -> String {
        KIND.schema(&farwatch_guest::squeezed_text!("src/schema.json")).replace(ANY_SECURITY, SECURITY)
    }

    fn validate(config: &str) -> Result<Vec<u8>, Vec<Problem>> {
        judge::<Config>(config)
    }

    fn run(context: &RunContext) -> Result<Outcome, Problem> {
        let config = reread::<Config>(&context.config)?;
        config.service.talk(context, |dialogue| talk::converse(&config, context.timeout_ms, dialogue))
    }
}

farwatch_guest::export!(MysqlCheck);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_has_no_encryption_that_is_refused() {
        let schema = MysqlCheck::schema();
        assert!(schema.contains(SECURITY) && !schema.contains(ANY_SECURITY));
    }
}
