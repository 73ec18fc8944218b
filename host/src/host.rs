//! One host, from its settings to its end.
//!
//! Guests run on threads of their own, one runtime each; everything else runs on the runtime of whoever
//! calls [`run`], so that no guest keeps a heartbeat waiting.

use std::fs::File;
use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use farwatch_core::ownership::Peers;
use farwatch_proto::VERSION;
use farwatch_proto::id::{BootId, HostId, ReleaseHash};
use farwatch_sandbox::{CompileCommand, Sandbox, SandboxConfig};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{debug, info, warn};

use crate::assignment::{Assignment, Readers};
use crate::clock::Clock;
use crate::config::{HostConfig, HostSettings};
use crate::copies::{self, Copies};
use crate::desks::Desks;
use crate::entropy;
use crate::handover::{self, Claim, Pen, Phase, Post, Succeeded, Succession, begun_after};
use crate::health::Health;
use crate::identity::{Identity, Renewal};
use crate::link::{self, ASSIGNMENTS_WAITING_MAX, Link, TO_SAY_MAX};
use crate::listeners;
use crate::modules::Loading;
use crate::notify;
use crate::orders::Orders;
use crate::panel::Panel;
use crate::peers::{self, Book, Door, Numbers, Peering};
use crate::probe::{LOOKUPS_MAX, ProbeSettings, Prober};
use crate::release::{self, Releases};
use crate::remembered_time::RememberedTime;
use crate::runner::Shared;
use crate::secrets::Opener;
use crate::shard::{Asked, ORDERS_WAITING_MAX, Shard};
use crate::spawn::{Spawner, Stopping, blocking};
use crate::spool::Spool;
use crate::tries::Tryer;
use crate::upgrade::{self, UpgradeOrder, Upgrader};
use crate::wall;

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

/// Runs a host until `stop` returns, or a successor has taken over. Call it on [`housekeeping_runtime`].
pub async fn run(config: HostConfig, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let data = config.settings().data.clone();
    let claim = handover::claim(&data, config.settings().succeeds).await?;
    let (guests, services) = (Spawner::default(), Spawner::default());
    let post = start(&config, &guests, &services, &claim)?;
    // Dropped last: whoever has the lock finds everything written.
    let mut lock = None;
    let ended = tokio::select! {
        () = stop => Ok(None),
        ended = serve(&post, claim, &data, &mut lock) => ended.map(Some),
    };
    let successor = ended.as_ref().ok().and_then(Option::as_ref);
    if let Some(pid) = successor.and_then(|successor| successor.pid) {
        notify::main_process_is(pid);
    }
    info!("stopping");
    guests.stop(GUESTS_GRACE).await;
    services.stop(SERVICES_GRACE).await;
    write_out(&post.shared.spool, Clock::default()).await;
    write_copies(&post.shared, copies::MEMORY_MS).await;
    if let Some(successor) = ended? {
        successor.finish(post.shared.spool.marks()).await;
    }
    Ok(())
}

/// Takes over where there is a predecessor, and then waits for a successor.
async fn serve(post: &Post, claim: Claim, data: &Path, lock: &mut Option<File>) -> anyhow::Result<Succeeded> {
    *lock = Some(match claim {
        Claim::Sole(lock) => {
            notify::ready();
            lock
        }
        Claim::Succeeds(succession) => handover::take_over(post, *succession, data).await?,
    });
    let listener = handover::listen(data).context("cannot listen for a successor")?;
    Ok(handover::serve(post, listener).await)
}

fn start(config: &HostConfig, guests: &Spawner, services: &Spawner, claim: &Claim) -> anyhow::Result<Post> {
    let settings = config.settings();
    let predecessor = claim.predecessor();
    let identity = Identity::from_directory(&settings.identity)?;
    let time = RememberedTime::open(settings.data.join("clock.json"));
    let clock = Clock::new(time.known());
    let begun = predecessor.map_or(clock.wall(), |before| begun_after(before.boot, clock.wall()));
    let boot = BootId::new(begun, entropy::bytes());
    info!(host = %identity.host, %boot, version = VERSION, "starting");
    let sandbox = sandbox(settings)?;
    let spool = spool(settings, boot, &clock, predecessor.is_some()).context("cannot use the spool's directory")?;
    let copies =
        open_copies(settings, &clock, predecessor.is_some()).context("cannot use the directory of the copies")?;
    let (linked, control) = watch::channel(None);
    let loading = Loading { sandbox: sandbox.clone(), identity: identity.clone(), control: control.clone() };
    let pen = Pen::default();
    let opener = Arc::new(Opener::from_directory(&settings.data)?);
    let sealing_key = opener.sealing_key();
    let (assignment, readers) = Assignment::open(
        settings.data.join("assignment"),
        clock.clone(),
        loading.clone(),
        pen.clone(),
        opener.clone(),
    )?;
    let (to_say, say) = mpsc::channel(TO_SAY_MAX);
    let (book, desks) = neighbourhood(config, identity.host, &clock, predecessor.is_some());
    let (is_open, opened) = watch::channel(predecessor.is_none());
    let door = door(settings, predecessor, opened)?;
    let listens_at = door.as_ref().map(|door| door.address);
    let shared = Arc::new(Shared {
        host: identity.host,
        prober: prober(settings, clock.clone(), &book)?,
        clock: clock.clone(),
        sandbox,
        spool,
        health: Arc::new(Health::default()),
        orders: Orders::default(),
        desks,
        peers: Mutex::new(Peers::new(book.linked(), clock.boot())),
        book,
        panel: Panel::open(settings.data.join("references.json"), clock.clone()),
        copies: Arc::new(copies),
        showing: Mutex::default(),
        places: Arc::new(Semaphore::new(settings.run_places as usize)),
        vote_places: Arc::new(Semaphore::new((settings.run_places as usize / VOTE_PLACES_ONE_IN).max(1))),
        urgent: Notify::new(),
        to_say,
    });
    if predecessor.is_none() {
        shared.remember(&readers.holdings.borrow());
    }
    let to_shards = start_shards(config, guests, &shared, &readers)?;
    let (reads, stopping) = (shared.clone(), services.stopping());
    services.task("panel", async move { reads.panel.serve(&reads.prober, stopping).await });
    let (to_assignment, assigned) = mpsc::channel(ASSIGNMENTS_WAITING_MAX);
    services.task("assignment", assignment.serve(assigned, services.clone()));
    services.task("spool", keep_writing(shared.clone(), time, services.stopping()));
    let renewal = Renewal {
        identity: identity.clone(),
        clock,
        linked: linked.subscribe(),
        to_say: shared.to_say.clone(),
        stopping: services.stopping(),
    };
    services.task("renewal", renewal.serve());
    let peering = Peering {
        shared: shared.clone(),
        identity: identity.clone(),
        boot,
        numbers: Numbers::default(),
        holdings: readers.holdings.clone(),
        refused: Arc::default(),
        spawner: services.clone(),
    };
    services.task("peers", peering.serve(door));
    let (phase, phases) = watch::channel(if predecessor.is_some() { Phase::Succeeding } else { Phase::Serving });
    let (to_upgrader, release) = upgrader(settings, services, &shared, &loading, phases);
    let link = Link {
        shared: shared.clone(),
        identity,
        boot,
        run_places: settings.run_places,
        sealing_key,
        peer_address: listens_at.map(|bound| settings.peer_address.unwrap_or(bound)),
        controls: settings.controls.clone(),
        allow_nets: settings.allow_nets.clone(),
        listeners_file: settings.data.join("listeners.json"),
        to_assignment,
        tryer: Tryer::new(shared.clone(), loading, opener, to_shards.clone()),
        to_shards,
        to_say: say,
        acknowledged: readers.acknowledged,
        relink: readers.relink.clone(),
        to_upgrader,
        is_walled: wall::stands(),
        release,
        linked,
        spawner: services.clone(),
        stopping: services.stopping(),
    };
    services.task("link", link.serve());
    let (relink, holdings) = (readers.relink, readers.holdings);
    Ok(Post { shared, boot, listens_at, is_open, pen, phase, relink, holdings, linked: control })
}

/// Takes releases where a successor may be started; and which program this is, once it is known.
fn upgrader(
    settings: &HostSettings,
    services: &Spawner,
    shared: &Arc<Shared>,
    loading: &Loading,
    phase: watch::Receiver<Phase>,
) -> (Option<mpsc::Sender<UpgradeOrder>>, watch::Receiver<Option<ReleaseHash>>) {
    let (known, own) = watch::channel(None);
    let Some(words) = settings.successor.clone() else { return (None, own) };
    services.task("release", async move {
        match blocking(release::own).await {
            Ok(Ok(own)) => drop(known.send_replace(Some(own))),
            Ok(Err(error)) => warn!(%error, "this host does not say which program it runs"),
            Err(error) => warn!(%error, "this host does not say which program it runs"),
        }
    });
    let (to_upgrader, orders) = mpsc::channel(upgrade::ORDERS_WAITING_MAX);
    let (shared, loading, releases) = (shared.clone(), loading.clone(), Releases::below(&settings.data));
    let upgrader = Upgrader { shared, loading, releases, words, own: own.clone(), phase };
    services.task("upgrade", upgrader.serve(orders, services.stopping()));
    (Some(to_upgrader), own)
}

fn spool(settings: &HostSettings, boot: BootId, clock: &Clock, is_successor: bool) -> io::Result<Spool> {
    let open = if is_successor { Spool::open_beside } else { Spool::open };
    open(settings.data.join("spool"), boot, settings.spool, clock.boot())
}

fn open_copies(settings: &HostSettings, clock: &Clock, is_successor: bool) -> io::Result<Copies> {
    let directory = settings.data.join("copies");
    if is_successor { Copies::open_beside(directory) } else { Copies::open(directory, clock.boot()) }
}

fn neighbourhood(config: &HostConfig, host: HostId, clock: &Clock, is_successor: bool) -> (Book, Desks) {
    let book = Book::open(peers::file_in(&config.settings().data));
    let desks = Desks::new(host, config.guest_threads());
    if is_successor { (book.of_a_successor(), desks.of_a_successor(clock.wall())) } else { (book, desks) }
}

/// Where neighbours are told to dial. A successor opens it once its predecessor has closed it.
fn door(
    settings: &HostSettings,
    predecessor: Option<&Succession>,
    is_open: watch::Receiver<bool>,
) -> anyhow::Result<Option<Door>> {
    let Some(said) = settings.peer_listen else { return Ok(None) };
    let Some(predecessor) = predecessor else {
        let listener = peers::listen(said)?;
        return Ok(Some(Door { address: listener.local_addr()?, listener: Some(listener), is_open }));
    };
    // A port that the system chose stays the same.
    let address = if said.port() == 0 { predecessor.listens_at.unwrap_or(said) } else { said };
    Ok(Some(Door { address, listener: None, is_open }))
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
) -> anyhow::Result<Vec<mpsc::Sender<Asked>>> {
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
                write_copies(&shared, 0).await;
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
/// Those count that will have lain in memory for long enough after so many milliseconds.
async fn write_copies(shared: &Shared, ahead_ms: i64) {
    let (copies, clock) = (shared.copies.clone(), shared.clock.clone());
    match blocking(move || copies.write_out(clock.boot() + ahead_ms)).await {
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
