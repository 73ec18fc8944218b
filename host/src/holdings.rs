//! What this host holds: definitions, views and loaded modules, as one snapshot that shards read.
//!
//! A snapshot never changes; a change makes the next one. Which revision a slot is run by and what the
//! host owes it is asked here and decided in `core`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use farwatch_core::hash::hash64;
use farwatch_core::holding::{digest_of_all, digest_of_check};
use farwatch_core::ownership::{Duty, Views, duty};
use farwatch_core::placement::{Subject, preference_lists};
use farwatch_core::slot::Schedule;
use farwatch_proto::check::{Activity, Definition, StreamId};
use farwatch_proto::fleet::View;
use farwatch_proto::id::{CheckId, HostId, ModuleHash};
use farwatch_proto::time::{Stamp, UnixMs};
use farwatch_sandbox::Module;

/// The preference lists of one revision are kept for this many different fleets: the newest and those of
/// plans and of views whose windows are open. Fewer would compute them again at every slot.
const FLEETS_KEPT: usize = 4;

/// All revisions of one check that this host was given, ordered by revision.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) revisions: Vec<Revision>,
    /// What tells these revisions from any others.
    digest: u64,
}

/// One revision, and what has been computed for it.
#[derive(Debug)]
pub(crate) struct Revision {
    pub(crate) definition: Definition,
    /// By fleet, oldest first.
    lists: Mutex<Vec<(u64, Lists)>>,
}

/// The preference lists of all streams of a check.
type Lists = Arc<[Arc<[HostId]>]>;

/// Everything, at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holdings {
    pub(crate) checks: Arc<HashMap<CheckId, Arc<Held>>>,
    pub(crate) modules: Arc<HashMap<ModuleHash, Module>>,
    /// Modules that will never load on this host.
    pub(crate) refused: Arc<BTreeMap<ModuleHash, String>>,
    pub(crate) views: Arc<Views>,
    /// What tells the fleets of the held views apart, by the views' numbers.
    fleets: Arc<HashMap<Stamp, u64>>,
}

impl Held {
    pub(crate) fn new(mut definitions: Vec<Definition>) -> Self {
        definitions.sort_by_key(|definition| definition.revision);
        let digest = digest_of_check(definitions.iter());
        let revision = |definition| Revision { definition, lists: Mutex::default() };
        Self { revisions: definitions.into_iter().map(revision).collect(), digest }
    }

    /// The revision in force for this slot.
    pub(crate) fn in_force_at(&self, slot: UnixMs) -> Option<&Revision> {
        self.revisions.iter().rev().find(|revision| revision.from().is_some_and(|from| from <= slot))
    }

    /// The revision of this number.
    pub(crate) fn revision(&self, number: u32) -> Option<&Revision> {
        self.revisions.iter().find(|revision| revision.definition.revision == number)
    }

    /// The most streams any of its revisions has.
    pub(crate) fn streams(&self) -> u16 {
        self.revisions.iter().map(|revision| revision.definition.placement.streams).max().unwrap_or(0)
    }

    /// The first slot of this stream at or after `from` that is due under the revision in force for it.
    pub(crate) fn next_slot(&self, stream: StreamId, mut from: UnixMs) -> Option<UnixMs> {
        loop {
            let later = self.revisions.iter().filter_map(Revision::from).filter(|border| *border > from).min();
            let due = self.in_force_at(from).filter(|revision| revision.makes_due(stream));
            let slot = due.map(|revision| revision.schedule(stream).slot_at_or_after(from));
            match (slot, later) {
                (Some(slot), Some(border)) if slot >= border => from = border,
                (Some(slot), _) => return Some(slot),
                (None, Some(border)) => from = border,
                (None, None) => return None,
            }
        }
    }
}

impl Revision {
    fn from(&self) -> Option<UnixMs> {
        self.definition.in_force_from
    }

    fn makes_due(&self, stream: StreamId) -> bool {
        self.definition.activity == Activity::Active && stream.number < self.definition.placement.streams
    }

    pub(crate) fn schedule(&self, stream: StreamId) -> Schedule {
        Schedule::of(stream, self.definition.interval, self.definition.placement.streams)
    }

    fn list(&self, number: u16, view: &View, fleet: u64) -> Arc<[HostId]> {
        let mut lists = self.lists.lock().expect("no holder of this lock panics");
        let known = lists.iter().find(|(known, _)| *known == fleet).map(|(_, lists)| lists.clone());
        let all = known.unwrap_or_else(|| {
            let definition = &self.definition;
            let subject = Subject {
                check: definition.check,
                tenant: definition.tenant,
                wish: &definition.placement,
                repeat: definition.repeat,
            };
            let computed: Lists = preference_lists(&subject, view).into_iter().map(Into::into).collect();
            if lists.len() >= FLEETS_KEPT {
                lists.remove(0);
            }
            lists.push((fleet, computed.clone()));
            computed
        });
        all.get(usize::from(number)).cloned().unwrap_or_default()
    }
}

impl Holdings {
    /// The same with other definitions.
    #[must_use]
    pub(crate) fn with_checks(&self, checks: HashMap<CheckId, Arc<Held>>) -> Self {
        Self { checks: Arc::new(checks), ..self.clone() }
    }

    /// The same with one more module.
    #[must_use]
    pub(crate) fn with_module(&self, hash: ModuleHash, module: Module) -> Self {
        let mut modules = self.modules.as_ref().clone();
        modules.insert(hash, module);
        Self { modules: Arc::new(modules), ..self.clone() }
    }

    /// The same, knowing that this module will never load.
    #[must_use]
    pub(crate) fn with_refused(&self, hash: ModuleHash, reason: String) -> Self {
        let mut refused = self.refused.as_ref().clone();
        refused.insert(hash, reason);
        Self { refused: Arc::new(refused), ..self.clone() }
    }

    /// The same without what no held revision needs.
    #[must_use]
    pub(crate) fn without_unneeded_modules(&self) -> Self {
        let needed = self.needed_modules();
        let (mut modules, mut refused) = (self.modules.as_ref().clone(), self.refused.as_ref().clone());
        modules.retain(|hash, _| needed.contains(hash));
        refused.retain(|hash, _| needed.contains(hash));
        Self { modules: Arc::new(modules), refused: Arc::new(refused), ..self.clone() }
    }

    /// Whether it is known of this module that it loads or that it never will.
    pub(crate) fn is_settled(&self, module: &ModuleHash) -> bool {
        self.modules.contains_key(module) || self.refused.contains_key(module)
    }

    /// What tells all definitions from any others.
    pub(crate) fn digest(&self) -> u64 {
        digest_of_all(self.checks.values().map(|held| held.digest))
    }

    /// All definitions.
    pub(crate) fn definitions(&self) -> impl Iterator<Item = &Definition> {
        self.checks.values().flat_map(|held| &held.revisions).map(|revision| &revision.definition)
    }

    /// The same with other views.
    #[must_use]
    pub(crate) fn with_views(&self, views: Views) -> Self {
        let (in_force, plans) = views.parts();
        let fleets = in_force.iter().chain(plans).map(|view| (view.number, fleet_of(view))).collect();
        Self { views: Arc::new(views), fleets: Arc::new(fleets), ..self.clone() }
    }

    /// The revision by which this slot of a stream is run, if it is due.
    pub(crate) fn due<'h>(&self, held: &'h Held, stream: StreamId, slot: UnixMs) -> Option<&'h Revision> {
        let revision = held.in_force_at(slot).filter(|revision| revision.makes_due(stream))?;
        revision.schedule(stream).is_slot(slot).then_some(revision)
    }

    /// What this host owes the slot.
    pub(crate) fn duty(&self, me: HostId, revision: &Revision, stream: StreamId, slot: UnixMs, now: UnixMs) -> Duty {
        let definition = &revision.definition;
        let list = |view: &View| {
            let fleet = self.fleets.get(&view.number).copied().unwrap_or_default();
            revision.list(stream.number, view, fleet)
        };
        duty(me, slot, definition.interval, now, &self.views, definition.repeat, list)
    }

    /// The modules that any held revision needs.
    pub(crate) fn needed_modules(&self) -> BTreeSet<ModuleHash> {
        self.definitions().map(|definition| definition.module).collect()
    }
}

/// What tells fleets apart whose preference lists differ: who is registered, and as what.
fn fleet_of(view: &View) -> u64 {
    let facts: Vec<_> = view.hosts.iter().map(|host| (host.id, &host.facts)).collect();
    hash64(&serde_json::to_vec(&facts).expect("facts are plain data, so they always serialise"))
}

#[cfg(test)]
mod tests {
    use farwatch_proto::check::{PlacementWish, Repeat};
    use farwatch_proto::id::TenantId;
    use farwatch_proto::interval::Interval;

    use super::*;

    const CHECK: CheckId = CheckId::from_bytes([5; 16]);
    const STREAM: StreamId = StreamId { check: CHECK, number: 0 };

    fn definition(revision: u32, seconds: u32, activity: Activity, from: Option<i64>) -> Definition {
        Definition {
            check: CHECK,
            tenant: TenantId::from_bytes([1; 16]),
            revision,
            activity,
            module: ModuleHash([2; 32]),
            prepared: Vec::new(),
            interval: Interval::from_seconds(seconds).unwrap(),
            timeout_ms: 1000,
            placement: PlacementWish { streams: 1, ..PlacementWish::default() },
            repeat: Repeat::Safe,
            in_force_from: from.map(UnixMs),
        }
    }

    fn slots(held: &Held, count: usize) -> Vec<UnixMs> {
        let next = |from: UnixMs| held.next_slot(STREAM, from);
        std::iter::successors(next(UnixMs(0)), |slot| next(*slot + 1)).take(count).collect()
    }

    #[test]
    fn a_pending_revision_makes_nothing_due_and_the_newest_in_force_counts() {
        let pending = Held::new(vec![definition(1, 10, Activity::Active, None)]);
        assert!(slots(&pending, 3).is_empty() && pending.in_force_at(UnixMs(i64::MAX)).is_none());
        let held = Held::new(vec![
            definition(3, 10, Activity::Active, None),
            definition(2, 10, Activity::Active, Some(50_000)),
            definition(1, 10, Activity::Active, Some(0)),
        ]);
        assert_eq!(held.in_force_at(UnixMs(49_999)).map(|it| it.definition.revision), Some(1));
        assert_eq!(held.in_force_at(UnixMs(50_000)).map(|it| it.definition.revision), Some(2));
        assert!(held.revision(3).is_some());
    }

    #[test]
    fn the_schedule_changes_at_the_border_and_ends_with_a_pause() {
        let held = Held::new(vec![
            definition(1, 10, Activity::Active, Some(0)),
            definition(2, 30, Activity::Active, Some(60_000)),
            definition(3, 30, Activity::Paused, Some(150_000)),
        ]);
        let all = slots(&held, 100);
        let (before, after): (Vec<UnixMs>, Vec<UnixMs>) = all.iter().copied().partition(|slot| slot.0 < 60_000);
        assert_eq!((before.len(), after.len()), (6, 3), "{all:?}");
        assert!(after.iter().all(|slot| slot.0 < 150_000));
        for (index, seconds) in [(0, 10), (1, 30)] {
            let schedule = held.revisions[index].schedule(STREAM);
            let mine = if seconds == 10 { &before } else { &after };
            assert!(mine.iter().all(|slot| schedule.is_slot(*slot)));
        }
    }
}
