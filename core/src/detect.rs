//! What is held of a check, and how it changes: `up -> suspect -> down -> recovering -> up`, with
//! `degraded` and `unconfirmed` beside them.
//!
//! One function takes a detector, an input and now, and leaves the detector changed and the effects
//! named. Whether a result is fresh is decided before (see [`is_fresh`]); what is told to whom, after.

mod heartbeat;
mod places;
mod rounds;
mod verdict;

use std::collections::BTreeMap;

use farwatch_proto::check::{Repeat, StreamId};
use farwatch_proto::id::{CheckId, HostId, IncidentId, OrderId};
use farwatch_proto::interval::Interval;
use farwatch_proto::link::Order;
use farwatch_proto::outcome::{Outcome, Status};
use farwatch_proto::time::UnixMs;
use serde::{Deserialize, Serialize};

pub use verdict::Verdict;

use crate::confirm::{Answer, Beginning, Panel, Question, Round};
use crate::heartbeat::Standing;
use crate::incident::{Ending, IncidentEvent, Voice};

/// A recovery needs this many good slots.
pub const GOOD_SLOTS: u8 = 2;
/// After this many refuted rounds from one place the check is degraded from there.
pub const REFUTED_MAX: u8 = 3;
/// Then rounds come at most this often.
pub const ROUND_BACKOFF_MS: i64 = 10 * 60_000;
/// A check that is not up is run at least this often, however long its interval.
pub const RECHECK_MS: i64 = 60_000;

/// The failure an episode began with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The slot that failed.
    pub slot: UnixMs,
    /// The host that saw it.
    pub host: HostId,
    /// The module's code.
    pub code: String,
    /// The module's sentence.
    pub message: String,
}

/// A failure whose round has not begun, for the hosts have no places for its votes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The stream that failed.
    pub stream: StreamId,
    /// The newest failure: it is the first vote of the round.
    pub failure: Failure,
}

/// What is held of one check. Only checks that are not plainly up have one in the database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detector {
    /// What is held.
    pub verdict: Verdict,
    /// Since when.
    pub since: UnixMs,
    /// Why, in words for people; empty when it is up.
    pub reason: String,
    /// The failure this episode began with.
    pub first_failure: Option<Failure>,
    /// The last slot that failed.
    pub last_failed_slot: Option<UnixMs>,
    /// The round under way.
    pub round: Option<Round>,
    /// The failure that waits for a round.
    #[serde(default)]
    pub waiting: Option<Waiting>,
    /// Refuted rounds in succession, by the host whose failure began them.
    pub refuted: BTreeMap<HostId, u8>,
    /// When each of these places failed last.
    #[serde(default)]
    pub last_failed_at: BTreeMap<HostId, UnixMs>,
    /// No round begins before this by a failure of a place that fails alone.
    pub quiet_until: Option<UnixMs>,
    /// Good slots in succession while recovering.
    pub good_slots: u8,
    /// Whether a round has confirmed the recovery.
    pub recovery_confirmed: bool,
    /// What was said in the round that confirmed it.
    pub recovery_voices: Vec<Voice>,
    /// The open incident.
    pub incident: Option<IncidentId>,
    /// When it was last run, while it is not up.
    pub last_run: Option<UnixMs>,
    /// A run ordered because the interval is too long to wait for.
    pub recheck: Option<OrderId>,
}

impl Detector {
    /// Whether it says no more than its absence would.
    pub fn is_plain(&self) -> bool {
        self.verdict == Verdict::Up && self.round.is_none() && self.refuted.is_empty()
    }

    /// When time alone changes something: a round may begin or ends, or a run is to be ordered because the interval
    /// is too long to wait for. `None` while nothing waits, so that nobody need look.
    pub fn wakes_at(&self, facts: &CheckFacts) -> Option<UnixMs> {
        let begins = self.waiting.as_ref().map(|_| self.since);
        let ends = self.round.as_ref().map(|round| round.deadline);
        let rechecks = self.is_rechecked(facts).then(|| self.last_run.map_or(self.since, |last| last + RECHECK_MS));
        [begins, ends, rechecks].into_iter().flatten().min()
    }

    /// Whether it is run every minute whatever its interval. A target that says of itself that it is degraded is not
    /// asked more often for that, and what may not be repeated is not.
    fn is_rechecked(&self, facts: &CheckFacts) -> bool {
        let is_not_up = match self.verdict {
            Verdict::Down | Verdict::Recovering | Verdict::Unconfirmed => true,
            Verdict::Degraded => !self.failing_places().is_empty(),
            Verdict::Up | Verdict::Suspect => false,
        };
        is_not_up && facts.interval.ms() > RECHECK_MS && facts.repeat == Repeat::Safe
    }
}

/// What the detector reads of the check.
#[derive(Clone, Copy, Debug)]
pub struct CheckFacts {
    /// The check.
    pub check: CheckId,
    /// The revision in force.
    pub revision: u32,
    /// How often it is due.
    pub interval: Interval,
    /// How long a run may take, in milliseconds.
    pub timeout_ms: u32,
    /// Whether others may be asked.
    pub repeat: Repeat,
    /// How many bad votes the check itself demands.
    pub need: Option<u8>,
    /// Whether the hosts have places for the votes of one more round.
    pub may_ask: bool,
}

/// A fresh run of a due slot.
#[derive(Clone, Copy, Debug)]
pub struct Sighting<'a> {
    /// The stream.
    pub stream: StreamId,
    /// The slot.
    pub slot: UnixMs,
    /// Who ran it.
    pub host: HostId,
    /// What it found.
    pub outcome: &'a Outcome,
}

/// What a detector is told.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A fresh run of a due slot.
    Slot(Sighting<'a>),
    /// The result of an order.
    Vote {
        /// The order.
        order: OrderId,
        /// Who ran it.
        host: HostId,
        /// What it found.
        outcome: &'a Outcome,
    },
    /// An order will not be carried out.
    Declined(OrderId),
    /// A host has been silent too long to wait for.
    Silent(HostId),
    /// How it is with a job that calls us: known by control itself, so that nobody else is asked.
    Heartbeat(&'a Standing),
    /// Time has passed.
    Tick,
    /// The check makes no slots due any more.
    Ended(Ending),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask this host to run this now.
    Order(HostId, Order),
    /// The host need not run this any more.
    Cancel(HostId, OrderId),
    /// Something to write down and tell.
    Incident(IncidentEvent),
    /// A round about an outage is over; a refuted one counts against the place that began it.
    RoundOver {
        /// The host whose failure began it.
        began_by: HostId,
        /// Whether the others saw no failure.
        refuted: bool,
    },
}

/// A result is fresh when it is at most two intervals old at ingest and newer than the last slot that
/// was judged of its stream. What is not fresh is history: ledger and blocks only.
pub fn is_fresh(slot: UnixMs, interval: Interval, last_judged: Option<UnixMs>, now: UnixMs) -> bool {
    now.since(slot) <= 2 * interval.ms() && last_judged.is_none_or(|judged| slot > judged)
}

/// Tells the detector of `facts.check` one thing at `now` and names what is to be done.
pub fn step(
    detector: &mut Detector,
    input: Input<'_>,
    facts: &CheckFacts,
    panel: &Panel<'_>,
    now: UnixMs,
) -> Vec<Effect> {
    let mut turn = Turn { detector, facts, panel, now, effects: Vec::new() };
    match input {
        Input::Slot(sighting) => turn.sighted(sighting),
        Input::Vote { order, host, outcome } => turn.voted(order, host, outcome),
        Input::Declined(order) => turn.answered(order, Answer::Void, "declined", ""),
        Input::Silent(host) => turn.host_silent(host),
        Input::Heartbeat(standing) => turn.called(standing),
        Input::Tick => turn.ticked(),
        Input::Ended(ending) => turn.ended(ending),
    }
    turn.effects
}

/// One input at work: the transitions queue their effects here and perform none.
struct Turn<'a> {
    detector: &'a mut Detector,
    facts: &'a CheckFacts,
    panel: &'a Panel<'a>,
    now: UnixMs,
    effects: Vec<Effect>,
}

impl Turn<'_> {
    fn sighted(&mut self, seen: Sighting<'_>) {
        match seen.outcome.status {
            Status::Unknown(_) => {}
            Status::Down => self.failed(seen),
            Status::Up | Status::Degraded => self.worked(seen),
        }
    }

    fn failed(&mut self, seen: Sighting<'_>) {
        self.detector.last_failed_slot = self.detector.last_failed_slot.max(Some(seen.slot));
        self.detector.last_run = Some(self.now);
        self.detector.note_failing_place(seen.host, self.now);
        match self.detector.verdict {
            Verdict::Suspect => self.fails_still(seen),
            Verdict::Down => {}
            Verdict::Recovering => self.fell_back(),
            Verdict::Up | Verdict::Degraded | Verdict::Unconfirmed => self.suspect(seen),
        }
    }

    fn worked(&mut self, seen: Sighting<'_>) {
        self.detector.last_run = Some(self.now);
        match self.detector.verdict {
            Verdict::Suspect => self.works_before_it_was_asked(seen),
            Verdict::Up | Verdict::Degraded | Verdict::Unconfirmed => self.worked_while_not_out(seen),
            Verdict::Down | Verdict::Recovering => {
                if self.detector.last_failed_slot.is_none_or(|failed| seen.slot > failed) {
                    self.worked_while_out(seen);
                }
            }
        }
    }

    fn suspect(&mut self, seen: Sighting<'_>) {
        if self.detector.is_quiet(seen.host, self.now) {
            return;
        }
        // What too few could confirm goes on, and is known by the failure it began with.
        if self.detector.verdict != Verdict::Unconfirmed || self.detector.first_failure.is_none() {
            self.detector.first_failure = Some(failure_of(&seen));
        }
        self.turn_to(Verdict::Suspect, seen.outcome.message().to_owned());
        self.detector.waiting = Some(Waiting { stream: seen.stream, failure: failure_of(&seen) });
        self.begin_what_waits();
    }

    /// A failure that waits for its round is overtaken by newer ones, for votes are to be about what is so now.
    fn fails_still(&mut self, seen: Sighting<'_>) {
        if self.detector.waiting.is_some() {
            self.detector.waiting = Some(Waiting { stream: seen.stream, failure: failure_of(&seen) });
        }
    }

    /// What works again from its place before anybody else was asked was no outage that could be confirmed.
    fn works_before_it_was_asked(&mut self, seen: Sighting<'_>) {
        let waiting = self.detector.waiting.as_ref().map(|waiting| &waiting.failure);
        if waiting.is_some_and(|failure| failure.host == seen.host && seen.slot > failure.slot) {
            self.detector.waiting = None;
            self.worked_while_not_out(seen);
        }
    }

    fn begin_what_waits(&mut self) {
        if !self.facts.may_ask {
            return;
        }
        if let Some(Waiting { stream, failure }) = self.detector.waiting.take() {
            self.begin_round(Question::Outage, stream, failure.host, (&failure.code, &failure.message));
        }
    }

    /// A good run from a place clears what was held against that place.
    fn worked_while_not_out(&mut self, seen: Sighting<'_>) {
        self.detector.clear_place(seen.host);
        self.detector.forget_places_that_left(self.facts.interval, self.now);
        self.detector.first_failure = None;
        self.settle_places(seen.outcome.status, seen.outcome.message());
    }

    fn worked_while_out(&mut self, seen: Sighting<'_>) {
        self.turn_to(Verdict::Recovering, "works again from one place".to_owned());
        self.detector.good_slots = self.detector.good_slots.saturating_add(1);
        if !self.detector.recovery_confirmed && self.detector.round.is_none() && self.facts.may_ask {
            let said = (seen.outcome.code(), seen.outcome.message());
            self.begin_round(Question::Recovery, seen.stream, seen.host, said);
        }
        self.resolve_if_recovered();
    }

    fn fell_back(&mut self) {
        self.cancel_round();
        self.detector.recovery_confirmed = false;
        self.down_again();
    }

    fn down_again(&mut self) {
        self.detector.good_slots = 0;
        let reason = self.detector.first_failure.as_ref().map_or_else(String::new, |first| first.message.clone());
        self.turn_to(Verdict::Down, reason);
    }

    fn ticked(&mut self) {
        self.begin_what_waits();
        self.settle_round();
        let is_due = self.detector.last_run.is_none_or(|last| self.now.since(last) >= RECHECK_MS);
        if is_due && self.detector.is_rechecked(self.facts) {
            self.order_recheck();
        }
    }

    fn ended(&mut self, ending: Ending) {
        self.cancel_round();
        if let (Some(incident), Some(first)) = (self.detector.incident, &self.detector.first_failure) {
            self.effects.push(Effect::Incident(IncidentEvent::Resolved {
                incident,
                first_failed_slot: first.slot,
                at: self.now,
                ending,
                voices: Vec::new(),
            }));
        }
        *self.detector = Detector { since: self.now, ..Detector::default() };
    }

    /// Changes the verdict; `since` stays while the verdict does.
    fn turn_to(&mut self, verdict: Verdict, reason: String) {
        if self.detector.verdict != verdict {
            self.detector.verdict = verdict;
            self.detector.since = self.now;
        }
        self.detector.reason = reason;
    }

    fn begin_round(&mut self, question: Question, stream: StreamId, host: HostId, (code, message): (&str, &str)) {
        let CheckFacts { revision, timeout_ms, need, .. } = *self.facts;
        let beginning = Beginning { question, stream, revision, host, code, message, timeout_ms, need };
        let lonely = Panel::default();
        let panel = if self.facts.repeat == Repeat::Unsafe { &lonely } else { self.panel };
        self.detector.round = Some(Round::begin(&beginning, panel, self.now));
        self.send_open_orders(0);
        self.settle_round();
    }
}

fn failure_of(seen: &Sighting<'_>) -> Failure {
    Failure {
        slot: seen.slot,
        host: seen.host,
        code: seen.outcome.code().to_owned(),
        message: seen.outcome.message().to_owned(),
    }
}

#[cfg(test)]
mod tests;
