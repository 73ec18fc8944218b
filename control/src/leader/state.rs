//! What the leader holds in memory, and the questions the rest of it asks of that.
//!
//! All of it can be loaded from the database again; nothing in it is ever the only copy of anything.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use farwatch_core::capacity::Load;
use farwatch_core::confirm::{Candidate, Panel};
use farwatch_core::detect::Detector;
use farwatch_core::evidence::Memory;
use farwatch_core::fleet::{Fleet, VOTER_SILENCE_MS};
use farwatch_core::placement::{Subject, eligibility};
use farwatch_proto::check::{Location, StreamId};
use farwatch_proto::fleet::{View, ViewHost};
use farwatch_proto::id::{BootId, CheckId, HostId};
use farwatch_proto::link::Mark;
use farwatch_proto::time::{BootMs, Stamp, UnixMs};

use super::admission::{Orders, RecentViews};
use super::book::{Book, Page};
use super::carried::Carried;
use super::census::Census;
use super::checkpoint::LastSlots;
use super::outages::Outages;
use super::secret_values::SecretValues;
use super::sessions::Session;
use crate::refusals::Refusal;
use crate::store::{Epoch, JournalHead, MARKS_PER_HOST_MAX};

/// A segment of a host's spool.
pub(super) type SegmentKey = (HostId, BootId, u32);

/// Everything the leader holds.
pub(super) struct State {
    /// The leadership.
    pub(super) epoch: Epoch,
    /// The journal's last row.
    pub(super) head: JournalHead,
    /// The last config write that was read.
    pub(super) config: Stamp,
    /// Checks and where they belong.
    pub(super) book: Book,
    /// The view in force.
    pub(super) newest: View,
    /// Views that late results may be of.
    pub(super) views: RecentViews,
    /// Who lives.
    pub(super) fleet: Fleet,
    /// Who is linked.
    pub(super) sessions: BTreeMap<HostId, Session>,
    /// The key of each host's certificate (SubjectPublicKeyInfo, DER), as far as they were linked.
    pub(super) keys: BTreeMap<HostId, Arc<[u8]>>,
    /// What is held of checks that are not plainly up.
    pub(super) detectors: HashMap<CheckId, Detector>,
    /// The last slot of each stream that the journal holds.
    pub(super) last_slots: LastSlots,
    /// Checks of which no result was ever judged, so that nothing is held of them.
    pub(super) never_judged: HashSet<CheckId>,
    /// What was kept of failed runs of late.
    pub(super) evidence: Memory,
    /// How far the database holds each segment, as far as hosts were told or have sent since.
    pub(super) marks: BTreeMap<SegmentKey, u64>,
    /// What came by way of another host of late.
    pub(super) carried: Carried,
    /// Votes that were ordered.
    pub(super) orders: Orders,
    /// Results committed in this leadership.
    pub(super) results: u64,
    /// Messages refused in this leadership, by host.
    pub(super) refused: BTreeMap<HostId, u64>,
    /// Refusals that the audit log is to tell of; taken from here as soon as what came was taken in.
    pub(super) noted: Vec<Refusal>,
    /// How much fails at once.
    pub(super) outages: Outages,
    /// What is watched, counted.
    pub(super) census: Census,
    /// Whether so many hosts lose the references that they are ignored.
    pub(super) are_references_broken: bool,
    /// What each host had to bear when it was last added up.
    pub(super) loads: BTreeMap<HostId, Load>,
    /// What checks' secrets are, for whoever is to run them.
    pub(super) secrets: SecretValues,
}

/// How near hosts of a panel must be: the first of these that has enough of them.
const PANEL_MIN: usize = 2;

impl State {
    /// Whom a round on this stream may ask now.
    pub(super) fn panel(&self, page: &Page, stream: StreamId, now: BootMs) -> Panel<'_> {
        let definition = &page.latest().definition;
        let subject = Subject {
            check: definition.check,
            tenant: definition.tenant,
            wish: &definition.placement,
            repeat: definition.repeat,
        };
        let list = page.lists.get(usize::from(stream.number)).map(Vec::as_slice).unwrap_or_default();
        self.panel_of(&subject, list, |host| self.is_reachable(host, now))
    }

    /// Whom anybody may ask about this, by a preference list and by who can be asked.
    pub(super) fn panel_of(
        &self,
        subject: &Subject<'_>,
        list: &[HostId],
        can_be_asked: impl Fn(HostId) -> bool,
    ) -> Panel<'_> {
        let eligible: Vec<&ViewHost> =
            self.newest.hosts.iter().filter(|host| eligibility(subject, host).is_ok()).collect();
        let place = |id: HostId| list.iter().position(|host| *host == id).unwrap_or(usize::MAX);
        let near = nearest(&eligible, &subject.wish.location);
        let candidates =
            near.into_iter().map(|host| Candidate { host, place: place(host.id), reachable: can_be_asked(host.id) });
        Panel { candidates: candidates.collect() }
    }

    /// Whether the host can be asked for something now.
    pub(super) fn is_reachable(&self, host: HostId, now: BootMs) -> bool {
        self.fleet.is_heard(host, VOTER_SILENCE_MS, now) && self.sessions.get(&host).is_some_and(Session::is_linked)
    }

    /// What the database holds of this host is what these marks say, and nothing else.
    pub(super) fn take_marks(&mut self, host: HostId, marks: &[Mark]) {
        self.marks.retain(|(of, ..), _| *of != host);
        self.marks.extend(marks.iter().map(|mark| ((host, mark.boot, mark.segment), mark.offset)));
    }

    /// Forgets what nothing can ask for any more.
    pub(super) fn tidy(&mut self, now: UnixMs) {
        for check in self.book.forget_settled(now) {
            self.recount(check, now);
        }
        let Self { never_judged, last_slots, book, .. } = self;
        never_judged.retain(|check| book.page(*check).is_some());
        last_slots.retain(|stream, _| book.page(stream.check).is_some());
        self.evidence.forget_old(now);
        self.forget_old_marks();
    }

    /// Forgets the marks of the oldest segments of hosts that have sent many. Should one of those come again it is
    /// taken in again, which is harmless.
    fn forget_old_marks(&mut self) {
        let (mut of, mut seen) = (None, 0);
        let is_surplus = |(host, ..): &&SegmentKey| {
            seen = if of == Some(*host) { seen + 1 } else { 1 };
            of = Some(*host);
            seen > MARKS_PER_HOST_MAX
        };
        let surplus: Vec<SegmentKey> = self.marks.keys().rev().filter(is_surplus).copied().collect();
        for key in surplus {
            self.marks.remove(&key);
        }
    }

    /// Notes that something of this host was refused.
    pub(super) fn refuse(&mut self, host: HostId) {
        *self.refused.entry(host).or_default() += 1;
    }
}

/// The hosts in the check's location, which widens until it has enough for a second opinion.
fn nearest<'v>(eligible: &[&'v ViewHost], location: &Location) -> Vec<&'v ViewHost> {
    let wants = |wish: &Option<String>, have: &str| wish.as_deref().is_some_and(|wish| wish == have);
    let tiers: [&dyn Fn(&ViewHost) -> bool; 3] = [
        &|host| wants(&location.region, &host.facts.region),
        &|host| wants(&location.country, &host.facts.country),
        &|host| wants(&location.continent, &host.facts.continent),
    ];
    for tier in tiers {
        let within: Vec<&ViewHost> = eligible.iter().copied().filter(|host| tier(host)).collect();
        if within.len() >= PANEL_MIN {
            return within;
        }
    }
    eligible.to_vec()
}
