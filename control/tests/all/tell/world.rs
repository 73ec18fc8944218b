//! What telling tests speak of: a shop that is watched, contacts, outages of it, and workers that tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use farwatch_control::clock::Clock;
use farwatch_control::metrics::Metrics;
use farwatch_control::seal::Sealer;
use farwatch_control::spawn::Spawner;
use farwatch_control::store::{
    ChannelKind, DatabaseUrl, Delivery, DeliveryState, Flush, FlushId, Incident, IncidentState, NewChannel, NewCheck,
    NewContact, NewDelivery, NewModule, NewRevision, NewTenant, Step, Store,
};
use farwatch_control::tasks::TaskList;
use farwatch_control::tell::channel::ChannelConfig;
use farwatch_control::tell::config::{TellConfig, TellFlags};
use farwatch_control::tell::event::{Opening, Subject, TellEvent};
use farwatch_control::tell::signing::SigningSecret;
use farwatch_control::tell::{Teller, start};
use farwatch_core::confirm::Answer;
use farwatch_core::egress::Policy;
use farwatch_core::incident::{Ending, IncidentEvent, Voice, delivery_id, incident_id};
use farwatch_proto::check::{Activity, Repeat};
use farwatch_proto::fleet::View;
use farwatch_proto::id::{ChannelId, CheckId, ContactId, DeliveryId, HostId, ModuleHash, TenantId};
use farwatch_proto::interval::Interval;
use farwatch_proto::time::{Stamp, UnixMs};
use farwatch_tests::postgres::Postgres;
use farwatch_tests::wait::eventually_async;
use sqlx::{AnyConnection, Connection, Executor};
use tempfile::TempDir;
use tokio::sync::Notify;

/// How long anything may take on a machine busy with other tests.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the outage of these tests lasts.
pub(super) const OUTAGE_MS: i64 = 250_000;

/// An empty database.
pub(super) struct Database {
    url: DatabaseUrl,
    driver_url: String,
    _directory: Option<TempDir>,
}

impl Database {
    pub(super) fn sqlite() -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("farwatch.db");
        let driver_url = format!("sqlite://{}", path.display());
        Self { url: DatabaseUrl::file(&path), driver_url, _directory: Some(directory) }
    }

    pub(super) fn postgres() -> Self {
        let url = Postgres::shared().create_database().unwrap();
        Self { url: url.parse().unwrap(), driver_url: url, _directory: None }
    }

    pub(super) async fn open(&self) -> Store {
        Store::open(&self.url).await.unwrap()
    }

    pub(super) fn url(&self) -> DatabaseUrl {
        self.url.clone()
    }

    /// Lets every claim run out, as a minute would.
    pub(super) async fn let_claims_run_out(&self) {
        let mut connection = AnyConnection::connect(&self.driver_url).await.unwrap();
        connection.execute("update delivery set claimed_until_ms = 0 where state = 'claimed'").await.unwrap();
        connection.close().await.unwrap();
    }
}

/// Ten bytes that no other call of this process returns.
fn random() -> [u8; 10] {
    static DRAWN: AtomicU64 = AtomicU64::new(1);
    let mut bytes = [0; 10];
    bytes[2..].copy_from_slice(&DRAWN.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    bytes
}

pub(super) fn random_16() -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[6..].copy_from_slice(&random());
    bytes
}

/// Waits until there is something, and says what was awaited when there never is.
pub(super) async fn until<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    eventually_async(what, PATIENCE, async || Ok(look().await)).await.unwrap()
}

/// A way to reach somebody.
#[derive(Clone)]
pub(super) struct Reach {
    pub(super) tenant: TenantId,
    pub(super) contact: ContactId,
    pub(super) channel: ChannelId,
    /// What signs, where it is a webhook.
    pub(super) secret: String,
}

/// An outage, and who is told of it.
#[derive(Clone)]
pub(super) struct Outage {
    incident: Incident,
    opening: Opening,
    reaches: Vec<Reach>,
}

/// A database with checks to be down, and the key of its secrets.
pub(super) struct World {
    pub(super) database: Database,
    pub(super) store: Store,
    pub(super) tenant: TenantId,
    module: ModuleHash,
    pub(super) sealer: Arc<Sealer>,
    _keys: TempDir,
}

impl World {
    pub(super) async fn new(database: Database) -> Self {
        let store = database.open().await;
        let bytes = b"\0asm http".to_vec();
        let module = ModuleHash::of(&bytes);
        let (name, version) = ("http".to_owned(), "0.1.0".to_owned());
        let http = NewModule { tenant: None, name, version, description: "{}".to_owned(), bytes };
        store.modules().put(&http, Clock.wall()).await.unwrap();
        let keys = TempDir::new().unwrap();
        let sealer = Arc::new(Sealer::from_file(&keys.path().join("master-key")).unwrap());
        let tenant = new_tenant(&store, "acme").await;
        Self { database, store, tenant, module, sealer, _keys: keys }
    }

    pub(super) async fn other_tenant(&self) -> TenantId {
        new_tenant(&self.store, "other").await
    }

    pub(super) async fn webhook(&self, tenant: TenantId, url: &str) -> Reach {
        let config = ChannelConfig::Webhook(url.to_owned());
        self.reach(tenant, ChannelKind::Webhook, &config, Some(SigningSecret::random())).await
    }

    pub(super) async fn mailbox(&self, address: &str) -> Reach {
        let config = ChannelConfig::Email(address.parse().unwrap());
        self.reach(self.tenant, ChannelKind::Email, &config, None).await
    }

    async fn reach(
        &self,
        tenant: TenantId,
        kind: ChannelKind,
        config: &ChannelConfig,
        secret: Option<SigningSecret>,
    ) -> Reach {
        let now = Clock.wall();
        let (contact, channel) = (ContactId::new(now, random()), ChannelId::new(now, random()));
        let new = NewContact { id: contact, tenant, name: contact.to_string() };
        self.store.contacts().create(&new, now).await.unwrap();
        let sealed_secret = secret.as_ref().map(|secret| secret.seal(&self.sealer, channel));
        let new = NewChannel { id: channel, contact, kind, config: config.to_json(), sealed_secret };
        self.store.contacts().add_channel(tenant, &new, now).await.unwrap().unwrap();
        Reach { tenant, contact, channel, secret: secret.map(|secret| secret.reveal()).unwrap_or_default() }
    }

    async fn check(&self, tenant: TenantId, name: &str) -> CheckId {
        let id = CheckId::new(Clock.wall(), random());
        let revision = NewRevision {
            name: name.to_owned(),
            activity: Activity::Active,
            spec: "{}".to_owned(),
            prepared: Vec::new(),
            module: self.module,
            interval: Interval::from_seconds(60).unwrap(),
            timeout_ms: 20_000,
            streams: 1,
            repeat: Repeat::Safe,
            secrets: Vec::new(),
            target: None,
        };
        self.store.checks().create(&NewCheck { id, tenant, revision, heartbeat: None }, Clock.wall()).await.unwrap();
        id
    }

    /// A check of this name goes down, and these are to be told; all of one tenant.
    pub(super) async fn goes_down(&self, name: &str, reaches: &[&Reach]) -> Outage {
        let reaches: Vec<Reach> = reaches.iter().map(|reach| (*reach).clone()).collect();
        let tenant = reaches[0].tenant;
        let check = self.check(tenant, name).await;
        let first_failed_slot = Clock.wall() - OUTAGE_MS;
        let event = IncidentEvent::Opened {
            incident: incident_id(check, first_failed_slot),
            first_failed_slot,
            at: first_failed_slot + 2_000,
            code: "http-status".to_owned(),
            message: "expected status 200-299, got 503".to_owned(),
            need: 2,
            of: 2,
            voices: [1, 2].map(|number| voice(number, Answer::Bad)).into(),
            seen_afterwards: false,
        };
        let incident = Incident {
            id: event.incident(),
            tenant,
            check,
            state: IncidentState::Open,
            first_failed_slot,
            seen_since: first_failed_slot,
            opened: event.at(),
            summary: "{}".to_owned(),
        };
        let outage = Outage { incident, opening: Opening::of(&event).unwrap(), reaches };
        self.write(&outage, name, &event, Step::Opened).await;
        outage
    }

    /// It is over.
    pub(super) async fn comes_up(&self, name: &str, outage: &Outage) {
        let event = IncidentEvent::Resolved {
            incident: outage.incident.id,
            first_failed_slot: outage.incident.first_failed_slot,
            at: outage.incident.first_failed_slot + OUTAGE_MS,
            ending: Ending::Recovered,
            voices: [1, 2].map(|number| voice(number, Answer::Good)).into(),
        };
        let state = IncidentState::Resolved { at: event.at(), reason: "recovered".to_owned() };
        let outage = Outage { incident: Incident { state, ..outage.incident.clone() }, ..outage.clone() };
        self.write(&outage, name, &event, Step::Resolved).await;
    }

    /// Incident and deliveries in one flush, as the leader writes them.
    async fn write(&self, outage: &Outage, name: &str, event: &IncidentEvent, step: Step) {
        let Incident { tenant, check, .. } = outage.incident;
        let subject = Subject { tenant, check, check_name: name, target: Some("https://shop.example/") };
        let told = TellEvent::new(event, outage.opening.clone(), &subject, &empty_view());
        let now = Clock.wall();
        let deliveries = outage.reaches.iter().map(|reach| NewDelivery {
            id: outage.delivery(event.step(), reach),
            tenant,
            incident: outage.incident.id,
            step,
            contact: reach.contact,
            channel: reach.channel,
            due: now,
            created: now,
            event: serde_json::to_string(&told).unwrap(),
        });
        let head = self.store.journal().head().await.unwrap();
        let flush = Flush {
            id: FlushId(random_16()),
            after: head,
            epoch: head.epoch,
            committed: now,
            slots: None,
            results: 0,
            version: 1,
            body: Vec::new(),
            detectors: [].into(),
            first_judged: [].into(),
            late: [].into(),
            evidence: Vec::new(),
            incidents: vec![outage.incident.clone()],
            events: Vec::new(),
            deliveries: deliveries.collect(),
            marks: Vec::new(),
        };
        self.store.journal().commit_flush(&flush).await.unwrap();
    }

    /// The delivery as it stands.
    pub(super) async fn delivery(&self, outage: &Outage, id: DeliveryId) -> Delivery {
        let all = self.store.deliveries().of_incident(outage.incident.tenant, outage.incident.id).await.unwrap();
        all.into_iter().find(|delivery| delivery.id == id).unwrap()
    }

    /// Waits until the delivery stands so, with an answer recorded.
    pub(super) async fn settled(&self, outage: &Outage, id: DeliveryId, state: DeliveryState) -> Delivery {
        until(&format!("the delivery is {state:?}"), async || {
            Some(self.delivery(outage, id).await)
                .filter(|delivery| delivery.state == state && delivery.last_answer.is_some())
        })
        .await
    }

    /// Starts a worker that may reach loopback.
    pub(super) fn worker(&self, flags: &TellFlags) -> Worker {
        Worker::start(self.store.clone(), self.sealer.clone(), flags, loopback())
    }
}

impl Outage {
    pub(super) fn delivery(&self, step: farwatch_core::incident::Step, reach: &Reach) -> DeliveryId {
        delivery_id(self.incident.id, step, reach.contact, reach.channel)
    }

    pub(super) fn opened(&self) -> DeliveryId {
        self.delivery(farwatch_core::incident::Step::Opened, &self.reaches[0])
    }

    pub(super) fn resolved(&self) -> DeliveryId {
        self.delivery(farwatch_core::incident::Step::Resolved, &self.reaches[0])
    }
}

/// A worker at work; stopped when dropped.
pub(super) struct Worker {
    spawner: Spawner,
    pub(super) tasks: TaskList,
}

impl Worker {
    pub(super) fn start(store: Store, sealer: Arc<Sealer>, flags: &TellFlags, policy: Policy) -> Self {
        let (spawner, tasks) = (Spawner::default(), TaskList::default());
        let teller = Teller::new(TellConfig::try_new(flags).unwrap(), policy, sealer).unwrap();
        start(&spawner, &tasks, store, Arc::new(teller), (Arc::new(Notify::new()), Metrics::new(Clock.wall())));
        Self { spawner, tasks }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.spawner.stop();
    }
}

/// The operator has opted loopback in, where the tests' receivers are.
pub(super) fn loopback() -> Policy {
    Policy::new(vec!["127.0.0.0/8".parse().unwrap()], Vec::new())
}

fn voice(number: u8, answer: Answer) -> Voice {
    Voice { host: HostId::from_bytes([number; 16]), answer, code: String::new(), message: String::new() }
}

fn empty_view() -> View {
    let number = Stamp { era: 1, n: 1 };
    View { number, in_force_from: UnixMs(0), planned: true, placement_version: 1, hosts: Vec::new() }
}

async fn new_tenant(store: &Store, name: &str) -> TenantId {
    let id = TenantId::new(Clock.wall(), random());
    store.tenants().create(&NewTenant { id, name: name.to_owned() }, Clock.wall()).await.unwrap();
    id
}
