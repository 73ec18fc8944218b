//! The book of checks: every live revision, and where each check's streams belong.
//!
//! Preference lists depend only on who is registered, so they are computed once per fleet and check and
//! kept; owners follow from them and the view. Nothing here talks to hosts or to the database.

use std::collections::{BTreeSet, HashMap};

use farwatch_core::detect::CheckFacts;
use farwatch_core::holding::digest_of_check;
use farwatch_core::placement::{Subject, holders, owners, preference_lists};
use farwatch_proto::check::{Activity, Definition, StreamId};
use farwatch_proto::fleet::View;
use farwatch_proto::id::{CheckId, ContactId, HostId};
use farwatch_proto::time::UnixMs;

/// A revision with what only control needs of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    /// What hosts hold.
    pub(super) definition: Definition,
    /// What customers call it.
    pub(super) name: String,
    /// What it watches, where that can be said in a line.
    pub(super) target: Option<String>,
    /// Whom to tell.
    pub(super) contacts: Vec<ContactId>,
    /// How many bad votes the check demands.
    pub(super) need: Option<u8>,
}

/// One check: its live revisions, oldest first, and its streams' preference lists.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Page {
    /// Revisions in force or pending; never empty.
    pub(super) entries: Vec<Entry>,
    /// One list per stream of the newest revision.
    pub(super) lists: Vec<Vec<HostId>>,
    /// The lists under the announced view, where it registers other hosts than the newest one.
    planned: Option<Vec<Vec<HostId>>>,
    /// What tells whether a host holds it as it is now; it follows from the entries.
    digest: u64,
}

impl Page {
    /// The revision in force at this moment.
    pub(super) fn in_force_at(&self, moment: UnixMs) -> Option<&Entry> {
        self.entries.iter().rev().find(|entry| entry.definition.in_force_from.is_some_and(|from| from <= moment))
    }

    /// The newest revision, in force or not.
    pub(super) fn latest(&self) -> &Entry {
        self.entries.last().expect("a page has at least one entry")
    }

    /// When the next of its revisions comes into force that is not yet.
    pub(super) fn turns_after(&self, moment: UnixMs) -> Option<UnixMs> {
        let borders = self.entries.iter().filter_map(|entry| entry.definition.in_force_from);
        borders.filter(|from| *from > moment).min()
    }

    /// The newest revision while it is pending.
    pub(super) fn pending(&self) -> Option<&Entry> {
        Some(self.latest()).filter(|entry| entry.definition.in_force_from.is_none())
    }

    /// The owners of every stream under this view.
    pub(super) fn owners(&self, view: &View) -> Vec<Vec<HostId>> {
        let repeat = self.latest().definition.repeat;
        self.lists.iter().map(|list| owners(list, view, repeat)).collect()
    }

    /// The owners of one stream under this view.
    pub(super) fn owners_of(&self, stream: StreamId, view: &View) -> Vec<HostId> {
        let list = self.lists.get(usize::from(stream.number));
        list.map_or_else(Vec::new, |list| owners(list, view, self.latest().definition.repeat))
    }

    /// The hosts that must hold its revisions, under the newest view and the announced one.
    pub(super) fn holders(&self, newest: &View, plan: Option<&View>) -> BTreeSet<HostId> {
        let repeat = self.latest().definition.repeat;
        let under = |lists: &[Vec<HostId>], view: &View| -> BTreeSet<HostId> {
            lists.iter().flat_map(|list| holders(list, view, repeat)).collect()
        };
        let mut all = under(&self.lists, newest);
        if let Some(plan) = plan {
            all.extend(under(self.planned.as_ref().unwrap_or(&self.lists), plan));
        }
        all
    }

    /// What tells whether a host holds the page as it is now.
    pub(super) const fn digest(&self) -> u64 {
        self.digest
    }

    fn digest_of(entries: &[Entry]) -> u64 {
        digest_of_check(entries.iter().map(|entry| &entry.definition))
    }

    /// What the detector reads of the revision in force now; `may_ask` is whether hosts have places for one more round.
    pub(super) fn facts(&self, now: UnixMs, may_ask: bool) -> Option<CheckFacts> {
        let entry = self.in_force_at(now)?;
        let definition = &entry.definition;
        Some(CheckFacts {
            check: definition.check,
            revision: definition.revision,
            interval: definition.interval,
            timeout_ms: definition.timeout_ms,
            repeat: definition.repeat,
            need: entry.need,
            may_ask,
        })
    }
}

/// All checks.
#[derive(Debug, Default)]
pub(super) struct Book {
    pages: HashMap<CheckId, Page>,
    /// Those whose newest revision is pending: few, and asked for ten times a second.
    pending: BTreeSet<CheckId>,
}

impl Book {
    /// The page of a check.
    pub(super) fn page(&self, check: CheckId) -> Option<&Page> {
        self.pages.get(&check)
    }

    /// All pages.
    pub(super) fn pages(&self) -> impl Iterator<Item = (&CheckId, &Page)> {
        self.pages.iter()
    }

    /// The pages whose newest revision is pending.
    pub(super) fn pending(&self) -> impl Iterator<Item = (CheckId, &Page)> {
        self.pending.iter().filter_map(|check| Some((*check, self.pages.get(check)?)))
    }

    /// All pages by check.
    pub(super) const fn all(&self) -> &HashMap<CheckId, Page> {
        &self.pages
    }

    /// Replaces what is held of a check; without entries it is forgotten.
    pub(super) fn put(&mut self, check: CheckId, entries: Vec<Entry>, view: &View) {
        if entries.is_empty() {
            self.pages.remove(&check);
            self.pending.remove(&check);
            return;
        }
        let digest = Page::digest_of(&entries);
        let mut page = Page { entries, lists: Vec::new(), planned: None, digest };
        page.lists = lists_of(&page, view);
        match page.pending() {
            Some(_) => self.pending.insert(check),
            None => self.pending.remove(&check),
        };
        self.pages.insert(check, page);
    }

    /// Marks a pending revision as in force from this border, and forgets those before the one it follows.
    pub(super) fn enforce(&mut self, check: CheckId, revision: u32, from: UnixMs) {
        let Some(page) = self.pages.get_mut(&check) else { return };
        for entry in page.entries.iter_mut().filter(|entry| entry.definition.revision == revision) {
            entry.definition.in_force_from = Some(from);
        }
        page.digest = Page::digest_of(&page.entries);
        if page.pending().is_none() {
            self.pending.remove(&check);
        }
    }

    /// Forgets revisions that no open window can ask for, and checks whose deletion is in force, which are returned.
    pub(super) fn forget_settled(&mut self, now: UnixMs) -> Vec<CheckId> {
        let mut forgotten = Vec::new();
        self.pages.retain(|check, page| {
            let settled = page.entries.iter().rposition(|entry| is_settled(entry, now));
            page.entries.drain(..settled.unwrap_or(0));
            let is_deleted = page.entries.len() == 1 && page.latest().definition.activity == Activity::Deleted;
            let is_gone = is_deleted && settled.is_some();
            forgotten.extend(is_gone.then_some(*check));
            !is_gone
        });
        forgotten
    }

    /// Computes every list anew for a newest view with other hosts.
    pub(super) fn place(&mut self, newest: &View) {
        for page in self.pages.values_mut() {
            page.lists = lists_of(page, newest);
            page.planned = None;
        }
    }

    /// Computes the lists of an announced view with other hosts, or forgets them.
    pub(super) fn plan(&mut self, newest: &View, plan: Option<&View>) {
        let plan = with_other_hosts(newest, plan);
        for page in self.pages.values_mut() {
            page.planned = plan.map(|plan| lists_of(page, plan));
        }
    }

    /// The same for one check, which has changed.
    pub(super) fn plan_one(&mut self, check: CheckId, newest: &View, plan: Option<&View>) {
        let plan = with_other_hosts(newest, plan);
        if let Some(page) = self.pages.get_mut(&check) {
            page.planned = plan.map(|plan| lists_of(page, plan));
        }
    }

    /// The hosts that run streams under `next` which they do not run under `newest`, where the lists
    /// are those of `next`'s fleet.
    pub(super) fn gainers(&self, newest: &View, next: &View) -> BTreeSet<HostId> {
        let changes_lists = registered(newest) != registered(next);
        let mut gainers = BTreeSet::new();
        for page in self.pages.values() {
            let lists = if changes_lists { lists_of(page, next) } else { page.lists.clone() };
            let repeat = page.latest().definition.repeat;
            for (before, after) in page.lists.iter().zip(&lists) {
                let first_before = owners(before, newest, repeat).first().copied();
                gainers
                    .extend(owners(after, next, repeat).first().copied().filter(|first| Some(*first) != first_before));
            }
        }
        gainers
    }
}

/// Spools that come back bring results of revisions this old.
const SPOOL_MEMORY_MS: i64 = 25 * 3_600_000;
/// A revision that was overtaken longer ago is settled, whatever its interval: the longest is a day.
pub(super) const REVISION_MEMORY_MS: i64 = SPOOL_MEMORY_MS + 24 * 3_600_000;

/// A revision is settled when no result of the one before it can come any more.
fn is_settled(entry: &Entry, now: UnixMs) -> bool {
    entry
        .definition
        .in_force_from
        .is_some_and(|from| now.since(from) > SPOOL_MEMORY_MS + entry.definition.interval.ms())
}

/// An announced view, where it registers other hosts than the newest one, or places by another rule.
fn with_other_hosts<'v>(newest: &View, plan: Option<&'v View>) -> Option<&'v View> {
    plan.filter(|plan| registered(plan) != registered(newest))
}

fn lists_of(page: &Page, view: &View) -> Vec<Vec<HostId>> {
    let definition = &page.latest().definition;
    let subject = Subject {
        check: definition.check,
        tenant: definition.tenant,
        wish: &definition.placement,
        repeat: definition.repeat,
    };
    preference_lists(&subject, view)
}

/// What placement reads of a view but the standings.
pub(super) fn registered(view: &View) -> (u16, Vec<(HostId, &farwatch_proto::fleet::HostFacts)>) {
    (view.placement_version, view.hosts.iter().map(|host| (host.id, &host.facts)).collect())
}
