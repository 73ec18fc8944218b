//! Where the database is: `sqlite:PATH` or `postgres://user@host/name`.
//!
//! Whatever the driver would silently ignore is refused here, for an operator who wrote
//! `target_session_attrs=read-write` believes to be protected by it. Never shows a password.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::any::AnyConnectOptions;

/// The parameters of a PostgreSQL URL that the driver obeys and that do not undo what the store itself sets.
const KNOWN_PARAMETERS: [&str; 10] =
    ["application_name", "dbname", "host", "password", "port", "sslcert", "sslkey", "sslmode", "sslrootcert", "user"];

/// Which database speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Engine {
    /// The embedded one: one file, one process.
    Sqlite,
    /// The one for more than one machine.
    Postgres,
}

/// Where the database is.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(Place);

#[derive(Clone, PartialEq, Eq)]
enum Place {
    File(PathBuf),
    Server(String),
}

/// A text that is no database URL, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a database URL: {0}")]
pub struct BadDatabaseUrl(String);

impl DatabaseUrl {
    /// The SQLite file at this path.
    pub fn file(path: &Path) -> Self {
        Self(Place::File(path.to_owned()))
    }

    /// Which database it names.
    pub const fn engine(&self) -> Engine {
        match self.0 {
            Place::File(_) => Engine::Sqlite,
            Place::Server(_) => Engine::Postgres,
        }
    }

    /// The file, where it is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.0 {
            Place::File(path) => Some(path),
            Place::Server(_) => None,
        }
    }

    pub(super) fn server(&self) -> Option<&str> {
        match &self.0 {
            Place::File(_) => None,
            Place::Server(url) => Some(url),
        }
    }
}

impl FromStr for DatabaseUrl {
    type Err = BadDatabaseUrl;

    fn from_str(text: &str) -> Result<Self, BadDatabaseUrl> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            return file_at(path);
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return server_at(text);
        }
        Err(BadDatabaseUrl("it must begin with sqlite: or postgres://".to_owned()))
    }
}

fn file_at(path: &str) -> Result<DatabaseUrl, BadDatabaseUrl> {
    let refuse = |why: &str| Err(BadDatabaseUrl(why.to_owned()));
    match path {
        "" => refuse("sqlite: must be followed by the path of a file"),
        ":memory:" => refuse("a database in memory would be lost with the process; name a file"),
        _ if path.starts_with("//") => refuse("write sqlite:PATH without slashes before the path"),
        _ if path.contains('?') => refuse("sqlite: takes a path and no parameters"),
        _ => Ok(DatabaseUrl(Place::File(PathBuf::from(path)))),
    }
}

fn server_at(text: &str) -> Result<DatabaseUrl, BadDatabaseUrl> {
    let options: AnyConnectOptions =
        text.parse().map_err(|_| BadDatabaseUrl("it cannot be read as a URL".to_owned()))?;
    let url = options.database_url;
    if url.host_str().is_some_and(|host| host.contains(',')) {
        return Err(BadDatabaseUrl("it names several hosts; name one that always leads to the primary".to_owned()));
    }
    for (key, value) in url.query_pairs() {
        if !KNOWN_PARAMETERS.contains(&key.as_ref()) {
            let known = KNOWN_PARAMETERS.join(", ");
            return Err(BadDatabaseUrl(format!("the parameter {key} would have no effect; known are {known}")));
        }
        if key == "host" && value.contains(',') {
            return Err(BadDatabaseUrl("host names several hosts; name one".to_owned()));
        }
    }
    Ok(DatabaseUrl(Place::Server(text.to_owned())))
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::File(path) => write!(f, "sqlite:{}", path.display()),
            Place::Server(url) => f.write_str(&without_secrets(url)),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The URL without user, password and parameters, any of which may hold a secret.
fn without_secrets(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
    let bare = rest.split('?').next().unwrap_or(rest);
    let place = bare.rsplit_once('@').map_or(bare, |(_, place)| place);
    format!("{scheme}://{place}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        text.parse::<DatabaseUrl>().unwrap_err().to_string()
    }

    #[test]
    fn what_the_driver_would_ignore_is_refused() {
        let ignored = refusal("postgres://farwatch@db/farwatch?target_session_attrs=read-write");
        assert!(ignored.contains("target_session_attrs would have no effect"), "{ignored}");
        assert!(refusal("postgres://a,b/farwatch").contains("several hosts"));
        assert!(refusal("mysql://db").contains("must begin with"));
        assert!(refusal("sqlite::memory:").contains("lost with the process"));
        assert!(refusal("sqlite:a.db?mode=ro").contains("no parameters"));
        assert!(refusal("sqlite:///a.db").contains("without slashes"));
    }

    #[test]
    fn a_password_is_never_shown() {
        let url: DatabaseUrl = "postgres://me:secret@db:5433/farwatch?sslmode=require&password=other".parse().unwrap();
        assert_eq!(url.engine(), Engine::Postgres);
        assert_eq!(format!("{url} {url:?}"), "postgres://db:5433/farwatch postgres://db:5433/farwatch");
    }

    #[test]
    fn a_file_is_shown_by_its_path() {
        let url: DatabaseUrl = "sqlite:/var/lib/farwatch/farwatch.db".parse().unwrap();
        assert_eq!(url.to_string(), "sqlite:/var/lib/farwatch/farwatch.db");
        assert_eq!(url, DatabaseUrl::file(Path::new("/var/lib/farwatch/farwatch.db")));
    }
}
