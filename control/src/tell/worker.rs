//! Claims what is due, has it sent, and records what came of it.
//!
//! Runs in every control process at once; claims keep them apart. A claim is committed before anything is sent
//! and outlasts every sending, so whatever dies, the next one sends at most a duplicate under the same id. Nothing
//! is decided here: `core` says what an answer means.

use std::sync::Arc;
use std::time::Duration;

use farwatch_core::delivery::{Attempt, Next, after_try};
use farwatch_proto::time::UnixMs;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tracing::field::Empty;
use tracing::{Instrument, Span, info, info_span, warn};

use super::reply::Reply;
use super::teller::{Outcome, TELL_LIMIT, Teller};
use crate::clock::Clock;
use crate::crash::{self, CrashPoint};
use crate::metrics::Metrics;
use crate::secret::random_bytes;
use crate::spawn::{Spawner, Stopping};
use crate::store::{ClaimId, ClaimRequest, Claimed, Delivery, Store, StoreError};
use crate::tasks::TaskList;

/// How often due deliveries are looked for when nobody says that there are any.
const PERIOD: Duration = Duration::from_secs(1);
/// How long a claim holds; after that others take the delivery for lost with its worker.
const CLAIM_MS: i64 = 60_000;
/// Messages in the hands of one process. More would not be sent before their claims run out.
const HANDS: usize = 256;
/// What one round claims of all, of one tenant and of one channel: rounds are a second apart or less, so small
/// shares are fair and still many a minute.
const PER_CLAIM: usize = 64;
const PER_TENANT: u32 = 32;
const PER_CHANNEL: u32 = 4;
/// A delivery whose receiver was busy is claimed again after this long; it has not been tried, so no wait of
/// `core` applies.
const BUSY_MS: i64 = 5_000;
/// What passes between attempts to record an answer that the database did not take.
const RECORD_PAUSE: Duration = Duration::from_secs(1);

const _: () = assert!(TELL_LIMIT.as_millis() < CLAIM_MS as u128 * 3 / 4, "a claim outlasts the longest sending");

/// Starts telling. `due` shortens the wait for the next round.
pub fn start(
    spawner: &Spawner,
    tasks: &TaskList,
    store: Store,
    teller: Arc<Teller>,
    (due, metrics): (Arc<Notify>, Metrics),
) {
    let hands = Arc::new(Semaphore::new(HANDS));
    let (senders, again) = (spawner.clone(), due.clone());
    let about = ("tell", "Sends the deliveries that are due.", PERIOD);
    tasks.run(spawner, about, due, move || {
        let round = Round {
            spawner: senders.clone(),
            store: store.clone(),
            teller: teller.clone(),
            metrics: metrics.clone(),
            hands: hands.clone(),
            due: again.clone(),
        };
        async move { Ok(round.run().await?) }
    });
}

/// One look for due deliveries.
struct Round {
    spawner: Spawner,
    store: Store,
    teller: Arc<Teller>,
    metrics: Metrics,
    hands: Arc<Semaphore>,
    due: Arc<Notify>,
}

impl Round {
    async fn run(self) -> Result<(), StoreError> {
        let free = self.hands.available_permits().min(PER_CLAIM);
        if free == 0 || self.spawner.stopping().is_requested() {
            return Ok(());
        }
        let now = Clock.wall();
        let request = ClaimRequest {
            claim: ClaimId(random_bytes()),
            now,
            until: now + CLAIM_MS,
            limit: u32::try_from(free).unwrap_or(u32::MAX),
            per_tenant: PER_TENANT,
            per_channel: PER_CHANNEL,
        };
        for claimed in self.store.deliveries().claim_due(&request).await? {
            crash::pass(CrashPoint::Claim);
            // Only this task takes hands, so those that were free still are.
            let Ok(hand) = self.hands.clone().try_acquire_owned() else { break };
            let sending = Sending {
                store: self.store.clone(),
                teller: self.teller.clone(),
                metrics: self.metrics.clone(),
                due: self.due.clone(),
                stopping: self.spawner.stopping(),
                claimed,
                until: request.until,
                _hand: hand,
            };
            let span = span_of(&sending.claimed.delivery);
            self.spawner.spawn("tell one", sending.run().instrument(span));
        }
        Ok(())
    }
}

/// The span of one attempt.
fn span_of(delivery: &Delivery) -> Span {
    info_span!(
        "deliver",
        otel.kind = "client",
        delivery = %delivery.id,
        incident = %delivery.incident,
        channel = %delivery.channel,
        attempt = delivery.attempt,
        outcome = Empty,
    )
}

/// One claimed delivery on its way.
struct Sending {
    store: Store,
    teller: Arc<Teller>,
    metrics: Metrics,
    due: Arc<Notify>,
    stopping: Stopping,
    claimed: Claimed,
    until: UnixMs,
    _hand: OwnedSemaphorePermit,
}

impl Sending {
    async fn run(self) {
        let delivery = &self.claimed.delivery;
        let (id, attempt) = (delivery.id, delivery.attempt);
        let outcome = self.teller.tell(&self.store, &self.claimed, Clock.wall()).await.unwrap_or_else(|error| {
            warn!(delivery = %id, %error, "the channel was not read");
            Outcome::Tried(Reply::later("not sent yet: the database did not give the channel"))
        });
        let (next, answer) = match outcome {
            Outcome::Tried(reply) => {
                let age_ms = Clock.wall().since(delivery.created);
                let Reply { acceptance, asked_wait_ms, text } = reply;
                let tried = Attempt { acceptance, asked_wait_ms, tries: attempt, age_ms };
                (after_try(&tried, u32::from_ne_bytes(random_bytes())), text)
            }
            Outcome::NotTried(why) => (Next::RetryAfterMs(BUSY_MS), why),
        };
        crash::pass(CrashPoint::Send);
        self.metrics.attempted(outcome_of(next));
        Span::current().record("outcome", outcome_of(next));
        info!(delivery = %id, incident = %delivery.incident, attempt, outcome = outcome_of(next), answer, "told");
        if matches!(next, Next::Dead | Next::DeadWithChannel) {
            warn!(delivery = %id, incident = %delivery.incident, attempt, answer, "delivery given up");
        }
        self.record(next, &answer, Clock.wall()).await;
        if !matches!(next, Next::RetryAfterMs(_)) {
            // What comes after it in order can go now.
            self.due.notify_one();
        }
    }

    /// An answer that is not recorded means a duplicate, so a database that is away is tried until the claim runs
    /// out. A stop does not wait for it.
    async fn record(&self, next: Next, answer: &str, now: UnixMs) {
        let id = self.claimed.delivery.id;
        while let Err(error) = self.try_record(next, answer, now).await {
            warn!(delivery = %id, %error, "the answer was not recorded");
            if Clock.wall() >= self.until || self.stopping.is_requested() {
                return;
            }
            sleep(RECORD_PAUSE).await;
        }
    }

    async fn try_record(&self, next: Next, answer: &str, now: UnixMs) -> Result<(), StoreError> {
        let deliveries = self.store.deliveries();
        match next {
            Next::Sent => deliveries.record_sent(&self.claimed, answer, now).await,
            Next::RetryAfterMs(wait_ms) => deliveries.record_retry(&self.claimed, answer, now + wait_ms).await,
            Next::Dead => deliveries.record_dead(&self.claimed, answer, now).await,
            Next::DeadWithChannel => deliveries.record_gone(&self.claimed, answer, now).await,
        }
    }
}

/// What came of an attempt, in a word for logs and metrics.
const fn outcome_of(next: Next) -> &'static str {
    match next {
        Next::Sent => "sent",
        Next::RetryAfterMs(_) => "retry",
        Next::Dead | Next::DeadWithChannel => "dead",
    }
}
