//! Follows what customers and operators change: the config log into the book, pending revisions into force, and what is
//! held of checks that make no slots due any more to its end.

use std::collections::BTreeSet;

use farwatch_core::detect::Input;
use farwatch_core::revision::{Cadence, border, is_held};
use farwatch_core::slot::Schedule;
use farwatch_proto::check::{Activity, StreamId};
use farwatch_proto::id::CheckId;
use farwatch_proto::time::UnixMs;
use tracing::info;

use super::book::{Entry, Page};
use super::draft::Now;
use super::reign::Reign;
use super::takeover::{by_check, registered_hosts};
use crate::store::{Enforcement, Entity};

/// Config log entries read at once.
const CONFIG_AT_ONCE: u32 = 1_000;

impl Reign<'_> {
    /// Reads the config log from where it was left, and whatever it names.
    pub(super) async fn follow_config(&mut self, now: Now) -> anyhow::Result<()> {
        let store = &self.config.store;
        loop {
            let changes = store.config_log().changes_after(self.state.config, CONFIG_AT_ONCE).await?;
            let Some(last) = changes.last() else { return Ok(()) };
            let after = std::mem::replace(&mut self.state.config, last.stamp);
            if changes.iter().any(|change| matches!(change.entity, Entity::Host(_))) {
                self.state.fleet.register(registered_hosts(store).await?);
            }
            let revisions = store.checks().definitions_changed(after, last.stamp).await?;
            let changed = by_check(revisions)?;
            let definitions = changed.values().flatten().map(|entry| &entry.definition);
            self.state.secrets.learn(definitions, &changes, &self.config.vault, now.wall).await?;
            for (check, entries) in changed {
                self.take_up(check, entries, now);
            }
            self.end_checks(now);
        }
    }

    /// Merges changed revisions of a check into the book and tells the hosts.
    fn take_up(&mut self, check: CheckId, changed: Vec<Entry>, now: Now) {
        if self.state.book.page(check).is_none() {
            self.state.never_judged.insert(check);
        }
        let mut entries = self.state.book.page(check).map_or_else(Vec::new, |page| page.entries.clone());
        for entry in changed {
            let revision = entry.definition.revision;
            // A revision that was overtaken while it was pending never comes into force.
            entries.retain(|held| {
                held.definition.revision != revision
                    && (held.definition.in_force_from.is_some() || held.definition.revision > revision)
            });
            entries.push(entry);
        }
        entries.sort_by_key(|entry| entry.definition.revision);
        self.state.book.put(check, entries, &self.state.newest);
        self.state.book.plan_one(check, &self.state.newest, self.state.fleet.plan());
        self.state.recount(check, now.wall);
        self.state.reassign(&BTreeSet::from([check]));
    }

    /// Puts pending revisions in force whose hosts hold them.
    pub(super) async fn enforce_revisions(&mut self, now: Now) -> anyhow::Result<()> {
        let state = &self.state;
        let held = |page: &Page, check: CheckId| {
            is_held(&page.owners(&state.newest), |host| {
                state.sessions.get(&host).is_some_and(|session| session.holds_latest(check))
            })
        };
        let pending = state.book.pending().filter(|(check, page)| held(page, *check));
        let wanted: Vec<Enforcement> = pending
            .map(|(check, page)| Enforcement {
                check,
                revision: page.latest().definition.revision,
                from: border_of(page, now.wall),
            })
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let enforced = self.config.store.checks().put_in_force(state.epoch, &wanted, now.wall).await?;
        for Enforcement { check, revision, from } in &enforced {
            info!(%check, revision, %from, "revision in force");
            self.state.book.enforce(*check, *revision, *from);
            if self.state.book.page(*check).is_some_and(|page| page.latest().definition.activity == Activity::Paused) {
                self.state.never_judged.insert(*check);
            }
            self.state.recount(*check, now.wall);
            self.heartbeats.look_at(*check, now.wall);
        }
        self.state.reassign(&enforced.iter().map(|enforcement| enforcement.check).collect());
        Ok(())
    }

    /// Ends the episodes of checks that make no slots due any more.
    pub(super) fn end_checks(&mut self, now: Now) {
        for (check, ending) in self.state.census.ended() {
            let first = StreamId { check, number: 0 };
            self.draft.tell(&self.state, check, first, Input::Ended(ending), now);
        }
    }
}

fn cadence(page: &Page, at: Option<UnixMs>) -> Option<Cadence> {
    let entry = at.map_or_else(|| Some(page.latest()), |at| page.in_force_at(at))?;
    let definition = &entry.definition;
    Some(Cadence {
        activity: definition.activity,
        interval: definition.interval,
        streams: definition.placement.streams,
    })
}

/// The slot border from which the page's newest revision is to count; what nobody runs counts at once.
fn border_of(page: &Page, now: UnixMs) -> UnixMs {
    let definition = &page.latest().definition;
    if definition.is_heartbeat() {
        return now;
    }
    let first = StreamId { check: definition.check, number: 0 };
    let schedule = Schedule::of(first, definition.interval, definition.placement.streams);
    let new = cadence(page, None).expect("a page has a newest revision");
    border(&schedule, new, cadence(page, Some(now)), now)
}
