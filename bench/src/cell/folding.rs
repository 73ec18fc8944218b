//! An hour of a tenth of the largest cell on record, folded as the leader folds it, and what a good result weighs then.
//!
//! Nobody can wait an hour for that, so the journal of one that is over is written here, row by row as leaders write
//! it. Folding goes stream by stream, so the rest is reckoned.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::{Context, ensure};
use farwatch_control::clock::Clock;
use farwatch_control::fold::Folding;
use farwatch_control::leader::journal_body::{self, HostResults};
use farwatch_control::secret::random_bytes;
use farwatch_control::spec::Spec;
use farwatch_control::store::{
    Enforcement, Epoch, Flush, FlushId, FoldMark, JournalHead, NewCheck, NewModule, NewRevision, NewTenant, SlotRange,
    Takeover,
};
use farwatch_control::tail::Tail;
use farwatch_core::block::{HOUR_MS, Hour};
use farwatch_proto::check::{Activity, PlacementWish, Repeat};
use farwatch_proto::fleet::{HostFacts, PLACEMENT_VERSION, Standing, View, ViewHost};
use farwatch_proto::id::{BootId, CheckId, HostId, ModuleHash, ProcessId, TenantId};
use farwatch_proto::interval::Interval;
use farwatch_proto::run::RunResult;
use farwatch_proto::time::{Stamp, UnixMs};
use farwatch_tests::clock::now;
use serde_json::json;

use super::database::{Database, copied_check};
use super::feed::{Sameness, result};
use super::fleet::{INTERVAL_MS, INTERVAL_S, Placement, place};
use crate::cpu;

/// Streams that are folded.
const STREAMS: u64 = 10_000;
/// What they are a part of.
const CELL_STREAMS: f64 = 100_000.0;
/// Hosts that run them.
const HOSTS: u8 = 5;
/// The hour ended so long ago that it may be folded.
const AGO_MS: i64 = 2 * HOUR_MS;

/// What an hour of the largest cell takes.
pub(super) struct Folded {
    /// From the first question to the last commit, in seconds.
    pub(super) lasted_s: f64,
    /// CPU of this process, in seconds: that of control without its database.
    pub(super) control_s: f64,
    /// Bytes on disk of one good result with its share of the row and of the indexes.
    pub(super) result_bytes: f64,
}

/// The leader whose journal is written.
struct Leader {
    epoch: Epoch,
    head: JournalHead,
}

/// Writes the hour and folds it.
pub(super) fn fold(database: &mut Database) -> anyhow::Result<Folded> {
    let hour = Hour::of(now() - AGO_MS);
    let mut leader = lead(database, hour)?;
    let (view, module) = fill(database, &leader, hour)?;
    let results = write_hour(database, &mut leader, hour, &place(&view, STREAMS)?, (module, view.number))?;
    let tail = Tail::new(database.store().clone(), Clock);
    database.wait(tail.catch_up())?;

    let me = std::process::id();
    let (bytes, used_us) = (database.weight_of_blocks()?, cpu::used_us(me)?);
    let began = begin();
    let at = hour.folds_at() + 1;
    let folding = Folding::new(database.store(), leader.epoch, BTreeSet::new(), at).by(tail);
    while database.wait(folding.run())? {}
    let lasted_s = began.elapsed().as_secs_f64();
    let used_us = cpu::used_us(me)? - used_us;
    let bytes = (database.weight_of_blocks()? - bytes) as f64;
    demand_folded(database, hour)?;
    let scale = CELL_STREAMS / STREAMS as f64;
    Ok(Folded { lasted_s: lasted_s * scale, control_s: used_us / 1e6 * scale, result_bytes: bytes / results as f64 })
}

#[allow(clippy::disallowed_methods, reason = "a measuring tool reads the clock")]
fn begin() -> Instant {
    Instant::now()
}

/// Takes the lease, and says that everything before the hour is folded.
fn lead(database: &Database, hour: Hour) -> anyhow::Result<Leader> {
    let store = database.store();
    let before = hour.start() - HOUR_MS;
    database.wait(async {
        let seen = store.lease().read().await?;
        let holder = ProcessId::new(before, random_bytes());
        let held = store.lease().acquire(&seen, holder, "127.0.0.1:1", 1).await?.context("somebody leads")?;
        let after = store.journal().head().await?;
        let takeover = Takeover { id: FlushId(random_bytes()), after, epoch: held.epoch, committed: before };
        let head = store.journal().takeover(&takeover).await?;
        store.blocks().begin_record(held.epoch, hour.start()).await?;
        store.blocks().advance(held.epoch, FoldMark { until: hour.start(), seq: head.seq }).await?;
        Ok(Leader { epoch: held.epoch, head })
    })
}

/// Makes hosts and checks, in force since before the hour.
fn fill(database: &mut Database, leader: &Leader, hour: Hour) -> anyhow::Result<(View, ModuleHash)> {
    let before = hour.start() - HOUR_MS;
    let store = database.store();
    let tenant = TenantId::new(before, random_bytes());
    let bytes = b"a module that nobody runs".to_vec();
    let module = ModuleHash::of(&bytes);
    // Younger than any copy by its id, for the youngest is the one that is copied.
    let check = CheckId::new(before, random_bytes());
    let hosts = (1..=HOSTS).map(host).collect();
    let (number, placement_version) = (Stamp { era: 1, n: 1 }, PLACEMENT_VERSION);
    let view = View { number, in_force_from: before, planned: true, placement_version, hosts };
    database.wait(async {
        store.tenants().create(&NewTenant { id: tenant, name: "cell".to_owned() }, before).await?;
        let (name, version, description) = ("http".to_owned(), "0.1.0".to_owned(), "{}".to_owned());
        store.modules().put(&NewModule { tenant: None, name, version, description, bytes }, before).await?;
        for host in &view.hosts {
            store.hosts().register(host.id, &host.facts, before).await?;
        }
        store
            .checks()
            .create(&NewCheck { id: check, tenant, revision: wording(module)?, heartbeat: None }, before)
            .await?;
        store.views().put_in_force(leader.epoch, &view, before).await?;
        let enforced = [Enforcement { check, revision: 1, from: before }];
        store.checks().put_in_force(leader.epoch, &enforced, before).await?;
        anyhow::Ok(())
    })?;
    database.copy_check(STREAMS)?;
    Ok((view, module))
}

fn wording(module: ModuleHash) -> anyhow::Result<NewRevision> {
    let placement = PlacementWish { streams: 1, ..PlacementWish::default() };
    let config = json!({ "url": "https://shop.example/" });
    let wish = json!({ "name": "cell", "module": "http", "interval": INTERVAL_S, "config": config });
    let spec = json!({ "wish": wish, "placement": placement }).to_string();
    Spec::parse(&spec).context("the spec of the check")?;
    Ok(NewRevision {
        name: "cell".to_owned(),
        activity: Activity::Active,
        spec,
        prepared: vec![0; 64],
        module,
        interval: Interval::from_seconds(INTERVAL_S)?,
        timeout_ms: 3_000,
        streams: 1,
        repeat: Repeat::Safe,
        secrets: Vec::new(),
        target: None,
    })
}

fn host(n: u8) -> ViewHost {
    let facts = HostFacts {
        name: format!("host-{n}"),
        provider: format!("provider-{n}"),
        asn: n.into(),
        country: "DE".to_owned(),
        continent: "EU".to_owned(),
        region: "eu".to_owned(),
        labels: [].into(),
        weight: 1,
        tenant: None,
        shared_machine: None,
    };
    ViewHost { id: HostId::from_bytes([n; 16]), standing: Standing::Active, facts }
}

/// Writes a row for every interval of the hour. Returns how many results that were.
fn write_hour(
    database: &Database,
    leader: &mut Leader,
    hour: Hour,
    placement: &Placement,
    (module, view): (ModuleHash, Stamp),
) -> anyhow::Result<u64> {
    let sameness = Sameness { module, view, failing: false };
    let mut results = 0;
    for step in 0..HOUR_MS / INTERVAL_MS {
        let from = hour.start() + step * INTERVAL_MS;
        let sections = placement.iter().map(|(host, owed)| HostResults {
            host: *host,
            boot: BootId::from_bytes([1; 16]),
            results: owed.iter().map(|owed| result(owed, from + owed.phase_ms, sameness)).collect::<Vec<RunResult>>(),
        });
        let sections: Vec<HostResults> = sections.collect();
        let count: usize = sections.iter().map(|section| section.results.len()).sum();
        let flush = flush_of(leader, &sections, (from, count));
        let committed = database.wait(database.store().journal().commit_flush(&flush))?;
        leader.head = JournalHead { seq: committed.seq, epoch: leader.epoch, flush: flush.id };
        results += count as u64;
    }
    Ok(results)
}

fn flush_of(leader: &Leader, sections: &[HostResults], (from, count): (UnixMs, usize)) -> Flush {
    Flush {
        id: FlushId(random_bytes()),
        after: leader.head,
        epoch: leader.epoch,
        committed: from + INTERVAL_MS,
        slots: Some(SlotRange { first: from, last: from + (INTERVAL_MS - 1) }),
        results: count as u32,
        version: 1,
        body: journal_body::encode(sections),
        detectors: [].into(),
        first_judged: [].into(),
        late: [].into(),
        incidents: Vec::new(),
        evidence: Vec::new(),
        events: Vec::new(),
        deliveries: Vec::new(),
        marks: Vec::new(),
    }
}

/// Every slot of some checks must be on record, or it was another hour that was measured.
fn demand_folded(database: &Database, hour: Hour) -> anyhow::Result<()> {
    for n in [1, STREAMS / 2, STREAMS] {
        let of_check = database.store().blocks().of_check(copied_check(n), (hour.start(), hour.end()), None, 2);
        let blocks = database.wait(of_check)?;
        let on_time = blocks.first().map_or(0, |block| block.totals.balance.on_time);
        ensure!(on_time.cast_signed() == HOUR_MS / INTERVAL_MS, "{on_time} slots of check {n} are on record");
    }
    Ok(())
}
