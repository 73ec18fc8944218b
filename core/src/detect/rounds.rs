//! How a detector conducts a round of votes and what its end means.

use farwatch_proto::check::{Repeat, StreamId};
use farwatch_proto::id::{HostId, OrderId};
use farwatch_proto::link::Order;
use farwatch_proto::outcome::{Outcome, Status};

use super::{Detector, Effect, GOOD_SLOTS, REFUTED_MAX, ROUND_BACKOFF_MS, Sighting, Turn, Verdict};
use crate::confirm::{Answer, Panel, Question, Round, Tally};
use crate::incident::{Ending, IncidentEvent, Voice, incident_id};

const fn answer_of(status: Status) -> Answer {
    match status {
        Status::Up | Status::Degraded => Answer::Good,
        Status::Down => Answer::Bad,
        Status::Unknown(_) => Answer::Void,
    }
}

impl Turn<'_> {
    pub(super) fn voted(&mut self, order: OrderId, host: HostId, outcome: &Outcome) {
        if self.detector.recheck == Some(order) {
            self.detector.recheck = None;
            self.rechecked(host, outcome);
        } else {
            self.answered(order, answer_of(outcome.status), outcome.code(), outcome.message());
        }
    }

    /// A run ordered while the check is not up counts as a slot of the moment it was ordered. It begins nothing where
    /// rounds have backed off: it can only clear what is held against its place.
    fn rechecked(&mut self, host: HostId, outcome: &Outcome) {
        let fails = outcome.status == Status::Down;
        if self.detector.verdict == Verdict::Degraded && fails {
            self.detector.note_failing_place(host, self.now);
            return;
        }
        let stream = StreamId { check: self.facts.check, number: 0 };
        let slot = self.detector.last_run.unwrap_or(self.now);
        self.sighted(Sighting { stream, slot, host, outcome });
    }

    pub(super) fn answered(&mut self, order: OrderId, answer: Answer, code: &str, message: &str) {
        let Some(round) = &mut self.detector.round else { return };
        if !round.answer(order, answer, code, message) {
            return;
        }
        if answer == Answer::Void {
            self.replace_void();
        }
        self.settle_round();
    }

    pub(super) fn host_silent(&mut self, host: HostId) {
        if self.detector.round.as_mut().is_some_and(|round| round.lose(host)) {
            self.replace_void();
            self.settle_round();
        }
    }

    fn replace_void(&mut self) {
        let Some(round) = &mut self.detector.round else { return };
        let asked = round.votes.len();
        if round.replace_void(self.panel, self.now) {
            self.send_open_orders(asked);
        }
    }

    /// Orders what is open among the votes from this index on.
    pub(super) fn send_open_orders(&mut self, from: usize) {
        let Some(round) = &self.detector.round else { return };
        let new: Vec<OrderId> = round.votes.iter().skip(from).filter_map(|vote| vote.order).collect();
        let orders = round.orders().filter(|(_, order)| new.contains(&order.id));
        self.effects.extend(orders.map(|(host, order)| Effect::Order(host, order)));
    }

    /// Ends the round if it has come to its end.
    pub(super) fn settle_round(&mut self) {
        let Some(round) = &mut self.detector.round else { return };
        let question = round.question;
        match round.tally(self.now) {
            Tally::Open => {}
            Tally::TooFew => {
                let asked = round.votes.len();
                let panel = if self.facts.repeat == Repeat::Unsafe { &Panel::default() } else { self.panel };
                if round.extend(panel, self.facts.timeout_ms, self.now) {
                    self.send_open_orders(asked);
                } else {
                    self.end_round(|turn, _| turn.too_few(question));
                }
            }
            Tally::Confirmed => self.end_round(|turn, round| match question {
                Question::Outage => turn.outage_confirmed(&round),
                Question::Recovery => turn.recovery_confirmed(round.voices()),
            }),
            Tally::Refuted => self.end_round(|turn, round| match question {
                Question::Outage => turn.outage_refuted(round.votes[0].host),
                Question::Recovery => turn.down_again(),
            }),
        }
    }

    fn end_round(&mut self, then: impl FnOnce(&mut Self, Round)) {
        self.cancel_open_orders();
        if let Some(round) = self.detector.round.take() {
            then(self, round);
        }
    }

    pub(super) fn cancel_round(&mut self) {
        self.cancel_open_orders();
        self.detector.round = None;
    }

    fn cancel_open_orders(&mut self) {
        let Some(round) = &self.detector.round else { return };
        let open = round.open_orders();
        self.effects.extend(open.filter_map(|vote| Some(Effect::Cancel(vote.host, vote.order?))));
    }

    fn outage_confirmed(&mut self, round: &Round) {
        let Some(first) = self.detector.first_failure.clone() else { return };
        let incident = incident_id(self.facts.check, first.slot);
        self.detector.incident = Some(incident);
        self.detector.refuted.clear();
        self.detector.last_failed_at.clear();
        self.detector.quiet_until = None;
        self.effects.push(Effect::RoundOver { began_by: round.votes[0].host, refuted: false });
        self.turn_to(Verdict::Down, first.message.clone());
        self.effects.push(Effect::Incident(IncidentEvent::Opened {
            incident,
            first_failed_slot: first.slot,
            at: self.now,
            code: first.code,
            message: first.message,
            need: round.need,
            of: round.n,
            voices: round.voices(),
            seen_afterwards: false,
        }));
    }

    fn outage_refuted(&mut self, from: HostId) {
        let rounds = self.detector.refuted.entry(from).or_insert(0);
        *rounds = rounds.saturating_add(1);
        if *rounds >= REFUTED_MAX {
            self.detector.quiet_until = Some(self.now + ROUND_BACKOFF_MS);
        }
        self.detector.note_failing_place(from, self.now);
        self.detector.first_failure = None;
        self.effects.push(Effect::RoundOver { began_by: from, refuted: true });
        self.settle_places(Status::Up, "");
    }

    fn recovery_confirmed(&mut self, voices: Vec<Voice>) {
        self.detector.recovery_confirmed = true;
        self.detector.recovery_voices = voices;
        self.resolve_if_recovered();
    }

    fn too_few(&mut self, question: Question) {
        match question {
            Question::Outage => {
                self.turn_to(Verdict::Unconfirmed, "too few vantage points could say".to_owned());
            }
            // The check stays as it is, and the next good slot asks again.
            Question::Recovery => {}
        }
    }

    pub(super) fn resolve_if_recovered(&mut self) {
        if !self.detector.recovery_confirmed || self.detector.good_slots < GOOD_SLOTS {
            return;
        }
        let (Some(incident), Some(first)) = (self.detector.incident, self.detector.first_failure.take()) else {
            return;
        };
        let voices = std::mem::take(&mut self.detector.recovery_voices);
        self.effects.push(Effect::Incident(IncidentEvent::Resolved {
            incident,
            first_failed_slot: first.slot,
            at: self.now,
            ending: Ending::Recovered,
            voices,
        }));
        *self.detector = Detector { since: self.now, ..Detector::default() };
    }

    /// Orders a run, for the next slot is too far away: from the place that fails alone, for only a good run from
    /// there clears it, else from the first one that can be reached.
    pub(super) fn order_recheck(&mut self) {
        let failing = self.detector.failing_places();
        let can_run = |host: HostId| failing.is_empty() || failing.contains(&host);
        let reachable = self.panel.candidates.iter().filter(|one| one.reachable && can_run(one.host.id));
        let Some(host) = reachable.min_by_key(|one| one.place).map(|candidate| candidate.host.id) else { return };
        let stream = StreamId { check: self.facts.check, number: 0 };
        let id = OrderId::of_key(&[stream.check.as_bytes(), b"recheck", &self.now.0.to_be_bytes()]);
        self.detector.recheck = Some(id);
        self.detector.last_run = Some(self.now);
        let revision = self.facts.revision;
        self.effects.push(Effect::Order(host, Order { id, stream, revision, ordered_at: self.now, attempt: 0 }));
    }
}
