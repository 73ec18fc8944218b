//! What stands behind the imports of one running guest.
//!
//! One store has one of these, and both go away together. A guest can fill what is here up to stated limits and no
//! further; nothing here reaches the network.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::{HasSelf, Linker, Resource};

use crate::bindings::farwatch::check::types::{Failure, Phase, PhaseTimes, Problem};
use crate::bindings::farwatch::check::{dns, entropy, http, icmp, log, secrets, tcp, tls, types, udp};
use crate::budget::{Budget, Payer};
use crate::exchange::{ConnectionNumber, Exchange, Question};
use crate::limits::{ENTROPY_MAX, Limits};
use crate::log::{Level, Log, OpenLog};
use crate::meter::Meter;
use crate::stop::TooMuch;
use crate::wasi::sockets::SocketGate;
use crate::wasi::{self, Wasi};

/// The data of one store.
pub(crate) struct GuestState {
    pub(crate) meter: Meter,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) log: OpenLog,
    /// How many were opened; the next one has this number.
    connections: ConnectionNumber,
    entropy_left: usize,
    /// Made when the guest first asks for any of it.
    wasi: Option<Box<Wasi>>,
    /// Where its sockets may go; a call without one has none.
    gate: Option<Arc<dyn SocketGate>>,
    /// How long the module was told that its call may take.
    timeout: Duration,
}

impl GuestState {
    pub(crate) fn new(limits: &Limits, (budget, payer): (Arc<Budget>, Payer), exchange: Arc<Exchange>) -> Self {
        Self {
            meter: Meter::new(limits, budget, payer),
            exchange,
            log: OpenLog::default(),
            connections: 0,
            entropy_left: ENTROPY_MAX,
            wasi: None,
            gate: None,
            timeout: limits.timeout(),
        }
    }

    /// What the guest has of WASI.
    pub(crate) fn wasi(&mut self) -> &mut Wasi {
        let Self { log, exchange, gate, timeout, .. } = self;
        self.wasi.get_or_insert_with(|| Box::new(Wasi::new(log, exchange, gate.clone(), *timeout)))
    }

    /// Lets its sockets go where this gate lets them. To be said before the guest runs.
    pub(crate) fn open_gate(&mut self, gate: Option<Arc<dyn SocketGate>>) {
        self.gate = gate;
    }

    /// Whether it may have any.
    pub(crate) const fn has_gate(&self) -> bool {
        self.gate.is_some()
    }

    /// Randomness, from what is left of it for this call.
    pub(crate) fn entropy(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        let len = usize::try_from(len)?;
        self.entropy_left = self.entropy_left.checked_sub(len).ok_or(TooMuch::Entropy)?;
        let mut bytes = vec![0; len];
        let mut filled = 0;
        while filled < len {
            filled += rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty())?;
        }
        Ok(bytes)
    }

    /// Ends what the guest has, and takes what it said.
    pub(crate) fn into_log(mut self) -> Log {
        // The last line of a stream may have no end but this.
        self.wasi = None;
        self.log.take()
    }
}

/// The interfaces of the treaty that are linked. A module that imports anything else, and nothing of WASI, is refused.
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

/// Those that reach the network, of whatever version is linked, by the names under which a module says that it needs
/// them.
pub(crate) const PROBES: [(&str, &str); 8] = [
    ("farwatch:check/http", "http"),
    ("wasi:http/outgoing-handler", "http"),
    ("farwatch:check/tcp", "tcp"),
    ("farwatch:check/udp", "udp"),
    ("farwatch:check/dns", "dns"),
    ("farwatch:check/tls", "tls"),
    ("farwatch:check/icmp", "icmp"),
    // None is made without this.
    ("wasi:sockets/instance-network", SOCKETS),
];

/// The capability of whoever imports `wasi:sockets`.
pub(crate) const SOCKETS: &str = "sockets";

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
    entropy::add_to_linker::<_, HasSelf<GuestState>>(linker, |state| state)?;
    wasi::link(linker)
}

impl types::Host for GuestState {}

impl http::Host for GuestState {
    async fn fetch(&mut self, request: http::Request) -> Result<http::Response, Failure> {
        if self.exchange.takes_probe() { self.exchange.ask(request, Question::Fetch).await } else { Err(fetch_limit()) }
    }
}

impl tcp::Host for GuestState {}

/// A connection as a guest holds it: a number by which the run knows it.
#[allow(unreachable_pub, reason = "the generated records of the treaty are public, and one is this")]
pub struct Connection;

impl tcp::HostConnection for GuestState {
    async fn open(&mut self, target: tcp::Target) -> Result<Resource<Connection>, Failure> {
        if !self.exchange.takes_probe() {
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
        if self.exchange.takes_probe() {
            self.exchange.ask(request, Question::Exchange).await
        } else {
            Err(fetch_limit())
        }
    }
}

impl dns::Host for GuestState {
    async fn query(&mut self, request: dns::Request) -> Result<dns::Response, Failure> {
        if self.exchange.takes_probe() { self.exchange.ask(request, Question::Query).await } else { Err(fetch_limit()) }
    }
}

impl tls::Host for GuestState {
    async fn shake_hands(&mut self, target: tls::Target, alpn: Vec<String>) -> Result<tls::Handshake, Failure> {
        if !self.exchange.takes_probe() {
            return Err(fetch_limit());
        }
        self.exchange.ask((target, alpn), Question::ShakeHands).await
    }

    async fn propose(&mut self, target: tls::Target, offer: tls::Offer) -> Result<tls::Reply, Failure> {
        if self.exchange.takes_probe() {
            self.exchange.ask((target, offer), Question::Propose).await
        } else {
            Err(fetch_limit())
        }
    }
}

impl icmp::Host for GuestState {
    async fn ping(&mut self, request: icmp::Request) -> Result<icmp::Response, Failure> {
        if self.exchange.takes_probe() { self.exchange.ask(request, Question::Ping).await } else { Err(fetch_limit()) }
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
        self.entropy(len.into())
    }
}
