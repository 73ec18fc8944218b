//! A private PostgreSQL server for tests: a real one, with a directory and a socket of its own.
//!
//! Nothing is skipped and nothing is faked: a machine without the server fails the test with one line that says
//! what to install. A guard process ends the server and removes its directory when the test process ends, however
//! it ends.

use std::fs::OpenOptions;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;

use crate::certificate::Certificate;
use crate::ports::free_address;
use crate::wait::eventually;

/// What an operator of Debian types when the server is missing.
const INSTALL_HINT: &str = "PostgreSQL is not installed; run: apt-get install postgresql";
/// The user inside the server.
const DATABASE_USER: &str = "farwatch";
/// The user initdb insists on when root runs the tests: it refuses root itself.
const SYSTEM_USER: &str = "postgres";
/// What names the socket of a server that listens nowhere else.
const PORT: u16 = 5432;
/// How long a server may take to start on a machine busy with other tests.
const START_LIMIT: Duration = Duration::from_secs(30);

/// The guard: runs the server, waits for the end of its own input, which is the end of the test process, then ends
/// the server and removes the directory.
const GUARD: &str = r#"
directory=$1; shift
"$@" >"$directory/log" 2>&1 </dev/null &
server=$!
cat >/dev/null
kill -QUIT "$server" 2>/dev/null
wait "$server"
rm -rf "$directory"
"#;

/// Whether the server survives a crash of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It writes to memory only: for tests of behaviour.
    Fast,
    /// It waits for the disk, as in production: for tests of crashes and for measurements.
    Safe,
}

/// What a server is told before it listens, beyond the usual.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// Statements, one a line: users, tables.
    pub statements: &'a str,
    /// Lines of `pg_hba.conf`, for connections over TCP.
    pub rules: &'a str,
    /// It speaks TLS with this.
    pub certificate: Option<&'a Certificate>,
    /// It waits for the log of another server for ever, and takes no writes.
    pub is_standby: bool,
}

/// A running server.
#[derive(Debug)]
pub struct Postgres {
    binaries: PathBuf,
    directory: PathBuf,
    /// Where it listens besides its socket.
    address: Option<SocketAddr>,
    databases: AtomicU32,
    guard: Mutex<Child>,
}

impl Postgres {
    /// The server of this test process, started by whoever asks first.
    ///
    /// # Panics
    /// When it cannot be started; the message says what to do.
    #[expect(clippy::panic, reason = "a test without its server must fail, with one line")]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Result<Postgres, String>> = OnceLock::new();
        let started = SHARED.get_or_init(|| Self::start(Durability::Fast).map_err(|why| format!("{why:#}")));
        match started {
            Ok(server) => server,
            Err(why) => panic!("{why}"),
        }
    }

    /// Starts a server of its own. It ends when this value is dropped, or with the process.
    pub fn start(durability: Durability) -> anyhow::Result<Self> {
        Self::start_at(durability, None, None)
    }

    /// The same, reached by TCP on loopback too, where a relay can stand between.
    pub fn start_on_loopback(durability: Durability) -> anyhow::Result<Self> {
        Self::start_at(durability, Some(free_address()?), None)
    }

    /// Starts a server on loopback that was told something before.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_told(told: Told<'_>) -> anyhow::Result<Self> {
        Self::start_at(Durability::Fast, Some(free_address()?), Some(told))
    }

    fn start_at(durability: Durability, address: Option<SocketAddr>, told: Option<Told<'_>>) -> anyhow::Result<Self> {
        let binaries = find_binaries()?;
        let runner = Runner::of_this_process()?;
        let directory = TempDir::with_prefix("farwatch-postgres-")?;
        runner.give(directory.path())?;
        let data = directory.path().join("data");
        let mut initdb = runner.command(&binaries.join("initdb"));
        initdb.arg("--pgdata").arg(&data).args(["--username", DATABASE_USER, "--auth", "trust", "--no-sync"]);
        initdb.args(["--encoding", "UTF8", "--no-locale"]);
        run(&mut initdb).context("initdb")?;
        if let Some(told) = told {
            tell(&runner, &binaries, &data, told)?;
        }
        let guard = spawn_guard(&runner, &binaries, directory.path(), durability, address)?;
        let (databases, guard) = (AtomicU32::new(0), Mutex::new(guard));
        let server = Self { binaries, directory: directory.keep(), address, databases, guard };
        server.wait_until_it_answers()?;
        Ok(server)
    }

    /// Makes an empty database and returns its URL.
    pub fn create_database(&self) -> anyhow::Result<String> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("create database {name}"))?;
        Ok(self.url(&name))
    }

    /// The URL of a database of this server.
    pub fn url(&self, database: &str) -> String {
        let port = self.address.map_or(PORT, |address| address.port());
        format!("postgres:///{database}?host={}&port={port}&user={DATABASE_USER}", self.directory.display())
    }

    /// Where it listens on loopback, if it does.
    pub const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The URL of a database of it by way of this address.
    pub fn url_via(&self, url: &str, address: SocketAddr) -> String {
        let database = url.split(['/', '?']).nth(3).unwrap_or_default();
        format!("postgres://{DATABASE_USER}@{address}/{database}")
    }

    /// Runs a statement in a database, beside whatever the product does, and returns what it prints.
    pub fn sql(&self, database: &str, statement: &str) -> anyhow::Result<String> {
        let mut psql = Command::new(self.binaries.join("psql"));
        let port = self.address.map_or(PORT, |address| address.port());
        psql.arg("--host").arg(&self.directory).arg(format!("--port={port}"));
        psql.args(["--username", DATABASE_USER, "--dbname", database]);
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1", "--command"]);
        run(psql.arg(statement)).with_context(|| statement.to_owned())
    }

    fn wait_until_it_answers(&self) -> anyhow::Result<()> {
        let answers = || self.sql("postgres", "select 1").map(Some);
        eventually("PostgreSQL to answer", START_LIMIT, answers).map(|_| ()).with_context(|| {
            let log = std::fs::read_to_string(self.directory.join("log")).unwrap_or_default();
            format!("PostgreSQL did not start; its log says:\n{log}")
        })
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Ok(mut guard) = self.guard.lock() {
            drop(guard.stdin.take());
            let _ = guard.wait();
        }
    }
}

/// As whom the server runs.
struct Runner {
    /// User and group to become, when root runs the tests.
    become_user: Option<(u32, u32)>,
}

impl Runner {
    fn of_this_process() -> anyhow::Result<Self> {
        if std::fs::metadata("/proc/self").context("/proc is not mounted")?.uid() != 0 {
            return Ok(Self { become_user: None });
        }
        let accounts = std::fs::read_to_string("/etc/passwd")?;
        let account = accounts.lines().find_map(|line| line.strip_prefix(SYSTEM_USER)?.strip_prefix(':'));
        let mut fields = account.context(INSTALL_HINT)?.split(':').skip(1);
        let mut number = || fields.next().and_then(|field| field.parse().ok()).context("/etc/passwd is malformed");
        Ok(Self { become_user: Some((number()?, number()?)) })
    }

    fn give(&self, directory: &Path) -> anyhow::Result<()> {
        std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700))?;
        if let Some((user, group)) = self.become_user {
            chown(directory, Some(user), Some(group))?;
        }
        Ok(())
    }

    fn give_file(&self, path: &Path, text: &str) -> anyhow::Result<()> {
        std::fs::write(path, text)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        if let Some((user, group)) = self.become_user {
            chown(path, Some(user), Some(group))?;
        }
        Ok(())
    }

    /// The words that run a program as that user, and end it when its parent is killed.
    fn words(&self) -> Vec<String> {
        let mut words = vec!["setpriv".to_owned(), "--pdeathsig=KILL".to_owned()];
        if let Some((user, group)) = self.become_user {
            words.extend([format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".to_owned()]);
        }
        words
    }

    fn command(&self, program: &Path) -> Command {
        let words = self.words();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg(program).current_dir("/");
        command
    }
}

/// Before the server listens for the first time: files of its own, and statements in a server for nobody else.
fn tell(runner: &Runner, binaries: &Path, data: &Path, told: Told<'_>) -> anyhow::Result<()> {
    if let Some(certificate) = told.certificate {
        runner.give_file(&data.join("chain.pem"), &certificate.chain_pem)?;
        runner.give_file(&data.join("key.pem"), &certificate.key_pem)?;
        let mut file = OpenOptions::new().append(true).open(data.join("postgresql.conf"))?;
        file.write_all(b"\nssl=on\nssl_cert_file='chain.pem'\nssl_key_file='key.pem'\n")?;
    }
    let mut alone = runner.command(&binaries.join("postgres"));
    alone.args(["--single", "-F", "-D"]).arg(data).arg("postgres");
    let mut alone = alone.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    // Dropped at once, for it ends with its input.
    alone.stdin.take().context("its input is piped")?.write_all(told.statements.as_bytes())?;
    let said = String::from_utf8_lossy(&alone.wait_with_output()?.stderr).into_owned();
    ensure!(!said.contains("ERROR") && !said.contains("FATAL"), "the server does not take its statements: {said}");
    // Whoever starts it is let in over its socket.
    let rules = format!("local all all trust\n{}", told.rules);
    runner.give_file(&data.join("pg_hba.conf"), &rules)?;
    if told.is_standby {
        runner.give_file(&data.join("standby.signal"), "")?;
    }
    Ok(())
}

fn spawn_guard(
    runner: &Runner,
    binaries: &Path,
    directory: &Path,
    durability: Durability,
    address: Option<SocketAddr>,
) -> anyhow::Result<Child> {
    let mut guard = Command::new("sh");
    guard.args(["-c", GUARD, "guard"]).arg(directory).args(runner.words()).arg(binaries.join("postgres"));
    guard.arg("-D").arg(directory.join("data")).arg("-k").arg(directory);
    let (listen, port) = address.map_or((String::new(), PORT), |address| (address.ip().to_string(), address.port()));
    guard.arg("-c").arg(format!("listen_addresses={listen}")).arg("-c").arg(format!("port={port}"));
    guard.args(["-c", "max_connections=200", "-c", "shared_buffers=32MB"]);
    if durability == Durability::Fast {
        guard.args(["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]);
    }
    // A group of its own: an interrupt at the terminal must reach the tests, and the guard only through their end.
    guard.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    guard.spawn().context("sh cannot be run")
}

/// The directory of the server's programs: as pg_config says, else the newest that Debian installed.
fn find_binaries() -> anyhow::Result<PathBuf> {
    let told = Command::new("pg_config").arg("--bindir").output().ok();
    let told = told.and_then(|output| String::from_utf8(output.stdout).ok());
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = installed
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort();
    let debian = versions.into_iter().rev().map(|(_, directory)| directory);
    let told = told.map(|text| PathBuf::from(text.trim()));
    let found = told.into_iter().chain(debian).find(|directory| directory.join("initdb").exists());
    found.context(INSTALL_HINT)
}

fn run(command: &mut Command) -> anyhow::Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
