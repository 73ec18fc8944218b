//! A control process from start to end: read config, build, serve, wait, drain.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use farwatch_core::egress::Policy;
use farwatch_core::fleet::Proving;
use farwatch_proto::id::ProcessId;
use farwatch_sandbox::{CompileCommand, Sandbox, SandboxConfig};
use tokio::net::TcpListener;
use tracing::info;

use crate::api::{self, ApiLimits, ApiState, ModuleJudge};
use crate::authority::Authority;
use crate::builtin;
use crate::clock::Clock;
use crate::config::ControlConfig;
use crate::file::write_whole;
use crate::fold;
use crate::leader::{self, LeaderConfig, LeaderHandle, afterwards, questions, upgrades};
use crate::links::{self, Entrance, LinkIdentity, Links, Signing};
use crate::metrics::{Metrics, Sight};
use crate::misses;
use crate::otlp::{self, Exporter, FinishedSpans};
use crate::refusals::Refusals;
use crate::retention;
use crate::rollout;
use crate::seal::Sealer;
use crate::secret::random_bytes;
use crate::sole::{NotSole, Sole};
use crate::spawn::Spawner;
use crate::store::{DatabaseUrl, Store, StoreError};
use crate::tail::Tail;
use crate::tasks::TaskList;
use crate::tell::{self, Teller};
use crate::vault::Vault;

/// What is at work when the stop comes has this long to end.
const GRACE: Duration = Duration::from_secs(5);

/// Why a control process did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be used.
    #[error("cannot use the database {database}: {source}")]
    Database {
        /// Which.
        database: String,
        /// Why.
        source: StoreError,
    },
    /// The embedded database has its process already.
    #[error(
        "another control process already uses {database}; an embedded database bears one, so stop that process, \
         or use --database postgres://... to run several"
    )]
    InUse {
        /// Which.
        database: String,
    },
    /// A port cannot be had.
    #[error("cannot listen on {address}: {source}; stop what uses it or choose another with {flag}")]
    Port {
        /// Which.
        address: SocketAddr,
        /// The flag that names it.
        flag: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// Anything else, in one line.
    #[error("{0:#}")]
    Other(#[from] anyhow::Error),
}

/// Runs until `stop` returns.
///
/// Spans are what [`layer`](crate::otlp::layer) made of what it did, where they are wanted.
pub async fn run(
    config: ControlConfig,
    spans: Option<FinishedSpans>,
    stop: impl Future<Output = ()>,
) -> Result<(), StartError> {
    fs::create_dir_all(&config.data).with_context(|| format!("cannot make {}", config.data.display()))?;
    let identity = LinkIdentity::from_directory(&config.identity)?;
    let signing = signing(&config)?;
    let sealer = Arc::new(Sealer::from_file(&config.master_key_file)?);
    let unusable = |source| StartError::Database { database: config.database.to_string(), source };
    // Held until this process ends, also when it is killed.
    let sole = config.database.path().map(|path| sole_on(path, &config.database)).transpose()?;
    let store = Store::open(&config.database).await.map_err(unusable)?;
    let api_listener = listen(config.api_listen, "--api-listen").await?;
    let link_listener = listen(config.link_listen, "--link-listen").await?;

    let spawner = Spawner::default();
    let (given, listeners) = ((sealer, spans), (api_listener, link_listener));
    let certificates = Certificates { identity, signing };
    serve(&config, certificates, given, store.clone(), listeners, sole.is_some(), &spawner).await?;
    stop.await;
    info!("stopping");
    spawner.stop();
    spawner.wait(GRACE).await;
    store.close().await;
    Ok(())
}

fn sole_on(path: &Path, database: &DatabaseUrl) -> Result<Sole, StartError> {
    let database = database.to_string();
    Sole::on(path).map_err(|why| match why {
        NotSole::Taken => StartError::InUse { database },
        NotSole::Unusable(path, source) => {
            StartError::Database { database, source: StoreError::Unreadable { path, source } }
        }
    })
}

/// Who this process is to hosts, and how it makes new ones, where it can.
struct Certificates {
    identity: LinkIdentity,
    signing: Option<Signing>,
}

fn signing(config: &ControlConfig) -> anyhow::Result<Option<Signing>> {
    let life_ms = i64::try_from(config.certificate_life.as_millis())?;
    let authority = Authority::from_directory(&config.identity)?;
    Ok(authority.map(|authority| Signing { authority, life_ms }))
}

async fn serve(
    config: &ControlConfig,
    Certificates { identity, signing }: Certificates,
    (sealer, spans): (Arc<Sealer>, Option<FinishedSpans>),
    store: Store,
    (api_listener, link_listener): (TcpListener, TcpListener),
    is_sole: bool,
    spawner: &Spawner,
) -> anyhow::Result<()> {
    let (clock, tasks) = (Clock, TaskList::default());
    let counts = spans.as_ref().map(|spans| spans.counts.clone());
    let metrics = Metrics::new(clock.wall()).with_otlp(counts);
    let (api_address, link_address) = (api_listener.local_addr()?, link_listener.local_addr()?);
    let listeners = vec![api_address, link_address];
    let sandbox = sandbox(config)?;
    builtin::install(&store, &sandbox, clock.wall()).await?;

    let (handle, requests) = LeaderHandle::new();
    let advertised = config.link_address.clone().unwrap_or_else(|| link_address.to_string());
    let process = ProcessId::new(clock.wall(), random_bytes());
    let refusals = Refusals::start(spawner, store.clone(), clock);
    let vault = Arc::new(Vault::open(store.clone(), sealer.clone()).await?);
    let leader = LeaderConfig {
        store: store.clone(),
        vault: vault.clone(),
        refusals: refusals.clone(),
        clock,
        spawner: spawner.clone(),
        tasks: tasks.clone(),
        process,
        is_sole,
        link_address: advertised.clone(),
        listeners: listeners.clone(),
        proving: Proving {
            warmup_ms: i64::try_from(config.warmup.as_millis())?,
            hold_down_max_ms: i64::try_from(config.hold_down_max.as_millis())?,
        },
        references: config.references.clone(),
        metrics: metrics.clone(),
        handle: handle.clone(),
    };
    let destination = leader::start(leader, requests);
    let authority = signing.is_some().then(|| identity.authority());
    let entrance = Entrance { address: advertised.clone(), authority };
    let links = Links {
        destination,
        store: store.clone(),
        signing: signing.map(Arc::new),
        config_changed: handle.config_changed.clone(),
        refusals,
        clock,
        spawner: spawner.clone(),
    };
    links::serve(&links, link_listener, &identity)?;

    let policy = Policy::new(config.allow_nets.clone(), listeners);
    let teller = Arc::new(Teller::new(config.tell.clone(), policy, sealer.clone())?);
    tell::start(spawner, &tasks, store.clone(), teller, (handle.deliveries_due.clone(), metrics.clone()));
    afterwards::start(spawner, &tasks, store.clone(), (clock, process), handle.clone());
    if !is_sole {
        questions::start(spawner, &tasks, store.clone(), (clock, process), handle.clone());
    }
    retention::start(spawner, &tasks, store.clone(), clock);
    let tail = Tail::new(store.clone(), clock);
    tail.start(spawner, &tasks, handle.journal_grew.clone());
    upgrades::start(spawner, &tasks, store.clone(), tail.clone(), (clock, handle.clone()));
    fold::start(spawner, &tasks, store.clone(), (clock, process), (tail.clone(), handle.clone()));
    misses::start(spawner, &tasks, store.clone(), (clock, process), (tail.clone(), handle.clone()));
    let modules = ModuleJudge::new(store.clone(), sandbox);
    rollout::start(spawner, &tasks, (store.clone(), modules.clone()), (tail.clone(), handle.clone()), clock);

    if let (Some(to), Some(spans)) = (config.otlp.clone(), spans) {
        let (metrics, leader, tasks, store) = (metrics.clone(), handle.clone(), tasks.clone(), store.clone());
        let sight = Sight { metrics, leader, tasks, store, clock };
        otlp::start(Exporter { config: to, spans, sight, process }, spawner)?;
    }
    let limits = ApiLimits::GENEROUS;
    let leader = handle;
    let state = ApiState {
        store: store.clone(),
        sealer,
        vault,
        tail,
        leader,
        tasks,
        modules,
        limits,
        metrics,
        entrance,
        clock,
    };
    let token = api::token::create_first_admin(&store, clock.wall()).await?;
    api::serve(state, api_listener, spawner);
    announce(&config.data, api_address, &advertised, token)
}

fn sandbox(config: &ControlConfig) -> anyhow::Result<Sandbox> {
    let (program, arguments) = config.compiler.clone();
    Ok(Sandbox::new(SandboxConfig {
        directory: config.data.join("modules"),
        run_places: SandboxConfig::CONTROL_RUN_PLACES,
        loaded_modules: SandboxConfig::LOADED_MODULES,
        compile: CompileCommand { program, arguments, wall: CompileCommand::WALL },
    })?)
}

async fn listen(address: SocketAddr, flag: &'static str) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Port { address, flag, source })
}

/// Writes down where to reach this process, and the first admin token where there was none yet.
fn announce(data: &Path, api: SocketAddr, link: &str, token: Option<String>) -> anyhow::Result<()> {
    if let Some(token) = token {
        write_whole(&data.join("admin.token"), &format!("{token}\n"), 0o600)?;
        info!("the first admin token is in {}", data.join("admin.token").display());
    }
    write_whole(&data.join("link.address"), &format!("{link}\n"), 0o644)?;
    write_whole(&data.join("api.url"), &format!("http://{api}\n"), 0o644)?;
    info!(%api, link, "serving");
    Ok(())
}
