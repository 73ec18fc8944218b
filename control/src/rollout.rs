//! Rollouts: a check that names its module by a range or as the latest is moved to a newer version, once a canary of it has
//! shown that the two find the same.
//!
//! A run of the task looks for checks that mean another version than they are run by and begins a canary for each; the
//! canaries go on by themselves. Nothing of them is kept: with a new leader they begin anew, and what they come to, a
//! revision or a version that is held back, is a row. Only the leader's process does this. It never moves a check back:
//! until its canary has passed, a check has never left the version it had.

mod beside;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use farwatch_proto::id::{CheckId, ModuleHash, TenantId};
use tokio::sync::Notify;
use tracing::{info, warn};

use crate::api::ModuleJudge;
use crate::clock::Clock;
use crate::leader::LeaderHandle;
use crate::spawn::Spawner;
use crate::spec::{ModuleName, Spec};
use crate::store::{Module, ModuleHold, Revision, Store};
use crate::tail::Tail;
use crate::tasks::TaskList;
use beside::{Beside, End};

/// How often checks are looked for: the shortest interval, for a canary begins with a slot.
const PERIOD: Duration = Duration::from_secs(5);
/// Checks looked at by one run.
const LOOKED_AT_ONCE: u32 = 500;
/// Canaries at once. At ten seconds they make 13 runs a second in the whole fleet, which is a hundredth of what one host
/// can do; a thousand checks have moved within a quarter of an hour.
const CANARIES_MAX: usize = 128;

/// What a canary needs.
#[derive(Clone)]
struct House {
    store: Store,
    modules: ModuleJudge,
    tail: Tail,
    leader: LeaderHandle,
    clock: Clock,
    spawner: Spawner,
    places: Places,
}

/// The checks that have a canary.
#[derive(Clone, Default)]
struct Places {
    taken: Arc<Mutex<BTreeSet<CheckId>>>,
}

/// The canary of one check, until it is dropped, which it also is where its task panics.
struct Place {
    check: CheckId,
    places: Places,
}

impl Places {
    /// The place of this check, unless it has one or there are enough.
    fn take(&self, check: CheckId) -> Option<Place> {
        let mut taken = self.taken();
        (taken.len() < CANARIES_MAX && taken.insert(check)).then(|| Place { check, places: self.clone() })
    }

    fn taken(&self) -> MutexGuard<'_, BTreeSet<CheckId>> {
        self.taken.lock().expect("no holder of this lock panics")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken().remove(&self.check);
    }
}

/// What a name of a tenant stands for.
struct Known {
    named: Vec<Module>,
    held: BTreeMap<ModuleHash, ModuleHold>,
}

/// Moves checks while this process leads.
pub(crate) fn start(
    spawner: &Spawner,
    tasks: &TaskList,
    (store, modules): (Store, ModuleJudge),
    (tail, leader): (Tail, LeaderHandle),
    clock: Clock,
) {
    let about = ("rollout", "Runs newer versions of modules beside the older, and moves checks to them.", PERIOD);
    let house = House { store, modules, tail, leader, clock, spawner: spawner.clone(), places: Places::default() };
    let reached: Arc<Mutex<Option<CheckId>>> = Arc::default();
    tasks.run(spawner, about, Arc::new(Notify::new()), move || {
        let (house, reached) = (house.clone(), reached.clone());
        async move {
            if !house.leader.status().leads {
                return Ok(());
            }
            let after = *reached.lock().expect("no holder of this lock panics");
            let last = house.look(after).await?;
            *reached.lock().expect("no holder of this lock panics") = last;
            Ok(())
        }
    });
}

impl House {
    /// Looks at some checks after this one. The last of them, unless they were the last of all.
    async fn look(&self, after: Option<CheckId>) -> anyhow::Result<Option<CheckId>> {
        let behind = self.store.rollouts().behind(after, LOOKED_AT_ONCE).await?;
        let last = behind.last().filter(|_| behind.len() == LOOKED_AT_ONCE as usize).map(|revision| revision.check);
        let mut known: BTreeMap<(TenantId, String), Known> = BTreeMap::new();
        for revision in behind {
            let Some(meant) = name_in(&revision).filter(ModuleName::is_open) else { continue };
            let Some(word) = meant.word().map(str::to_owned) else { continue };
            let key = (revision.tenant, word);
            if !known.contains_key(&key) {
                let named = self.store.modules().named(key.0, &key.1).await?;
                let held = self.store.rollouts().held(key.0).await?;
                known.insert(key.clone(), Known { named, held });
            }
            if let Some((older, newer)) = known.get(&key).and_then(|known| step_of(&meant, revision.module, known)) {
                self.begin(revision, older, newer);
            }
        }
        Ok(last)
    }

    /// Begins a canary, unless the check has one or there are enough.
    fn begin(&self, revision: Revision, older: Module, newer: Module) {
        let check = revision.check;
        let Some(place) = self.places.take(check) else { return };
        info!(%check, module = newer.name, from = older.version, to = newer.version, "a canary begins");
        let house = self.clone();
        self.spawner.spawn("canary", async move {
            let _place = place;
            let (from, to, module) = (older.version.clone(), newer.version.clone(), newer.name.clone());
            match Beside::new(&house, revision, older, newer).run().await {
                Ok(End::Moved) => info!(%check, module, from, to, "a check is moved to a newer version of its module"),
                Ok(End::Held { why }) => warn!(%check, module, from, to, why, "a version of a module is held back"),
                Ok(End::Overtaken) => {}
                Err(error) => warn!(%check, module, to, error = format!("{error:#}"), "a canary could not go on"),
            }
        });
    }
}

/// How a check names its module.
fn name_in(revision: &Revision) -> Option<ModuleName> {
    Spec::parse(&revision.spec).ok()?.wish.module.parse().ok()
}

/// The version that a check is run by and the one that it means, where that is a newer one of the same owner that is not
/// held back.
fn step_of(meant: &ModuleName, runs: ModuleHash, known: &Known) -> Option<(Module, Module)> {
    let older = known.named.iter().find(|module| module.hash == runs)?;
    let newer = known.named.iter().take_while(|module| module.hash != runs);
    let tried: Vec<&Module> =
        newer.filter(|module| module.tenant == older.tenant && !known.held.contains_key(&module.hash)).collect();
    let wanted = [tried, vec![older]].concat();
    let newer = meant.choose(&wanted, |module| &module.version)?;
    (newer.hash != runs).then(|| (older.clone(), (*newer).clone()))
}

#[cfg(test)]
mod tests {
    use farwatch_proto::time::UnixMs;

    use super::*;

    const MINE: Option<TenantId> = Some(TenantId::from_bytes([1; 16]));

    fn release(tenant: Option<TenantId>, version: &str) -> Module {
        let hash = ModuleHash::of(format!("{tenant:?} {version}").as_bytes());
        Module { hash, tenant, name: "page".to_owned(), version: version.to_owned(), released: UnixMs(0) }
    }

    /// The version that a check is moved to which names its module so and is run by this version of the tenant's own.
    fn moved(said: &str, runs: &str, held: &[&str]) -> Option<String> {
        let versions = ["2.0.0", "1.3.0", "1.2.1", "1.4.0-rc.1", "1.2.0"].map(|version| release(MINE, version));
        let named = versions.into_iter().chain([release(None, "9.0.0")]).collect();
        let hold = |version: &&str| {
            (release(MINE, version).hash, ModuleHold { why: "it trapped".to_owned(), held: UnixMs(0) })
        };
        let known = Known { named, held: held.iter().map(hold).collect() };
        let runs = release(MINE, runs).hash;
        step_of(&said.parse().unwrap(), runs, &known).map(|(_, newer)| newer.version)
    }

    #[test]
    fn a_check_is_moved_to_the_highest_newer_version_that_it_means_and_that_is_not_held() {
        assert_eq!(moved("page", "1.2.0", &[]).as_deref(), Some("2.0.0"));
        assert_eq!(moved("page@^1", "1.2.0", &[]).as_deref(), Some("1.3.0"));
        assert_eq!(moved("page@~1.2", "1.2.0", &[]).as_deref(), Some("1.2.1"));
        assert_eq!(moved("page", "1.2.0", &["2.0.0"]).as_deref(), Some("1.3.0"));
        assert_eq!(moved("page", "1.2.0", &["2.0.0", "1.3.0", "1.2.1"]).as_deref(), None);
    }

    #[test]
    fn a_check_stays_that_names_its_version_or_has_the_highest() {
        assert_eq!(moved("page@1.2.0", "1.2.0", &[]), None);
        assert_eq!(moved("page", "2.0.0", &["2.0.0"]), None, "it was made with it");
        assert_eq!(moved("page@^1", "1.3.0", &[]), None);
    }

    #[test]
    fn a_check_has_one_canary_at_a_time_and_there_are_so_many_and_no_more() {
        let places = Places::default();
        let check = |number: usize| CheckId::from_bytes((number as u128).to_be_bytes());
        let mut taken: Vec<_> = (0..CANARIES_MAX).map(|number| places.take(check(number)).unwrap()).collect();
        assert!(places.take(check(CANARIES_MAX)).is_none());
        taken.pop();
        assert!(places.take(check(0)).is_none());
        assert!(places.take(check(CANARIES_MAX)).is_some());
    }

    #[test]
    fn a_check_is_never_moved_to_the_module_of_another_owner() {
        let known = Known { named: vec![release(MINE, "2.0.0"), release(None, "1.0.0")], held: BTreeMap::new() };
        let latest = ModuleName::Latest("page".to_owned());
        assert_eq!(step_of(&latest, release(None, "1.0.0").hash, &known), None);
    }
}
