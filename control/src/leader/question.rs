//! What anybody may ask of the leader, and how it is answered by the process that leads.
//!
//! A question and its answer are plain data, so that a process which does not lead can pass them through the
//! database. Nothing of a run by hand counts in the ledger.

use std::time::Duration;

use farwatch_proto::id::{CheckId, HostId, OrderId};
use farwatch_proto::link::base64_bytes;
use farwatch_proto::pack::{self, PACK_VERSION, Packer, Unpacker};
use farwatch_proto::run::RunResult;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::handle::{LeaderHandle, LeaderRequest, TestRequest};
use super::tries::{TriedHost, TryQuestion};

/// The leader answers from memory; a longer wait means that it is gone.
pub(super) const ASK_LIMIT: Duration = Duration::from_secs(5);
/// Loading the largest cell anew takes seconds.
const SELF_CHECK_LIMIT: Duration = Duration::from_secs(25);
/// What a result takes beyond its timeout: the order's way, the run's end, the spool and the way back.
pub(super) const RETURN_ALLOWANCE: Duration = Duration::from_secs(3);
/// What is said where the leader does not answer.
const NO_ANSWER: &str = "the leader did not answer; try again in a few seconds";

/// What is said where the leader takes no more requests.
pub(super) const TOO_MANY_RUNS: &str = "too many runs by hand are waiting; try again in a few seconds";

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Question {
    /// Run a check now, from every host that holds it.
    Test {
        /// It.
        check: CheckId,
        /// How long a run of it may take, in milliseconds.
        timeout_ms: u32,
    },
    /// Run a config that no check has, now. It names secrets and says none.
    Try(Box<TryQuestion>),
    /// Compare what is held in memory with the database.
    SelfCheck,
}

/// What the leader says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Answer {
    /// A check was run.
    Tested {
        /// The hosts that were asked.
        asked: Vec<HostId>,
        /// What those found that answered in time.
        found: Vec<Found>,
    },
    /// A config was tried.
    Tried {
        /// What became of it at each host that was asked.
        hosts: Vec<TriedHost>,
    },
    /// Nobody was asked, for these hosts that were named cannot be.
    OutOfReach {
        /// They.
        hosts: Vec<HostId>,
    },
    /// What differs between memory and database.
    SelfChecked {
        /// Each in a line.
        differences: Vec<String>,
    },
    /// It cannot be done, for this reason.
    Unable {
        /// What to tell whoever asked.
        reason: String,
    },
}

/// What one host found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The host.
    pub host: HostId,
    /// Its result, packed as hosts pack them.
    #[serde(with = "base64_bytes")]
    packed: Vec<u8>,
}

impl Found {
    fn new(host: HostId, result: &RunResult) -> Self {
        let mut packer = Packer::default();
        packer.push(result);
        Self { host, packed: [&[PACK_VERSION], packer.take().as_slice()].concat() }
    }

    /// What it found; nothing where a leader of another version packs in another way.
    pub fn result(&self) -> Option<RunResult> {
        let (version, packed) = self.packed.split_first()?;
        let results = pack::is_known(*version).then(|| Unpacker::default().read(packed).ok()).flatten()?;
        results.into_iter().next()
    }
}

impl Question {
    /// Whoever asks has the answer by then, or none will come.
    pub fn limit(&self) -> Duration {
        match self {
            Self::Test { timeout_ms, .. } => ASK_LIMIT + Duration::from_millis((*timeout_ms).into()) + RETURN_ALLOWANCE,
            Self::Try(question) => ASK_LIMIT + question.limit(),
            Self::SelfCheck => SELF_CHECK_LIMIT,
        }
    }
}

impl Answer {
    /// What is said where nobody answers.
    pub fn none() -> Self {
        Self::unable(NO_ANSWER)
    }

    pub(super) fn unable(reason: impl Into<String>) -> Self {
        Self::Unable { reason: reason.into() }
    }
}

impl LeaderHandle {
    /// Asks the leader, which must be this process.
    pub async fn question(&self, question: Question) -> Answer {
        match question {
            Question::Test { check, timeout_ms } => self.test(check, timeout_ms).await,
            Question::Try(question) => self.try_out(*question).await,
            Question::SelfCheck => self.self_check().await,
        }
    }

    async fn self_check(&self) -> Answer {
        let (asked, told) = oneshot::channel();
        if !self.ask(LeaderRequest::SelfCheck(asked)) {
            return Answer::none();
        }
        match timeout(SELF_CHECK_LIMIT, told).await {
            Ok(Ok(Ok(differences))) => Answer::SelfChecked { differences },
            Ok(Ok(Err(reason))) => Answer::Unable { reason },
            Ok(Err(_)) | Err(_) => Answer::none(),
        }
    }

    async fn test(&self, check: CheckId, timeout_ms: u32) -> Answer {
        let (results, answers) = mpsc::unbounded_channel();
        let (asked, told) = oneshot::channel();
        if !self.ask(LeaderRequest::Test(TestRequest { check, results, asked })) {
            return Answer::unable(TOO_MANY_RUNS);
        }
        match timeout(ASK_LIMIT, told).await {
            Ok(Ok(Ok(asked))) => {
                let limit = Duration::from_millis(timeout_ms.into()) + RETURN_ALLOWANCE;
                let found = gather(answers, asked.len(), limit).await;
                Answer::Tested { asked, found }
            }
            Ok(Ok(Err(reason))) => Answer::Unable { reason },
            Ok(Err(_)) | Err(_) => Answer::none(),
        }
    }
}

/// What comes until everybody has answered or the limit is over.
async fn gather(
    mut answers: mpsc::UnboundedReceiver<(HostId, OrderId, RunResult)>,
    wanted: usize,
    limit: Duration,
) -> Vec<Found> {
    let mut gathered = Vec::with_capacity(wanted);
    let over = sleep(limit);
    tokio::pin!(over);
    while gathered.len() < wanted {
        tokio::select! {
            () = &mut over => break,
            answer = answers.recv() => match answer {
                Some((host, _, result)) => gathered.push(Found::new(host, &result)),
                None => break,
            },
        }
    }
    gathered
}
