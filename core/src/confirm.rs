//! A round of votes: who is asked, what counts, and when it is decided.
//!
//! The rule never shrinks because hosts are away: n follows who is registered, and a round with too
//! few answers says so instead of deciding. What a decision means is the detector's business.

mod panel;

use farwatch_proto::check::StreamId;
use farwatch_proto::id::{HostId, OrderId};
use farwatch_proto::link::Order;
use farwatch_proto::time::UnixMs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use panel::{Candidate, Panel};

use crate::incident::Voice;

/// At most this many vantage points decide together.
pub const VOTERS_MAX: u8 = 5;
/// A single vantage point is asked this many more times, for nobody else can be.
pub const RETRIES: u8 = 2;
/// A round ends this long after the timeout of the runs it ordered.
pub const ROUND_ALLOWANCE_MS: i64 = 1_500;

/// How many of n must agree: two thirds, rounded up.
pub const fn need_of(n: u8) -> u8 {
    (2 * n).div_ceil(3)
}

/// What a vote said of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It fails from there.
    Bad,
    /// It works from there.
    Good,
    /// That host could not tell, is full, or fell silent.
    Void,
}

/// What a round is to decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Does it fail?
    Outage,
    /// Does it work again?
    Recovery,
}

impl Question {
    const fn wanted(self) -> Answer {
        match self {
            Self::Outage => Answer::Bad,
            Self::Recovery => Answer::Good,
        }
    }
}

/// One vantage point of a round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// The host.
    pub host: HostId,
    /// The order it answers; `None` for the scheduled run that began the round.
    pub order: Option<OrderId>,
    /// Attempts before it on the same host.
    pub attempt: u32,
    /// When it was asked; an answer counts only because that was after the failure was received.
    #[serde(default)]
    pub asked: UnixMs,
    /// What it said, once it did.
    pub answer: Option<Answer>,
    /// The module's code, if it gave one.
    pub code: String,
    /// The module's sentence, if it gave one.
    pub message: String,
}

/// A round under way. Kept in the detector's row, so that a takeover repeats its open orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// What it is to decide.
    pub question: Question,
    /// When it began; names it together with the check.
    pub began: UnixMs,
    /// How many vantage points decide.
    pub n: u8,
    /// How many must agree.
    pub need: u8,
    /// When it ends whatever has come.
    pub deadline: UnixMs,
    /// Whether the one extra round has been spent.
    pub extended: bool,
    /// Whether one vantage point is asked again and again, for there is no other.
    pub alone: bool,
    /// The stream the votes run.
    pub stream: StreamId,
    /// The revision they run.
    pub revision: u32,
    /// Everybody asked, the scheduled run first.
    pub votes: Vec<Vote>,
}

/// What the votes so far amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tally {
    /// Not decided, and it still can be.
    Open,
    /// Enough agree.
    Confirmed,
    /// Enough disagree that the rest cannot change it.
    Refuted,
    /// Nobody is left to answer, and it is not decided.
    TooFew,
}

/// The scheduled run that begins a round.
#[derive(Clone, Debug)]
pub struct Beginning<'a> {
    /// What is asked.
    pub question: Question,
    /// The stream that was run.
    pub stream: StreamId,
    /// The revision it was run by.
    pub revision: u32,
    /// The host that ran it.
    pub host: HostId,
    /// The module's code.
    pub code: &'a str,
    /// The module's sentence.
    pub message: &'a str,
    /// How long a run may take, in milliseconds.
    pub timeout_ms: u32,
    /// A stricter or laxer need, where the check sets one.
    pub need: Option<u8>,
}

impl Round {
    /// Begins a round and says which votes to order: every one without an answer.
    pub fn begin(beginning: &Beginning<'_>, panel: &Panel<'_>, now: UnixMs) -> Self {
        let n = panel.size(beginning.host);
        let alone = n <= 1;
        let n = if alone { 1 + RETRIES } else { n };
        let need = if alone { n } else { beginning.need.map_or(need_of(n), |need| need.clamp(1, n)) };
        let first = Vote {
            host: beginning.host,
            order: None,
            attempt: 0,
            asked: now,
            answer: Some(beginning.question.wanted()),
            code: beginning.code.to_owned(),
            message: beginning.message.to_owned(),
        };
        let mut round = Self {
            question: beginning.question,
            began: now,
            n,
            need,
            deadline: now + (i64::from(beginning.timeout_ms) + ROUND_ALLOWANCE_MS),
            extended: false,
            alone,
            stream: beginning.stream,
            revision: beginning.revision,
            votes: vec![first],
        };
        round.ask(panel, usize::from(n) - 1, now);
        round
    }

    /// Adds up to `wanted` vantage points that have not been asked yet; returns how many it found.
    fn ask(&mut self, panel: &Panel<'_>, wanted: usize, now: UnixMs) -> usize {
        let hosts: Vec<HostId> = if self.alone {
            vec![self.votes[0].host; wanted]
        } else {
            let asked: Vec<HostId> = self.votes.iter().map(|vote| vote.host).collect();
            panel.choose(&asked, wanted)
        };
        for host in &hosts {
            let attempt = self.votes.iter().filter(|vote| vote.host == *host).count() as u32;
            let order = self.order_id(*host, attempt);
            self.votes.push(Vote {
                host: *host,
                order: Some(order),
                attempt,
                asked: now,
                answer: None,
                code: String::new(),
                message: String::new(),
            });
        }
        hosts.len()
    }

    fn order_id(&self, host: HostId, attempt: u32) -> OrderId {
        OrderId::of_key(&[
            self.stream.check.as_bytes(),
            &self.began.0.to_be_bytes(),
            host.as_bytes(),
            &attempt.to_be_bytes(),
        ])
    }

    /// Records an answer; whether it was one this round waits for.
    pub fn answer(&mut self, order: OrderId, answer: Answer, code: &str, message: &str) -> bool {
        let waiting = self.votes.iter_mut().find(|vote| vote.order == Some(order) && vote.answer.is_none());
        let Some(vote) = waiting else { return false };
        vote.answer = Some(answer);
        code.clone_into(&mut vote.code);
        message.clone_into(&mut vote.message);
        true
    }

    /// Voids every open vote of a host that fell silent; whether there was one.
    pub fn lose(&mut self, host: HostId) -> bool {
        let mut lost = false;
        for vote in self.votes.iter_mut().filter(|vote| vote.host == host && vote.answer.is_none()) {
            vote.answer = Some(Answer::Void);
            "host-silent".clone_into(&mut vote.code);
            lost = true;
        }
        lost
    }

    /// Asks others in place of those that could not tell; whether it found any.
    pub fn replace_void(&mut self, panel: &Panel<'_>, now: UnixMs) -> bool {
        let useful = self.votes.iter().filter(|vote| vote.answer != Some(Answer::Void)).count();
        let missing = usize::from(self.n).saturating_sub(useful);
        missing > 0 && !self.alone && self.ask(panel, missing, now) > 0
    }

    /// Spends the one extra round: whoever had its time is given up and others are asked instead, whoever was asked
    /// later keeps the time it has left. Whether anybody is left to answer.
    pub fn extend(&mut self, panel: &Panel<'_>, timeout_ms: u32, now: UnixMs) -> bool {
        if std::mem::replace(&mut self.extended, true) {
            return false;
        }
        let patience_ms = i64::from(timeout_ms) + ROUND_ALLOWANCE_MS;
        let began = self.began;
        let is_late = |vote: &&mut Vote| vote.answer.is_none() && now.since(vote.asked.max(began)) >= patience_ms;
        self.votes.iter_mut().filter(is_late).for_each(|vote| vote.answer = Some(Answer::Void));
        self.deadline = now + patience_ms;
        self.replace_void(panel, now);
        self.open_orders().next().is_some()
    }

    /// What the votes amount to at `now`.
    pub fn tally(&self, now: UnixMs) -> Tally {
        let count = |wanted: Answer| self.votes.iter().filter(|vote| vote.answer == Some(wanted)).count();
        let (agree, disagree) = match self.question {
            Question::Outage => (count(Answer::Bad), count(Answer::Good)),
            Question::Recovery => (count(Answer::Good), count(Answer::Bad)),
        };
        let open = self.open_orders().count();
        if agree >= usize::from(self.need) {
            Tally::Confirmed
        } else if disagree > usize::from(self.n - self.need) {
            Tally::Refuted
        } else if now >= self.deadline || open == 0 {
            Tally::TooFew
        } else {
            Tally::Open
        }
    }

    /// The votes that were ordered and not answered.
    pub fn open_orders(&self) -> impl Iterator<Item = &Vote> {
        self.votes.iter().filter(|vote| vote.order.is_some() && vote.answer.is_none())
    }

    /// The open orders as they are sent, and sent again after a takeover: the same ones.
    pub fn orders(&self) -> impl Iterator<Item = (HostId, Order)> {
        self.open_orders().filter_map(|vote| {
            let order = Order {
                id: vote.order?,
                stream: self.stream,
                revision: self.revision,
                ordered_at: vote.asked.max(self.began),
                attempt: vote.attempt,
            };
            Some((vote.host, order))
        })
    }

    /// What everybody said, for the incident.
    pub fn voices(&self) -> Vec<Voice> {
        let answered = self.votes.iter().filter_map(|vote| Some((vote, vote.answer?)));
        answered
            .map(|(vote, answer)| Voice {
                host: vote.host,
                answer,
                code: vote.code.clone(),
                message: vote.message.clone(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
