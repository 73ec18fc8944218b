//! Reading results back from the journal, one row at a time.

use std::collections::VecDeque;

use anyhow::Context;
use farwatch_proto::time::UnixMs;
use tracing::warn;

use crate::leader::journal_body::{self, HostResults};
use crate::spawn::Spawner;
use crate::store::{JournalRow, Store, StoreError};

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
    unreadable: Vec<u64>,
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
        Self { store, from, to, after, fetched: VecDeque::new(), is_last: false, unreadable: Vec::new() }
    }

    /// The next row that can be read, unpacked. Other slots than those asked for may be in it. A row that cannot be
    /// read is left out and named by [`unreadable`](Self::unreadable): what it held is lost, and must not take the rest
    /// with it.
    pub async fn next(&mut self) -> Result<Option<ScannedRow>, StoreError> {
        loop {
            if self.fetched.is_empty() && !self.is_last {
                self.fetch().await?;
            }
            let Some(row) = self.fetched.pop_front() else { return Ok(None) };
            let seq = row.seq;
            match unpacked(row).await {
                Ok(row) => return Ok(Some(row)),
                Err(error) => {
                    warn!(seq, error = format!("{error:#}"), "a journal row cannot be read and is left out");
                    self.unreadable.push(seq);
                }
            }
        }
    }

    /// The rows so far that could not be read.
    pub fn unreadable(&self) -> impl Iterator<Item = u64> {
        self.unreadable.iter().copied()
    }

    async fn fetch(&mut self) -> Result<(), StoreError> {
        let rows = self.store.journal().read_for_slots(self.from, self.to, self.after, ROWS_AT_ONCE).await?;
        self.is_last = rows.len() < ROWS_AT_ONCE as usize;
        self.after = rows.last().map_or(self.after, |row| row.seq);
        self.fetched = rows.into();
        Ok(())
    }
}

/// Unpacks off the threads that serve: a large row takes milliseconds.
async fn unpacked(row: JournalRow) -> anyhow::Result<ScannedRow> {
    let JournalRow { seq, committed, body, .. } = row;
    let sections = Spawner::blocking(move || journal_body::decode(&body)).await.context("unpacking was stopped")??;
    Ok(ScannedRow { seq, committed, sections })
}
