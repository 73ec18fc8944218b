//! The rules of placement that a build knows.
//!
//! A rule may be bettered only where all who place by it change together: a view names the version it is read by. A build
//! knows its own rule and the one before, hosts say which they know, and control raises the version by a planned view once
//! every registered host knows it. It is never lowered. A host that cannot read the view in force owns nothing by it.

use std::collections::BTreeSet;

use farwatch_proto::fleet::{PLACEMENT_VERSION, View};
use farwatch_proto::id::HostId;

use super::Subject;
use super::preference::drafted;

/// The feature by which a host says that it knows the version behind it.
const FEATURE_PREFIX: &str = "placement-";
/// What whoever names none knows: it was built before there was anything to say.
const FIRST_VERSION: u16 = 1;

/// How the preference lists of a check's streams follow from a view, each over every eligible host, alive or not.
pub type Rule = fn(&Subject<'_>, &View) -> Vec<Vec<HostId>>;

/// The rules that somebody knows, each with its version, oldest first.
#[derive(Clone, Copy, Debug)]
pub struct Rules(&'static [(u16, Rule)]);

impl Rules {
    /// Those of this build.
    pub const KNOWN: Self = Self(&[(PLACEMENT_VERSION, drafted)]);

    /// These, each with its version, oldest first.
    pub const fn of(rules: &'static [(u16, Rule)]) -> Self {
        Self(rules)
    }

    /// Whether the rule of this view is among them.
    pub fn can_place(self, view: &View) -> bool {
        self.rule(view.placement_version).is_some()
    }

    /// The lists by the rule that the view names; none where it is not known, so that nobody owns anything by it.
    pub fn preference_lists(self, subject: &Subject<'_>, view: &View) -> Vec<Vec<HostId>> {
        self.rule(view.placement_version).map_or_else(Vec::new, |rule| rule(subject, view))
    }

    /// The versions.
    pub fn versions(self) -> impl Iterator<Item = u16> {
        self.0.iter().map(|(version, _)| *version)
    }

    /// The features by which a host says which it knows.
    pub fn features(self) -> impl Iterator<Item = String> {
        self.versions().map(|version| format!("{FEATURE_PREFIX}{version}"))
    }

    /// The versions that a host knows which has these features.
    pub fn versions_of<'f>(features: impl IntoIterator<Item = &'f str>) -> BTreeSet<u16> {
        let version = |feature: &str| feature.strip_prefix(FEATURE_PREFIX)?.parse().ok();
        let named: BTreeSet<u16> = features.into_iter().filter_map(version).collect();
        if named.is_empty() { BTreeSet::from([FIRST_VERSION]) } else { named }
    }

    fn rule(self, version: u16) -> Option<Rule> {
        self.0.iter().find(|(known, _)| *known == version).map(|(_, rule)| *rule)
    }
}

#[cfg(test)]
mod tests {
    use farwatch_proto::check::{PlacementWish, Repeat};
    use farwatch_proto::id::{CheckId, TenantId};

    use super::*;
    use crate::placement::tests::fleet;

    fn reversed(subject: &Subject<'_>, view: &View) -> Vec<Vec<HostId>> {
        drafted(subject, view).into_iter().map(|list| list.into_iter().rev().collect()).collect()
    }

    #[test]
    fn a_view_is_read_by_the_rule_it_names_and_by_no_other() {
        let rules = Rules::of(&[(1, drafted), (2, reversed)]);
        let wish = PlacementWish { streams: 1, ..PlacementWish::default() };
        let (check, tenant) = (CheckId::from_bytes([1; 16]), TenantId::from_bytes([1; 16]));
        let subject = Subject { check, tenant, wish: &wish, repeat: Repeat::Safe };
        let lists = |version| rules.preference_lists(&subject, &View { placement_version: version, ..fleet(5) });
        assert_eq!(lists(1), Rules::KNOWN.preference_lists(&subject, &fleet(5)));
        assert_eq!(lists(2)[0].iter().rev().copied().collect::<Vec<_>>(), lists(1)[0]);
        assert!(lists(3).is_empty() && !rules.can_place(&View { placement_version: 3, ..fleet(5) }));
    }

    #[test]
    fn what_a_host_says_it_knows_is_understood_and_silence_is_the_first_version() {
        let rules = Rules::of(&[(2, drafted), (3, reversed)]);
        let features: Vec<String> = rules.features().chain(["upgrade".to_owned()]).collect();
        assert_eq!(Rules::versions_of(features.iter().map(String::as_str)), BTreeSet::from([2, 3]));
        assert_eq!(Rules::versions_of(["upgrade", "placement-x"]), BTreeSet::from([1]));
    }
}
