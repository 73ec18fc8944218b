//! One canary: on the slots of a check its newer version is run by the host that runs the older, and the two are compared.
//!
//! The newer run is a try: it is no result, no detector hears of it, and nobody is told. What follows from the readings is
//! decided by `core/canary.rs`.

use std::time::Duration;

use farwatch_core::block::Hour;
use farwatch_core::canary::{Canary, Failure, Reading, Step};
use farwatch_core::slot::Schedule;
use farwatch_proto::check::{Activity, StreamId};
use farwatch_proto::id::HostId;
use farwatch_proto::outcome::Status;
use farwatch_proto::time::UnixMs;
use farwatch_proto::trying::TryEnd;
use serde_json::json;
use tokio::time::sleep;

use super::House;
use crate::leader::question::{Answer, Question};
use crate::leader::tries::{HostEnd, TryQuestion};
use crate::spec::{Spec, watched_host};
use crate::store::{AuditEntry, Change, Check, Module, NewRevision, Revision, StoreError};

/// What the result of a slot takes to be on record, beyond the timeout of its run: a spool, a link and a commit.
const RECORD_ALLOWANCE_MS: i64 = 10_000;
/// How often the record is looked at for it.
const RECORD_LOOK: Duration = Duration::from_secs(1);
/// Who moves checks and holds versions back, in the audit log.
const ACTOR: &str = "farwatch";

/// What a canary came to.
#[derive(Debug)]
pub(super) enum End {
    /// The check has a revision that is run by the newer version.
    Moved,
    /// No check of this tenant is moved to it.
    Held {
        /// For this reason.
        why: String,
    },
    /// The check was changed, the version was held back by another canary, or somebody else leads.
    Overtaken,
}

/// See the file's documentation.
pub(super) struct Beside<'h> {
    house: &'h House,
    revision: Revision,
    older: Module,
    newer: Module,
    /// What the last try said where it found nothing of the target.
    last_words: String,
}

impl<'h> Beside<'h> {
    pub(super) const fn new(house: &'h House, revision: Revision, older: Module, newer: Module) -> Self {
        Self { house, revision, older, newer, last_words: String::new() }
    }

    /// Runs the newer version on slot after slot, until it is known what it does.
    pub(super) async fn run(mut self) -> anyhow::Result<End> {
        let spec = Spec::parse(&self.revision.spec)?;
        let prepared = match self.house.modules.prepare(self.newer.hash, &spec.wish.config).await {
            Ok(Ok(prepared)) => prepared,
            Ok(Err(problems)) => {
                let first =
                    problems.first().map_or_else(String::new, |first| format!("{} {}", first.pointer, first.detail));
                return self.hold(format!("it refuses the config of {}: {first}", spec.wish.name)).await;
            }
            Err(error) => anyhow::bail!("the config could not be prepared: {error:?}"),
        };
        let mut canary = Canary::of(self.revision.interval);
        loop {
            let Some(slot) = self.next_slot().await else { return Ok(End::Overtaken) };
            let Some(check) = self.check_if_unchanged().await? else { return Ok(End::Overtaken) };
            let reading = self.read(slot, &spec, &prepared).await?;
            match canary.read(reading) {
                Step::GoOn(further) => canary = further,
                Step::Passed => return self.move_check(check, &spec, prepared).await,
                Step::Failed(failure) => {
                    let why = self.reason(failure, &spec.wish.name);
                    return self.hold(why).await;
                }
            }
        }
    }

    /// Waits for the next slot of the first stream; `None` where this process stops meanwhile.
    async fn next_slot(&self) -> Option<UnixMs> {
        let now = self.house.clock.wall();
        let slot = self.schedule().slot_at_or_after(now + 1);
        let wait = Duration::from_millis(u64::try_from(slot.since(now)).unwrap_or_default());
        let stopping = self.house.spawner.stopping();
        tokio::select! {
            () = stopping.requested() => None,
            () = sleep(wait) => Some(slot),
        }
    }

    fn schedule(&self) -> Schedule {
        Schedule::of(self.stream(), self.revision.interval, self.revision.streams)
    }

    const fn stream(&self) -> StreamId {
        StreamId { check: self.revision.check, number: 0 }
    }

    /// The check, where it is as this canary found it, nobody held the version back, and this process still leads.
    async fn check_if_unchanged(&self) -> anyhow::Result<Option<Check>> {
        let (tenant, store) = (self.revision.tenant, &self.house.store);
        if !self.house.leader.status().leads || store.rollouts().held(tenant).await?.contains_key(&self.newer.hash) {
            return Ok(None);
        }
        let check = store.checks().get(tenant, self.revision.check).await?;
        Ok(check.filter(|check| {
            check.latest.revision == self.revision.revision && check.latest.activity == Activity::Active
        }))
    }

    /// What this slot says of the newer version.
    async fn read(&mut self, slot: UnixMs, spec: &Spec, prepared: &[u8]) -> anyhow::Result<Reading> {
        self.house.tail.freshen().await?;
        let before = slot - self.revision.interval.ms();
        let Some((host, _)) = self.recorded(before, None) else {
            "no run of the slot before is on record".clone_into(&mut self.last_words);
            return Ok(Reading::Empty);
        };
        let newer = self.try_at(host, spec, prepared).await;
        let older = if newer.is_some() { self.await_record(slot, host).await? } else { None };
        Ok(Reading::of(older, newer))
    }

    /// Has the newer version run by this host, now.
    async fn try_at(&mut self, host: HostId, spec: &Spec, prepared: &[u8]) -> Option<Status> {
        let question = TryQuestion {
            tenant: self.revision.tenant,
            module: self.newer.hash,
            prepared: prepared.to_vec(),
            timeout_ms: self.revision.timeout_ms,
            secrets: self.revision.secrets.iter().map(|(name, _)| name.clone()).collect(),
            placement: spec.placement.clone(),
            hosts: vec![host],
            count: 1,
        };
        let answer = self.house.leader.question(Question::Try(Box::new(question))).await;
        let end = match answer {
            Answer::Tried { hosts } => hosts.into_iter().next().map(|tried| tried.end),
            _ => None,
        };
        match end {
            Some(HostEnd::Said(TryEnd::Ran(run))) => {
                self.last_words = format!("{}: {}", run.detail.code, run.detail.message);
                Some(run.status)
            }
            Some(HostEnd::Said(TryEnd::NotRun { why, detail })) => {
                self.last_words = format!("a host did not run it ({why:?}) {detail}");
                None
            }
            Some(HostEnd::Outdated | HostEnd::Silent | HostEnd::Unlinked) | None => {
                "the host that runs the check did not answer".clone_into(&mut self.last_words);
                None
            }
        }
    }

    /// What the older version found of this slot at this host, once that is on record.
    async fn await_record(&self, slot: UnixMs, host: HostId) -> anyhow::Result<Option<Status>> {
        let until = slot + i64::from(self.revision.timeout_ms) + RECORD_ALLOWANCE_MS;
        loop {
            self.house.tail.freshen().await?;
            if let Some((_, status)) = self.recorded(slot, Some(host)) {
                return Ok(Some(status));
            }
            if self.house.clock.wall() >= until || self.house.spawner.stopping().is_requested() {
                return Ok(None);
            }
            sleep(RECORD_LOOK).await;
        }
    }

    /// A run of this slot that is on record: of this host, or of any.
    fn recorded(&self, slot: UnixMs, host: Option<HostId>) -> Option<(HostId, Status)> {
        let held = self.house.tail.held();
        let mut runs = held.open().runs(self.stream(), Hour::of(slot));
        let run = runs.find(|run| run.slot == slot && host.is_none_or(|host| run.host == host))?;
        Some((run.host, run.status))
    }

    fn reason(&self, failure: Failure, check: &str) -> String {
        let older = &self.older.version;
        match failure {
            Failure::Different(found, finds) => {
                let (found, finds) = (found.word(), finds.word());
                format!(
                    "on two slots of {check} it did not find what {older} found; of the second {found} became {finds}"
                )
            }
            Failure::Stopped => format!("it gave no answer for {check}, where {older} did: {}", self.last_words),
            Failure::NeverCompared => {
                format!(
                    "it could not be compared with {older} on any slot of {check}; the last time, {}",
                    self.last_words
                )
            }
        }
    }

    async fn move_check(&self, check: Check, told: &Spec, prepared: Vec<u8>) -> anyhow::Result<End> {
        let target = watched_host(&told.wish.config);
        let new = NewRevision { module: self.newer.hash, prepared, target, ..NewRevision::again(check) };
        let (tenant, id, seen) = (self.revision.tenant, self.revision.check, self.revision.revision);
        let now = self.house.clock.wall();
        let store = self.house.store.signed(self.entry("check.move", id.to_string(), now));
        match store.checks().add_revision(tenant, id, seen, &new, now).await {
            Ok(Some(_)) => {
                self.house.leader.config_changed.notify_one();
                Ok(End::Moved)
            }
            Ok(None) | Err(StoreError::StaleRevision { .. }) => Ok(End::Overtaken),
            Err(error) => Err(error.into()),
        }
    }

    async fn hold(&self, why: String) -> anyhow::Result<End> {
        let (tenant, hash, now) = (self.revision.tenant, self.newer.hash, self.house.clock.wall());
        let store = self.house.store.signed(self.entry("module.hold", hash.to_string(), now));
        match store.rollouts().hold(tenant, hash, &why, now).await? {
            Change::Made(_) => Ok(End::Held { why }),
            Change::Already | Change::NotFound => Ok(End::Overtaken),
        }
    }

    fn entry(&self, action: &str, entity: String, at: UnixMs) -> AuditEntry {
        let Module { name, version, .. } = &self.newer;
        let detail = json!({ "module": name, "from": self.older.version, "to": version }).to_string();
        let tenant = Some(self.revision.tenant);
        AuditEntry { at, tenant, actor: ACTOR.to_owned(), action: action.to_owned(), entity, detail }
    }
}
