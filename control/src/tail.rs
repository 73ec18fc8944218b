//! What the journal says of the hours that are not folded, held in the memory of every process and read as it grows.
//!
//! A process that leads and one that follows do the same: they know only what is committed, so both may answer any
//! question. It judges nothing and writes nothing. What it holds is bounded by [`BYTES_MAX`]; a journal that is not the
//! one it has read, as after a failover that lost rows, makes it begin anew.

use std::sync::{Arc, RwLock, RwLockReadGuard};
use std::time::Duration;

use anyhow::Context;
use farwatch_core::block::{Hour, OpenHours, OpenRun};
use farwatch_core::cost::{Costs, HOUR_MS};
use farwatch_proto::id::HostId;
use farwatch_proto::run::{Purpose, RunResult};
use farwatch_proto::time::UnixMs;
use tokio::sync::{Mutex, Notify};
use tokio::time::timeout;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::leader::journal_body::{self, HostResults};
use crate::retention::{JOURNAL_MS, SLOT_AHEAD_MAX_MS};
use crate::spawn::Spawner;
use crate::store::{FlushId, JournalHead, JournalKind, JournalRow, Store, StoreError};
use crate::tasks::TaskList;

/// How often it looks, where no leader of the same process signals.
const PERIOD: Duration = Duration::from_secs(1);
/// Rows fetched by one question: a row may weigh some hundred kilobytes.
const ROWS_AT_ONCE: u32 = 32;
/// Whoever reads waits this long for what is committed to be read; after that it is told to come again.
const READ_WAIT: Duration = Duration::from_secs(2);
/// Runs that are held take at most this much. It is twice what 100,000 streams at 10 s need for two hours and a
/// quarter; more means that folding is behind, and the oldest hours give way until it has caught up.
const BYTES_MAX: usize = 640 * 1024 * 1024;
/// Clocks of leaders that followed one another differ by less.
pub(crate) const CLOCKS_APART_MAX_MS: i64 = 60_000;

/// Why it cannot answer just now.
#[derive(Debug, thiserror::Error)]
pub enum TailError {
    /// The journal is still being read.
    #[error("this process is still reading what is on record of the last hours; try again")]
    Behind,
    /// Folding is so far behind that not everything fits into memory.
    #[error("what is on record before {from} is still being folded; try again, or ask for what came after")]
    Unfolded {
        /// From when on it can answer.
        from: UnixMs,
    },
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TailStatus {
    /// The last row it has read.
    pub seq: u64,
    /// How long ago it had last read all there was, in milliseconds.
    pub behind_ms: i64,
    /// Runs it holds.
    pub runs: u64,
    /// What they take.
    pub bytes: u64,
    /// Rows that could not be read since the process started, whose results are on no record.
    pub unreadable: u64,
    /// How often the journal was not the one it had read.
    pub reloads: u64,
}

/// The last row that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Position {
    seq: u64,
    /// By which it is known again; `None` where it was gone already.
    flush: Option<FlushId>,
}

/// Rows that were read.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    after: u64,
    rows: u64,
}

/// What is held. Rows and the position behind them change together, so that a reader who goes away half way through
/// leaves nothing half done.
#[derive(Debug, Default)]
pub struct Held {
    position: Option<Position>,
    from: UnixMs,
    open: OpenHours,
    costs: Costs,
    /// How many rows were read behind this one, by which a row that is lost is noticed.
    counted: Counted,
    /// When all there was had been read.
    complete_at: Option<UnixMs>,
    unreadable: u64,
    reloads: u64,
}

impl Held {
    /// Every run of slots from this moment on is held, as far as it is committed.
    pub const fn from(&self) -> UnixMs {
        self.from
    }

    /// Whether all that the journal says of this hour, up to this row, is held. One that had to leave out rows cannot
    /// name them, and never says so again.
    pub fn has_all_of(&self, hour: Hour, seq: u64) -> bool {
        let has_read = self.complete_at.is_some() && self.position.is_some_and(|position| position.seq >= seq);
        has_read && self.from <= hour.start() && self.unreadable == 0
    }

    /// The runs.
    pub const fn open(&self) -> &OpenHours {
        &self.open
    }

    /// What runs took in the last hour.
    pub const fn costs(&self) -> &Costs {
        &self.costs
    }

    fn enter(&mut self, row: &RowRead) {
        let sections = match &row.sections {
            Ok(sections) => &sections[..],
            Err(error) => {
                warn!(seq = row.seq, error = format!("{error:#}"), "a journal row cannot be read and is left out");
                self.unreadable += 1;
                &[]
            }
        };
        for section in sections {
            for result in &section.results {
                self.enter_result(section.host, result, row.committed);
            }
        }
        self.position = Some(Position { seq: row.seq, flush: Some(row.flush) });
        self.counted.rows += 1;
        self.give_way();
    }

    /// What a vote took counts, and it is no run of a slot; a slot that was far from due when its result was committed is none either.
    fn enter_result(&mut self, host: HostId, result: &RunResult, committed: UnixMs) {
        self.costs.enter((result.stream.check, result.terms.module), result.cost, result.started, committed);
        let plausible = self.from <= result.slot && result.slot <= committed + SLOT_AHEAD_MAX_MS;
        if result.purpose != Purpose::Slot || !plausible {
            return;
        }
        self.open.enter(result.stream, &OpenRun::of(host, result));
    }

    fn give_way(&mut self) {
        while self.open.bytes() > BYTES_MAX {
            let Some(first) = self.open.first() else { return };
            warn!(hour = %first.start(), "folding is behind: what is on record of this hour does not fit into memory");
            self.forget_before(first.end());
        }
    }

    /// Rows are counted anew: what was read so far may soon be deleted.
    fn forget_before(&mut self, moment: UnixMs) {
        if moment > self.from {
            self.counted = Counted { after: self.position.map_or(0, |position| position.seq), rows: 0 };
        }
        self.from = self.from.max(moment);
        self.open.forget_before(moment);
    }
}

/// See the file's documentation. Clones hold the same.
#[derive(Clone, Debug)]
pub struct Tail {
    store: Store,
    clock: Clock,
    held: Arc<RwLock<Held>>,
    /// Held by whoever reads the journal.
    turn: Arc<Mutex<()>>,
}

impl Tail {
    /// A tail that has read nothing yet.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock, held: Arc::default(), turn: Arc::default() }
    }

    /// Follows the journal from now on.
    pub(crate) fn start(&self, spawner: &Spawner, tasks: &TaskList, grew: Arc<Notify>) {
        let about = ("tail", "Reads what the journal says of hours that are not folded.", PERIOD);
        let tail = self.clone();
        tasks.run(spawner, about, grew, move || {
            let tail = tail.clone();
            async move {
                tail.catch_up().await?;
                Ok(())
            }
        });
    }

    /// Reads whatever was committed before the call, unless that takes too long.
    pub async fn freshen(&self) -> Result<(), TailError> {
        timeout(READ_WAIT, self.catch_up()).await.unwrap_or(Err(TailError::Behind))
    }

    /// The same for whoever gives account: a row that was read and has been lost since is none of what is held either.
    pub async fn audit(&self) -> Result<(), TailError> {
        self.freshen().await?;
        let (counted, position) = {
            let held = self.held();
            (held.counted, held.position)
        };
        let Some(position) = position else { return Ok(()) };
        if self.store.journal().count_between(counted.after, position.seq).await? != counted.rows {
            let _turn = self.turn.lock().await;
            self.begin().await?;
        }
        self.freshen().await
    }

    /// What is held.
    pub fn held(&self) -> RwLockReadGuard<'_, Held> {
        self.held.read().expect("no holder of this lock panics")
    }

    /// How far it is; `None` before the journal was read through for the first time.
    pub fn status(&self) -> Option<TailStatus> {
        let held = self.held();
        let complete_at = held.complete_at?;
        Some(TailStatus {
            seq: held.position.map_or(0, |position| position.seq),
            behind_ms: self.clock.wall().since(complete_at).max(0),
            runs: held.open.len(),
            bytes: held.open.bytes() as u64,
            unreadable: held.unreadable,
            reloads: held.reloads,
        })
    }

    /// Reads on to the head of the journal.
    pub async fn catch_up(&self) -> Result<(), TailError> {
        let _turn = self.turn.lock().await;
        self.forget_folded().await?;
        loop {
            let head = self.store.journal().head().await?;
            let held = self.held().position;
            let position = match held {
                Some(position) if position.seq <= head.seq => position,
                _ => self.begin().await?,
            };
            let is_same = position.seq == head.seq && position.flush == Some(head.flush);
            if is_same || self.read_on(position, head).await? {
                self.change(|held| held.complete_at = Some(self.clock.wall()));
                return Ok(());
            }
        }
    }

    /// Reads the rows behind this one, up to the head. Says whether it came so far; where it finds another journal
    /// than the one it has read, it begins anew.
    async fn read_on(&self, position: Position, head: JournalHead) -> Result<bool, TailError> {
        let mut seq = position.seq;
        while seq < head.seq {
            let rows = self.store.journal().read_after(seq, ROWS_AT_ONCE).await?;
            let last = rows.last().map(|row| row.seq);
            // Asked after the rows were read: had a failover come before, the row that is known would be another.
            let (Some(last), true) = (last, self.is_still_there().await?) else {
                self.begin().await?;
                return Ok(false);
            };
            for row in rows {
                let row = RowRead::of(row).await;
                self.change(|held| held.enter(&row));
            }
            seq = last;
        }
        // A head of the same number with another flush is another journal.
        let is_head = self.held().position.is_some_and(|held| held.seq > head.seq || held.flush == Some(head.flush));
        if !is_head {
            self.begin().await?;
        }
        Ok(is_head)
    }

    /// Whether the last row that was read is the one that stands there.
    async fn is_still_there(&self) -> Result<bool, TailError> {
        let held = self.held().position;
        match held {
            Some(Position { seq, flush: Some(flush) }) => Ok(self.store.journal().flush_at(seq).await? == Some(flush)),
            Some(Position { flush: None, .. }) | None => Ok(true),
        }
    }

    /// Begins before the first row that may hold a result of an hour that is not folded, or of the last hour.
    async fn begin(&self) -> Result<Position, TailError> {
        let mark = self.store.blocks().fold_mark().await?;
        let is_folded = mark.until > UnixMs(0);
        let from = if is_folded { mark.until } else { first_hour_of_journal(self.clock.wall()) };
        let first = from.min(self.clock.wall() - HOUR_MS);
        let seq = self.store.journal().last_before(first - (SLOT_AHEAD_MAX_MS + CLOCKS_APART_MAX_MS)).await?;
        let position = Position { seq, flush: self.store.journal().flush_at(seq).await? };
        self.change(|held| {
            let begins_anew = held.position.is_some();
            if begins_anew {
                info!(seq, "the journal is not the one that was read; reading it anew");
            }
            *held = Held {
                position: Some(position),
                from,
                counted: Counted { after: position.seq, rows: 0 },
                unreadable: held.unreadable,
                reloads: held.reloads + u64::from(begins_anew),
                ..Held::default()
            };
        });
        Ok(position)
    }

    /// Forgets hours whose blocks are written.
    async fn forget_folded(&self) -> Result<(), TailError> {
        let may_be_folded = Hour::of(self.held().from).folds_at() <= self.clock.wall();
        if may_be_folded {
            let mark = self.store.blocks().fold_mark().await?;
            self.change(|held| held.forget_before(mark.until));
        }
        Ok(())
    }

    fn change<T>(&self, change: impl FnOnce(&mut Held) -> T) -> T {
        change(&mut self.held.write().expect("no holder of this lock panics"))
    }
}

/// The first hour that the journal is kept for. Of the one before it a part may be gone already.
pub(crate) fn first_hour_of_journal(now: UnixMs) -> UnixMs {
    Hour::of(now - JOURNAL_MS).end()
}

/// A row as far as it could be read.
struct RowRead {
    seq: u64,
    flush: FlushId,
    committed: UnixMs,
    sections: anyhow::Result<Vec<HostResults>>,
}

impl RowRead {
    /// Unpacks off the threads that serve: a large row takes milliseconds.
    async fn of(row: JournalRow) -> Self {
        let JournalRow { seq, flush, committed, kind, body, .. } = row;
        let decoded = match kind {
            JournalKind::Results => Spawner::blocking(move || journal_body::decode(&body)).await,
            JournalKind::Genesis | JournalKind::Takeover => Ok(Ok(Vec::new())),
        };
        Self { seq, flush, committed, sections: decoded.context("unpacking was stopped").flatten() }
    }
}
