//! `farwatch restore`: a backup into an empty database, of either engine.

use std::path::PathBuf;

use clap::Args;
use farwatch_control::clock::Clock;
use farwatch_control::restore::{RestoreError, RestoreReport, restore};

use crate::backup::DatabaseArgs;
use crate::exit::{Failure, NO_INPUT, OrFail, UNAVAILABLE};
use crate::output::{print, progress};

/// Restore a backup into an empty database, while no control runs on it
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  farwatch restore farwatch-2026-11-23.backup --data /var/lib/farwatch
  farwatch restore farwatch-2026-11-23.backup --database postgres://farwatch@db/farwatch

Control must find the same master key as before. Hosts need nothing: they connect again, and send what the backup lacks
as far as they still hold it.")]
pub(crate) struct RestoreArgs {
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    database: DatabaseArgs,
    /// Print JSON for machines
    #[arg(long)]
    json: bool,
}

impl RestoreArgs {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let database = self.database.url()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().or_fail(UNAVAILABLE)?;
        let tell = |what: &str, rows: u64| progress(&format!("{what}, {rows} rows …"));
        let restored = runtime.block_on(restore(&self.file, &database, Clock.wall(), tell));
        progress("");
        let restored = restored.map_err(|error| Failure::new(code_of(&error), error))?;
        if self.json {
            return print(&format!("{}\n", serde_json::to_string_pretty(&restored).or_fail(UNAVAILABLE)?));
        }
        print(&told(&restored))
    }
}

fn told(restored: &RestoreReport) -> String {
    let RestoreReport { rows, era, held, .. } = restored;
    let held = match held {
        0 => String::new(),
        _ => format!(
            "{held} deliveries had not been sent when the backup was made and are held, for they may have been sent \
             since: see `farwatch delivery held`.\n"
        ),
    };
    format!("{rows} rows restored; era {era} begins. Control may start, with the master key it had.\n{held}")
}

const fn code_of(error: &RestoreError) -> u8 {
    match error {
        RestoreError::File { .. } | RestoreError::Database { .. } => NO_INPUT,
        RestoreError::InUse(_) => UNAVAILABLE,
    }
}
