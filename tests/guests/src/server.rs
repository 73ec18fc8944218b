//! The servers of the cases, by their kinds. Each is a real one, or plays one thing that no real one does.
//!
//! A server that is not installed fails its cases: none passes by skipping.

mod chrony;
mod command;
mod dovecot;
mod grpc;
mod kamailio;
mod mariadb;
mod mosquitto;
mod named;
mod nginx;
mod openssl;
mod postfix;
mod postgres;
mod python;
mod rabbitmq;
mod rdap;
mod redis;
mod scripted;
mod scripted_udp;
mod slapd;
mod snmpd;
mod sshd;
mod staple;
mod vsftpd;
mod weak_key;
mod websocket;

use std::any::Any;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, mpsc};
use std::thread;

use anyhow::{Context, anyhow, bail, ensure};
use farwatch_proto::time::UnixMs;
use farwatch_tests::certificate::{Authority, Certificate, Validity, self_signed};
use farwatch_tests::ports::free_address;
use rustix::process::geteuid;
use serde::de::DeserializeOwned;

use crate::case::Setup;

/// A server that runs until the last case is over.
pub struct Running {
    /// Where it is spoken to.
    pub address: SocketAddr,
    /// What else cases have to know of it, by the names that their configs have for it.
    pub facts: BTreeMap<String, String>,
    /// What ends it when it is dropped.
    _held: Box<dyn Any + Send + Sync>,
}

impl Running {
    /// A server at this address, which ends with what is held of it.
    pub fn new(address: SocketAddr, held: impl Any + Send + Sync) -> Self {
        Self { address, facts: BTreeMap::new(), _held: Box::new(held) }
    }

    /// The same with a fact.
    #[must_use]
    #[allow(clippy::needless_pass_by_value, reason = "facts are numbers and texts, said where they are told")]
    pub fn fact(mut self, name: &str, value: impl ToString) -> Self {
        self.facts.insert(name.to_owned(), value.to_string());
        self
    }
}

/// How a kind of server is started.
type Start = fn(&Setup) -> anyhow::Result<Running>;

/// The kinds, with the program whose version `make servers` shows.
pub const KINDS: &[(&str, Start, &[&str])] = &[
    ("chrony", chrony::start, &["chronyd", "-v"]),
    ("dovecot", dovecot::start, &["dovecot", "--version"]),
    ("grpc", grpc::start, grpc::VERSION),
    ("kamailio", kamailio::start, &["kamailio", "-v"]),
    ("mariadb", mariadb::start, &["mariadbd", "--version"]),
    ("mosquitto", mosquitto::start, &["mosquitto", "-h"]),
    ("named", named::start, &["named", "-v"]),
    ("nginx", nginx::start, &["nginx", "-v"]),
    ("nobody", nobody, &[]),
    ("openssl", openssl::start, &["openssl", "version"]),
    ("postfix", postfix::start, &["postconf", "-d", "mail_version"]),
    ("postgres", postgres::start, &["psql", "--version"]),
    ("rabbitmq", rabbitmq::start, &["dpkg-query", "-W", "rabbitmq-server"]),
    ("rdap", rdap::start, &["nginx", "-v"]),
    ("redis", redis::start, &["redis-server", "--version"]),
    ("scripted", scripted::start, &[]),
    ("scripted_udp", scripted_udp::start, &[]),
    ("slapd", slapd::start, &["slapd", "-VV"]),
    ("snmpd", snmpd::start, &["snmpd", "-v"]),
    ("sshd", sshd::start, &["ssh", "-V"]),
    ("vsftpd", vsftpd::start, &["dpkg-query", "-W", "vsftpd"]),
    ("websocket", websocket::start, websocket::VERSION),
];

/// Nobody listens there.
fn nobody(_: &Setup) -> anyhow::Result<Running> {
    Ok(Running::new(free_address()?, ()))
}

/// Some servers change their user in mid-work, and start as root or not at all.
fn only_as_root(program: &str) -> anyhow::Result<()> {
    ensure!(geteuid().is_root(), "{program} runs only as root; play these cases as root");
    Ok(())
}

type Cell = Arc<OnceLock<Result<Arc<Running>, String>>>;

/// Those that run, by kind and settings.
static RUNNING: LazyLock<Mutex<BTreeMap<String, Cell>>> = LazyLock::new(Mutex::default);

/// The server of this set-up, which is started if it does not run yet.
///
/// # Errors
/// When there is no such kind, or it cannot be started.
pub fn get(setup: &Setup) -> anyhow::Result<Arc<Running>> {
    let cell = RUNNING
        .lock()
        .map_err(|_| anyhow!("another case broke down while it started a server"))?
        .entry(format!("{setup:?}"))
        .or_default()
        .clone();
    cell.get_or_init(|| start_for_good(setup)).clone().map_err(|error| anyhow!(error))
}

/// Ends all servers: those that hold processes would leave them behind.
pub fn end_all() {
    if let Ok(mut running) = RUNNING.lock() {
        running.clear();
    }
}

/// Starts a server on a thread that never ends. The kernel ends a server with the thread that started it, and those that
/// play cases come and go.
fn start_for_good(setup: &Setup) -> Result<Arc<Running>, String> {
    let (tells, hears) = mpsc::channel();
    let setup = setup.clone();
    thread::spawn(move || {
        let started = start(&setup).map(Arc::new).map_err(|error| format!("{error:#}"));
        // Whoever wanted it waits for it.
        let _ = tells.send(started);
        loop {
            thread::park();
        }
    });
    hears.recv().unwrap_or_else(|_| Err("it broke down while it was started".to_owned()))
}

fn start(setup: &Setup) -> anyhow::Result<Running> {
    let Some((_, start, _)) = KINDS.iter().find(|(kind, ..)| *kind == setup.kind) else {
        let kinds: Vec<_> = KINDS.iter().map(|(kind, ..)| *kind).collect();
        bail!("`{}` is no kind of server; there are {}", setup.kind, kinds.join(", "));
    };
    start(setup).with_context(|| format!("cannot start {}", setup.kind))
}

/// The version of the program behind a kind, as it tells it by itself: the first line in which there is a number.
///
/// # Errors
/// When there is no such kind, or it is not installed.
pub fn version(kind: &str) -> anyhow::Result<String> {
    let (.., command) = KINDS.iter().find(|(name, ..)| *name == kind).with_context(|| format!("no server {kind}"))?;
    let Some((program, arguments)) = command.split_first() else {
        return Ok("made for the cases".to_owned());
    };
    let told = Command::new(program).args(arguments).output();
    let told = told.with_context(|| format!("{program} cannot be started; run `make setup`"))?;
    let told = [told.stdout, told.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    let line = told.lines().find(|line| line.contains(|c: char| c.is_ascii_digit()));
    let line = line.with_context(|| format!("{program} tells no version"))?;
    Ok(line.trim().chars().take(VERSION_MAX).collect())
}

/// The settings of a kind.
pub fn settings<T: DeserializeOwned>(setup: &Setup) -> anyhow::Result<T> {
    setup.settings.clone().try_into().with_context(|| format!("in the settings of {}", setup.kind))
}

/// As much of a version as fits its table.
const VERSION_MAX: usize = 56;
const DAY_MS: i64 = 86_400_000;
/// How long a certificate that is about to expire is still good.
const EXPIRING_DAYS: i64 = 5;

/// Whom the checks of all cases trust.
pub static AUTHORITY: LazyLock<Authority> =
    LazyLock::new(|| Authority::new().expect("an authority can always be made"));

/// The certificate of a server on loopback that a case asks for by a word; a good one if it asks for none.
pub fn certificate(word: Option<&str>) -> anyhow::Result<Certificate> {
    let names = ["127.0.0.1", "localhost"];
    match word.unwrap_or("good") {
        "good" => AUTHORITY.certificate(&names, Validity::Good),
        "expired" => AUTHORITY.certificate(&names, Validity::Expired),
        "not-yet-valid" => AUTHORITY.certificate(&names, Validity::NotYet),
        "wrong-name" => AUTHORITY.certificate(&["other.example"], Validity::Good),
        "self-signed" => self_signed(&names),
        "unknown-issuer" => Authority::named("somebody else")?.certificate(&names, Validity::Good),
        // In the name of the authority that checks trust, and not by it.
        "forged" => Authority::new()?.certificate(&names, Validity::Good),
        "expiring" => AUTHORITY.certificate(&names, days_around_now(EXPIRING_DAYS)),
        "with-intermediate" => {
            let between = AUTHORITY.intermediate()?;
            let mut certificate = between.certificate(&names, Validity::Good)?;
            certificate.chain_pem.push_str(&between.pem());
            Ok(certificate)
        }
        "missing-intermediate" => AUTHORITY.intermediate()?.certificate(&names, Validity::Good),
        "weak-key" => weak_key::certificate(),
        other => bail!("`{other}` is no certificate that cases can ask for"),
    }
}

/// From yesterday until in so many days.
fn days_around_now(days: i64) -> Validity {
    let UnixMs(now_ms) = farwatch_tests::clock::now();
    Validity::Between(UnixMs(now_ms - DAY_MS), UnixMs(now_ms + days * DAY_MS))
}
