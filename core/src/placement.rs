//! Who runs a stream: a pure function of the stream and the view.
//!
//! First a preference list over all registered hosts that may run it, alive or not; the owners are
//! the first three of it that the view holds active. So the death of the first makes exactly the
//! second the first. Integer arithmetic only, so that every machine computes the same. Nothing here
//! remembers anything, and nothing per stream is ever stored. By which rule lists are made the view says; which rules a
//! build knows stands in `placement/rules.rs`.

mod draw;
mod neighbourhood;
mod preference;
mod rules;

use farwatch_proto::check::{PlacementWish, Repeat};
use farwatch_proto::fleet::{Standing, View, ViewHost};
use farwatch_proto::id::{CheckId, HostId, TenantId};

pub use neighbourhood::neighbourhood;
pub use rules::{Rule, Rules};

/// How many hosts own a stream: one runs it, two stand by.
pub const OWNERS: usize = 3;
/// How many first places of a preference list hold config and module.
pub const HOLDERS: usize = 5;

/// What placement reads of a check.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The check.
    pub check: CheckId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Where it wants to run, and in how many streams.
    pub wish: &'a PlacementWish,
    /// An unsafe check has one owner and no standby.
    pub repeat: Repeat,
}

/// Why a host is not in a preference list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ineligible {
    /// It lacks a label the check demands, or has another value of it.
    Labels,
    /// It serves another tenant only.
    Tenant,
}

impl Ineligible {
    /// The reason as people read it.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Labels => "it lacks a label that the check demands",
            Self::Tenant => "it serves another tenant only",
        }
    }
}

/// Whether this host may run the check at all.
pub fn eligibility(subject: &Subject<'_>, host: &ViewHost) -> Result<(), Ineligible> {
    if host.facts.tenant.is_some_and(|tenant| tenant != subject.tenant) {
        return Err(Ineligible::Tenant);
    }
    let labels = &host.facts.labels;
    if subject.wish.labels.iter().any(|(key, value)| labels.get(key) != Some(value)) {
        return Err(Ineligible::Labels);
    }
    Ok(())
}

/// The hosts that may run the check, registered and not retired, whatever their standing.
pub fn eligible_hosts<'v>(subject: &Subject<'_>, view: &'v View) -> Vec<&'v ViewHost> {
    view.hosts.iter().filter(|host| eligibility(subject, host).is_ok()).collect()
}

/// The owners by rank under this view, of a stream with this preference list.
///
/// Warming hosts come after every active one: they stand by where places are left, and run only
/// where nobody else can.
pub fn owners(preference: &[HostId], view: &View, repeat: Repeat) -> Vec<HostId> {
    let places = if repeat == Repeat::Unsafe { 1 } else { OWNERS };
    ranked(preference, view).take(places).collect()
}

/// All who could own the stream under this view, best first; the owners are the first of these.
pub fn ranked<'a>(preference: &'a [HostId], view: &'a View) -> impl Iterator<Item = HostId> + 'a {
    let standing =
        move |wanted: Standing| preference.iter().copied().filter(move |host| view.standing(*host) == Some(wanted));
    standing(Standing::Active).chain(standing(Standing::Warming))
}

/// The hosts that must hold config and module: the first places of the list, and the owners.
pub fn holders(preference: &[HostId], view: &View, repeat: Repeat) -> Vec<HostId> {
    let mut holders: Vec<HostId> = preference.iter().copied().take(HOLDERS).collect();
    for owner in owners(preference, view, repeat) {
        if !holders.contains(&owner) {
            holders.push(owner);
        }
    }
    holders
}

/// The preference lists of all streams of the check, by the rule that the view names.
pub fn preference_lists(subject: &Subject<'_>, view: &View) -> Vec<Vec<HostId>> {
    Rules::KNOWN.preference_lists(subject, view)
}

/// Whether this build knows the rule that the view names. A view that it cannot read is not to be acted by.
pub fn can_place(view: &View) -> bool {
    Rules::KNOWN.can_place(view)
}

/// One line of an explanation of a stream's placement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The host.
    pub host: HostId,
    /// Its place in the preference list, from 0; `None` when it is not eligible.
    pub place: Option<usize>,
    /// Its rank among the owners, from 0; `None` when it does not own.
    pub rank: Option<usize>,
    /// Why, in words.
    pub because: String,
}

/// Why each host does or does not own the stream of this number.
pub fn explain(subject: &Subject<'_>, number: u16, view: &View) -> Vec<Reason> {
    let list = preference_lists(subject, view).into_iter().nth(number.into()).unwrap_or_default();
    let owners = owners(&list, view, subject.repeat);
    let rank_of = |host: HostId| owners.iter().position(|owner| *owner == host);
    let mut reasons: Vec<Reason> = list
        .iter()
        .enumerate()
        .filter_map(|(place, id)| view.host(*id).map(|host| (place, host)))
        .map(|(place, host)| Reason {
            host: host.id,
            place: Some(place),
            rank: rank_of(host.id),
            because: because(place, host, rank_of(host.id), &list, view),
        })
        .collect();
    reasons.extend(view.hosts.iter().filter_map(|host| {
        let ineligible = eligibility(subject, host).err()?;
        Some(Reason { host: host.id, place: None, rank: None, because: ineligible.reason().to_owned() })
    }));
    reasons
}

fn because(place: usize, host: &ViewHost, rank: Option<usize>, list: &[HostId], view: &View) -> String {
    let facts = &host.facts;
    let shares = list[..place]
        .iter()
        .rev()
        .take(OWNERS)
        .filter_map(|before| view.host(*before))
        .any(|before| before.facts.provider == facts.provider);
    let place_words = match place {
        0 => format!("drawn first among the nearest, in {}", facts.region),
        _ if shares => format!("next in the draw; shares provider {} with an owner before it", facts.provider),
        _ => format!("next in the draw with another provider, {}", facts.provider),
    };
    match (host.standing, rank) {
        (_, Some(rank)) => format!("{place_words}; owns at rank {rank}"),
        (Standing::Active, None) => format!("{place_words}; better places own"),
        (Standing::Warming, None) => format!("{place_words}; still warming"),
        (Standing::Away, None) => format!("{place_words}; away"),
    }
}

#[cfg(test)]
pub(crate) mod tests;
