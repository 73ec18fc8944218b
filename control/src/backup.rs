//! Backs up a whole database into one file, while control goes on: rows of every table, the same for both engines.
//!
//! The file holds what the database holds and nothing else. Secrets stay sealed, and the key they are sealed under is not
//! in it.

pub mod archive;

use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use farwatch_proto::time::UnixMs;
use serde::Serialize;

use crate::store::{DatabaseUrl, Snapshot, StoreError, Table};
use archive::{ArchiveError, Header, Writer};

/// The tables of what was measured. Without them a backup is small and its database begins a new account. That
/// folding has come so far stays known, so that the time before it is blank and not missed.
const HISTORY: [&str; 9] = [
    "journal",
    "block",
    "block_day",
    "late_failure",
    "evidence",
    "segment_mark",
    "host_mark",
    "leader_status",
    "leader_checkpoint",
];

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database cannot be read.
    #[error("cannot read the database {database}: {source}")]
    Database {
        /// Which.
        database: String,
        /// What is wrong.
        source: StoreError,
    },
    /// The file is there already.
    #[error("{} is there already; a backup overwrites nothing", .0.display())]
    Exists(PathBuf),
    /// The file cannot be written.
    #[error("cannot write {}: {source}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
}

/// What was backed up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackedUp {
    /// Where it is.
    pub file: PathBuf,
    /// How large the file is.
    pub bytes: u64,
    /// How many tables it holds.
    pub tables: usize,
    /// How many rows.
    pub rows: u64,
    /// Whether what was measured is in it.
    pub history: bool,
    /// When it was made.
    pub made: UnixMs,
}

/// Writes the database into a file that must not be there yet. `progress` is told the table and the rows so far.
pub async fn back_up(
    database: &DatabaseUrl,
    file: &Path,
    with_history: bool,
    now: UnixMs,
    mut progress: impl FnMut(&str, u64),
) -> Result<BackedUp, BackupError> {
    if file.exists() {
        return Err(BackupError::Exists(file.to_owned()));
    }
    let failed = |error| match error {
        ArchiveError::Database(source) => BackupError::Database { database: database.to_string(), source },
        ArchiveError::File(source) => BackupError::File { path: file.to_owned(), source },
    };
    let mut snapshot = Snapshot::open(database).await.map_err(|error| failed(ArchiveError::Database(error)))?;
    // Written aside first, so that nobody takes half a backup for a whole one.
    let partial = file.with_added_extension("partial");
    let written = write(&mut snapshot, &partial, with_history, now, &mut progress).await;
    let (tables, rows) = match written.and_then(|counts| Ok(fs::hard_link(&partial, file).map(|()| counts)?)) {
        Ok(counts) => counts,
        Err(error) => {
            // What cannot be removed either is named by its own ending.
            let _ = fs::remove_file(&partial);
            return Err(failed(error));
        }
    };
    let tidy = fs::remove_file(&partial).and_then(|()| sync_folder(file)).and_then(|()| fs::metadata(file));
    let bytes = tidy.map_err(|error| failed(ArchiveError::File(error)))?.len();
    snapshot.close().await.map_err(|error| failed(ArchiveError::Database(error)))?;
    Ok(BackedUp { file: file.to_owned(), bytes, tables, rows, history: with_history, made: now })
}

async fn write(
    snapshot: &mut Snapshot,
    partial: &Path,
    with_history: bool,
    now: UnixMs,
    progress: &mut impl FnMut(&str, u64),
) -> Result<(usize, u64), ArchiveError> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(partial)?;
    let header = Header { made: now, versions: snapshot.versions.clone(), history: with_history };
    let mut writer = Writer::begin(BufWriter::new(file), &header)?;
    let is_wanted = |table: &Table| with_history || !HISTORY.contains(&table.name.as_str());
    let tables: Vec<Table> = snapshot.tables.iter().filter(|table| is_wanted(table)).cloned().collect();
    for table in &tables {
        writer.table(table)?;
        progress(&table.name, writer.rows());
        snapshot
            .rows(table, |row| {
                writer.row(&row)?;
                if writer.rows().is_multiple_of(archive::PROGRESS_ROWS) {
                    progress(&table.name, writer.rows());
                }
                Ok::<(), ArchiveError>(())
            })
            .await?;
    }
    let rows = writer.rows();
    writer.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok((tables.len(), rows))
}

/// A name is on disk once its folder is.
fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(folder)?.sync_all()
}
