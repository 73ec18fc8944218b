//! What the rest of the process may ask of the leader, and what it shows of itself.
//!
//! A signal says "look now", never "this changed".

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use farwatch_proto::id::{CheckId, HostId, OrderId};
use farwatch_proto::run::RunResult;
use farwatch_proto::time::{Stamp, UnixMs};
use tokio::sync::{Notify, mpsc, oneshot};

/// Runs ordered by hand that wait at once; more are refused.
const TESTS_MAX: usize = 64;

/// What the leader knows of a connected host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostStatus {
    /// Whether a link is open.
    pub connected: bool,
    /// How long it has been silent, in milliseconds.
    pub silent_ms: i64,
    /// Its version, once it said hello.
    pub version: Option<String>,
    /// Its run places, once it said hello.
    pub run_places: Option<u32>,
    /// Runs in flight when it last said.
    pub running: u32,
    /// The largest lag of its loop in its last heartbeat, in milliseconds.
    pub loop_lag_ms: u32,
    /// Messages of it that were refused since the leader took office.
    pub refused: u64,
    /// Checks it cannot run, with the reason.
    pub unable: BTreeMap<CheckId, String>,
}

/// How the leader stands; a new one about every second.
#[derive(Clone, Debug, Default)]
pub struct LeaderStatus {
    /// Whether this process leads.
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
    /// The last row of the journal.
    pub journal_seq: i64,
    /// When this was true.
    pub at: UnixMs,
    /// What it knows of each registered host.
    pub hosts: BTreeMap<HostId, HostStatus>,
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
    status: Arc<RwLock<LeaderStatus>>,
    tests: mpsc::Sender<TestRequest>,
}

impl LeaderHandle {
    /// A handle, and the end at which the leader takes requests.
    pub fn new() -> (Self, mpsc::Receiver<TestRequest>) {
        let (tests, requests) = mpsc::channel(TESTS_MAX);
        let handle =
            Self { config_changed: Arc::default(), deliveries_due: Arc::default(), status: Arc::default(), tests };
        (handle, requests)
    }

    /// How the leader stands.
    pub fn status(&self) -> LeaderStatus {
        self.status.read().expect("no holder of this lock panics").clone()
    }

    /// Shows how it stands; only the leader does.
    pub(super) fn show(&self, status: LeaderStatus) {
        *self.status.write().expect("no holder of this lock panics") = status;
    }

    /// Orders a run by hand; whether the request was taken.
    pub fn test(&self, request: TestRequest) -> bool {
        self.tests.try_send(request).is_ok()
    }
}
