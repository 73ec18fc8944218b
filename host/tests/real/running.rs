//! A whole host in this process: its identity, its directory, and checks that it can be given.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use farwatch_core::slot::Schedule;
use farwatch_host::config::{HostConfig, HostSettings};
use farwatch_host::spool::SpoolLimits;
use farwatch_proto::check::{Activity, Definition, PlacementWish, Repeat, StreamId};
use farwatch_proto::fleet::{HostFacts, PLACEMENT_VERSION, Standing, View, ViewHost};
use farwatch_proto::id::{CheckId, HostId, ModuleHash, TenantId};
use farwatch_proto::interval::Interval;
use farwatch_proto::link::{FromControl, Mark};
use farwatch_proto::time::{Stamp, UnixMs};
use farwatch_sandbox::{CompileCommand, Sandbox, SandboxConfig};
use farwatch_tests::certificate::{Authority, Validity};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::control::{Control, Link};

pub(crate) const HOST: HostId = HostId::from_bytes([0x11; 16]);

/// A host and its control.
pub(crate) struct World {
    pub(crate) control: Control,
    pub(crate) authority: Authority,
    pub(crate) directory: TempDir,
    peer_listen: Option<SocketAddr>,
    host: Option<(oneshot::Sender<()>, JoinHandle<anyhow::Result<()>>)>,
}

impl World {
    /// A host that dials a control which the test plays.
    pub(crate) async fn start() -> Self {
        Self::with(Authority::new().unwrap(), Validity::Good, None).await
    }

    /// The same with a certificate that is good for so long, and where neighbours dial it.
    pub(crate) async fn with(authority: Authority, validity: Validity, peer_listen: Option<SocketAddr>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let certificate = authority.host_certificate(HOST, validity).unwrap();
        for (name, text) in
            [("host.pem", &certificate.chain_pem), ("host.key", &certificate.key_pem), ("ca.pem", &authority.pem())]
        {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        let control = Control::start(&authority).await;
        let mut world = Self { control, authority, directory, peer_listen, host: None };
        world.start_host();
        world
    }

    pub(crate) fn start_host(&mut self) {
        let config = HostConfig::try_new(HostSettings {
            data: self.directory.path().join("data"),
            identity: self.directory.path().to_owned(),
            controls: vec![self.control.address.to_string()],
            peer_listen: self.peer_listen,
            peer_address: None,
            run_places: 16,
            guest_threads: Some(1),
            allow_nets: vec!["127.0.0.0/8".parse().unwrap()],
            probe_bind: None,
            extra_roots: None,
            compile: compile_command(),
            spool: SpoolLimits::USUAL,
            successor: None,
            succeeds: false,
        })
        .unwrap();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(farwatch_host::run(config, async move {
            let _ = stopped.await;
        }));
        self.host = Some((stop, running));
    }

    pub(crate) async fn stop_host(&mut self) {
        let (stop, running) = self.host.take().unwrap();
        stop.send(()).unwrap();
        timeout(Duration::from_secs(20), running).await.expect("the host stops in time").unwrap().unwrap();
    }

    /// A module that control serves, and what it makes of this config.
    pub(crate) async fn http_check(&self, url: &str) -> (ModuleHash, Vec<u8>) {
        let bytes = std::fs::read(built("modules/http.wasm", "make guests")).unwrap();
        let hash = self.control.serve_module(&bytes);
        let (program, arguments) = compile_command();
        let sandbox = Sandbox::new(SandboxConfig {
            directory: self.directory.path().join("validating"),
            run_places: 1,
            loaded_modules: 1,
            compile: CompileCommand { program, arguments, wall: CompileCommand::WALL },
        })
        .unwrap();
        sandbox.save(hash, bytes).await.unwrap();
        let module = sandbox.load(hash).await.unwrap();
        let prepared = sandbox.validate(&module, &format!(r#"{{"url":"{url}"}}"#)).await.unwrap();
        (hash, prepared.unwrap_or_else(|problems| panic!("{problems:?}")).config)
    }
}

/// Says welcome and puts a view in force in which this host owns everything.
pub(crate) async fn welcome(link: &mut Link, marks: Vec<Mark>) {
    let fleet_listeners = Vec::new();
    link.say(&FromControl::Welcome { version: "test".to_owned(), wall: now(), marks, fleet_listeners }).await;
    link.say(&FromControl::View { view: view(1) }).await;
}

pub(crate) fn view(n: u64) -> View {
    View {
        number: Stamp { era: 1, n },
        in_force_from: UnixMs(0),
        placement_version: PLACEMENT_VERSION,
        planned: true,
        hosts: vec![view_host(HOST)],
    }
}

/// A host that owns.
pub(crate) fn view_host(id: HostId) -> ViewHost {
    let facts = HostFacts {
        name: "one".to_owned(),
        provider: "provider".to_owned(),
        asn: 1,
        country: "DE".to_owned(),
        continent: "EU".to_owned(),
        region: "eu".to_owned(),
        labels: BTreeMap::new(),
        weight: 1,
        tenant: None,
        shared_machine: None,
    };
    ViewHost { id, standing: Standing::Active, facts }
}

/// A check at 10 s whose next slot is due soon.
pub(crate) fn soon_due(module: ModuleHash, prepared: Vec<u8>) -> Definition {
    soon_due_of(module, prepared, |_| true)
}

/// The same of those that are meant.
pub(crate) fn soon_due_of(
    module: ModuleHash,
    prepared: Vec<u8>,
    mut is_meant: impl FnMut(&Definition) -> bool,
) -> Definition {
    let interval = Interval::from_seconds(10).unwrap();
    let soon = now() + 700;
    let is_soon = |check: &CheckId| {
        let schedule = Schedule::of(StreamId { check: *check, number: 0 }, interval, 1);
        schedule.slot_at_or_after(soon).since(soon) < 200
    };
    let mut definition = Definition {
        check: CheckId::from_bytes([0; 16]),
        tenant: TenantId::from_bytes([1; 16]),
        revision: 1,
        activity: Activity::Active,
        module,
        prepared,
        interval,
        timeout_ms: 2_000,
        placement: PlacementWish { streams: 1, ..PlacementWish::default() },
        repeat: Repeat::Safe,
        secrets: Vec::new(),
        in_force_from: Some(now() + 100),
    };
    let ids = (0..u16::MAX).map(|n| CheckId::of_key(&[&n.to_be_bytes(), &soon.0.to_be_bytes()]));
    for check in ids.filter(is_soon) {
        definition.check = check;
        if is_meant(&definition) {
            return definition;
        }
    }
    panic!("none of them is meant")
}

pub(crate) fn assign(n: u64, put: Vec<Definition>) -> FromControl {
    FromControl::Assign { since: None, to: Stamp { era: 1, n }, last: true, put, forget: Vec::new() }
}

pub(crate) fn now() -> UnixMs {
    UnixMs(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64)
}

fn compile_command() -> (PathBuf, Vec<String>) {
    (built("farwatch-compile-module", "cargo build -p farwatch-sandbox --bins"), Vec::new())
}

/// Something that was built beside this test or above it.
fn built(name: &str, by: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let found = test.ancestors().map(|above| above.join(name)).find(|path| Path::exists(path));
    found.unwrap_or_else(|| panic!("{name} is missing: run {by}"))
}
