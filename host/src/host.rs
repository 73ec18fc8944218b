//! One host, from its settings to its end.
//!
//! Guests run on threads of their own, one runtime each; everything else runs on the runtime of whoever
//! calls [`run`], so that no guest keeps a heartbeat waiting.

use std::fs::{self, File};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use farwatch_core::ownership::Peers;
use farwatch_proto::id::BootId;
use farwatch_proto::link::Order;
use farwatch_sandbox::{CompileCommand, Sandbox, SandboxConfig};
use rustix::fs::{FlockOperation, flock};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{debug, info, warn};

use crate::assignment::{Assignment, Readers};
use crate::clock::Clock;
use crate::config::{HostConfig, HostSettings};
use crate::copies::Copies;
use crate::desks::Desks;
use crate::entropy;
use crate::health::Health;
use crate::identity::Identity;
use crate::link::{self, ASSIGNMENTS_WAITING_MAX, Link, TO_SAY_MAX};
use crate::listeners;
use crate::modules::Loading;
use crate::orders::Orders;
use crate::peers::{self, Book, Numbers, Peering};
use crate::probe::{LOOKUPS_MAX, ProbeSettings, Prober};
use crate::remembered_time::RememberedTime;
use crate::runner::Shared;
use crate::shard::{ORDERS_WAITING_MAX, Shard};
use crate::spawn::{Spawner, Stopping, blocking};
use crate::spool::Spool;

/// Results are on disk after this long at the latest.
const WRITE_EVERY: Duration = Duration::from_millis(200);
/// Runs that are under way at a stop have this long to end; what is dropped then covers nothing.
const GUESTS_GRACE: Duration = Duration::from_secs(5);
/// The rest has this long: the last results go out.
const SERVICES_GRACE: Duration = Duration::from_secs(3);
/// Votes may take one place in this many, so that a mass failure leaves room for what is due.
const VOTE_PLACES_ONE_IN: usize = 4;
/// Threads for what blocks: lookups, and a few for files and modules.
const BLOCKING_THREADS: usize = LOOKUPS_MAX + 8;

/// A runtime for all of a host but its guests.
pub fn housekeeping_runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("housekeeping")
        .enable_all()
        .build()
}

/// Runs a host until `stop` returns. Call it on [`housekeeping_runtime`].
pub async fn run(config: HostConfig, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let settings = config.settings();
    let _lock = lock(&settings.data)?;
    let (guests, services) = (Spawner::default(), Spawner::default());
    let spool = start(&config, &guests, &services)?;
    stop.await;
    info!("stopping");
    guests.stop(GUESTS_GRACE).await;
    services.stop(SERVICES_GRACE).await;
    write_out(&spool, Clock::default()).await;
    Ok(())
}

fn start(config: &HostConfig, guests: &Spawner, services: &Spawner) -> anyhow::Result<Spool> {
    let settings = config.settings();
    let identity = Identity::from_directory(&settings.identity)?;
    let time = RememberedTime::open(settings.data.join("clock.json"));
    let clock = Clock::new(time.known());
    let boot = BootId::new(clock.wall(), entropy::bytes());
    info!(host = %identity.host, %boot, version = env!("CARGO_PKG_VERSION"), "starting");
    let sandbox = sandbox(settings)?;
    let spool = Spool::open(settings.data.join("spool"), boot, settings.spool, clock.boot())
        .context("cannot use the spool's directory")?;
    let copies =
        Copies::open(settings.data.join("copies"), clock.boot()).context("cannot use the directory of the copies")?;
    let (linked, control) = watch::channel(None);
    let loading = Loading { sandbox: sandbox.clone(), identity: identity.clone(), control };
    let (assignment, readers) = Assignment::open(settings.data.join("assignment"), clock.clone(), loading)?;
    let (to_say, say) = mpsc::channel(TO_SAY_MAX);
    let book = Book::open(peers::file_in(&settings.data));
    let peer_listener = settings.peer_listen.map(peers::listen).transpose()?;
    let peer_address = advertised(settings, peer_listener.as_ref())?;
    let shared = Arc::new(Shared {
        host: identity.host,
        prober: prober(settings, clock.clone(), &book)?,
        clock: clock.clone(),
        sandbox,
        spool: spool.clone(),
        health: Arc::new(Health::default()),
        orders: Orders::default(),
        desks: Desks::new(identity.host, config.guest_threads()),
        peers: Mutex::new(Peers::new(book.linked(), clock.boot())),
        book,
        copies: Arc::new(copies),
        places: Arc::new(Semaphore::new(settings.run_places as usize)),
        vote_places: Arc::new(Semaphore::new((settings.run_places as usize / VOTE_PLACES_ONE_IN).max(1))),
        urgent: Notify::new(),
        to_say,
    });
    let to_shards = start_shards(config, guests, &shared, &readers)?;
    let (to_assignment, assigned) = mpsc::channel(ASSIGNMENTS_WAITING_MAX);
    services.task("assignment", assignment.serve(assigned, services.clone()));
    services.task("spool", keep_writing(shared.clone(), time, services.stopping()));
    let peering = Peering {
        shared: shared.clone(),
        identity: identity.clone(),
        boot,
        numbers: Numbers::default(),
        spawner: services.clone(),
    };
    services.task("peers", peering.serve(peer_listener, readers.holdings.clone()));
    let link = Link {
        shared,
        identity,
        boot,
        run_places: settings.run_places,
        peer_address,
        controls: settings.controls.clone(),
        allow_nets: settings.allow_nets.clone(),
        listeners_file: settings.data.join("listeners.json"),
        to_assignment,
        to_shards,
        to_say: say,
        acknowledged: readers.acknowledged,
        relink: readers.relink,
        linked,
        spawner: services.clone(),
        stopping: services.stopping(),
    };
    services.task("link", link.serve());
    Ok(spool)
}

fn sandbox(settings: &HostSettings) -> anyhow::Result<Sandbox> {
    let (program, arguments) = settings.compile.clone();
    Ok(Sandbox::new(SandboxConfig {
        directory: settings.data.join("sandbox"),
        run_places: settings.run_places,
        loaded_modules: SandboxConfig::LOADED_MODULES,
        compile: CompileCommand { program, arguments, wall: CompileCommand::WALL },
    })?)
}

/// Where neighbours are told to dial. Control fills in an address that is not known here.
fn advertised(settings: &HostSettings, listener: Option<&TcpListener>) -> anyhow::Result<Option<SocketAddr>> {
    let bound = listener.map(TcpListener::local_addr).transpose()?;
    Ok(bound.map(|bound| settings.peer_address.unwrap_or(bound)))
}

fn prober(settings: &HostSettings, clock: Clock, book: &Book) -> anyhow::Result<Prober> {
    let mut remembered = listeners::read(&settings.data.join("listeners.json"));
    remembered.extend(book.addresses());
    let policy = link::policy(&settings.allow_nets, &settings.controls, &remembered);
    let probes = ProbeSettings { bind: settings.probe_bind, extra_roots: settings.extra_roots.clone() };
    Ok(Prober::new(clock, policy, &probes)?)
}

fn start_shards(
    config: &HostConfig,
    guests: &Spawner,
    shared: &Arc<Shared>,
    readers: &Readers,
) -> anyhow::Result<Vec<mpsc::Sender<Order>>> {
    let shards = config.guest_threads();
    let mut to_shards = Vec::with_capacity(shards);
    for number in 0..shards {
        let (to_shard, asked) = mpsc::channel(ORDERS_WAITING_MAX);
        let shard = Shard::new(shared.clone(), number, shards, readers.holdings.clone());
        guests.shard("guests", shard.serve(asked, guests.stopping())).context("cannot start a thread for guests")?;
        to_shards.push(to_shard);
    }
    Ok(to_shards)
}

async fn keep_writing(shared: Arc<Shared>, mut time: RememberedTime, stopping: Stopping) {
    let mut ticks = interval(WRITE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stopping.requested() => return,
            _ = ticks.tick() => {
                write_and_tell(&shared).await;
                write_copies(&shared).await;
                if let Err(error) = time.remember(shared.clock.ahead()) {
                    debug!(%error, "the fleet's time cannot be remembered");
                }
            }
        }
    }
}

/// Writes what was kept, and then says to the other owners what is done.
async fn write_and_tell(shared: &Shared) {
    let done = shared.book.take_unwritten();
    if write_out(&shared.spool, shared.clock.clone()).await {
        done.iter().for_each(|(neighbours, word)| shared.book.tell(neighbours, word));
    }
}

/// Copies of what neighbours ran are second to everything this host ran itself.
async fn write_copies(shared: &Shared) {
    let (copies, clock) = (shared.copies.clone(), shared.clock.clone());
    match blocking(move || copies.write_out(clock.boot())).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "copies of what neighbours ran cannot be written"),
        Err(error) => warn!(%error, "writing copies failed"),
    }
}

/// Whether all that was kept is on disk.
async fn write_out(spool: &Spool, clock: Clock) -> bool {
    let spool = spool.clone();
    match blocking(move || spool.write_out(clock.boot())).await {
        Ok(is_written) => is_written,
        Err(error) => {
            warn!(%error, "writing the spool failed");
            false
        }
    }
}

/// Two hosts in one directory would spoil each other's spools.
fn lock(data: &Path) -> anyhow::Result<File> {
    fs::create_dir_all(data).with_context(|| format!("cannot make {}", data.display()))?;
    let file = File::create(data.join("lock")).with_context(|| format!("cannot write in {}", data.display()))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)
        .with_context(|| format!("another host already runs on {}", data.display()))?;
    Ok(file)
}
