//! A new leader's first act: the row that ends every earlier leadership, then everything from the
//! database.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use anyhow::Context;
use farwatch_core::detect::Detector;
use farwatch_core::fleet::{Fleet, Proving, Registered};
use farwatch_core::placement::can_place;
use farwatch_proto::check::SecretVersion;
use farwatch_proto::fleet::{PLACEMENT_VERSION, View};
use farwatch_proto::id::{CheckId, HostId};
use farwatch_proto::time::{Stamp, UnixMs};
use tracing::info;

use super::admission::{Orders, RecentViews};
use super::book::{Book, Entry, REVISION_MEMORY_MS};
use super::carried::Carried;
use super::census::Census;
use super::checkpoint;
use super::draft::Now;
use super::outages::Outages;
use super::secret_values::SecretValues;
use super::state::State;
use crate::crash::{self, CrashPoint};
use crate::secret::random_bytes;
use crate::spec::Spec;
use crate::store::{Epoch, FlushId, JournalHead, Revision, Store, Takeover};

/// Views of slots this old may still be asked for by spools that come back.
const VIEW_MEMORY_MS: i64 = 25 * 3_600_000;

/// Writes the takeover row and loads all that the leader holds. A database that no other process uses is one file on one
/// disk, and loses nothing that it said; any other may have failed over to one that lacks the last views.
pub(super) async fn take_over(
    store: &Store,
    epoch: Epoch,
    proving: Proving,
    is_sole: bool,
    now: Now,
) -> anyhow::Result<State> {
    refuse_what_is_unreadable(store).await?;
    let before = store.journal().head().await?;
    let takeover = Takeover { id: FlushId(random_bytes()), after: before, epoch, committed: now.wall };
    let head = store.journal().takeover(&takeover).await?;
    crash::pass(CrashPoint::Takeover);
    settle_plans(store, epoch, now.wall).await?;
    let mut state = load(store, epoch, head, proving, now).await?;
    if !is_sole && state.newest.number.n > 0 {
        state.fleet.count_on_from(state.newest.number, epoch.random);
    }
    info!(epoch = epoch.n, checks = state.book.pages().count(), not_up = state.detectors.len(), "leading");
    Ok(state)
}

/// Everything a leader holds, as the database has it after this row of the journal.
pub(super) async fn load(
    store: &Store,
    epoch: Epoch,
    head: JournalHead,
    proving: Proving,
    now: Now,
) -> anyhow::Result<State> {
    let config = store.config_log().current_stamp().await?;
    let (newest, views) = load_views(store, config, now.wall).await?;
    let mut book = Book::default();
    for (check, entries) in by_check(store.checks().live_since(now.wall - REVISION_MEMORY_MS).await?)? {
        book.put(check, entries, &newest);
    }
    book.forget_settled(now.wall);
    let mut fleet = Fleet::new(proving, now.boot);
    fleet.register(registered_hosts(store).await?);
    let detectors = load_detectors(store).await?;
    let mut last_slots = checkpoint::load(store).await?;
    last_slots.retain(|stream, _| book.page(stream.check).is_some());
    let mut never_judged: HashSet<CheckId> = store.judged_checks().missing().await?.into_iter().collect();
    never_judged.retain(|check| book.page(*check).is_some());
    let evidence = store.evidence().memory(now.wall).await?;
    let mut state = State {
        epoch,
        head,
        config,
        book,
        newest,
        views,
        fleet,
        sessions: BTreeMap::new(),
        keys: keys_of_hosts(store).await?,
        detectors,
        last_slots,
        never_judged,
        evidence,
        marks: BTreeMap::new(),
        carried: Carried::default(),
        orders: Orders::default(),
        results: 0,
        refused: BTreeMap::new(),
        noted: Vec::new(),
        outages: Outages::default(),
        census: Census::default(),
        are_references_broken: false,
        loads: BTreeMap::new(),
        secrets: SecretValues::default(),
    };
    state.recount_all(now.wall);
    Ok(state)
}

/// A process that cannot tell who owns what by the view in force does not lead: a later version has raised the rule.
async fn refuse_what_is_unreadable(store: &Store) -> anyhow::Result<()> {
    if let Some(newest) = store.views().latest_in_force().await?.filter(|newest| !can_place(&newest.view)) {
        let View { number, placement_version, .. } = newest.view;
        anyhow::bail!(
            "view {number} is placed by rule {placement_version}, which this version does not know; upgrade control"
        );
    }
    Ok(())
}

/// Plans of an earlier leader are not pursued: whoever acted on one learns that it is withdrawn.
async fn settle_plans(store: &Store, epoch: Epoch, now: UnixMs) -> anyhow::Result<()> {
    for plan in store.views().pending_plans().await? {
        store.views().withdraw_plan(epoch, plan.view.number, now).await?;
    }
    Ok(())
}

async fn load_views(store: &Store, config: Stamp, now: UnixMs) -> anyhow::Result<(View, RecentViews)> {
    let mut views = RecentViews::default();
    for stored in store.views().in_force_during(now - VIEW_MEMORY_MS, now).await? {
        views.put_in_force(stored.view);
    }
    let newest = store.views().latest_in_force().await?.map(|stored| stored.view);
    let last_number = store.views().last_number().await?;
    let mut newest = newest.unwrap_or_else(|| View {
        number: Stamp { era: config.era, n: 0 },
        in_force_from: UnixMs(0),
        planned: true,
        placement_version: PLACEMENT_VERSION,
        hosts: Vec::new(),
    });
    // A withdrawn plan has used up a number; the next view counts on from it.
    newest.number = last_number.unwrap_or(newest.number).max(newest.number);
    Ok((newest, views))
}

async fn load_detectors(store: &Store) -> anyhow::Result<HashMap<CheckId, Detector>> {
    let rows = store.detectors().load_all().await?;
    let read = rows.into_iter().map(|row| {
        let detector = serde_json::from_str(&row.body).with_context(|| format!("the detector row of {}", row.check))?;
        Ok((row.check, detector))
    });
    read.collect()
}

/// Who is registered and not retired.
pub(super) async fn registered_hosts(store: &Store) -> anyhow::Result<Vec<(HostId, Registered)>> {
    let hosts = store.hosts().list().await?.into_iter().filter(|host| host.retired.is_none());
    Ok(hosts.map(|host| (host.id, Registered { facts: host.facts, drained: host.drained })).collect())
}

/// The key by which each host was last known.
async fn keys_of_hosts(store: &Store) -> anyhow::Result<BTreeMap<HostId, Arc<[u8]>>> {
    let hosts = store.hosts().list().await?.into_iter().filter(|host| host.retired.is_none());
    Ok(hosts.filter_map(|host| Some((host.id, host.public_key?.into()))).collect())
}

/// Revisions as the book keeps them, by check.
pub(super) fn by_check(revisions: Vec<Revision>) -> anyhow::Result<BTreeMap<CheckId, Vec<Entry>>> {
    let mut checks: BTreeMap<CheckId, Vec<Entry>> = BTreeMap::new();
    for revision in revisions {
        checks.entry(revision.check).or_default().push(entry_of(revision)?);
    }
    Ok(checks)
}

pub(super) fn entry_of(revision: Revision) -> anyhow::Result<Entry> {
    let spec = Spec::parse(&revision.spec)
        .with_context(|| format!("the spec of {} revision {}", revision.check, revision.revision))?;
    let definition = farwatch_proto::check::Definition {
        check: revision.check,
        tenant: revision.tenant,
        revision: revision.revision,
        activity: revision.activity,
        module: revision.module,
        prepared: revision.prepared,
        interval: revision.interval,
        timeout_ms: revision.timeout_ms,
        placement: spec.placement,
        repeat: revision.repeat,
        secrets: revision.secrets.into_iter().map(secret_version).collect(),
        in_force_from: revision.in_force.map(|in_force| in_force.from),
    };
    let wish = spec.wish;
    let target = target_of(&wish.config);
    Ok(Entry {
        definition,
        name: wish.name,
        target,
        contacts: wish.contacts,
        need: wish.confirm.map(|confirm| confirm.need),
    })
}

fn secret_version((name, version): (String, u32)) -> SecretVersion {
    SecretVersion { name, version, sealed: Vec::new() }
}

/// What a check watches, as messages show it: the `url` of its config, or its `host` and, where it has one, `port`.
fn target_of(config: &serde_json::Value) -> Option<String> {
    let text = |field: &str| config.get(field).and_then(serde_json::Value::as_str);
    if let Some(url) = text("url") {
        return Some(url.to_owned());
    }
    let host = text("host")?;
    let Some(port) = config.get("port").and_then(serde_json::Value::as_u64) else { return Some(host.to_owned()) };
    let is_bare_ipv6 = host.contains(':') && !host.starts_with('[');
    Some(if is_bare_ipv6 { format!("[{host}]:{port}") } else { format!("{host}:{port}") })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_target_is_shown_by_what_the_config_names() {
        for (config, target) in [
            (json!({"url": "https://shop.example/"}), Some("https://shop.example/")),
            (json!({"host": "mail.example", "port": 25}), Some("mail.example:25")),
            (json!({"host": "2001:db8::7", "port": 25}), Some("[2001:db8::7]:25")),
            (json!({"host": "[2001:db8::7]", "port": 25}), Some("[2001:db8::7]:25")),
            (json!({"host": "mail.example"}), Some("mail.example")),
            (json!({"behaviour": "x"}), None),
        ] {
            assert_eq!(target_of(&config).as_deref(), target);
        }
    }
}
