//! What the rest of the process may ask of the leader, and what it shows of itself.
//!
//! A signal says "look now", never "this changed".

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, RwLock};

use farwatch_proto::id::{CheckId, HostId, OrderId, ReleaseHash};
use farwatch_proto::panel::{PanelCount, PanelWord};
use farwatch_proto::run::RunResult;
use farwatch_proto::time::{Stamp, UnixMs};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc, oneshot};

pub use super::outages::RoundCount;
use super::tries::TryRequest;

/// Requests that wait at once; more are refused.
const REQUESTS_MAX: usize = 64;

/// What the leader knows of a connected host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostStatus {
    /// Whether a link is open.
    pub connected: bool,
    /// How long it has been silent, in milliseconds.
    pub silent_ms: i64,
    /// Whether its neighbours hear it though it is silent here.
    #[serde(default)]
    pub contradicted: bool,
    /// Its version, once it said hello.
    pub version: Option<String>,
    /// The program it runs, where it said so.
    #[serde(default)]
    pub release: Option<ReleaseHash>,
    /// Whether it takes releases.
    #[serde(default)]
    pub can_upgrade: bool,
    /// Whether it has given up what it does not need of the kernel.
    #[serde(default)]
    pub is_walled: bool,
    /// The order to take a release that it could not carry out last, by its moment, and why.
    #[serde(default)]
    pub upgrade_failure: Option<(UnixMs, String)>,
    /// Its run places, once it said hello.
    pub run_places: Option<u32>,
    /// The streams it still owns; counted while it is drained.
    #[serde(default)]
    pub owns: Option<u32>,
    /// The neighbours it heard when it last said.
    #[serde(default)]
    pub hears: BTreeSet<HostId>,
    /// Runs in flight when it last said.
    pub running: u32,
    /// The largest lag of its loop in its last heartbeat, in milliseconds.
    pub loop_lag_ms: u32,
    /// Its disk takes no results, so they lie in its memory alone.
    #[serde(default)]
    pub disk_full: bool,
    /// Results that it gave up for want of room, since it started.
    #[serde(default)]
    pub dropped_results: u64,
    /// Probes that the caps of tenants kept it from making, since it started.
    pub rate_capped: u64,
    /// Messages of it that were refused since the leader took office.
    pub refused: u64,
    /// What others found of the failures it saw first.
    #[serde(default)]
    pub rounds: RoundCount,
    /// How its panel of references was, where it has read one.
    #[serde(default)]
    pub panel: Option<PanelWord>,
    /// Whether it has lost its references while most others see them.
    #[serde(default)]
    pub insane: bool,
    /// The run places that the streams it is the first owner of may take at worst; once they were added up.
    #[serde(default)]
    pub load: Option<f64>,
    /// Whether that is more than half of its run places.
    #[serde(default)]
    pub beyond_capacity: bool,
    /// Checks it cannot run, with the reason.
    pub unable: BTreeMap<CheckId, String>,
}

/// How the leader stands; a new one about every second. In the database for processes that do not lead, so a field
/// that is added has a default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LeaderStatus {
    /// Whether it leads: not so where nobody has shown anything.
    pub leads: bool,
    /// The epoch it leads in.
    pub epoch: Option<i64>,
    /// The newest view.
    pub view: Option<Stamp>,
    /// The announced view, if one is.
    pub plan: Option<Stamp>,
    /// Results committed since it took office.
    pub results: u64,
    /// Messages refused since it took office.
    pub refused: u64,
    /// Checks that fail and of which too few vantage points could say whether they do.
    #[serde(default)]
    pub unconfirmed: usize,
    /// Since when there is a mass failure, and how many streams began to fail in the last minute.
    #[serde(default)]
    pub mass_failure: Option<(UnixMs, usize)>,
    /// References that are configured.
    #[serde(default)]
    pub references: usize,
    /// How the panel of references looks to the hosts that are heard.
    #[serde(default)]
    pub panel: PanelCount,
    /// The last row of the journal.
    pub journal_seq: i64,
    /// When this was true.
    pub at: UnixMs,
    /// Checks that are watched, by the word of their verdict.
    #[serde(default)]
    pub verdicts: BTreeMap<String, u64>,
    /// What it knows of each registered host.
    pub hosts: BTreeMap<HostId, HostStatus>,
}

/// What only the leader can do.
#[derive(Debug)]
pub enum LeaderRequest {
    /// Run a check now.
    Test(TestRequest),
    /// Run a config that no check has.
    Try(Box<TryRequest>),
    /// Compare what is held in memory with the database, and name the differences, or why that could not be done.
    SelfCheck(oneshot::Sender<Result<Vec<String>, String>>),
    /// Tell these hosts to take a release.
    Upgrade(Vec<UpgradeOrder>),
}

/// A host that is to take a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpgradeOrder {
    /// Which host.
    pub host: HostId,
    /// Which release.
    pub release: ReleaseHash,
    /// Its length.
    pub size_bytes: u64,
    /// When it was decided.
    pub ordered_at: UnixMs,
}

/// A run of a check ordered by hand: from these hosts, or from all that hold it.
#[derive(Debug)]
pub struct TestRequest {
    /// The check; its revision in force is run, or its newest one while none is.
    pub check: CheckId,
    /// Where results go as they come: the host, its order and what it found.
    pub results: mpsc::UnboundedSender<(HostId, OrderId, RunResult)>,
    /// The hosts that were asked, or why nobody was.
    pub asked: oneshot::Sender<Result<Vec<HostId>, String>>,
}

/// The leader as the rest of the process holds it.
#[derive(Clone)]
pub struct LeaderHandle {
    /// Signalled when config may have changed.
    pub config_changed: Arc<Notify>,
    /// Signalled when deliveries may be due.
    pub deliveries_due: Arc<Notify>,
    /// Signalled when the journal has grown.
    pub journal_grew: Arc<Notify>,
    /// Signalled when an operator has begun, stopped or resumed an upgrade of the fleet.
    pub upgrade_changed: Arc<Notify>,
    /// Signalled when this process has begun to lead, for the task that makes blocks: whoever led before may have died
    /// over them.
    pub began_to_lead: Arc<Notify>,
    status: Arc<RwLock<LeaderStatus>>,
    requests: mpsc::Sender<LeaderRequest>,
}

impl LeaderHandle {
    /// A handle, and the end at which the leader takes requests.
    pub fn new() -> (Self, mpsc::Receiver<LeaderRequest>) {
        let (requests, to_take) = mpsc::channel(REQUESTS_MAX);
        let handle = Self {
            config_changed: Arc::default(),
            deliveries_due: Arc::default(),
            journal_grew: Arc::default(),
            upgrade_changed: Arc::default(),
            began_to_lead: Arc::default(),
            status: Arc::default(),
            requests,
        };
        (handle, to_take)
    }

    /// How this process leads, if it does.
    pub fn status(&self) -> LeaderStatus {
        self.status.read().expect("no holder of this lock panics").clone()
    }

    /// Shows how it stands; only the leader does.
    pub(super) fn show(&self, status: LeaderStatus) {
        *self.status.write().expect("no holder of this lock panics") = status;
    }

    /// Asks something of the leader; whether the request was taken.
    pub fn ask(&self, request: LeaderRequest) -> bool {
        self.requests.try_send(request).is_ok()
    }
}
