//! Tries: configs that no check has, run now from a few hosts for whoever waits for what they find.
//!
//! No slot, detector or journal hears of them: an order goes out by a link, and what comes back by it is passed on. A question
//! names secrets and says none, for it may lie in the database; values are sealed here, for each host that is asked.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use farwatch_core::placement::{Subject, preference_lists};
use farwatch_proto::check::{PlacementWish, Repeat, SecretVersion};
use farwatch_proto::id::{CheckId, HostId, ModuleHash, OrderId, TenantId};
use farwatch_proto::link::{FromControl, FromHost, base64_bytes};
use farwatch_proto::time::BootMs;
use farwatch_proto::trying::{TRY_LOAD_MAX_MS, TryEnd, TryOrder, Untried};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tracing::info;

use super::draft::Now;
use super::handle::{LeaderHandle, LeaderRequest};
use super::question::{ASK_LIMIT, Answer, RETURN_ALLOWANCE, TOO_MANY_RUNS};
use super::secret_values::{ValuesOfTenant, seal};
use super::sessions::Session;
use super::state::State;
use crate::links::LinkEvent;
use crate::secret::random_bytes;

/// Tries that wait for one host: more than it makes at once, so that none waits for nothing, and fewer than would keep what
/// else it is told from it, for each is a message of up to 150 KiB.
const OF_HOST_MAX: usize = 8;

/// What is to be tried, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TryQuestion {
    /// On whose behalf.
    pub tenant: TenantId,
    /// The module that runs.
    pub module: ModuleHash,
    /// The config as the module itself prepared it.
    #[serde(with = "base64_bytes")]
    pub prepared: Vec<u8>,
    /// How long a run may take, in milliseconds.
    pub timeout_ms: u32,
    /// The names of the secrets that the config names; their newest values count.
    pub secrets: Vec<String>,
    /// Where it is to run.
    pub placement: PlacementWish,
    /// These very hosts; where none is named, the leader chooses.
    pub hosts: Vec<HostId>,
    /// How many it is to choose.
    pub count: usize,
}

/// What became of a try at one host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TriedHost {
    /// The host.
    pub host: HostId,
    /// That.
    pub end: HostEnd,
}

/// The same without the host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostEnd {
    /// It has said.
    Said(TryEnd),
    /// It was not asked, for its version knows no tries.
    Outdated,
    /// It has not answered in time.
    Silent,
    /// Its link went before it had answered.
    Unlinked,
}

/// A try that is asked of this process.
#[derive(Debug)]
pub struct TryRequest {
    pub(super) question: TryQuestion,
    /// Where answers go as they come.
    pub(super) answers: Answers,
    /// Who was asked and who was not, or what to say instead.
    pub(super) asked: oneshot::Sender<Result<Chosen, Answer>>,
}

/// The hosts of a try.
#[derive(Debug, PartialEq)]
pub(super) struct Chosen {
    pub(super) asked: Vec<HostId>,
    pub(super) outdated: Vec<HostId>,
}

type Answers = mpsc::UnboundedSender<(HostId, HostEnd)>;

/// One host that is to answer.
struct Waiting {
    host: HostId,
    /// The link that the order went out by.
    connection: u64,
    answers: Answers,
    until: BootMs,
}

/// The tries that wait for answers.
#[derive(Default)]
pub(super) struct Tries {
    waiting: HashMap<OrderId, Waiting>,
}

impl TryQuestion {
    /// Whatever comes has come by then, from the order on.
    pub(super) fn limit(&self) -> Duration {
        Duration::from_millis(u64::from(self.timeout_ms) + u64::from(TRY_LOAD_MAX_MS)) + RETURN_ALLOWANCE
    }

    /// The secrets it names, by their newest versions.
    fn newest_secrets(&self, values: &ValuesOfTenant) -> Result<Vec<SecretVersion>, Answer> {
        let newest = |name: &String| {
            let versions = values.keys().filter(|(known, _)| known == name).map(|(_, version)| *version);
            let version =
                versions.max().ok_or_else(|| Answer::unable(format!("there is no secret {name} any more")))?;
            Ok(SecretVersion { name: name.clone(), version, sealed: Vec::new() })
        };
        self.secrets.iter().map(newest).collect()
    }
}

impl Tries {
    /// Sends the orders of a request, or says why it cannot.
    pub(super) fn begin(&mut self, state: &mut State, request: TryRequest, values: &ValuesOfTenant, now: Now) {
        let TryRequest { question, answers, asked } = request;
        let begun = question.newest_secrets(values).and_then(|secrets| {
            let chosen = chosen(state, &question, now)?;
            let order = TryOrder {
                id: OrderId::from_bytes([0; 16]),
                tenant: question.tenant,
                check: CheckId::new(now.wall, random_bytes()),
                module: question.module,
                prepared: question.prepared.clone(),
                timeout_ms: question.timeout_ms,
                secrets,
                ordered_at: now.wall,
            };
            let until = now.boot + i64::try_from(question.limit().as_millis()).unwrap_or(i64::MAX);
            for host in &chosen.asked {
                let id = OrderId::new(now.wall, random_bytes());
                self.ask(state, *host, TryOrder { id, ..order.clone() }, values, (&answers, until));
            }
            info!(tenant = %order.tenant, module = %order.module, hosts = chosen.asked.len(), "a config is tried");
            Ok(chosen)
        });
        // Whoever asked may have gone; the runs do no harm.
        let _ = asked.send(begun);
    }

    /// Sends an order to a host, unless so many wait for it that it would be told of nothing else.
    fn ask(
        &mut self,
        state: &mut State,
        host: HostId,
        mut order: TryOrder,
        values: &ValuesOfTenant,
        (answers, until): (&Answers, BootMs),
    ) {
        if self.waiting.values().filter(|waiting| waiting.host == host).count() >= OF_HOST_MAX {
            let full = TryEnd::NotRun { why: Untried::Full, detail: String::new() };
            let _ = answers.send((host, HostEnd::Said(full)));
            return;
        }
        let Some(session) = state.sessions.get_mut(&host) else { return };
        seal(&mut order.secrets, session.sealing_key.as_ref(), (order.tenant, order.check), Some(values));
        let waiting = Waiting { host, connection: session.connection(), answers: answers.clone(), until };
        self.waiting.insert(order.id, waiting);
        session.send(host, FromControl::Try { order: Box::new(order) });
    }

    /// Passes on what somebody waits for.
    pub(super) fn watch(&mut self, event: &LinkEvent) {
        let LinkEvent::Said { host, message: FromHost::Tried { order, end }, .. } = event else { return };
        if self.waiting.get(order).is_some_and(|waiting| waiting.host == *host)
            && let Some(waiting) = self.waiting.remove(order)
        {
            let _ = waiting.answers.send((*host, HostEnd::Said(end.clone())));
        }
    }

    /// Stops waiting for what will not come: a try ends with the link that it was ordered by.
    pub(super) fn pass_time(&mut self, state: &State, now: BootMs) {
        self.waiting.retain(|_, waiting| {
            let connection = state.sessions.get(&waiting.host).map(Session::connection);
            if connection != Some(waiting.connection) {
                let _ = waiting.answers.send((waiting.host, HostEnd::Unlinked));
                return false;
            }
            now < waiting.until
        });
    }
}

/// The hosts that are asked: those that were named, or the least alike of those that may run it.
fn chosen(state: &State, question: &TryQuestion, now: Now) -> Result<Chosen, Answer> {
    let can_try = |host: HostId| state.sessions.get(&host).is_some_and(|session| session.can_try);
    if !question.hosts.is_empty() {
        let away = question.hosts.iter().filter(|host| !state.is_reachable(**host, now.boot));
        let away: Vec<HostId> = away.copied().collect();
        if !away.is_empty() {
            return Err(Answer::OutOfReach { hosts: away });
        }
        let (asked, outdated) = question.hosts.iter().partition(|host| can_try(**host));
        return Ok(Chosen { asked, outdated });
    }
    let subject = Subject {
        check: CheckId::new(now.wall, random_bytes()),
        tenant: question.tenant,
        wish: &question.placement,
        repeat: Repeat::Safe,
    };
    let lists = preference_lists(&subject, &state.newest);
    let list = lists.first().map(Vec::as_slice).unwrap_or_default();
    let panel = state.panel_of(&subject, list, |host| state.is_reachable(host, now.boot) && can_try(host));
    let asked = panel.choose(&[], question.count);
    if asked.is_empty() {
        let reason =
            "no host that may run it can be reached, or all that can are too old to try a config; see GET /v1/hosts";
        return Err(Answer::unable(reason));
    }
    Ok(Chosen { asked, outdated: Vec::new() })
}

impl LeaderHandle {
    /// Has the leader, which must be this process, try a config, and waits for the hosts.
    pub(super) async fn try_out(&self, question: TryQuestion) -> Answer {
        let limit = question.limit();
        let (answers, to_take) = mpsc::unbounded_channel();
        let (asked, told) = oneshot::channel();
        if !self.ask(LeaderRequest::Try(Box::new(TryRequest { question, answers, asked }))) {
            return Answer::unable(TOO_MANY_RUNS);
        }
        match timeout(ASK_LIMIT, told).await {
            Ok(Ok(Ok(chosen))) => Answer::Tried { hosts: gathered(chosen, to_take, limit).await },
            Ok(Ok(Err(instead))) => instead,
            Ok(Err(_)) | Err(_) => Answer::none(),
        }
    }
}

/// What each host said until everybody has or the limit is over.
async fn gathered(
    Chosen { asked, outdated }: Chosen,
    mut answers: mpsc::UnboundedReceiver<(HostId, HostEnd)>,
    limit: Duration,
) -> Vec<TriedHost> {
    let mut ends: BTreeMap<HostId, HostEnd> = BTreeMap::new();
    let over = sleep(limit);
    tokio::pin!(over);
    while ends.len() < asked.len() {
        tokio::select! {
            () = &mut over => break,
            answer = answers.recv() => match answer {
                Some((host, end)) => drop(ends.insert(host, end)),
                None => break,
            },
        }
    }
    let said = asked.into_iter().map(|host| TriedHost { host, end: ends.remove(&host).unwrap_or(HostEnd::Silent) });
    said.chain(outdated.into_iter().map(|host| TriedHost { host, end: HostEnd::Outdated })).collect()
}
