//! Carries out the upgrade of the fleet, while this process leads: loads what an operator began, sees how hosts stand and
//! what was missed, lets `core` decide, saves that, and tells hosts to take the release.
//!
//! Hosts are told again and again until they run it, so nothing is lost with a leader or a link.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context;
use farwatch_core::upgrade::{Progress, Seen, Sight, State, Upgrade};
use farwatch_proto::id::HostId;
use farwatch_proto::time::UnixMs;
use tracing::{info, warn};

use super::handle::{HostStatus, LeaderHandle, LeaderRequest, LeaderStatus, UpgradeOrder};
use crate::clock::Clock;
use crate::ledger::{LedgerRequest, account};
use crate::spawn::Spawner;
use crate::store::{Host, LedgerScope, Store};
use crate::tail::Tail;
use crate::tasks::TaskList;

/// How often it is looked at. A host takes longer for any step of its own.
const PERIOD: Duration = Duration::from_secs(1);
/// Slots so old were looked at before: the account of a large cell's slots since its upgrade began would be asked for in
/// vain. Slots of long intervals are known to be missed only when their windows end, and count while they are this young.
const LOOK_BACK_MS: i64 = 180_000;
/// The account is made this often: it reads what every check was due meanwhile.
const ACCOUNT_PERIOD_MS: i64 = 5_000;

/// Takes the upgrade further while this process leads.
pub(crate) fn start(
    spawner: &Spawner,
    tasks: &TaskList,
    store: Store,
    tail: Tail,
    (clock, handle): (Clock, LeaderHandle),
) {
    let about = ("upgrade", "Upgrades the fleet's hosts to the release that an operator named.", PERIOD);
    let changed = handle.upgrade_changed.clone();
    let mut accounted_at = UnixMs(0);
    tasks.run(spawner, about, changed, move || {
        let (store, tail, handle) = (store.clone(), tail.clone(), handle.clone());
        let now = clock.wall();
        let accounts = now.since(accounted_at) >= ACCOUNT_PERIOD_MS;
        if accounts {
            accounted_at = now;
        }
        async move { step(&store, &tail, &handle, now, accounts).await }
    });
}

async fn step(store: &Store, tail: &Tail, handle: &LeaderHandle, now: UnixMs, accounts: bool) -> anyhow::Result<()> {
    let status = handle.status();
    let Some(stored) = store.fleet_upgrades().read().await?.filter(|_| status.leads) else { return Ok(()) };
    let before: Upgrade = serde_json::from_str(&stored.body).context("the upgrade that is kept cannot be read")?;
    if !before.is_running() {
        return Ok(());
    }
    let mut upgrade = before.clone();
    let hosts = store.hosts().list().await?;
    let missed = if accounts { missed(store, tail, &status, &before, now).await? } else { 0 };
    let told = upgrade.step(&sight(&hosts, &status, missed), now);
    if upgrade != before {
        let body = serde_json::to_string(&upgrade)?;
        if !store.fleet_upgrades().write(stored.revision, &body, false).await? {
            // An operator was faster; what follows is decided upon what that is.
            return Ok(());
        }
        tell_of(&before, &upgrade);
    }
    if !told.is_empty() {
        order(store, handle, &upgrade, &told).await?;
    }
    Ok(())
}

fn sight(hosts: &[Host], status: &LeaderStatus, missed: u64) -> Sight {
    let registered = hosts.iter().filter(|host| host.retired.is_none());
    let seen = registered.map(|host| (host.id, seen(host, status.hosts.get(&host.id))));
    Sight { hosts: seen.collect(), missed }
}

fn seen(host: &Host, status: Option<&HostStatus>) -> Seen {
    Seen {
        region: host.facts.region.clone(),
        is_linked: status.is_some_and(|status| status.connected),
        can_upgrade: status.is_some_and(|status| status.can_upgrade),
        release: status.and_then(|status| status.release),
        refuted: status.map_or(0, |status| status.rounds.refuted),
        failure: status.and_then(|status| status.upgrade_failure.clone()),
    }
}

/// Slots that were missed since the upgrade began or was resumed.
async fn missed(
    store: &Store,
    tail: &Tail,
    status: &LeaderStatus,
    upgrade: &Upgrade,
    now: UnixMs,
) -> anyhow::Result<u64> {
    let from = upgrade.watched_from.max(now - LOOK_BACK_MS);
    if from >= now {
        return Ok(0);
    }
    let silent: BTreeSet<HostId> =
        status.hosts.iter().filter(|(_, host)| !host.connected).map(|(host, _)| *host).collect();
    let request = LedgerRequest { scope: LedgerScope::Fleet, from, to: now, silent, by_host: false };
    let ledger = account(store, tail, &request, now).await.context("what was missed is not known")?;
    Ok(ledger.promised.missed)
}

async fn order(store: &Store, handle: &LeaderHandle, upgrade: &Upgrade, told: &[HostId]) -> anyhow::Result<()> {
    let releases = store.releases().list().await?;
    let release = releases.into_iter().find(|release| release.hash == upgrade.release);
    let release = release.context("the release of the upgrade was deleted; push it again, or stop the upgrade")?;
    let orders = told.iter().filter_map(|host| {
        let Some(Progress::Ordered { at }) = upgrade.hosts.get(host) else { return None };
        Some(UpgradeOrder { host: *host, release: release.hash, size_bytes: release.size_bytes, ordered_at: *at })
    });
    // A leader that is too busy for it is asked again in a second.
    handle.ask(LeaderRequest::Upgrade(orders.collect()));
    Ok(())
}

/// A line for each host that is further than before, and for the end.
fn tell_of(before: &Upgrade, after: &Upgrade) {
    let version = &after.version;
    for (host, progress) in &after.hosts {
        let was = before.hosts.get(host).copied().unwrap_or(Progress::Waiting { refuted: 0 }).word();
        if was != progress.word() {
            info!(%host, version, progress = progress.word(), "host upgrade");
        }
    }
    match &after.state {
        State::Running => {}
        State::Stopped { why, .. } => warn!(version, ?why, "the upgrade of the fleet was stopped"),
        State::Done { .. } => info!(version, hosts = after.hosts.len(), "the fleet is upgraded"),
    }
}
