//! The near hosts of a host: whom it keeps peer links with, and who stands by for it.
//!
//! It depends on the fleet alone, not on any check, so that a host's links and the damage of any
//! three deaths stay bounded.

use std::collections::BTreeSet;

use farwatch_proto::fleet::ViewHost;

use crate::hash::hash64_of;

/// A neighbourhood has this many hosts, if the fleet does.
pub(super) const NEIGHBOURS: usize = 12;
/// And reaches this many providers, if the fleet does: one may fail as a whole.
pub(super) const NEIGHBOUR_PROVIDERS: usize = 3;

/// How far two hosts are apart: 0 in one region, 1 in one country, 2 on one continent, else 3.
pub(super) fn distance(a: &ViewHost, b: &ViewHost) -> u8 {
    let (a, b) = (&a.facts, &b.facts);
    if a.region == b.region {
        0
    } else if a.country == b.country {
        1
    } else if a.continent == b.continent {
        2
    } else {
        3
    }
}

/// The neighbours of `host` among `others`, nearest first: 12 of them, and more where 3 providers
/// need more. `host` itself is not among them.
pub fn neighbourhood<'v>(host: &ViewHost, others: &[&'v ViewHost]) -> Vec<&'v ViewHost> {
    let mut near: Vec<&ViewHost> = others.iter().copied().filter(|other| other.id != host.id).collect();
    near.sort_by_cached_key(|other| {
        (distance(host, other), hash64_of(&[host.id.as_bytes(), other.id.as_bytes()]), other.id)
    });
    let mut providers = BTreeSet::from([host.facts.provider.as_str()]);
    let mut taken = Vec::new();
    for other in near {
        let new_provider = !providers.contains(other.facts.provider.as_str());
        if taken.len() >= NEIGHBOURS && (providers.len() >= NEIGHBOUR_PROVIDERS || !new_provider) {
            continue;
        }
        providers.insert(other.facts.provider.as_str());
        taken.push(other);
    }
    taken
}
