//! The program's log: one line per event on stderr, for people or for machines.

use std::io::IsTerminal;

use clap::Args;
use tracing_subscriber::EnvFilter;

use crate::exit::{Failure, USAGE};

/// What is logged where nothing else is asked for.
const DEFAULT_FILTER: &str = "info";
/// The variable that asks for something else, by level and module.
const FILTER: &str = "FARWATCH_LOG";

/// How the log is written.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct LogArgs {
    /// How log lines are written: `text` for people, `json` for machines.
    #[arg(long, env = "FARWATCH_LOG_FORMAT", default_value = "text", value_parser = format, value_name = "FORMAT")]
    log_format: Format,
}

/// For whom lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For machines: an object per line.
    Json,
}

fn format(text: &str) -> Result<Format, String> {
    match text {
        "text" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        _ => Err(format!("{text}: write text or json")),
    }
}

impl LogArgs {
    /// The same for a child process.
    pub(crate) fn flag(self) -> String {
        let word = match self.log_format {
            Format::Text => "text",
            Format::Json => "json",
        };
        format!("--log-format={word}")
    }

    /// Starts logging. `FARWATCH_LOG` filters by level and module.
    pub(crate) fn start(self) -> Result<(), Failure> {
        let lines = tracing_subscriber::fmt().with_env_filter(filter()?).with_writer(std::io::stderr);
        match self.log_format {
            Format::Json => lines.json().init(),
            Format::Text => {
                let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
                lines.with_ansi(colours).init();
            }
        }
        Ok(())
    }
}

fn filter() -> Result<EnvFilter, Failure> {
    let asked = std::env::var(FILTER).unwrap_or_default();
    let asked = if asked.is_empty() { DEFAULT_FILTER } else { &asked };
    let advice = "write a level such as debug, or one per module such as info,farwatch_control=debug";
    EnvFilter::try_new(asked).map_err(|why| Failure::new(USAGE, format_args!("{FILTER} {asked}: {why}; {advice}")))
}
