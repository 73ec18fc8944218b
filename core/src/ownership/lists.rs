//! Preference lists that were computed, kept for the fleets they are asked of.
//!
//! A list depends on who is registered and never on who is alive, so a death costs no draw. A cache and nothing else:
//! without it every answer would be the same.

use std::collections::HashMap;
use std::sync::Arc;

use farwatch_proto::check::{Definition, StreamId};
use farwatch_proto::id::{CheckId, HostId};

use super::views::KnownView;
use crate::placement::{Rules, Subject};

/// The lists of one revision are kept for this many different fleets: the newest and those of plans and of views whose
/// windows are open. Fewer would compute them again at every slot.
const FLEETS_KEPT: usize = 4;

/// The preference lists of all streams of a check.
type OfCheck = Arc<[Arc<[HostId]>]>;

/// Lists by check and revision, then by fleet, oldest first.
#[derive(Clone, Debug)]
pub(super) struct Lists {
    rules: Rules,
    known: HashMap<(CheckId, u32), Vec<(u64, OfCheck)>>,
}

impl Lists {
    /// None yet; they will be made by these rules.
    pub(super) fn by(rules: Rules) -> Self {
        Self { rules, known: HashMap::new() }
    }

    /// The preference list of one stream under this view.
    pub(super) fn list(&mut self, definition: &Definition, stream: StreamId, view: &KnownView) -> Arc<[HostId]> {
        let rules = self.rules;
        let known = self.known.entry((definition.check, definition.revision)).or_default();
        let found = known.iter().find(|(fleet, _)| *fleet == view.fleet).map(|(_, lists)| lists.clone());
        let all = found.unwrap_or_else(|| {
            let computed = compute(rules, definition, view);
            if known.len() >= FLEETS_KEPT {
                known.remove(0);
            }
            known.push((view.fleet, computed.clone()));
            computed
        });
        all.get(usize::from(stream.number)).cloned().unwrap_or_default()
    }

    /// Keeps the lists of the revisions that are still held.
    pub(super) fn retain(&mut self, is_held: impl Fn(CheckId, u32) -> bool) {
        self.known.retain(|(check, revision), _| is_held(*check, *revision));
    }
}

fn compute(rules: Rules, definition: &Definition, view: &KnownView) -> OfCheck {
    let subject = Subject {
        check: definition.check,
        tenant: definition.tenant,
        wish: &definition.placement,
        repeat: definition.repeat,
    };
    rules.preference_lists(&subject, &view.view).into_iter().map(Into::into).collect()
}
