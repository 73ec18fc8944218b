//! Which host is told of which definitions.

use std::collections::{BTreeMap, BTreeSet};

use farwatch_proto::check::Definition;
use farwatch_proto::id::{CheckId, HostId};

use super::book::Page;
use super::sessions::Changes;
use super::state::State;

impl State {
    /// Tells every linked host what has changed for it in these checks.
    pub(super) fn reassign(&mut self, checks: &BTreeSet<CheckId>) {
        let mut changes: BTreeMap<HostId, Changes> = BTreeMap::new();
        for check in checks {
            self.note_changes(*check, &mut changes);
        }
        for (host, changes) in changes {
            if let Some(session) = self.sessions.get_mut(&host) {
                session.assign(host, changes);
            }
        }
    }

    /// Tells every linked host all that has changed for it.
    pub(super) fn reassign_all(&mut self) {
        let held = self.sessions.values().flat_map(|session| session.holds().collect::<Vec<_>>());
        let checks = self.book.pages().map(|(check, _)| *check).chain(held).collect();
        self.reassign(&checks);
    }

    /// Tells one host all that it has not been told; a host that holds nothing learns even of nothing.
    pub(super) fn assign_to(&mut self, host: HostId) {
        let Some(session) = self.sessions.get(&host) else { return };
        let mut changes = Changes::default();
        for (check, page) in self.book.pages() {
            let holds = page.holders(&self.newest, self.fleet.plan()).contains(&host);
            if holds && !session.was_sent(*check, page.digest()) {
                changes.put.push((*check, page.digest(), definitions(page)));
            }
        }
        let kept = |check: &CheckId| {
            self.book.page(*check).is_some_and(|page| page.holders(&self.newest, self.fleet.plan()).contains(&host))
        };
        changes.forget = session.holds().filter(|check| !kept(check)).collect();
        if let Some(session) = self.sessions.get_mut(&host) {
            session.assign(host, changes);
        }
    }

    fn note_changes(&self, check: CheckId, changes: &mut BTreeMap<HostId, Changes>) {
        let page = self.book.page(check);
        let holders = page.map_or_else(BTreeSet::new, |page| page.holders(&self.newest, self.fleet.plan()));
        for (host, session) in self.sessions.iter().filter(|(_, session)| session.is_linked()) {
            match page.filter(|_| holders.contains(host)) {
                Some(page) if !session.was_sent(check, page.digest()) => {
                    let entry = (check, page.digest(), definitions(page));
                    changes.entry(*host).or_default().put.push(entry);
                }
                None if session.was_sent_any(check) => {
                    changes.entry(*host).or_default().forget.push(check);
                }
                _ => {}
            }
        }
    }
}

fn definitions(page: &Page) -> Vec<Definition> {
    page.entries.iter().map(|entry| entry.definition.clone()).collect()
}
