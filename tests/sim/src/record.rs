//! What really happened in a world, which no machine in it knows. The account made of it stands in `account.rs`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use farwatch_core::incident::IncidentEvent;
use farwatch_core::sanity::READ_EVERY_MS;
use farwatch_core::slot::{EARLY_MS, window_end};
use farwatch_proto::check::StreamId;
use farwatch_proto::fleet::View;
use farwatch_proto::id::HostId;
use farwatch_proto::time::{Stamp, UnixMs};

use crate::faults::Counts;
use crate::fleet::{BEGIN, HOSTS, Watched, by_stream, host_id};
use crate::host::disk::Found;

/// Clocks of hosts follow each other to within this: a slot may be started this much outside its window by the true one.
const CLOCKS_DIFFER_MS: i64 = 100;
/// What really happened.
pub(crate) struct Record {
    pub(crate) faults: Counts,
    streams: HashMap<StreamId, usize>,
    timeouts_ms: Vec<i64>,
    /// By host: when it began and ceased to be able to run anything.
    able: Vec<Vec<(i64, i64)>>,
    pub(crate) completed: BTreeMap<(usize, i64), Vec<usize>>,
    pub(crate) violations: Vec<String>,
    /// What people were told, and when, also what the database has lost since.
    pub(crate) told: Vec<(i64, IncidentEvent)>,
    pub(crate) takeovers: u64,
    pub(crate) lost_transactions: u64,
    /// Handovers from one process of a host to the next, and those in which one of the two was killed.
    pub(crate) handovers: u64,
    pub(crate) half_crashes: u64,
    /// Times that a host became insane.
    pub(crate) insane: u64,
    /// Which host ever held which announced view: what is on a disk may be lost with it.
    pub(crate) planned: BTreeSet<(usize, Stamp)>,
    /// Slots of which the database ever held a result that covers them, also those that it has lost since.
    pub(crate) committed: BTreeSet<(usize, i64)>,
    /// The hosts that ever ran the new program.
    pub(crate) ran_new: BTreeSet<HostId>,
    /// Every view that any host was ever told, also those that the database has lost.
    views: BTreeMap<Stamp, View>,
    /// By host: when it learned of each view in force that it acts by.
    learned: Vec<Vec<(i64, Stamp)>>,
    /// Which hosts saw everything fail, from when until when.
    blind: Vec<(usize, i64, i64)>,
    /// Which hosts did not see their references, from their last good reading before until when.
    doubted: Vec<(usize, i64, i64)>,
    /// When outages could be judged: spans in which somebody led, the database answered, and most hosts were there.
    judging: Vec<(i64, i64)>,
}

impl Record {
    pub(crate) fn new(watched: &[Watched]) -> Self {
        Self {
            faults: Counts::default(),
            streams: by_stream(watched),
            timeouts_ms: watched.iter().map(|watched| watched.timeout_ms).collect(),
            able: vec![Vec::new(); HOSTS],
            completed: BTreeMap::new(),
            violations: Vec::new(),
            told: Vec::new(),
            takeovers: 0,
            lost_transactions: 0,
            handovers: 0,
            half_crashes: 0,
            insane: 0,
            planned: BTreeSet::new(),
            committed: BTreeSet::new(),
            ran_new: BTreeSet::new(),
            views: BTreeMap::new(),
            learned: vec![Vec::new(); HOSTS],
            blind: Vec::new(),
            doubted: Vec::new(),
            judging: Vec::new(),
        }
    }

    pub(crate) fn watched_of(&self, stream: StreamId) -> usize {
        self.streams[&stream]
    }

    pub(crate) fn timeout_ms(&self, stream: StreamId) -> i64 {
        self.timeouts_ms[self.watched_of(stream)]
    }

    /// The host begins or ceases to be able to run.
    pub(crate) fn is_able(&mut self, host: usize, is_able: bool, now: i64) {
        let spans = &mut self.able[host];
        match spans.last_mut() {
            Some((_, to)) if *to == i64::MAX && !is_able => *to = now,
            Some((_, to)) if *to == i64::MAX => {}
            _ if is_able => spans.push((now, i64::MAX)),
            _ => {}
        }
    }

    /// A host starts a slot; by the true clock that must lie in the slot's window.
    pub(crate) fn begins(&mut self, watched: &Watched, host: usize, slot: UnixMs, now: i64) {
        let at = UnixMs(BEGIN + now);
        let is_early = at.since(slot) < -EARLY_MS - CLOCKS_DIFFER_MS;
        if is_early || at.since(window_end(slot, watched.interval)) > CLOCKS_DIFFER_MS {
            self.violations.push(format!("host {host} ran slot {} at {now}, outside its window", slot.0 - BEGIN));
        }
    }

    /// A run of a host has covered a slot.
    pub(crate) fn covers(&mut self, host: usize, found: &Found) {
        let watched = self.watched_of(found.stream);
        self.completed.entry((watched, found.slot.0)).or_default().push(host);
    }

    /// A host is told of this view, and acts by it from now on if it is newer than what it held. A number names one view
    /// for ever, whatever the database has lost.
    pub(crate) fn learns(&mut self, host: usize, view: &View, now: i64) {
        let known = self.views.entry(view.number).or_insert_with(|| view.clone());
        if known != view {
            self.violations.push(format!("two views bear the number {}, at {now}", view.number));
        }
        if self.learned[host].last().is_none_or(|(_, held)| *held < view.number) {
            self.learned[host].push((now, view.number));
        }
    }

    /// Whether the host owned the slot by what it itself had been told, and was able to run for so long without a break
    /// meanwhile, within the window. Where the target `fails`, it must have been able to believe that as well.
    pub(crate) fn could_have_run(
        &self,
        host: usize,
        watched: &Watched,
        slot: UnixMs,
        for_ms: i64,
        fails: bool,
    ) -> bool {
        let (from, to) = (slot.since(UnixMs(BEGIN)), window_end(slot, watched.interval).since(UnixMs(BEGIN)));
        let learned = &self.learned[host];
        let ends = learned.iter().skip(1).map(|(at, _)| *at).chain([i64::MAX]);
        learned.iter().enumerate().zip(ends).any(|((index, (began, _)), ended)| {
            let held = learned[..=index].iter().rev().map(|(_, number)| &self.views[number]);
            let view = held.clone().find(|view| view.in_force_from <= slot);
            let owns = view.is_some_and(|view| watched.owners(view).contains(&host_id(host)));
            owns && self.was_able(host, from.max(*began), to.min(ended), for_ms, fails)
        })
    }

    /// Whether the host was able to run for so long without a break within this time.
    fn was_able(&self, host: usize, from: i64, to: i64, for_ms: i64, fails: bool) -> bool {
        let doubted = || self.doubted.iter().filter(|(of, ..)| fails && *of == host);
        self.able[host].iter().any(|(began, ceased)| {
            let (from, to) = (from.max(*began), to.min(*ceased));
            let mut starts = doubted().map(|(_, _, until)| *until).filter(|until| *until > from).chain([from]);
            let lasts_ms = |start: i64| {
                let ahead = doubted().filter(|(_, _, until)| *until > start);
                ahead.map(|(_, since, _)| *since).chain([to]).min().unwrap_or(to) - start
            };
            starts.any(|start| lasts_ms(start) >= for_ms)
        })
    }

    /// The host does not see its references from now on until then: failures that it saw since its last good reading are
    /// void.
    pub(crate) fn doubts(&mut self, host: usize, now: i64, until: i64) {
        self.doubted.push((host, now - READ_EVERY_MS, until));
    }

    /// The host sees everything fail from now on until then.
    pub(crate) fn blinds(&mut self, host: usize, now: i64, until: i64) {
        self.blind.push((host, now, until));
    }

    /// How many hosts saw everything fail at some moment of this time.
    pub(crate) fn blind_between(&self, from: i64, to: i64) -> usize {
        let meanwhile = self.blind.iter().filter(|(_, began, until)| *began <= to && from <= *until);
        meanwhile.map(|(host, ..)| host).collect::<BTreeSet<_>>().len()
    }

    /// Something happened that must not.
    pub(crate) fn violates(&mut self, what: String) {
        self.violations.push(what);
    }

    /// Outages can be judged at this moment, which follows the last one at which that was asked by so much at most.
    pub(crate) fn can_judge(&mut self, now: i64, apart_ms: i64) {
        match self.judging.last_mut() {
            Some((_, to)) if now - *to <= apart_ms => *to = now,
            _ => self.judging.push((now, now)),
        }
    }

    /// Whether outages could be judged for so long without a break within this time.
    pub(crate) fn could_judge(&self, from: i64, to: i64, for_ms: i64) -> bool {
        self.judging.iter().any(|(began, ceased)| (*ceased).min(to) - (*began).max(from) >= for_ms)
    }
}
