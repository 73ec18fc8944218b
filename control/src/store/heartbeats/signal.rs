//! One signal of a job as it stands in the database: how it is kept, and how it is read.

use farwatch_core::heartbeat::Signal;
use farwatch_proto::time::UnixMs;
use sqlx::any::AnyRow;

use super::HeartbeatRecord;
use crate::store::StoreError;
use crate::store::columns::{Columns, stored, word_of};
use crate::store::transaction::Tx;

/// Signals that are kept of each job: enough to see a pattern, and to find the failure among the calls of a busy day.
pub const SIGNALS_KEPT: u32 = 200;
/// What kind of signal one was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalKind {
    /// A run began.
    Start,
    /// All is well.
    Success,
    /// It failed.
    Fail,
    /// Something to be kept.
    Log,
}

const KINDS: [(SignalKind, &str); 4] = [
    (SignalKind::Start, "start"),
    (SignalKind::Success, "success"),
    (SignalKind::Fail, "fail"),
    (SignalKind::Log, "log"),
];

impl SignalKind {
    /// The word for it.
    pub fn word(self) -> &'static str {
        word_of(&self, &KINDS)
    }

    const fn of(signal: &Signal) -> Self {
        match signal {
            Signal::Started => Self::Start,
            Signal::Succeeded => Self::Success,
            Signal::Failed { .. } => Self::Fail,
            Signal::Logged => Self::Log,
        }
    }
}

/// A signal that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSignal {
    /// What it says.
    pub signal: Signal,
    /// The exit status that the job said, if any.
    pub exit: Option<u8>,
    /// Where it came from; empty where that is not known.
    pub address: String,
    /// By what program it says that it was sent.
    pub agent: String,
    /// What it brought along.
    pub body: String,
}

/// A signal that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSignal {
    /// Counts up with the signals of its job, from 1.
    pub n: u64,
    /// When it came.
    pub at: UnixMs,
    /// What kind it was.
    pub kind: SignalKind,
    /// The exit status that the job said, if any.
    pub exit: Option<u8>,
    /// How long the run took that ended by it.
    pub took_ms: Option<i64>,
    /// Where it came from.
    pub address: String,
    /// By what program.
    pub agent: String,
    /// What it brought along.
    pub body: String,
}

/// Keeps a signal, and forgets the oldest of its job.
pub(super) async fn keep(
    tx: &mut Tx<'_>,
    of: &HeartbeatRecord,
    new: &NewSignal,
    took_ms: Option<i64>,
    at: UnixMs,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into heartbeat_signal (check_id, n, at_ms, kind, exit_status, took_ms, address, agent, body) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(of.check.as_bytes().as_slice())
    .bind(stored(of.signals))
    .bind(at.0)
    .bind(SignalKind::of(&new.signal).word())
    .bind(new.exit.map(i64::from))
    .bind(took_ms)
    .bind(&new.address)
    .bind(&new.agent)
    .bind(&new.body)
    .execute(&mut *tx.connection)
    .await?;
    sqlx::query("delete from heartbeat_signal where check_id = $1 and n <= $2")
        .bind(of.check.as_bytes().as_slice())
        .bind(stored(of.signals) - i64::from(SIGNALS_KEPT))
        .execute(&mut *tx.connection)
        .await?;
    Ok(())
}

pub(super) fn read(row: &AnyRow) -> Result<StoredSignal, StoreError> {
    let exit = row.maybe_int("exit_status")?.map(u8::try_from).transpose();
    Ok(StoredSignal {
        n: row.number("n")?,
        at: row.moment("at_ms")?,
        kind: row.word("kind", &KINDS)?,
        exit: exit.map_err(|_| StoreError::Corrupt("exit_status is out of range".to_owned()))?,
        took_ms: row.maybe_int("took_ms")?,
        address: row.text("address")?,
        agent: row.text("agent")?,
        body: row.text("body")?,
    })
}
