//! What is watched, counted as it changes: checks by verdict, the streams they make due, votes under way, and which
//! checks wait for something.
//!
//! To walk a hundred thousand checks for every status and every flush would cost more than to judge them. So a check is
//! counted anew when something about it changes, and what changes by the clock alone is kept by its moment. It decides
//! nothing: every count follows from the book and the detectors.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use farwatch_core::detect::Verdict;
use farwatch_core::incident::Ending;
use farwatch_proto::check::Activity;
use farwatch_proto::id::CheckId;
use farwatch_proto::time::UnixMs;

use super::state::State;

/// The verdict of a check of which no result was judged yet.
const NEVER_JUDGED: &str = "pending";

/// How one check counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counted {
    /// The word of its verdict, while it is watched.
    verdict: Option<&'static str>,
    /// Streams that it makes due.
    streams: usize,
    /// Votes about it that are under way.
    votes: usize,
    /// Whether too few could say how it is.
    is_unconfirmed: bool,
    /// Why it makes no slots due any more, while something is held of it.
    ended: Option<Ending>,
    /// When time alone changes something for its detector.
    wakes: Option<UnixMs>,
    /// When its next revision comes into force.
    turns: Option<UnixMs>,
}

/// See the file's documentation.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Census {
    checks: HashMap<CheckId, Counted>,
    verdicts: BTreeMap<&'static str, u64>,
    streams: usize,
    votes: usize,
    unconfirmed: usize,
    asking: BTreeSet<CheckId>,
    ended: BTreeMap<CheckId, Ending>,
    wakes: BTreeSet<(UnixMs, CheckId)>,
    turns: BTreeSet<(UnixMs, CheckId)>,
}

impl Census {
    /// How many checks are watched now, by the word of their verdict; every word is there.
    pub(super) fn verdicts(&self) -> BTreeMap<String, u64> {
        let words = Verdict::ALL.map(Verdict::word).into_iter().chain([NEVER_JUDGED]);
        words.map(|word| (word.to_owned(), self.verdicts.get(word).copied().unwrap_or(0))).collect()
    }

    /// Streams that are due.
    pub(super) const fn streams(&self) -> usize {
        self.streams
    }

    /// Votes under way.
    pub(super) const fn votes(&self) -> usize {
        self.votes
    }

    /// Checks that fail and of which too few vantage points could say whether they do.
    pub(super) const fn unconfirmed(&self) -> usize {
        self.unconfirmed
    }

    /// The checks about which votes are under way.
    pub(super) fn asking(&self) -> impl Iterator<Item = CheckId> {
        self.asking.iter().copied()
    }

    /// The checks of which something is held and which make no slots due any more, with the reason.
    pub(super) fn ended(&self) -> impl Iterator<Item = (CheckId, Ending)> {
        self.ended.iter().map(|(check, ending)| (*check, *ending))
    }

    /// The checks for which time has changed something by now.
    pub(super) fn woken(&self, now: UnixMs) -> impl Iterator<Item = CheckId> {
        self.wakes.iter().take_while(move |(at, _)| *at <= now).map(|(_, check)| *check)
    }

    fn put(&mut self, check: CheckId, counted: Counted) {
        let before =
            if counted == Counted::default() { self.checks.remove(&check) } else { self.checks.insert(check, counted) };
        self.take_off(check, before.unwrap_or_default());
        self.add(check, counted);
    }

    fn take_off(&mut self, check: CheckId, before: Counted) {
        self.streams -= before.streams;
        self.votes -= before.votes;
        self.unconfirmed -= usize::from(before.is_unconfirmed);
        self.asking.remove(&check);
        self.ended.remove(&check);
        before.wakes.map(|at| self.wakes.remove(&(at, check)));
        before.turns.map(|at| self.turns.remove(&(at, check)));
        if let Some(word) = before.verdict {
            let count = self.verdicts.entry(word).or_default();
            *count -= 1;
            if *count == 0 {
                self.verdicts.remove(word);
            }
        }
    }

    fn add(&mut self, check: CheckId, counted: Counted) {
        self.streams += counted.streams;
        self.votes += counted.votes;
        self.unconfirmed += usize::from(counted.is_unconfirmed);
        if counted.votes > 0 {
            self.asking.insert(check);
        }
        self.ended.extend(counted.ended.map(|ending| (check, ending)));
        self.wakes.extend(counted.wakes.map(|at| (at, check)));
        self.turns.extend(counted.turns.map(|at| (at, check)));
        if let Some(word) = counted.verdict {
            *self.verdicts.entry(word).or_default() += 1;
        }
    }
}

impl State {
    /// Counts a check anew. To be called whenever its page, its detector or whether it was ever judged has changed.
    pub(super) fn recount(&mut self, check: CheckId, now: UnixMs) {
        let counted = self.counted(check, now);
        self.census.put(check, counted);
    }

    /// Counts all of them, from nothing.
    pub(super) fn recount_all(&mut self, now: UnixMs) {
        self.census = Census::default();
        let checks: BTreeSet<CheckId> =
            self.book.pages().map(|(check, _)| check).chain(self.detectors.keys()).copied().collect();
        checks.into_iter().for_each(|check| self.recount(check, now));
    }

    /// Counts those anew of which a revision has come into force.
    pub(super) fn pass_turns(&mut self, now: UnixMs) {
        while let Some((_, check)) = self.census.turns.first().copied().filter(|(at, _)| *at <= now) {
            self.recount(check, now);
        }
    }

    fn counted(&self, check: CheckId, now: UnixMs) -> Counted {
        let page = self.book.page(check);
        let detector = self.detectors.get(&check);
        let in_force = page.and_then(|page| page.in_force_at(now)).map(|entry| &entry.definition);
        let shown = in_force.or_else(|| page.map(|page| &page.latest().definition));
        let is_watched = shown.is_some_and(|definition| definition.activity == Activity::Active);
        let plain = if self.never_judged.contains(&check) { NEVER_JUDGED } else { Verdict::Up.word() };
        let due = in_force.filter(|definition| definition.activity == Activity::Active);
        let facts = page.and_then(|page| page.facts(now, true));
        Counted {
            verdict: is_watched.then(|| detector.map_or(plain, |detector| detector.verdict.word())),
            streams: due.map_or(0, |definition| usize::from(definition.placement.streams)),
            votes: detector.and_then(|detector| detector.round.as_ref()).map_or(0, |round| round.open_orders().count()),
            is_unconfirmed: detector.is_some_and(|detector| detector.verdict == Verdict::Unconfirmed),
            ended: detector.and(in_force).and_then(|definition| ending_of(definition.activity)),
            wakes: detector.zip(facts).and_then(|(detector, facts)| detector.wakes_at(&facts)),
            turns: page.and_then(|page| page.turns_after(now)),
        }
    }
}

/// How an activity ends the episodes of a check.
const fn ending_of(activity: Activity) -> Option<Ending> {
    match activity {
        Activity::Active => None,
        Activity::Paused => Some(Ending::Paused),
        Activity::Deleted => Some(Ending::Deleted),
    }
}
