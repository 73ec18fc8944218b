//! Restores a backup into an empty database, of either engine.
//!
//! The file is read twice: whole and checked before anything is written, and then row by row. Nothing is restored over
//! what is there, and what is restored is restored whole.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use farwatch_proto::time::UnixMs;
use serde::Serialize;

use crate::backup::archive::{ArchiveError, Header, Item, PROGRESS_ROWS, Reader};
use crate::sole::{NotSole, Sole};
use crate::store::{Cell, DatabaseUrl, Restoring, StoreError, Table};

/// Rows that are inserted at once; with the widest table it stays far below SQLite's 32,766 parameters.
const ROWS_AT_ONCE: usize = 100;
/// Bytes that are inserted at once, for rows can be modules.
const BYTES_AT_ONCE: usize = 4 << 20;

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The file is no whole backup.
    #[error("cannot restore {}: {source}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// The database does not take it.
    #[error("cannot restore into {database}: {source}")]
    Database {
        /// Which.
        database: String,
        /// What is wrong.
        source: StoreError,
    },
    /// Control runs on the file.
    #[error("control uses {0}; stop it first")]
    InUse(String),
}

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RestoreReport {
    /// When the backup was made.
    pub made: UnixMs,
    /// Whether what was measured is in it.
    pub history: bool,
    /// How many rows were restored.
    pub rows: u64,
    /// The era that begins.
    pub era: u32,
    /// Deliveries that were not sent when the backup was made, and now wait for the operator's word.
    pub held: u64,
}

/// Checks the backup, and fills the database from it. `progress` is told what is done and the rows so far.
pub async fn restore(
    file: &Path,
    database: &DatabaseUrl,
    now: UnixMs,
    mut progress: impl FnMut(&str, u64),
) -> Result<RestoreReport, RestoreError> {
    let named = database.to_string();
    let failed = |error| match error {
        ArchiveError::File(source) => RestoreError::File { path: file.to_owned(), source },
        ArchiveError::Database(source) => RestoreError::Database { database: named.clone(), source },
    };
    let header = verify(file, &mut progress).map_err(|error| failed(ArchiveError::File(error)))?;
    let _sole = database.path().map(|path| sole_on(path, &named)).transpose()?;
    fill(file, database, header, now, &mut progress).await.map_err(failed)
}

fn sole_on(path: &Path, database: &str) -> Result<Sole, RestoreError> {
    Sole::on(path).map_err(|why| match why {
        NotSole::Taken => RestoreError::InUse(database.to_owned()),
        NotSole::Unusable(path, source) => {
            RestoreError::Database { database: database.to_owned(), source: StoreError::Unreadable { path, source } }
        }
    })
}

/// Reads the whole file, and so its checksum.
fn verify(file: &Path, progress: &mut impl FnMut(&str, u64)) -> io::Result<Header> {
    let mut reader = Reader::begin(File::open(file)?)?;
    let mut rows = 0;
    while let Some(item) = reader.item()? {
        rows += u64::from(matches!(item, Item::Row(_)));
        if rows % PROGRESS_ROWS == 0 {
            progress("checking", rows);
        }
    }
    Ok(reader.header)
}

async fn fill(
    file: &Path,
    database: &DatabaseUrl,
    header: Header,
    now: UnixMs,
    progress: &mut impl FnMut(&str, u64),
) -> Result<RestoreReport, ArchiveError> {
    let mut reader = Reader::begin(File::open(file)?)?;
    let mut restoring = Restoring::begin(database, &header.versions).await?;
    // Rows that migrations wrote refer to nothing, so the tables can be emptied in any order.
    let mut pending: Option<Pending> = None;
    let mut rows = 0;
    while let Some(item) = reader.item()? {
        match item {
            Item::Table(table) => {
                if let Some(pending) = pending.take() {
                    pending.insert(&mut restoring).await?;
                }
                restoring.empty(&table.name).await?;
                progress(&table.name, rows);
                pending = Some(Pending { table, rows: Vec::new(), bytes: 0 });
            }
            Item::Row(row) => {
                rows += 1;
                let Some(gathered) = pending.as_mut() else { continue };
                gathered.add(row);
                if gathered.is_enough() {
                    gathered.flush(&mut restoring).await?;
                    progress(&gathered.table.name, rows);
                }
            }
        }
    }
    if let Some(pending) = pending {
        pending.insert(&mut restoring).await?;
    }
    let restored = restoring.finish(now).await?;
    Ok(RestoreReport { made: header.made, history: header.history, rows, era: restored.era, held: restored.held })
}

/// Rows that wait to be inserted together.
struct Pending {
    table: Table,
    rows: Vec<Vec<Cell>>,
    bytes: usize,
}

impl Pending {
    fn add(&mut self, row: Vec<Cell>) {
        self.bytes += row.iter().map(weight).sum::<usize>();
        self.rows.push(row);
    }

    const fn is_enough(&self) -> bool {
        self.rows.len() >= ROWS_AT_ONCE || self.bytes >= BYTES_AT_ONCE
    }

    async fn flush(&mut self, restoring: &mut Restoring) -> Result<(), StoreError> {
        self.bytes = 0;
        let rows = std::mem::take(&mut self.rows);
        if rows.is_empty() { Ok(()) } else { restoring.insert(&self.table, rows).await }
    }

    async fn insert(mut self, restoring: &mut Restoring) -> Result<(), StoreError> {
        self.flush(restoring).await
    }
}

fn weight(cell: &Cell) -> usize {
    match cell {
        Cell::Int(_) => size_of::<i64>(),
        Cell::Text(text) => text.as_ref().map_or(0, String::len),
        Cell::Bytes(bytes) => bytes.as_ref().map_or(0, Vec::len),
    }
}
