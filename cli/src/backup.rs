//! `farwatch backup`: the whole database into one file, while control goes on.

use std::path::PathBuf;

use clap::Args;
use farwatch_control::backup::{BackedUp, BackupError, back_up};
use farwatch_control::clock::Clock;
use farwatch_control::config::database_of;
use farwatch_control::store::DatabaseUrl;

use crate::exit::{CANNOT_CREATE, Failure, NO_INPUT, OrFail, UNAVAILABLE, USAGE};
use crate::output::{print, progress};

/// What both words say about where the database is.
#[derive(Args, Debug)]
pub(crate) struct DatabaseArgs {
    /// Where the embedded database is kept
    #[arg(long, env = "FARWATCH_DATA", default_value = "farwatch-data", value_name = "DIR")]
    data: PathBuf,
    /// Another database than the embedded one
    #[arg(long, env = "FARWATCH_DATABASE", hide_env_values = true, value_name = "URL")]
    database: Option<String>,
}

impl DatabaseArgs {
    /// The database that is meant.
    pub(crate) fn url(&self) -> Result<DatabaseUrl, Failure> {
        database_of(self.database.as_deref(), &self.data).or_fail(USAGE)
    }
}

/// Back up the database into a file, while control goes on
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  farwatch backup farwatch-2026-11-23.backup --data /var/lib/farwatch
  farwatch backup settings.backup --database postgres://farwatch@db/farwatch --without-history

The master key is not in the file, and without it nobody can read the secrets that are: keep a copy of it elsewhere.")]
pub(crate) struct BackupArgs {
    /// The file to make; nothing is overwritten
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Leave out what was measured: results and hours, but not incidents
    #[arg(long)]
    without_history: bool,
    #[command(flatten)]
    database: DatabaseArgs,
    /// Print JSON for machines
    #[arg(long)]
    json: bool,
}

impl BackupArgs {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let database = self.database.url()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().or_fail(UNAVAILABLE)?;
        let tell = |table: &str, rows: u64| progress(&format!("{table}, {rows} rows …"));
        let backed_up = back_up(&database, &self.file, !self.without_history, Clock.wall(), tell);
        let backed_up = runtime.block_on(backed_up);
        progress("");
        let backed_up = backed_up.map_err(|error| Failure::new(code_of(&error), error))?;
        if self.json {
            return print(&format!("{}\n", serde_json::to_string_pretty(&backed_up).or_fail(UNAVAILABLE)?));
        }
        print(&told(&backed_up))
    }
}

fn told(backed_up: &BackedUp) -> String {
    let BackedUp { file, bytes, tables, rows, .. } = backed_up;
    let history = if backed_up.history { "" } else { " Without history: a restored account begins anew." };
    format!(
        "{}: {rows} rows of {tables} tables, {} KiB.{history}\nThe master key is not in it: keep a copy of it elsewhere, \
         or the secrets in the file are lost.\n",
        file.display(),
        bytes.div_ceil(1024)
    )
}

const fn code_of(error: &BackupError) -> u8 {
    match error {
        BackupError::Database { .. } => NO_INPUT,
        BackupError::Exists(_) | BackupError::File { .. } => CANNOT_CREATE,
    }
}
