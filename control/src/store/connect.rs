//! Opening the database and holding its connections.
//!
//! Every session gets its limits before its first question, and a PostgreSQL server that cannot write is never
//! used: a demoted primary answers pings happily and would keep a pool stuck for days.

use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{AnyConnection, AnyPool, ConnectOptions, Connection};
use tokio::sync::Mutex;

use super::authorship::Author;
use super::transaction::retried;
use super::{DatabaseUrl, Engine, StoreError, migrations};

/// Reaching the server may take this long; more and it is better reported than waited for.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// A question waits this long for a connection: longer than a failover's hiccup, shorter than the leader's patience.
const ACQUIRE_LIMIT: Duration = Duration::from_secs(3);
/// Connections are renewed this often, so that none outlives a change of addresses or certificates for long.
const CONNECTION_LIFETIME: Duration = Duration::from_secs(5 * 60);
/// Enough for the API and every task at once; a server of default size bears six such processes.
const POSTGRES_CONNECTIONS: u32 = 16;
/// One writes, the others read beside it; more would only fight for two cores.
const SQLITE_CONNECTIONS: u32 = 5;

/// What a SQLite session obeys. `synchronous = full` loses nothing that was acknowledged; the busy limit only
/// concerns other processes, such as a backup, for our own writers queue before they begin.
const SQLITE_SESSION: &str = "\
    pragma busy_timeout = 1000;\
    pragma journal_mode = wal;\
    pragma synchronous = full;\
    pragma foreign_keys = on;\
    pragma journal_size_limit = 67108864";

/// What a PostgreSQL session obeys: nobody waits for long and nobody holds locks while he sleeps.
const POSTGRES_SESSION: &str = "\
    set statement_timeout = '3s';\
    set lock_timeout = '2s';\
    set idle_in_transaction_session_timeout = '3s'";

/// Whether this PostgreSQL server cannot write.
const POSTGRES_READS_ONLY: &str = "select pg_is_in_recovery() or current_setting('transaction_read_only') = 'on'";

/// The open database; cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) pool: AnyPool,
    pub(super) engine: Engine,
    /// SQLite has one writer. Waiting here is in order of arrival; its own busy handler polls and can starve.
    pub(super) writer: Arc<Mutex<()>>,
    /// In whose name it writes.
    pub(super) author: Author,
}

impl Store {
    /// Opens the database, creating the file if there is none, and brings its schema up to date.
    pub async fn open(url: &DatabaseUrl) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let options = connect_options(url)?;
        let engine = url.engine();
        // Several may start at once on an empty file, and SQLite does not let them wait for each other there.
        retried(|| prepare(&options, engine)).await?;
        Ok(Self { pool: pool(engine, options), engine, writer: Arc::default(), author: Author::House })
    }

    /// Waits for running questions and closes every connection.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Which database it is.
    pub const fn engine(&self) -> Engine {
        self.engine
    }
}

/// Brings the schema up to date over a connection of its own.
async fn prepare(options: &AnyConnectOptions, engine: Engine) -> Result<(), StoreError> {
    let mut first = within_limit(AnyConnection::connect_with(options)).await?;
    if engine == Engine::Sqlite {
        begin_session(&mut first, engine).await?;
    } else if reads_only(&mut first).await? {
        return Err(StoreError::Unavailable(sqlx::Error::Configuration(
            "the server is read-only or in recovery".into(),
        )));
    }
    migrations::run(&mut first, engine).await?;
    Ok(first.close().await?)
}

fn pool(engine: Engine, options: AnyConnectOptions) -> AnyPool {
    let most = match engine {
        Engine::Sqlite => SQLITE_CONNECTIONS,
        Engine::Postgres => POSTGRES_CONNECTIONS,
    };
    AnyPoolOptions::new()
        .max_connections(most)
        .acquire_timeout(ACQUIRE_LIMIT)
        .max_lifetime(CONNECTION_LIFETIME)
        .test_before_acquire(false)
        .after_connect(move |connection, _| Box::pin(begin_session(connection, engine)))
        .before_acquire(move |connection, _| {
            Box::pin(async move { Ok(engine == Engine::Sqlite || !reads_only(connection).await?) })
        })
        .connect_lazy_with(options)
}

async fn begin_session(connection: &mut AnyConnection, engine: Engine) -> sqlx::Result<()> {
    match engine {
        Engine::Sqlite => sqlx::raw_sql(SQLITE_SESSION).execute(connection).await?,
        Engine::Postgres => {
            if reads_only(connection).await? {
                return Err(sqlx::Error::Configuration("the server is read-only or in recovery".into()));
            }
            sqlx::raw_sql(POSTGRES_SESSION).execute(connection).await?
        }
    };
    Ok(())
}

async fn reads_only(connection: &mut AnyConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar(POSTGRES_READS_ONLY).fetch_one(connection).await
}

pub(super) async fn within_limit<T>(connecting: impl Future<Output = sqlx::Result<T>>) -> Result<T, StoreError> {
    let limit_ms = CONNECT_LIMIT.as_millis() as u64;
    let connected = tokio::time::timeout(CONNECT_LIMIT, connecting).await;
    Ok(connected.map_err(|_| StoreError::TooSlow { limit_ms })??)
}

pub(super) fn connect_options(url: &DatabaseUrl) -> Result<AnyConnectOptions, StoreError> {
    let text = match (url.path(), url.server()) {
        (Some(path), _) => file_url(path)?,
        (None, server) => server.unwrap_or_default().to_owned(),
    };
    let options: AnyConnectOptions = text.parse()?;
    Ok(options.disable_statement_logging())
}

/// The URL of a file that exists, is ours alone, and is named without detours.
fn file_url(path: &Path) -> Result<String, StoreError> {
    let unreadable = |source| StoreError::Unreadable { path: path.to_owned(), source };
    let file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(unreadable)?;
    file.set_permissions(std::fs::Permissions::from_mode(0o600)).map_err(unreadable)?;
    let path = path.canonicalize().map_err(unreadable)?;
    Ok(format!("sqlite://{}", percent_encoded(path.as_os_str().as_encoded_bytes())))
}

/// The driver takes a URL and decodes it: whatever could mean something in a URL is encoded.
fn percent_encoded(path: &[u8]) -> String {
    use std::fmt::Write;
    path.iter().fold(String::with_capacity(path.len()), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"/-_.".contains(byte) {
            text.push(char::from(*byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}
