//! Calls of a module: one fresh store for each, under all limits, and gone afterwards.
//!
//! A guest can spoil its own call and nothing else. It is never retried here, and nothing of it is kept.

use std::future::{Future, ready};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use wasmtime::{Engine, Store, UpdateDeadline};

use crate::answer;
use crate::bindings::exports::farwatch::check::check::{Description, Prepared, RunContext};
use crate::bindings::farwatch::check::types::{Failure, Outcome, Problem, Status};
use crate::bindings::farwatch::check::{dns, http, icmp, tcp, tls, udp};
use crate::budget::{Budget, Payer};
use crate::exchange::{Exchange, Over, Question, Step};
use crate::limits::{HANDLES_MAX, HOSTCALL_BYTES_MAX, Limits};
use crate::log::Log;
use crate::meter::Refused;
use crate::module::Module;
use crate::state::{GuestState, fetch_limit, not_supported, nothing_seen};
use crate::stop::{Stop, StopCode};
use crate::ticker::TICK;
use crate::wasi::sockets::SocketGate;

/// The probes behind a guest's imports. The host makes them; the sandbox knows only their shape.
pub trait Probes: Send {
    /// Makes one HTTP request. It is dropped, and with it whatever it does, when the call it belongs to is stopped.
    fn fetch(&mut self, request: http::Request) -> impl Future<Output = Result<http::Response, Failure>> + Send;

    /// Opens a TCP connection, which is called by this number from then on, also where it could not be opened. It is
    /// dropped like a request, at the latest with these probes. Whoever knows no TCP says so.
    fn open(&mut self, _number: u32, _target: tcp::Target) -> impl Future<Output = Result<(), Failure>> + Send {
        ready(Err(not_supported()))
    }

    /// Sends bytes over a connection.
    fn send(&mut self, _number: u32, _bytes: Vec<u8>) -> impl Future<Output = Result<(), Failure>> + Send {
        ready(Err(not_supported()))
    }

    /// Reads an answer from a connection.
    fn receive(
        &mut self,
        _number: u32,
        _until: tcp::Until,
        _max_bytes: u32,
    ) -> impl Future<Output = Result<tcp::Received, Failure>> + Send {
        ready(Err(not_supported()))
    }

    /// Encrypts a connection.
    fn start_tls(
        &mut self,
        _number: u32,
        _options: tcp::TlsOptions,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        ready(Err(not_supported()))
    }

    /// What was seen of a connection.
    fn evidence(&mut self, _number: u32) -> tcp::Evidence {
        nothing_seen()
    }

    /// Closes a connection.
    fn close(&mut self, _number: u32) -> impl Future<Output = ()> + Send {
        ready(())
    }

    /// Asks a DNS server. It is dropped like a request. Whoever knows no DNS says so.
    fn query(&mut self, _request: dns::Request) -> impl Future<Output = Result<dns::Response, Failure>> + Send {
        ready(Err(not_supported()))
    }

    /// Shakes hands by TLS. It is dropped like a request. Whoever does not says so.
    fn shake_hands(
        &mut self,
        _target: tls::Target,
        _alpn: Vec<String>,
    ) -> impl Future<Output = Result<tls::Handshake, Failure>> + Send {
        ready(Err(not_supported()))
    }

    /// Offers a server an old way of speaking TLS.
    fn propose(
        &mut self,
        _target: tls::Target,
        _offer: tls::Offer,
    ) -> impl Future<Output = Result<tls::Reply, Failure>> + Send {
        ready(Err(not_supported()))
    }

    /// Sends echo requests. It is dropped like a request. Whoever knows no ICMP says so.
    fn ping(&mut self, _request: icmp::Request) -> impl Future<Output = Result<icmp::Response, Failure>> + Send {
        ready(Err(not_supported()))
    }

    /// Whose share of the memory of all runs the run takes from. Those of whom nothing is said share one.
    fn payer(&self) -> Payer {
        0
    }

    /// Where the sockets of the run may go, for a module that imports some. Whoever has no gate lets none be made.
    fn gate(&mut self) -> Option<Arc<dyn SocketGate>> {
        None
    }

    /// Looks up the addresses of a name, and tells only those where a socket may go. It is dropped like a request.
    fn look_up(&mut self, _name: String) -> impl Future<Output = Result<Vec<IpAddr>, Failure>> + Send {
        ready(Err(not_supported()))
    }

    /// The value of a secret that the config of the check names; of any other there is none.
    fn secret(&mut self, _name: &str) -> Option<String> {
        None
    }

    /// Sends a datagram and waits for its answer. It is dropped like a request. Whoever knows no UDP says so.
    fn exchange(&mut self, _request: udp::Request) -> impl Future<Output = Result<udp::Response, Failure>> + Send {
        ready(Err(not_supported()))
    }
}

/// How a run ended.
#[derive(Debug, Clone)]
pub enum RunEnd {
    /// The module judged its target.
    Judged(Outcome),
    /// The module could not judge its target. That is unknown, by the module's own word.
    Problem(Problem),
    /// The run was stopped. That is unknown, too.
    Stopped(Stop),
}

/// What is known of a run that is over.
#[derive(Debug, Clone)]
pub struct RunReport {
    /// How it ended.
    pub end: RunEnd,
    /// The CPU time that the guest took, without its probes, in microseconds.
    pub cpu_us: u64,
    /// The most memory that the guest had, in bytes.
    pub memory_bytes: usize,
    /// The probes that the guest made, sockets of its own among them.
    pub probes: u32,
    /// What the guest logged.
    pub log: Log,
}

/// Makes one run.
pub(crate) async fn run<P: Probes>(
    room: &Room,
    module: &Module,
    probes: &mut P,
    context: &RunContext,
    limits: &Limits,
) -> RunReport {
    let mut cell = Cell::new(room, probes.payer(), limits);
    let exchange = Arc::clone(&cell.exchange);
    if module.has_sockets() {
        cell.store.data_mut().open_gate(probes.gate());
    }
    let guest = async {
        let guest = module.pre().instance_pre().instantiate_async(&mut cell.store).await?;
        let run = guest.get_typed_func::<(&RunContext,), (Result<Outcome, Problem>,)>(&mut cell.store, module.run())?;
        let (judged,) = run.call_async(&mut cell.store, (context,)).await?;
        Ok(judged)
    };
    let ended = drive(guest, &exchange, probes, limits).await;
    let end = match cell.judge(ended) {
        // A guest that went on without memory which it was promised can say that its target is well, and no more.
        Ok(Ok(outcome)) if outcome.status == Status::Up => answer::outcome(outcome).map(RunEnd::Judged),
        Ok(_) if cell.is_short_of_memory() => Err(Stop::no_memory()),
        Ok(Ok(outcome)) => answer::outcome(outcome).map(RunEnd::Judged),
        Ok(Err(problem)) => answer::problem(problem).map(RunEnd::Problem),
        Err(stop) => Err(stop),
    };
    let state = cell.store.into_data();
    RunReport {
        end: end.unwrap_or_else(RunEnd::Stopped),
        cpu_us: u64::try_from(exchange.cpu().as_micros()).unwrap_or(u64::MAX),
        memory_bytes: state.meter.peak(),
        probes: limits.fetches - exchange.probes_left(),
        log: state.into_log(),
    }
}

/// Asks a module what it is.
pub(crate) async fn describe(room: &Room, module: &Module) -> Result<Description, Stop> {
    let limits = Limits::for_inspection(module.tier());
    let mut cell = Cell::new(room, NoProbes.payer(), &limits);
    let exchange = Arc::clone(&cell.exchange);
    let guest = async {
        let guest = module.pre().instantiate_async(&mut cell.store).await?;
        guest.farwatch_check_check().call_describe(&mut cell.store).await
    };
    let ended = drive(guest, &exchange, &mut NoProbes, &limits).await;
    answer::description(cell.judge(ended)?, module.imports())
}

/// Has a module judge and prepare a config.
pub(crate) async fn validate(
    room: &Room,
    module: &Module,
    config: &str,
) -> Result<Result<Prepared, Vec<Problem>>, Stop> {
    let limits = Limits::for_inspection(module.tier());
    let mut cell = Cell::new(room, NoProbes.payer(), &limits);
    let exchange = Arc::clone(&cell.exchange);
    let guest = async {
        let guest = module.pre().instantiate_async(&mut cell.store).await?;
        guest.farwatch_check_check().call_validate(&mut cell.store, config).await
    };
    let ended = drive(guest, &exchange, &mut NoProbes, &limits).await;
    match cell.judge(ended)? {
        Ok(prepared) => Ok(answer::prepared(prepared)),
        Err(problems) => answer::problems(problems).map(Err),
    }
}

/// The probes of calls that have none. The limit of no fetches answers before it is ever asked.
struct NoProbes;

impl Probes for NoProbes {
    async fn fetch(&mut self, _request: http::Request) -> Result<http::Response, Failure> {
        Err(fetch_limit())
    }
}

/// How a call ended, as seen from outside of the guest.
enum Ended<T> {
    Returned(T),
    Failed(wasmtime::Error),
    Deadline,
    Panicked,
}

impl<T> From<Over<wasmtime::Result<T>>> for Ended<T> {
    fn from(over: Over<wasmtime::Result<T>>) -> Self {
        match over {
            Over::Finished(Ok(value)) => Self::Returned(value),
            Over::Finished(Err(error)) => Self::Failed(error),
            Over::Panicked => Self::Panicked,
        }
    }
}

/// Polls a guest, and its probes for it, until the guest is over or its time is.
async fn drive<T, P: Probes>(
    guest: impl Future<Output = wasmtime::Result<T>>,
    exchange: &Exchange,
    probes: &mut P,
    limits: &Limits,
) -> Ended<T> {
    let mut guest = pin!(guest);
    let steps = async {
        loop {
            match exchange.next(guest.as_mut()).await {
                Step::Over(over) => return over.into(),
                Step::Asked(question) => answer_by(probes, question).await,
                Step::Deferred(deferred) => {
                    let made = deferred.make(probes);
                    // What the guest asks meanwhile waits until the probes are free again.
                    tokio::select! {
                        biased;
                        () = made => {}
                        over = exchange.last(guest.as_mut()) => return over.into(),
                    }
                }
            }
        }
    };
    timeout(limits.wall, steps).await.unwrap_or(Ended::Deadline)
}

async fn answer_by<P: Probes>(probes: &mut P, question: Question) {
    match question {
        Question::Fetch(asked) => asked.answer(|request| probes.fetch(request)).await,
        Question::Open(asked) => asked.answer(|(number, target)| probes.open(number, target)).await,
        Question::Send(asked) => asked.answer(|(number, bytes)| probes.send(number, bytes)).await,
        Question::Receive(asked) => asked.answer(|(number, until, max)| probes.receive(number, until, max)).await,
        Question::StartTls(asked) => asked.answer(|(number, options)| probes.start_tls(number, options)).await,
        Question::Evidence(asked) => asked.answer(|number| ready(probes.evidence(number))).await,
        Question::Exchange(asked) => asked.answer(|request| probes.exchange(request)).await,
        Question::Query(asked) => asked.answer(|request| probes.query(request)).await,
        Question::ShakeHands(asked) => asked.answer(|(target, alpn)| probes.shake_hands(target, alpn)).await,
        Question::Propose(asked) => asked.answer(|(target, offer)| probes.propose(target, offer)).await,
        Question::Ping(asked) => asked.answer(|request| probes.ping(request)).await,
        Question::Secret(asked) => asked.answer(|name| ready(probes.secret(&name))).await,
        Question::Close(asked) => asked.answer(|number| probes.close(number)).await,
    }
}

/// What all calls share.
#[derive(Clone)]
pub(crate) struct Room {
    pub(crate) engine: Engine,
    pub(crate) budget: Arc<Budget>,
}

/// The store of one call, and what stands beside it.
struct Cell {
    store: Store<GuestState>,
    exchange: Arc<Exchange>,
    wall_ms: u128,
}

impl Cell {
    fn new(room: &Room, payer: Payer, limits: &Limits) -> Self {
        let exchange = Arc::new(Exchange::new(limits.fetches));
        let mut store =
            Store::new(&room.engine, GuestState::new(limits, (Arc::clone(&room.budget), payer), Arc::clone(&exchange)));
        store.limiter(|state| &mut state.meter);
        store.set_hostcall_fuel(HOSTCALL_BYTES_MAX);
        store.set_max_component_handles(HANDLES_MAX);
        store.set_epoch_deadline(1);
        let (cpu, mut seen) = (limits.cpu, Duration::ZERO);
        store.epoch_deadline_callback(move |store| {
            let exchange = &store.data().exchange;
            if seen + exchange.unseen() >= cpu {
                return Ok(UpdateDeadline::Interrupt);
            }
            // The tick passed while the guest waited, or just after it went on. What it took since is counted when it
            // waits again.
            if exchange.present_poll() < TICK / 2 {
                return Ok(UpdateDeadline::Continue(1));
            }
            seen += exchange.seen_computing();
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
        });
        Self { store, exchange, wall_ms: limits.wall.as_millis() }
    }

    /// Whether the guest was last refused what it might have had, had others less.
    fn is_short_of_memory(&self) -> bool {
        self.store.data().meter.refused == Some(Refused::SharedMemory)
    }

    fn judge<T>(&self, ended: Ended<T>) -> Result<T, Stop> {
        Err(match ended {
            Ended::Returned(value) => return Ok(value),
            Ended::Failed(error) => Stop::from_error(&error, self.store.data().meter.refused),
            Ended::Deadline => {
                Stop::new(StopCode::Deadline, format!("the module did not answer within {} ms", self.wall_ms))
            }
            Ended::Panicked => Stop::new(StopCode::HostFailed, "this host failed beneath the module"),
        })
    }
}
