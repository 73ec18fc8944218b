//! One flush in the making: what will be committed together, and what follows once it is.
//!
//! Nothing in a draft has happened yet. Memory changes, acknowledgements and orders follow the commit,
//! so that a crash at any instant loses nothing that anybody was told.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use farwatch_core::detect::{CheckFacts, Detector, Effect, Input, Sighting, Verdict, is_fresh, step};
use farwatch_core::evidence::{Memory, Occasion};
use farwatch_core::incident::IncidentEvent;
use farwatch_proto::check::{Activity, StreamId};
use farwatch_proto::id::{CheckId, HostId, OrderId};
use farwatch_proto::link::{Batch, Mark, Order};
use farwatch_proto::outcome::Status;
use farwatch_proto::pack::{self, PACK_VERSION, Unpacker};
use farwatch_proto::run::{Purpose, RunResult};
use farwatch_proto::signed::SignedBatchId;
use farwatch_proto::time::{BootMs, UnixMs};
use serde_json::json;
use tracing::{debug, info, warn};

use super::admission::{SaidAs, admit};
use super::carried::Run;
use super::checkpoint::{LastSlots, remember};
use super::evidence::occasion_of_answer;
use super::journal_body::HostResults;
use super::state::{SegmentKey, State};
use crate::refusals::{Culprit, Refusal};
use crate::store::{EvidencePiece, SlotRange};

/// Who ran a slot counts for how its host does if it is told within this time.
const RUNNERS_COUNT_FOR_MS: i64 = 60_000;

/// The moment a draft is made at, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) wall: UnixMs,
    pub(super) boot: BootMs,
}

/// One flush in the making.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) sections: Vec<HostResults>,
    pub(super) marks: HashMap<SegmentKey, u64>,
    /// Marks to acknowledge once they are committed, in the order they came.
    pub(super) acknowledge: Vec<(HostId, Mark)>,
    /// Batches that came by way of another host, with that host.
    pub(super) received: Vec<(HostId, SignedBatchId)>,
    /// The runs in them.
    pub(super) carried: HashSet<Run>,
    pub(super) detectors: HashMap<CheckId, Detector>,
    /// The last slot of each stream in it.
    pub(super) last_slots: LastSlots,
    /// Checks that had never been judged before, with the slot.
    pub(super) first_judged: BTreeMap<CheckId, UnixMs>,
    /// Slots that failed and were told of too late to be judged.
    pub(super) late: BTreeMap<CheckId, SlotRange>,
    /// What failed runs brought that is kept.
    pub(super) evidence: Vec<EvidencePiece>,
    /// What is known of what was kept, of the checks and tenants of that.
    pub(super) remembered: Memory,
    pub(super) events: Vec<(CheckId, IncidentEvent)>,
    pub(super) orders: Vec<(HostId, Order)>,
    pub(super) cancels: Vec<(HostId, OrderId)>,
    /// Rounds that are over, by the host that began them, and whether they were refuted.
    pub(super) rounds: Vec<(HostId, bool)>,
    /// Streams that had not failed before.
    pub(super) failing: Vec<StreamId>,
    /// Whether something in it should not wait for company.
    pub(super) urgent: bool,
}

impl Draft {
    /// Whether there is nothing to commit.
    pub(super) fn is_empty(&self) -> bool {
        let has_batches = !self.marks.is_empty() || !self.received.is_empty();
        let has_verdicts = !self.detectors.is_empty() || !self.events.is_empty() || !self.first_judged.is_empty();
        !has_batches && !has_verdicts
    }

    /// Results that wait in it.
    pub(super) fn results(&self) -> usize {
        self.sections.iter().map(|section| section.results.len()).sum()
    }

    /// Takes in a host's batch. An error is what the host is told; nothing of such a batch is kept.
    pub(super) fn receive(&mut self, state: &mut State, host: HostId, batch: &Batch, now: Now) -> Result<(), String> {
        let key = (host, batch.from.boot, batch.from.segment);
        let held = self.marks.get(&key).or_else(|| state.marks.get(&key)).copied();
        if held.is_some_and(|held| batch.to_offset <= held) {
            return Err(format!("a replay: the database holds segment {} up to there", batch.from.segment));
        }
        if held.is_some_and(|held| batch.from.offset > held) {
            return Err(format!("a gap: resend segment {} from {}", batch.from.segment, held.unwrap_or(0)));
        }
        let results = unpacked(&batch.packed)?;
        self.marks.insert(key, batch.to_offset);
        self.acknowledge.push((host, batch.to()));
        let results = self.take_in(state, host, results, now);
        self.sections.push(HostResults { host, boot: batch.from.boot, results });
        Ok(())
    }

    /// Judges what the host may say, and drops the rest, and what its neighbours have told already.
    pub(super) fn take_in(
        &mut self,
        state: &mut State,
        host: HostId,
        results: Vec<RunResult>,
        now: Now,
    ) -> Vec<RunResult> {
        let mut admitted = Vec::with_capacity(results.len());
        let (mut refused, mut first_refused) = (0_usize, None);
        for result in results {
            let run = Run::of(host, &result);
            if self.carried.contains(&run) || state.carried.knows(&run) {
                continue;
            }
            match admit(host, &result, &state.book, &state.views, &state.orders, now.wall) {
                Ok(said_as) => {
                    note_runner(state, said_as, &result, now);
                    self.judge(state, host, &result, now);
                    admitted.push(result);
                }
                Err(refusal) => {
                    debug!(%host, check = %result.stream.check, slot = %result.slot, %refusal, "result refused");
                    state.refuse(host);
                    refused += 1;
                    first_refused.get_or_insert((result.stream.check, result.slot, refusal));
                }
            }
        }
        if let Some((check, slot, refusal)) = first_refused {
            state.noted.push(Refusal {
                action: "refused.result",
                culprit: Culprit::Host(host),
                entity: check.to_string(),
                detail: json!({ "why": refusal.to_string(), "slot": slot, "refused": refused }),
            });
        }
        admitted
    }

    fn judge(&mut self, state: &State, host: HostId, result: &RunResult, now: Now) {
        let check = result.stream.check;
        match result.purpose {
            Purpose::Vote(order) => {
                self.urgent = true;
                if let Some(occasion) = occasion_of_answer(self.detector(state, check), order) {
                    self.consider(state, host, result, occasion, now);
                }
                self.tell(state, check, result.stream, Input::Vote { order, host, outcome: &result.outcome }, now);
            }
            Purpose::Slot => {
                let Some(page) = state.book.page(check) else { return };
                let last =
                    self.last_slots.get(&result.stream).or_else(|| state.last_slots.get(&result.stream)).copied();
                // One that is too old to be judged counts as well: whatever came before it is older still.
                remember(&mut self.last_slots, result.stream, result.slot);
                let Some(facts) = page.facts(now.wall, true) else { return };
                if !is_fresh(result.slot, facts.interval, last, now.wall) {
                    // A second result of a slot that was judged in time is no news.
                    let is_second = last == Some(result.slot) && is_fresh(result.slot, facts.interval, None, now.wall);
                    if !is_second {
                        self.note_late(state, result);
                    }
                    return;
                }
                // A run that could not tell says nothing of the target.
                let is_watched = page.latest().definition.activity == Activity::Active;
                let could_tell = !matches!(result.outcome.status, Status::Unknown(_));
                if is_watched && could_tell && state.never_judged.contains(&check) {
                    self.first_judged.entry(check).or_insert(result.slot);
                }
                if self.detector(state, check).is_none()
                    && matches!(result.outcome.status, Status::Up | Status::Unknown(_))
                {
                    return;
                }
                self.urgent |= result.outcome.status == Status::Down;
                let seen = Sighting { stream: result.stream, slot: result.slot, host, outcome: &result.outcome };
                let verdict =
                    |draft: &Self| draft.detector(state, check).map(|detector| detector.verdict).unwrap_or_default();
                let before = verdict(self);
                self.tell(state, check, result.stream, Input::Slot(seen), now);
                let occasion = if verdict(self) == before { Occasion::Slot } else { Occasion::Change };
                self.consider(state, host, result, occasion, now);
            }
        }
    }

    /// Notes a failure that is history, unless it lies in an outage that is known.
    fn note_late(&mut self, state: &State, result: &RunResult) {
        let check = result.stream.check;
        if result.outcome.status != Status::Down {
            return;
        }
        let down_since = self
            .detector(state, check)
            .filter(|detector| detector.verdict.is_out())
            .and_then(|detector| detector.first_failure.as_ref());
        if down_since.is_some_and(|first| first.slot <= result.slot) {
            return;
        }
        let late = self.late.entry(check).or_insert(SlotRange { first: result.slot, last: result.slot });
        late.first = late.first.min(result.slot);
        late.last = late.last.max(result.slot);
    }

    /// What is held of a check, if it is not plainly up.
    fn detector<'a>(&'a self, state: &'a State, check: CheckId) -> Option<&'a Detector> {
        self.detectors.get(&check).or_else(|| state.detectors.get(&check))
    }

    /// Tells a check's detector one thing and takes up what follows.
    pub(super) fn tell(&mut self, state: &State, check: CheckId, stream: StreamId, input: Input<'_>, now: Now) {
        let Some(page) = state.book.page(check) else { return };
        let Some(facts) = page.facts(now.wall, state.may_ask(self.orders.len())) else { return };
        let before = self.detector(state, check).cloned().unwrap_or_default();
        let mut detector = before.clone();
        let panel = state.panel(page, stream, now.boot);
        let effects = step(&mut detector, input, &facts, &panel, now.wall);
        if detector == before && effects.is_empty() {
            return;
        }
        log_transition(&facts, &page.latest().name, &before, &detector);
        if matches!(before.verdict, Verdict::Up | Verdict::Degraded) && detector.verdict == Verdict::Suspect {
            self.failing.push(stream);
        }
        self.detectors.insert(check, detector);
        for effect in effects {
            self.urgent = true;
            match effect {
                Effect::Order(host, order) => self.orders.push((host, order)),
                Effect::Cancel(host, order) => self.cancels.push((host, order)),
                Effect::Incident(event) => self.events.push((check, event)),
                Effect::RoundOver { began_by, refuted } => self.rounds.push((began_by, refuted)),
            }
        }
    }

    /// Lets time pass for every check that waits for something, those first that wait longest, and replaces voters
    /// that fell silent.
    pub(super) fn pass_time(&mut self, state: &State, silent: &BTreeSet<HostId>, now: Now) {
        let asks_silent = |check: &CheckId| {
            let round = state.detectors.get(check).and_then(|detector| detector.round.as_ref());
            round.is_some_and(|round| round.open_orders().any(|vote| silent.contains(&vote.host)))
        };
        let left_alone = state.census.asking().filter(|_| !silent.is_empty()).filter(asks_silent);
        let woken: BTreeSet<CheckId> = state.census.woken(now.wall).chain(left_alone).collect();
        let mut woken: Vec<_> = woken.iter().filter_map(|check| state.detectors.get_key_value(check)).collect();
        woken.sort_unstable_by_key(|(check, detector)| (detector.since, **check));
        for (&check, detector) in woken {
            if detector.waiting.is_some() && !state.may_ask(self.orders.len()) {
                continue;
            }
            let of_round = detector.round.as_ref().map(|round| round.stream);
            let of_waiting = detector.waiting.as_ref().map(|waiting| waiting.stream);
            let stream = of_round.or(of_waiting).unwrap_or(StreamId { check, number: 0 });
            for host in silent {
                self.tell(state, check, stream, Input::Silent(*host), now);
            }
            self.tell(state, check, stream, Input::Tick, now);
        }
    }
}

/// Counts who ran a slot: its first owner, or a standby in its stead. What is told late is no sign of how it goes now.
fn note_runner(state: &mut State, said_as: SaidAs, result: &RunResult, now: Now) {
    let is_new = now.wall.since(result.slot) < RUNNERS_COUNT_FOR_MS;
    if let SaidAs::Owner { rank, first } = said_as
        && is_new
        && result.outcome.status.covers()
    {
        state.fleet.note_slot(first, rank > 0, now.boot);
    }
}

/// What is in a version byte and a pack.
pub(super) fn unpacked(packed: &[u8]) -> Result<Vec<RunResult>, String> {
    let (version, packed) = packed.split_first().ok_or("an empty batch")?;
    if !pack::is_known(*version) {
        return Err(format!("pack version {version}; this control plane reads up to {PACK_VERSION}"));
    }
    Unpacker::default().read(packed).map_err(|error| error.to_string())
}

/// One line per transition, with old, new and reason.
fn log_transition(facts: &CheckFacts, name: &str, before: &Detector, after: &Detector) {
    if before.verdict == after.verdict {
        return;
    }
    let (from, to) = (before.verdict.word(), after.verdict.word());
    if after.verdict == Verdict::Unconfirmed {
        warn!(check = %facts.check, name, from, to, reason = after.reason, "verdict");
    } else {
        info!(check = %facts.check, name, from, to, reason = after.reason, "verdict");
    }
}
