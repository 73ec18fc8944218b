//! Backups of both engines, restored into both: every row, a new era, and what was not sent is held.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use farwatch_control::backup::{BackupError, back_up};
use farwatch_control::restore::{RestoreError, restore};
use farwatch_control::store::{
    Cell, ClaimId, ClaimRequest, DeliveryState, Engine, Flush, HostMarks, Snapshot, Step, Store, StoreError,
};
use farwatch_core::evidence::Memory;
use farwatch_proto::fleet::View;
use farwatch_proto::id::{BootId, ChannelId, ContactId, TenantId};
use farwatch_proto::link::Mark;
use farwatch_proto::time::{Stamp, UnixMs};
use tempfile::TempDir;

use super::evidence::piece;
use super::incidents::{delivery, incident};
use super::world::{Database, START, World, new_tenant, random, random_16};

on_both_engines!(
    every_row_comes_back_on_either_engine,
    hosts_hear_of_a_new_era_and_leaders_of_a_new_epoch,
    what_was_not_sent_is_held_until_the_operator_says_so,
    a_backup_without_history_begins_a_new_account,
    nothing_is_restored_over_what_is_there,
    a_backup_of_an_older_schema_is_brought_up_to_date,
);

/// When the backups of these tests are restored: 2027.
const LATER: UnixMs = UnixMs(1_800_000_000_000);
/// The tables that a restore writes into beside filling them.
const OUTDONE: [&str; 4] = ["config_counter", "lease", "view", "delivery"];

impl Database {
    /// An empty database of this engine.
    fn of(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => Self::sqlite(),
            Engine::Postgres => Self::postgres(),
        }
    }
}

/// A house with a check, a view, a flush with its mark, and an outage that is still to be told.
async fn furnish(database: &Database) -> World {
    let world = World::new(database).await;
    let check = world.check("shop").await;
    let mut leader = world.lead().await;
    let view = View {
        number: Stamp { era: 1, n: 1 },
        in_force_from: START,
        planned: true,
        placement_version: 1,
        hosts: Vec::new(),
    };
    world.store.views().put_in_force(leader.epoch, &view, START).await.unwrap();
    let incident = incident(&world, check, START);
    let opening = delivery(&incident, Step::Opened, ContactId::from_bytes([1; 16]), ChannelId::from_bytes([2; 16]));
    let mark = Mark { boot: BootId::new(START, random()), segment: 3, offset: 500 };
    let flush = Flush {
        evidence: vec![piece(&world, check, START)],
        incidents: vec![incident],
        deliveries: vec![opening],
        marks: vec![(world.host, mark)],
        body: vec![0, 255, 7],
        ..leader.flush()
    };
    leader.commit(&world.store, &flush).await;
    world
}

async fn backed_up(database: &Database, with_history: bool) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("of.backup");
    back_up(&database.url, &file, with_history, START, |_, _| {}).await.unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left behind");
    (folder, file)
}

/// A new database of this engine with the backup in it.
async fn restored(file: &std::path::Path, engine: Engine) -> Database {
    let database = Database::of(engine);
    restore(file, &database.url, LATER, |_, _| {}).await.unwrap();
    database
}

async fn rows(database: &Database) -> Vec<(String, Vec<Vec<Cell>>)> {
    let mut snapshot = Snapshot::open(&database.url).await.unwrap();
    let mut all = Vec::new();
    for table in snapshot.tables.clone() {
        let mut rows = Vec::new();
        let gather = |row| {
            rows.push(row);
            Ok::<(), StoreError>(())
        };
        snapshot.rows(&table, gather).await.unwrap();
        rows.sort_by_key(|row: &Vec<Cell>| format!("{row:?}"));
        all.push((table.name, rows));
    }
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all
}

async fn every_row_comes_back_on_either_engine(database: Database) {
    let world = furnish(&database).await;
    let (_folder, file) = backed_up(&database, true).await;
    let before: Vec<_> =
        rows(&database).await.into_iter().filter(|(name, _)| !OUTDONE.contains(&name.as_str())).collect();
    for (table, expected) in [("journal", 3), ("evidence", 1)] {
        assert!(before.iter().any(|(name, rows)| name == table && rows.len() == expected), "{table}");
    }
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let other = restored(&file, engine).await;
        let after: Vec<_> =
            rows(&other).await.into_iter().filter(|(name, _)| !OUTDONE.contains(&name.as_str())).collect();
        assert_eq!(before, after);
        let store = other.open().await;
        assert_eq!(marks(store.host_marks(), &world).await, 500);
        // The house goes on: numbers count on where they were, those that the database gives as well.
        new_tenant(&store, "after").await;
        assert!(store.tenants().named("acme").await.unwrap().is_some());
    }
}

async fn marks(marks: HostMarks<'_>, world: &World) -> u64 {
    marks.of_host(world.host).await.unwrap()[0].offset
}

async fn hosts_hear_of_a_new_era_and_leaders_of_a_new_epoch(database: Database) {
    let world = furnish(&database).await;
    let before = world.store.lease().read().await.unwrap();
    let (_folder, file) = backed_up(&database, true).await;
    let other = restored(&file, database.url.engine()).await;
    let store = other.open().await;
    let stamp = store.config_log().current_stamp().await.unwrap();
    assert_eq!(stamp.n, world.store.config_log().current_stamp().await.unwrap().n);
    assert!(stamp.era > 1);
    let view = store.views().latest_in_force().await.unwrap().unwrap().view;
    assert_eq!((view.number, view.in_force_from), (Stamp { era: stamp.era, n: 2 }, LATER));
    let lease = store.lease().read().await.unwrap();
    assert!(lease.holder.is_none() && lease.epoch.n > before.epoch.n + 1_000_000);
    // A leader takes it and writes the view after that, and a check.
    let world = World { store, ..world };
    let leader = world.lead().await;
    let next = View { number: Stamp { era: stamp.era, n: 3 }, ..view };
    world.store.views().put_in_force(leader.epoch, &next, LATER).await.unwrap();
    world.check("after").await;
    // The same backup restored again, a minute later, is in a later era still.
    let again = Database::of(database.url.engine());
    let report = restore(&file, &again.url, LATER + 60_000, |_, _| {}).await.unwrap();
    assert_eq!(report.era, stamp.era + 1);
}

async fn claimed(store: &Store) -> usize {
    let request = ClaimRequest {
        claim: ClaimId(random_16()),
        now: LATER + 1,
        until: LATER + 60_000,
        limit: 10,
        per_tenant: 10,
        per_channel: 10,
    };
    store.deliveries().claim_due(&request).await.unwrap().len()
}

async fn what_was_not_sent_is_held_until_the_operator_says_so(database: Database) {
    let world = furnish(&database).await;
    let (_folder, file) = backed_up(&database, true).await;
    for releases in [true, false] {
        let other = restored(&file, database.url.engine()).await;
        let store = other.open().await;
        assert_eq!(claimed(&store).await, 0, "what is held is claimed by nobody");
        let [held] = &store.deliveries().list_held(world.tenant).await.unwrap()[..] else { panic!("one is held") };
        assert_eq!(held.state, DeliveryState::Held);
        let stranger = TenantId::new(START, random());
        assert!(!store.deliveries().release_held(stranger, held.id, LATER).await.unwrap());
        if releases {
            assert!(store.deliveries().release_held(world.tenant, held.id, LATER).await.unwrap());
            assert_eq!(claimed(&store).await, 1);
        } else {
            assert!(store.deliveries().drop_held(world.tenant, held.id, LATER).await.unwrap());
            assert_eq!(claimed(&store).await, 0);
            let dead = store.deliveries().list_dead(world.tenant, None, 10).await.unwrap();
            assert_eq!(dead.items[0].id, held.id);
        }
        assert!(store.deliveries().list_held(world.tenant).await.unwrap().is_empty());
        assert!(!store.deliveries().drop_held(world.tenant, held.id, LATER).await.unwrap(), "it is held no more");
    }
}

async fn a_backup_without_history_begins_a_new_account(database: Database) {
    let world = furnish(&database).await;
    let (_folder, file) = backed_up(&database, false).await;
    let other = restored(&file, database.url.engine()).await;
    let store = other.open().await;
    assert_eq!(store.journal().head().await.unwrap().seq, 0);
    assert!(store.host_marks().of_host(world.host).await.unwrap().is_empty());
    assert_eq!(store.evidence().memory(START).await.unwrap(), Memory::default());
    assert!(store.tenants().get(world.tenant).await.unwrap().is_some());
    let world = World { store, ..world };
    let mut leader = world.lead().await;
    leader.commit(&world.store, &leader.flush()).await;
}

async fn nothing_is_restored_over_what_is_there(database: Database) {
    let world = furnish(&database).await;
    let (folder, file) = backed_up(&database, true).await;
    let exists = back_up(&database.url, &file, true, START, |_, _| {}).await.unwrap_err();
    assert!(matches!(exists, BackupError::Exists(_)), "{exists}");
    let refused = restore(&file, &database.url, LATER, |_, _| {}).await.unwrap_err();
    assert!(matches!(refused, RestoreError::Database { source: StoreError::NotBlank, .. }), "{refused}");
    assert!(world.store.tenants().get(world.tenant).await.unwrap().is_some());
    // A backup that was cut is refused before anything is written.
    let bytes = std::fs::read(&file).unwrap();
    let cut = folder.path().join("cut.backup");
    std::fs::write(&cut, &bytes[..bytes.len() - 20]).unwrap();
    let empty = Database::of(database.url.engine());
    let refused = restore(&cut, &empty.url, LATER, |_, _| {}).await.unwrap_err();
    assert!(matches!(refused, RestoreError::File { .. }), "{refused}");
    restore(&file, &empty.url, LATER, |_, _| {}).await.unwrap();
}

async fn a_backup_of_an_older_schema_is_brought_up_to_date(database: Database) {
    super::upgrade::first_schema(&database).await;
    let insert = "insert into tenant (id, name, created_ms) values ";
    let id = match database.url.engine() {
        Engine::Sqlite => "(x'0102030405060708090a0b0c0d0e0f10', 'acme', 0)",
        Engine::Postgres => "('\\x0102030405060708090a0b0c0d0e0f10', 'acme', 0)",
    };
    database.run(&format!("{insert}{id}")).await;
    let (_folder, file) = backed_up(&database, true).await;
    let other = restored(&file, database.url.engine()).await;
    let tenant = other.open().await.tenants().named("acme").await.unwrap().unwrap();
    assert_eq!(tenant.revision, 1, "the column that came later has its default");
}
