//! The preference lists of a check's streams, by the first rule of placement.

use farwatch_proto::check::{Location, StreamId};
use farwatch_proto::fleet::View;
use farwatch_proto::fleet::ViewHost;
use farwatch_proto::id::HostId;

use super::draw::draw;
use super::neighbourhood::neighbourhood;
use super::{Subject, eligible_hosts};
use crate::slot::streams_of;

/// Each next host differs in provider from this many before it, while such a host exists.
const DIVERSE_FROM_LAST: usize = 3;

/// The preference lists of all streams of the check, each over every eligible host, alive or not.
///
/// The streams draft from one pool in turn, so that their lists are disjoint while hosts suffice;
/// when the pool is empty it is filled again, and only a host's own list still excludes it.
pub(super) fn drafted(subject: &Subject<'_>, view: &View) -> Vec<Vec<HostId>> {
    let hosts = eligible_hosts(subject, view);
    let mut lists: Vec<List<'_>> =
        streams_of(subject.check, subject.wish.streams).map(|stream| List::new(stream, &hosts)).collect();
    let mut pool = Pool { free: vec![true; hosts.len()], left: hosts.len() };
    for _ in 0..hosts.len() {
        for list in &mut lists {
            let pick = list.next(&hosts, &pool.free, &subject.wish.location);
            let pick = pick.or_else(|| {
                pool.refill();
                list.next(&hosts, &pool.free, &subject.wish.location)
            });
            if let Some(index) = pick {
                pool.take(index);
                list.push(index, &hosts);
            }
        }
    }
    lists.into_iter().map(|list| list.picks.iter().map(|index| hosts[*index].id).collect()).collect()
}

/// Which hosts no stream of the check has drafted since the pool was last full.
struct Pool {
    free: Vec<bool>,
    left: usize,
}

impl Pool {
    fn take(&mut self, index: usize) {
        if std::mem::replace(&mut self.free[index], false) {
            self.left -= 1;
        }
        if self.left == 0 {
            self.refill();
        }
    }

    fn refill(&mut self) {
        self.free.fill(true);
        self.left = self.free.len();
    }
}

/// One stream's list as it grows.
struct List<'v> {
    /// Host indices in the order of the stream's draw, best first.
    drawn: Vec<usize>,
    /// Whether the host at an index is a neighbour of the first pick.
    near_first: Vec<bool>,
    picked: Vec<bool>,
    picks: Vec<usize>,
    providers: Vec<&'v str>,
}

impl<'v> List<'v> {
    fn new(stream: StreamId, hosts: &[&'v ViewHost]) -> Self {
        let mut drawn: Vec<usize> = (0..hosts.len()).collect();
        drawn.sort_by_cached_key(|index| draw(stream, hosts[*index]));
        Self {
            drawn,
            near_first: vec![false; hosts.len()],
            picked: vec![false; hosts.len()],
            picks: Vec::with_capacity(hosts.len()),
            providers: Vec::with_capacity(hosts.len()),
        }
    }

    fn next(&self, hosts: &[&'v ViewHost], free: &[bool], location: &Location) -> Option<usize> {
        let open = |index: &usize| free[*index] && !self.picked[*index];
        if self.picks.is_empty() {
            let candidates = self.drawn.iter().copied().filter(open);
            // The draw's order decides within a tier, for the first of equal minima is kept.
            return candidates.min_by_key(|index| tier(location, hosts[*index]));
        }
        let near = self.drawn.iter().copied().filter(open).filter(|index| self.near_first[*index]);
        let world = self.drawn.iter().copied().filter(open);
        self.most_diverse(near, hosts).or_else(|| self.most_diverse(world, hosts))
    }

    /// The first candidate with a provider that the last picks do not have, else the first.
    fn most_diverse(&self, candidates: impl Iterator<Item = usize>, hosts: &[&'v ViewHost]) -> Option<usize> {
        let recent = &self.providers[self.providers.len().saturating_sub(DIVERSE_FROM_LAST)..];
        let mut first = None;
        for index in candidates {
            if !recent.contains(&hosts[index].facts.provider.as_str()) {
                return Some(index);
            }
            first = first.or(Some(index));
        }
        first
    }

    fn push(&mut self, index: usize, hosts: &[&'v ViewHost]) {
        if self.picks.is_empty() {
            for neighbour in neighbourhood(hosts[index], hosts) {
                let at = hosts.iter().position(|host| host.id == neighbour.id);
                self.near_first[at.expect("a neighbour is one of the hosts it was chosen from")] = true;
            }
        }
        self.picked[index] = true;
        self.picks.push(index);
        self.providers.push(&hosts[index].facts.provider);
    }
}

/// How near a host is to where the check wants to be: 0 wherever it has no wish.
fn tier(location: &Location, host: &ViewHost) -> u8 {
    let facts = &host.facts;
    let wants = |wish: &Option<String>, have: &str| wish.as_deref().is_some_and(|wish| wish == have);
    match location {
        Location { region: None, country: None, continent: None } => 0,
        _ if wants(&location.region, &facts.region) => 0,
        _ if wants(&location.country, &facts.country) => 1,
        _ if wants(&location.continent, &facts.continent) => 2,
        _ => 3,
    }
}
