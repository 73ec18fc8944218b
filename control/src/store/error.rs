//! What can go wrong between the control plane and its database, sorted by what a caller does about it.
//!
//! Constraint names become [`Unique`] rules here, once; nobody else reads a driver's error.

use std::path::PathBuf;

use sqlx::error::{DatabaseError, ErrorKind};

/// A rule that no two rows may break together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unique {
    /// The name of a tenant.
    TenantName,
    /// The hash of a token.
    TokenHash,
    /// The name of a contact within its tenant, while neither is deleted.
    ContactName,
    /// Name and version of a module within its tenant.
    ModuleVersion,
    /// The name of a check within its tenant, while neither is deleted.
    CheckName,
    /// The name of a host, while neither is retired.
    HostName,
    /// One open incident per check.
    OpenIncident,
}

/// Each rule as PostgreSQL names it and as SQLite words it.
const UNIQUE_RULES: [(Unique, &str, &str); 7] = [
    (Unique::TenantName, "tenant_name", "tenant.name"),
    (Unique::TokenHash, "token_hash", "token.hash"),
    (Unique::ContactName, "contact_name", "contact.tenant_id, contact.name"),
    (Unique::ModuleVersion, "module_release_version", "index 'module_release_version'"),
    (Unique::CheckName, "checks_name", "checks.tenant_id, checks.name"),
    (Unique::HostName, "host_name", "host.name"),
    (Unique::OpenIncident, "incident_open_of_check", "incident.check_id"),
];

/// Why the database did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another row has that already.
    #[error("another row has the same {0:?}")]
    Conflict(Unique),
    /// Nobody signed a config write that must be signed.
    #[error("a config write was not signed, so that the audit log would not tell of it")]
    Unsigned,
    /// An answer is kept under this key already.
    #[error("an answer is kept under this key already")]
    KeyInUse,
    /// As many answers are kept for this token as may be.
    #[error("{most} answers are kept for this token, as many as may be")]
    TooManyKeys {
        /// How many that is.
        most: usize,
    },
    /// There would be more than there may be.
    #[error(transparent)]
    Exceeded(farwatch_core::quota::Exceeded),
    /// It was changed since the caller read it.
    #[error("it was changed meanwhile; its latest revision is {latest}")]
    StaleRevision {
        /// The latest revision now.
        latest: u32,
    },
    /// The row names another that does not exist.
    #[error("the row names another that does not exist")]
    DanglingReference,
    /// Somebody else leads; the caller must step down and reload.
    #[error("this process does not lead any more")]
    StaleLeader,
    /// A view must bear a later number than the last one.
    #[error("the next view must bear the number {next} or a later one of that era")]
    ViewOutOfOrder {
        /// The least that it may bear.
        next: farwatch_proto::time::Stamp,
    },
    /// The fleet holds as many hosts as a view can carry.
    #[error("the fleet is full: it may register {most} hosts")]
    FleetFull {
        /// How many that is.
        most: usize,
    },
    /// The database was written by a newer version.
    #[error("the database has schema {found}, this version knows schemas up to {known}; run the newer version")]
    NewerSchema {
        /// The newest migration in the database.
        found: i64,
        /// The newest migration this version has.
        known: i64,
    },
    /// There is nothing in the database.
    #[error("it holds no table; name the database of a Farwatch")]
    Blank,
    /// There is something in the database.
    #[error("it is not empty; name a new database, or move what is there away")]
    NotBlank,
    /// A migration that the database holds is not the one this version has under that number.
    #[error("migration {version} of the database is not the one this version knows")]
    ForeignMigration {
        /// Its number.
        version: i64,
    },
    /// The file cannot be opened.
    #[error("cannot open the database file {path}: {source}", path = path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What is stored cannot be read as what it should be.
    #[error("the database holds what cannot be read: {0}")]
    Corrupt(String),
    /// The database cannot be reached or cannot write just now; the question may be asked again.
    #[error("the database is not available: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// The database did not answer within its limit. Whether a write was done is not known.
    #[error("the database did not answer within {limit_ms} ms")]
    TooSlow {
        /// The limit.
        limit_ms: u64,
    },
    /// A statement failed in a way that no caller can mend.
    #[error("the database refused a statement: {0}")]
    Refused(#[source] sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        match &error {
            E::Database(told) => match sorted(told.as_ref()) {
                Some(sorted) => sorted,
                None if is_in_the_way(told.as_ref()) || is_trouble(told.as_ref()) => Self::Unavailable(error),
                None => Self::Refused(error),
            },
            E::Io(_) | E::Tls(_) | E::PoolTimedOut | E::PoolClosed | E::WorkerCrashed => Self::Unavailable(error),
            E::ColumnDecode { .. } | E::Decode(_) | E::ColumnNotFound(_) => Self::Corrupt(error.to_string()),
            _ => Self::Refused(error),
        }
    }
}

impl StoreError {
    /// Whether the whole transaction is worth another attempt now: somebody was in the way, or the server went away
    /// or may not write, which another connection may mend.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unavailable(sqlx::Error::Database(told)) => is_in_the_way(told.as_ref()),
            Self::Unavailable(sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed) => true,
            _ => false,
        }
    }
}

/// The errors that name a rule of ours or a broken file.
fn sorted(told: &dyn DatabaseError) -> Option<StoreError> {
    match told.kind() {
        ErrorKind::UniqueViolation => broken_rule(told).map(StoreError::Conflict),
        ErrorKind::ForeignKeyViolation => Some(StoreError::DanglingReference),
        _ if is_corruption(told) => Some(StoreError::Corrupt(told.message().to_owned())),
        _ => None,
    }
}

fn broken_rule(told: &dyn DatabaseError) -> Option<Unique> {
    let by_name = told.constraint();
    let by_words = told.message().strip_prefix("UNIQUE constraint failed: ");
    UNIQUE_RULES
        .iter()
        .find(|(_, name, words)| by_name == Some(name) || by_words == Some(words))
        .map(|(rule, ..)| *rule)
}

/// The primary code of a SQLite error, or `None` when PostgreSQL speaks: its codes have five characters.
fn sqlite_code(told: &dyn DatabaseError) -> Option<u32> {
    let code = told.code()?;
    if code.len() == 5 { None } else { code.parse::<u32>().ok().map(|code| code & 0xff) }
}

fn is_corruption(told: &dyn DatabaseError) -> bool {
    const SQLITE_CORRUPT: u32 = 11;
    const SQLITE_NOTADB: u32 = 26;
    match sqlite_code(told) {
        Some(code) => matches!(code, SQLITE_CORRUPT | SQLITE_NOTADB),
        // XX001 data_corrupted, XX002 index_corrupted.
        None => told.code().is_some_and(|code| code == "XX001" || code == "XX002"),
    }
}

/// Another transaction was in the way, or this server cannot write any more.
fn is_in_the_way(told: &dyn DatabaseError) -> bool {
    const SQLITE_BUSY: u32 = 5;
    const SQLITE_LOCKED: u32 = 6;
    if let Some(code) = sqlite_code(told) {
        return matches!(code, SQLITE_BUSY | SQLITE_LOCKED);
    }
    match told.code().as_deref() {
        // serialization_failure, deadlock_detected, lock_not_available.
        Some("40001" | "40P01" | "55P03") => true,
        // read_only_sql_transaction, idle_in_transaction_session_timeout, admin and crash shutdown, cannot_connect_now.
        Some("25006" | "25P03" | "57P01" | "57P02" | "57P03") => true,
        // 08: the connection failed.
        Some(code) => code.starts_with("08"),
        None => false,
    }
}

/// Trouble of the server that a later question need not meet, though this one is not tried again.
fn is_trouble(told: &dyn DatabaseError) -> bool {
    const SQLITE_READONLY: u32 = 8;
    const SQLITE_IOERR: u32 = 10;
    const SQLITE_FULL: u32 = 13;
    const SQLITE_CANTOPEN: u32 = 14;
    match sqlite_code(told) {
        Some(code) => matches!(code, SQLITE_READONLY | SQLITE_IOERR | SQLITE_FULL | SQLITE_CANTOPEN),
        // 53: out of disk, memory or connections; 57: cancelled by a limit; 58: the system failed.
        None => told.code().is_some_and(|code| ["53", "57", "58"].iter().any(|class| code.starts_with(class))),
    }
}
