//! Whom a round may ask, and in which order; and whom anybody asks who wants to know how something looks from afar.

use farwatch_proto::fleet::ViewHost;
use farwatch_proto::id::HostId;

use super::VOTERS_MAX;

/// A host that may vote on a check: registered, eligible, within the check's location.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'v> {
    /// The host.
    pub host: &'v ViewHost,
    /// Its place in the stream's preference list: early places hold config and module.
    pub place: usize,
    /// Whether control has heard it lately enough to ask it.
    pub reachable: bool,
}

/// The candidates of one check at one moment.
#[derive(Clone, Debug, Default)]
pub struct Panel<'v> {
    /// All of them, reachable or not: n follows who is registered.
    pub candidates: Vec<Candidate<'v>>,
}

/// Why one candidate is better than another: the order of the fields is the policy.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Likeness {
    shares_machine: usize,
    shares_provider: usize,
    shares_asn: usize,
    shares_country: usize,
    place: usize,
    id: HostId,
}

impl Panel<'_> {
    /// n: how many vantage points decide, the first one included. A first one that has been retired
    /// meanwhile still counts itself.
    pub(super) fn size(&self, first: HostId) -> u8 {
        let is_counted = |candidate: &&Candidate<'_>| candidate.reachable || !cfg!(mutant = "n_shrinks");
        let others = self.candidates.iter().filter(|candidate| candidate.host.id != first).filter(is_counted).count();
        u8::try_from(others + 1).unwrap_or(VOTERS_MAX).min(VOTERS_MAX)
    }

    /// Up to `wanted` reachable hosts that were not asked yet, each the one least like all before it.
    pub fn choose(&self, asked: &[HostId], wanted: usize) -> Vec<HostId> {
        let mut taken = asked.to_vec();
        let mut chosen = Vec::with_capacity(wanted);
        while chosen.len() < wanted {
            let open = self.candidates.iter().filter(|one| one.reachable && !taken.contains(&one.host.id));
            let Some(best) = open.min_by_key(|candidate| self.likeness(candidate, &taken)) else { break };
            taken.push(best.host.id);
            chosen.push(best.host.id);
        }
        chosen
    }

    fn likeness(&self, candidate: &Candidate<'_>, taken: &[HostId]) -> Likeness {
        let facts = &candidate.host.facts;
        let before: Vec<_> =
            self.candidates.iter().filter(|one| taken.contains(&one.host.id)).map(|one| &one.host.facts).collect();
        let count = |same: &dyn Fn(&farwatch_proto::fleet::HostFacts) -> bool| {
            before.iter().filter(|other| same(other)).count()
        };
        Likeness {
            shares_machine: count(&|other| {
                facts.shared_machine.is_some() && other.shared_machine == facts.shared_machine
            }),
            shares_provider: count(&|other| other.provider == facts.provider),
            shares_asn: count(&|other| other.asn == facts.asn),
            shares_country: count(&|other| other.country == facts.country),
            place: candidate.place,
            id: candidate.host.id,
        }
    }
}
