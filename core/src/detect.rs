//! What is held of a check, and how it changes: `up -> suspect -> down -> recovering -> up`, with
//! `degraded` and `unconfirmed` beside them.
//!
//! One function takes a detector, an input and now, and leaves the detector changed and the effects
//! named. Whether a result is fresh is decided before (see [`is_fresh`]); what is told to whom, after.

mod rounds;

use std::collections::BTreeMap;

use farwatch_proto::check::{Repeat, StreamId};
use farwatch_proto::id::{CheckId, HostId, IncidentId, OrderId};
use farwatch_proto::interval::Interval;
use farwatch_proto::link::Order;
use farwatch_proto::outcome::{Outcome, Status};
use farwatch_proto::time::UnixMs;
use serde::{Deserialize, Serialize};

use crate::confirm::{Answer, Beginning, Panel, Question, Round};
use crate::incident::{Ending, IncidentEvent, Voice};

/// A recovery needs this many good slots.
pub const GOOD_SLOTS: u8 = 2;
/// After this many refuted rounds from one place the check is degraded from there.
pub const REFUTED_MAX: u8 = 3;
/// Then rounds come at most this often.
pub const ROUND_BACKOFF_MS: i64 = 10 * 60_000;
/// A check that is not up is run at least this often, however long its interval.
pub const RECHECK_MS: i64 = 60_000;

/// What is held of a check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It works.
    #[default]
    Up,
    /// It failed once, and others are being asked.
    Suspect,
    /// It fails, confirmed.
    Down,
    /// It was down and works from one place; others are being asked.
    Recovering,
    /// It works worse than wanted, or fails from one place only.
    Degraded,
    /// It failed and too few could say whether it does: a matter for the operator.
    Unconfirmed,
}

impl Verdict {
    /// The word people read.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Suspect => "suspect",
            Self::Down => "down",
            Self::Recovering => "recovering",
            Self::Degraded => "degraded",
            Self::Unconfirmed => "unconfirmed",
        }
    }

    /// Whether an outage has been confirmed and its recovery has not.
    pub const fn is_out(self) -> bool {
        matches!(self, Self::Down | Self::Recovering)
    }
}

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
    /// Refuted rounds in succession, by the host whose failure began them.
    pub refuted: BTreeMap<HostId, u8>,
    /// No round begins before this.
    pub quiet_until: Option<UnixMs>,
    /// Good slots in succession while recovering.
    pub good_slots: u8,
    /// Whether a round has confirmed the recovery.
    pub recovery_confirmed: bool,
    /// What was said in the round that confirmed it.
    pub recovery_voices: Vec<Voice>,
    /// The open incident.
    pub incident: Option<IncidentId>,
    /// When it was last run, while it is out.
    pub last_run: Option<UnixMs>,
    /// A run ordered because the interval is too long to wait for.
    pub recheck: Option<OrderId>,
}

impl Detector {
    /// Whether it says no more than its absence would.
    pub fn is_plain(&self) -> bool {
        self.verdict == Verdict::Up && self.round.is_none() && self.refuted.is_empty()
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
        match self.detector.verdict {
            Verdict::Suspect | Verdict::Down => {}
            Verdict::Recovering => self.fell_back(),
            Verdict::Up | Verdict::Degraded | Verdict::Unconfirmed => self.suspect(seen),
        }
    }

    fn worked(&mut self, seen: Sighting<'_>) {
        self.detector.last_run = Some(self.now);
        match self.detector.verdict {
            Verdict::Suspect => {}
            Verdict::Up | Verdict::Degraded | Verdict::Unconfirmed => self.worked_while_not_out(seen),
            Verdict::Down | Verdict::Recovering => {
                if self.detector.last_failed_slot.is_none_or(|failed| seen.slot > failed) {
                    self.worked_while_out(seen);
                }
            }
        }
    }

    fn suspect(&mut self, seen: Sighting<'_>) {
        if self.detector.quiet_until.is_some_and(|until| self.now < until) {
            return;
        }
        self.detector.first_failure = Some(Failure {
            slot: seen.slot,
            host: seen.host,
            code: seen.outcome.code().to_owned(),
            message: seen.outcome.message().to_owned(),
        });
        self.turn_to(Verdict::Suspect, seen.outcome.message().to_owned());
        self.begin_round(Question::Outage, seen);
    }

    /// A good run from a place clears what was held against that place.
    fn worked_while_not_out(&mut self, seen: Sighting<'_>) {
        self.detector.refuted.remove(&seen.host);
        let fails_somewhere = self.detector.refuted.values().any(|rounds| *rounds >= REFUTED_MAX);
        if fails_somewhere {
            return;
        }
        self.detector.quiet_until = None;
        if seen.outcome.status == Status::Degraded {
            self.turn_to(Verdict::Degraded, seen.outcome.message().to_owned());
        } else {
            self.turn_to(Verdict::Up, String::new());
        }
    }

    fn worked_while_out(&mut self, seen: Sighting<'_>) {
        self.turn_to(Verdict::Recovering, "works again from one place".to_owned());
        self.detector.good_slots = self.detector.good_slots.saturating_add(1);
        if !self.detector.recovery_confirmed && self.detector.round.is_none() {
            self.begin_round(Question::Recovery, seen);
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
        self.settle_round();
        let waits = self.facts.interval.ms() > RECHECK_MS && self.detector.verdict.is_out();
        if waits && self.detector.last_run.is_none_or(|last| self.now.since(last) >= RECHECK_MS) {
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

    fn begin_round(&mut self, question: Question, seen: Sighting<'_>) {
        let beginning = Beginning {
            question,
            stream: seen.stream,
            revision: self.facts.revision,
            host: seen.host,
            code: seen.outcome.code(),
            message: seen.outcome.message(),
            timeout_ms: self.facts.timeout_ms,
            need: self.facts.need,
        };
        let lonely = Panel::default();
        let panel = if self.facts.repeat == Repeat::Unsafe { &lonely } else { self.panel };
        self.detector.round = Some(Round::begin(&beginning, panel, self.now));
        self.send_open_orders(0);
        self.settle_round();
    }
}

#[cfg(test)]
mod tests;
