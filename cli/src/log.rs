//! The program's log: one line per event on stderr, for people or for machines.

use std::io::IsTerminal;

use clap::Args;
use farwatch_control::otlp::SpanLayer;
use tracing::Metadata;
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry};

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

    /// Starts logging, and telling of spans where somebody wants them. `FARWATCH_LOG` filters by level and module.
    pub(crate) fn start(self, spans: Option<SpanLayer<Registry>>) -> Result<(), Failure> {
        // Lines are about events. A span that nobody wants costs nothing.
        let events = filter()?.and(filter_fn(|metadata: &Metadata<'_>| metadata.is_event()));
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
        let lines = match self.log_format {
            Format::Json => lines.json().boxed(),
            Format::Text => {
                let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
                lines.with_ansi(colours).boxed()
            }
        };
        tracing_subscriber::registry().with(spans).with(lines.with_filter(events)).init();
        Ok(())
    }
}

fn filter() -> Result<EnvFilter, Failure> {
    let asked = std::env::var(FILTER).unwrap_or_default();
    let asked = if asked.is_empty() { DEFAULT_FILTER } else { &asked };
    let advice = "write a level such as debug, or one per module such as info,farwatch_control=debug";
    EnvFilter::try_new(asked).map_err(|why| Failure::new(USAGE, format_args!("{FILTER} {asked}: {why}; {advice}")))
}
