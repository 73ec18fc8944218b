//! Reading results back from the journal, one row at a time.

use std::collections::VecDeque;

use farwatch_proto::time::UnixMs;

use super::LedgerError;
use crate::leader::journal_body::{self, HostResults};
use crate::spawn::Spawner;
use crate::store::{JournalRow, Store};

/// Rows fetched by one question: a row may weigh some hundred kilobytes.
const ROWS_AT_ONCE: u32 = 32;

/// Goes through the rows that may hold results of some slots, oldest first.
pub struct Scan<'s> {
    store: &'s Store,
    from: UnixMs,
    to: UnixMs,
    after: u64,
    fetched: VecDeque<JournalRow>,
    is_last: bool,
}

/// A row that was unpacked.
#[derive(Debug)]
pub struct ScannedRow {
    /// Its number.
    pub seq: u64,
    /// When it was committed.
    pub committed: UnixMs,
    /// Its results, by host.
    pub sections: Vec<HostResults>,
}

impl<'s> Scan<'s> {
    /// The rows behind row `after` that may hold results of slots in `[from, to)`.
    pub fn new(store: &'s Store, from: UnixMs, to: UnixMs, after: u64) -> Self {
        Self { store, from, to, after, fetched: VecDeque::new(), is_last: false }
    }

    /// The next row, unpacked. Other slots than those asked for may be in it.
    pub async fn next(&mut self) -> Result<Option<ScannedRow>, LedgerError> {
        if self.fetched.is_empty() && !self.is_last {
            self.fetch().await?;
        }
        match self.fetched.pop_front() {
            None => Ok(None),
            Some(row) => unpacked(row).await.map(Some),
        }
    }

    async fn fetch(&mut self) -> Result<(), LedgerError> {
        let rows = self.store.journal().read_for_slots(self.from, self.to, self.after, ROWS_AT_ONCE).await?;
        self.is_last = rows.len() < ROWS_AT_ONCE as usize;
        self.after = rows.last().map_or(self.after, |row| row.seq);
        self.fetched = rows.into();
        Ok(())
    }
}

/// Unpacks off the threads that serve: a large row takes milliseconds.
async fn unpacked(row: JournalRow) -> Result<ScannedRow, LedgerError> {
    let JournalRow { seq, committed, body, .. } = row;
    let damaged = |reason: String| LedgerError::Damaged { seq, reason };
    let decoded = Spawner::blocking(move || journal_body::decode(&body)).await;
    let sections = decoded.map_err(|stopped| damaged(stopped.to_string()))?;
    Ok(ScannedRow { seq, committed, sections: sections.map_err(|error| damaged(format!("{error:#}")))? })
}
