//! Which host is told of which definitions.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use farwatch_proto::check::Definition;
use farwatch_proto::id::{CheckId, HostId};

use super::book::{Entry, Page};
use super::sessions::{Changes, Session};
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

    /// Tells one host all of what it should hold that it has not been told; a host that holds nothing learns even of
    /// nothing.
    pub(super) fn assign_to(&mut self, host: HostId, due: &[(CheckId, u64)]) {
        let Some(session) = self.sessions.get(&host) else { return };
        let mut changes = Changes::default();
        for (check, digest) in due {
            if let Some(page) = self.book.page(*check).filter(|_| !session.was_sent(*check, *digest)) {
                changes.put.push((*check, *digest, self.definitions(page, session)));
            }
        }
        let kept: HashSet<CheckId> = due.iter().map(|(check, _)| *check).collect();
        changes.forget = session.holds().filter(|check| !kept.contains(check)).collect();
        if let Some(session) = self.sessions.get_mut(&host) {
            session.assign(host, changes);
        }
    }

    /// What this host should hold under the newest view and the announced one, with the digest of each.
    pub(super) fn due_to(&self, host: HostId) -> Vec<(CheckId, u64)> {
        let is_holder = |page: &Page| page.holders(&self.newest, self.fleet.plan()).contains(&host);
        let pages = self.book.pages().filter(|(_, page)| is_holder(page));
        pages.map(|(check, page)| (*check, page.digest())).collect()
    }

    fn note_changes(&self, check: CheckId, changes: &mut BTreeMap<HostId, Changes>) {
        let page = self.book.page(check);
        let holders = page.map_or_else(BTreeSet::new, |page| page.holders(&self.newest, self.fleet.plan()));
        for (host, session) in self.sessions.iter().filter(|(_, session)| session.is_linked()) {
            match page.filter(|_| holders.contains(host)) {
                Some(page) if !session.was_sent(check, page.digest()) => {
                    let entry = (check, page.digest(), self.definitions(page, session));
                    changes.entry(*host).or_default().put.push(entry);
                }
                None if session.was_sent_any(check) => {
                    changes.entry(*host).or_default().forget.push(check);
                }
                _ => {}
            }
        }
    }

    /// What this host is told of a check, with the secrets that it alone can open.
    fn definitions(&self, page: &Page, session: &Session) -> Vec<Definition> {
        let seal = |entry: &Entry| self.secrets.sealed_for(session.sealing_key.as_ref(), &entry.definition);
        page.entries.iter().map(seal).collect()
    }
}
