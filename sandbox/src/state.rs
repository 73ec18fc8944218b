//! What stands behind the imports of one running guest.
//!
//! One store has one of these, and both go away together. A guest can fill what is here up to stated limits and no
//! further; nothing here reaches the network.

use std::sync::Arc;

use wasmtime::component::{HasSelf, Linker, Resource};

use crate::bindings::farwatch::check::types::{Failure, Phase, PhaseTimes, Problem};
use crate::bindings::farwatch::check::{dns, entropy, http, icmp, log, secrets, tcp, tls, types, udp};
use crate::exchange::{ConnectionNumber, Exchange, Question};
use crate::limits::{ENTROPY_MAX, LOG_BYTES_MAX, LOG_LINES_MAX, Limits};
use crate::meter::Meter;
use crate::stop::EntropyRefused;

pub use crate::bindings::farwatch::check::log::Level;

/// A line that a module logged.
#[derive(Debug, Clone)]
pub struct LogLine {
    /// How much it matters.
    pub level: Level,
    /// What it says, cut where the limit of the run was reached.
    pub message: String,
}

/// The lines of one run.
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// The first lines, at most 64 and at most 16 KiB together.
    pub lines: Vec<LogLine>,
    /// How many lines did not fit.
    pub dropped: u32,
    bytes: usize,
}

impl Log {
    fn add(&mut self, level: Level, mut message: String) {
        let room = LOG_BYTES_MAX - self.bytes;
        if self.lines.len() == LOG_LINES_MAX || room == 0 {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        message.truncate(message.floor_char_boundary(room));
        message.shrink_to_fit();
        self.bytes += message.len();
        self.lines.push(LogLine { level, message });
    }
}

/// The data of one store.
pub(crate) struct GuestState {
    pub(crate) meter: Meter,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) log: Log,
    probes_left: u32,
    /// How many were opened; the next one has this number.
    connections: ConnectionNumber,
    entropy_left: usize,
}

impl GuestState {
    pub(crate) fn new(limits: &Limits, exchange: Arc<Exchange>) -> Self {
        Self {
            meter: Meter::new(limits),
            exchange,
            log: Log::default(),
            probes_left: limits.fetches,
            connections: 0,
            entropy_left: ENTROPY_MAX,
        }
    }
}

/// The names of the interfaces that are linked. A module that imports anything else is refused.
pub(crate) const LINKED: [&str; 10] = [
    "farwatch:check/types@0.1.0",
    "farwatch:check/http@0.1.0",
    "farwatch:check/tcp@0.1.0",
    "farwatch:check/udp@0.1.0",
    "farwatch:check/dns@0.1.0",
    "farwatch:check/tls@0.1.0",
    "farwatch:check/icmp@0.1.0",
    "farwatch:check/log@0.1.0",
    "farwatch:check/secrets@0.1.0",
    "farwatch:check/entropy@0.1.0",
];

/// Those of them that reach the network, by the names under which a module says that it needs them.
pub(crate) const PROBES: [(&str, &str); 6] = [
    ("farwatch:check/http@0.1.0", "http"),
    ("farwatch:check/tcp@0.1.0", "tcp"),
    ("farwatch:check/udp@0.1.0", "udp"),
    ("farwatch:check/dns@0.1.0", "dns"),
    ("farwatch:check/tls@0.1.0", "tls"),
    ("farwatch:check/icmp@0.1.0", "icmp"),
];

/// Defines the imports.
///
/// # Errors
/// Never, unless a name is defined twice.
pub(crate) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    types::add_to_linker::<_, HasSelf<GuestState>>(linker, |state| state)?;
    http::add_to_linker::<_, HasSelf<GuestState>>(linker, |state| state)?;
    tcp::add_to_linker::<_, HasSelf<GuestState>>(linker, |state| state)?;
    udp::add_to_linker::<_, HasSelf<GuestState>>(linker, |state| state)?;
    dns::add_to_linker::<_, HasSelf<GuestState>>(linker, |state| state)?;
    tls::add_to_linker::<_, HasSelf<GuestState>>(linker, |state| state)?;
    icmp::add_to_linker::<_, HasSelf<GuestState>>(linker, |state| state)?;
    log::add_to_linker::<_, HasSelf<GuestState>>(linker, |state| state)?;
    secrets::add_to_linker::<_, HasSelf<GuestState>>(linker, |state| state)?;
    entropy::add_to_linker::<_, HasSelf<GuestState>>(linker, |state| state)
}

impl types::Host for GuestState {}

impl GuestState {
    /// Takes one of the probes that the run may make, if any is left.
    const fn takes_probe(&mut self) -> bool {
        let is_left = self.probes_left > 0;
        self.probes_left = self.probes_left.saturating_sub(1);
        is_left
    }
}

impl http::Host for GuestState {
    async fn fetch(&mut self, request: http::Request) -> Result<http::Response, Failure> {
        if self.takes_probe() { self.exchange.ask(request, Question::Fetch).await } else { Err(fetch_limit()) }
    }
}

impl tcp::Host for GuestState {}

/// A connection as a guest holds it: a number by which the run knows it.
#[allow(unreachable_pub, reason = "the generated records of the treaty are public, and one is this")]
pub struct Connection;

impl tcp::HostConnection for GuestState {
    async fn open(&mut self, target: tcp::Target) -> Result<Resource<Connection>, Failure> {
        if !self.takes_probe() {
            return Err(fetch_limit());
        }
        let number = self.connections;
        self.connections += 1;
        self.exchange.ask((number, target), Question::Open).await?;
        Ok(Resource::new_own(number))
    }

    async fn send(&mut self, connection: Resource<Connection>, bytes: Vec<u8>) -> Result<(), Failure> {
        self.exchange.ask((connection.rep(), bytes), Question::Send).await
    }

    async fn receive(
        &mut self,
        connection: Resource<Connection>,
        until: tcp::Until,
        max_bytes: u32,
    ) -> Result<tcp::Received, Failure> {
        self.exchange.ask((connection.rep(), until, max_bytes), Question::Receive).await
    }

    async fn start_tls(&mut self, connection: Resource<Connection>, options: tcp::TlsOptions) -> Result<(), Failure> {
        self.exchange.ask((connection.rep(), options), Question::StartTls).await
    }

    async fn evidence(&mut self, connection: Resource<Connection>) -> tcp::Evidence {
        self.exchange.ask(connection.rep(), Question::Evidence).await
    }

    async fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.exchange.ask(connection.rep(), Question::Close).await;
        Ok(())
    }
}

impl udp::Host for GuestState {
    async fn exchange(&mut self, request: udp::Request) -> Result<udp::Response, Failure> {
        if self.takes_probe() { self.exchange.ask(request, Question::Exchange).await } else { Err(fetch_limit()) }
    }
}

impl dns::Host for GuestState {
    async fn query(&mut self, request: dns::Request) -> Result<dns::Response, Failure> {
        if self.takes_probe() { self.exchange.ask(request, Question::Query).await } else { Err(fetch_limit()) }
    }
}

impl tls::Host for GuestState {
    async fn shake_hands(&mut self, target: tls::Target, alpn: Vec<String>) -> Result<tls::Handshake, Failure> {
        if !self.takes_probe() {
            return Err(fetch_limit());
        }
        self.exchange.ask((target, alpn), Question::ShakeHands).await
    }

    async fn propose(&mut self, target: tls::Target, offer: tls::Offer) -> Result<tls::Reply, Failure> {
        if self.takes_probe() {
            self.exchange.ask((target, offer), Question::Propose).await
        } else {
            Err(fetch_limit())
        }
    }
}

impl icmp::Host for GuestState {
    async fn ping(&mut self, request: icmp::Request) -> Result<icmp::Response, Failure> {
        if self.takes_probe() { self.exchange.ask(request, Question::Ping).await } else { Err(fetch_limit()) }
    }
}

/// The failure that answers probes beyond the limit of a run.
pub(crate) fn fetch_limit() -> Failure {
    before_anything("fetch-limit", "this run has made all the probes that it may")
}

/// The failure that answers probes of a kind that there is none of.
pub(crate) fn not_supported() -> Failure {
    before_anything("not-supported", "this host makes no probes of this kind")
}

/// What was seen of a connection that there is none of.
pub(crate) const fn nothing_seen() -> tcp::Evidence {
    tcp::Evidence { remote: String::new(), times: NO_TIMES, tls: None }
}

const NO_TIMES: PhaseTimes =
    PhaseTimes { resolve: None, connect: None, tls: None, first_byte: None, transfer: None, total: 0 };

fn before_anything(code: &str, message: &str) -> Failure {
    Failure {
        phase: Phase::Prepare,
        code: code.to_owned(),
        message: message.to_owned(),
        remote: None,
        times: NO_TIMES,
        tls: None,
    }
}

impl secrets::Host for GuestState {
    async fn get(&mut self, name: String) -> Result<String, Problem> {
        self.exchange.ask(name, Question::Secret).await.ok_or_else(secret_missing)
    }
}

fn secret_missing() -> Problem {
    Problem {
        code: "secret-missing".to_owned(),
        message: "a secret that the module asks for is not among those that the config of the check names".to_owned(),
        field: None,
    }
}

impl log::Host for GuestState {
    fn emit(&mut self, level: Level, message: String) {
        self.log.add(level, message);
    }
}

impl entropy::Host for GuestState {
    fn get(&mut self, len: u32) -> wasmtime::Result<Vec<u8>> {
        let len = usize::try_from(len)?;
        self.entropy_left = self.entropy_left.checked_sub(len).ok_or(EntropyRefused)?;
        let mut bytes = vec![0; len];
        let mut filled = 0;
        while filled < len {
            filled += rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty())?;
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_keeps_the_first_lines_and_counts_the_others() {
        let mut log = Log::default();
        for _ in 0..LOG_LINES_MAX + 3 {
            log.add(Level::Info, "x".to_owned());
        }
        assert_eq!((log.lines.len(), log.dropped), (LOG_LINES_MAX, 3));
    }

    #[test]
    fn a_log_is_cut_between_characters() {
        let mut log = Log::default();
        log.add(Level::Info, "x".repeat(LOG_BYTES_MAX - 1));
        log.add(Level::Info, "ä".to_owned());
        log.add(Level::Info, "y".to_owned());
        assert_eq!(log.lines.iter().map(|line| line.message.len()).sum::<usize>(), LOG_BYTES_MAX);
        assert_eq!(log.lines[1].message, "");
    }
}
