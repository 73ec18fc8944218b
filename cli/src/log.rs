//! The program's log: one line per event on stderr, for people or for machines.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// What is logged where nothing else is asked for.
const DEFAULT_FILTER: &str = "info";

/// Starts logging. `FARWATCH_LOG` filters by level and module; `FARWATCH_LOG_FORMAT=json` makes lines
/// for machines.
pub(crate) fn start() {
    let filter = EnvFilter::try_from_env("FARWATCH_LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::env::var("FARWATCH_LOG_FORMAT").is_ok_and(|format| format == "json") {
        lines.json().init();
    } else {
        let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        lines.with_ansi(colours).init();
    }
}
