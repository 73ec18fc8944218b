//! The programs of the simulated fleet: the one it begins with, and its successor, which knows one more rule of placement.
//!
//! The next rule is of these worlds alone. It draws anew, so that nearly every stream moves when it comes into force.

use farwatch_core::placement::{Rules, Subject};
use farwatch_proto::fleet::{PLACEMENT_VERSION, View};
use farwatch_proto::id::{CheckId, HostId, ReleaseHash};

/// The rule that the fleet begins with.
pub(crate) const FIRST_RULE: u16 = PLACEMENT_VERSION;
/// The one that it goes over to once every host knows it.
pub(crate) const NEXT_RULE: u16 = PLACEMENT_VERSION + 1;

/// What a host runs. Control is upgraded before any host, and knows all that the new one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    Old,
    New,
}

impl Program {
    /// It as a release.
    pub(crate) const fn release(self) -> ReleaseHash {
        ReleaseHash([self as u8; 32])
    }

    /// The rules of placement that it knows.
    pub(crate) const fn rules(self) -> Rules {
        match self {
            Self::Old => Rules::of(&[(FIRST_RULE, lists)]),
            Self::New => Rules::of(&[(FIRST_RULE, lists), (NEXT_RULE, other_lists)]),
        }
    }
}

fn lists(subject: &Subject<'_>, view: &View) -> Vec<Vec<HostId>> {
    Rules::KNOWN.preference_lists(subject, &View { placement_version: FIRST_RULE, ..view.clone() })
}

/// What the first rule would say of another check.
fn other_lists(subject: &Subject<'_>, view: &View) -> Vec<Vec<HostId>> {
    let check = CheckId::of_key(&[b"drawn anew", subject.check.as_bytes()]);
    lists(&Subject { check, ..*subject }, view)
}
