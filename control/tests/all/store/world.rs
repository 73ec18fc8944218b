//! What store tests speak of: databases, and a small world of tenant, module, check and host in one.

use std::sync::atomic::{AtomicU64, Ordering};

use farwatch_control::store::{
    DatabaseUrl, DetectorChange, Epoch, Flush, FlushId, JournalHead, NewCheck, NewContact, NewModule, NewRevision,
    NewTenant, Store, Takeover,
};
use farwatch_proto::check::{Activity, Repeat};
use farwatch_proto::fleet::HostFacts;
use farwatch_proto::id::{CheckId, ContactId, HostId, ModuleHash, ProcessId, TenantId};
use farwatch_proto::interval::Interval;
use farwatch_proto::time::UnixMs;
use farwatch_tests::postgres::Postgres;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor};
use tempfile::TempDir;

/// The moment at which every test begins.
pub(super) const START: UnixMs = UnixMs(1_700_000_000_000);

/// An empty database.
pub(super) struct Database {
    pub(super) url: DatabaseUrl,
    /// The same place in the words of the driver, for whatever happens beside the store.
    driver_url: String,
    _directory: Option<TempDir>,
}

impl Database {
    pub(super) fn sqlite() -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("far watch?.db");
        let encoded = path.to_str().unwrap().replace(' ', "%20").replace('?', "%3F");
        Self {
            url: DatabaseUrl::file(&path),
            driver_url: format!("sqlite://{encoded}?mode=rwc"),
            _directory: Some(directory),
        }
    }

    pub(super) fn postgres() -> Self {
        let url = Postgres::shared().create_database().unwrap();
        Self { url: url.parse().unwrap(), driver_url: url, _directory: None }
    }

    /// Its name in the server.
    pub(super) fn name(&self) -> String {
        self.url.to_string().rsplit('/').next().unwrap().to_owned()
    }

    pub(super) async fn open(&self) -> Store {
        Store::open(&self.url).await.unwrap()
    }

    /// A connection beside the store.
    pub(super) async fn connect(&self) -> AnyConnection {
        sqlx::any::install_default_drivers();
        AnyConnection::connect(&self.driver_url).await.unwrap()
    }

    /// Runs a statement beside the store.
    pub(super) async fn run(&self, statement: &str) {
        let mut connection = self.connect().await;
        connection.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
        connection.close().await.unwrap();
    }
}

/// Ten bytes that no other call of this process returns.
pub(super) fn random() -> [u8; 10] {
    static DRAWN: AtomicU64 = AtomicU64::new(1);
    let mut bytes = [0; 10];
    bytes[2..].copy_from_slice(&DRAWN.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    bytes
}

/// Sixteen bytes that no other call of this process returns.
pub(super) fn random_16() -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[6..].copy_from_slice(&random());
    bytes
}

/// A database with one of everything that other rows need.
pub(super) struct World {
    pub(super) store: Store,
    pub(super) tenant: TenantId,
    pub(super) module: ModuleHash,
    pub(super) host: HostId,
}

impl World {
    pub(super) async fn new(database: &Database) -> Self {
        let store = database.open().await;
        let tenant = new_tenant(&store, "acme").await;
        let bytes = b"\0asm http".to_vec();
        let module = ModuleHash::of(&bytes);
        let http = NewModule {
            tenant: None,
            name: "http".to_owned(),
            version: "0.1.0".to_owned(),
            description: "{}".to_owned(),
            bytes,
        };
        store.modules().put(&http, START).await.unwrap();
        let host = HostId::new(START, random());
        store.hosts().register(host, &facts("alpha"), START).await.unwrap();
        Self { store, tenant, module, host }
    }

    /// What a customer says who wants a site watched each minute.
    pub(super) fn wording(&self, name: &str) -> NewRevision {
        NewRevision {
            name: name.to_owned(),
            activity: Activity::Active,
            spec: r#"{"url":"https://example.com"}"#.to_owned(),
            prepared: vec![1, 2, 3],
            module: self.module,
            interval: Interval::from_seconds(60).unwrap(),
            timeout_ms: 20_000,
            streams: 1,
            repeat: Repeat::Safe,
            secrets: Vec::new(),
            target: None,
        }
    }

    pub(super) async fn check(&self, name: &str) -> CheckId {
        self.check_of(self.tenant, name).await
    }

    pub(super) async fn check_of(&self, tenant: TenantId, name: &str) -> CheckId {
        let id = CheckId::new(START, random());
        let new = NewCheck { id, tenant, revision: self.wording(name), heartbeat: None };
        self.store.checks().create(&new, START).await.unwrap();
        id
    }

    pub(super) async fn contact(&self, name: &str) -> ContactId {
        let id = ContactId::new(START, random());
        let new = NewContact { id, tenant: self.tenant, name: name.to_owned() };
        self.store.contacts().create(&new, START).await.unwrap();
        id
    }

    /// Takes the lease and writes the takeover row.
    pub(super) async fn lead(&self) -> Leader {
        let seen = self.store.lease().read().await.unwrap();
        let holder = ProcessId::new(START, random());
        let held = self.store.lease().acquire(&seen, holder, "127.0.0.1:1", 7 + seen.counter).await.unwrap().unwrap();
        let takeover = Takeover {
            id: FlushId(random_16()),
            after: self.store.journal().head().await.unwrap(),
            epoch: held.epoch,
            committed: START,
        };
        let head = self.store.journal().takeover(&takeover).await.unwrap();
        Leader { epoch: held.epoch, head }
    }
}

/// A process that leads, and the last row it saw.
#[derive(Clone, Copy)]
pub(super) struct Leader {
    pub(super) epoch: Epoch,
    pub(super) head: JournalHead,
}

impl Leader {
    /// A flush with nothing in it but a body, after the last row this leader saw.
    pub(super) fn flush(&self) -> Flush {
        Flush {
            id: FlushId(random_16()),
            after: self.head,
            epoch: self.epoch,
            committed: START,
            slots: None,
            results: 0,
            version: 1,
            body: vec![9; 100],
            detectors: [].into(),
            first_judged: [].into(),
            late: [].into(),
            evidence: Vec::new(),
            incidents: Vec::new(),
            events: Vec::new(),
            deliveries: Vec::new(),
            marks: Vec::new(),
        }
    }

    /// Commits it and goes on from it.
    pub(super) async fn commit(&mut self, store: &Store, flush: &Flush) {
        let committed = store.journal().commit_flush(flush).await.unwrap();
        self.head = JournalHead { seq: committed.seq, epoch: flush.epoch, flush: flush.id };
    }
}

pub(super) async fn new_tenant(store: &Store, name: &str) -> TenantId {
    let id = TenantId::new(START, random());
    store.tenants().create(&NewTenant { id, name: name.to_owned() }, START).await.unwrap();
    id
}

pub(super) fn facts(name: &str) -> HostFacts {
    HostFacts {
        name: name.to_owned(),
        provider: "hetzner".to_owned(),
        asn: 24_940,
        country: "DE".to_owned(),
        continent: "EU".to_owned(),
        region: "eu-central".to_owned(),
        labels: [].into(),
        weight: 1,
        tenant: None,
        shared_machine: None,
    }
}

pub(super) fn put(body: &str) -> DetectorChange {
    DetectorChange::Put(body.to_owned())
}
