//! Partitions: made ahead, dropped whole, and never missed by whoever writes. SQLite has none and behaves alike.

use farwatch_control::backup::back_up;
use farwatch_control::restore::restore;
use farwatch_control::retention::forget;
use farwatch_control::store::{DAY_MS, Flush, JournalHead, Parted, StoreError, StoredBlock};
use farwatch_core::block::{HOUR_MS, Hour, Totals};
use farwatch_core::partition::Range;
use farwatch_proto::time::UnixMs;
use sqlx::{AssertSqlSafe, Executor, Row};
use tempfile::TempDir;

use super::blocks::{good, key, settled};
use super::evidence::piece;
use super::upgrade::first_schema;
use super::world::{Database, Leader, START, World};

on_both_engines!(
    partitions_are_there_before_rows_need_them,
    evidence_of_old_days_goes_and_younger_stays,
    blocks_of_a_whole_day_become_its_sums,
    retention_makes_and_forgets,
    what_an_earlier_version_wrote_is_kept_and_it_writes_on,
);

/// Rows of one partition of the journal.
const ROWS: i64 = 50_000;

fn is_parted(database: &Database) -> bool {
    database.url.engine() == farwatch_control::store::Engine::Postgres
}

/// The day of `START`, so many days later.
fn day(later: i64) -> Range {
    let today = Range::around(START.0, DAY_MS);
    Range { from: today.from + later * DAY_MS, to: today.to + later * DAY_MS }
}

async fn partitions_are_there_before_rows_need_them(database: Database) {
    let world = World::new(&database).await;
    let partitions = world.store.partitions();
    let expected = if is_parted(&database) { 5 } else { 0 };
    for parted in [Parted::Evidence, Parted::Blocks] {
        let before = partitions.of_table(parted).await.unwrap();
        assert_eq!(partitions.make(parted, START.0).await.unwrap(), expected);
        assert_eq!(partitions.make(parted, START.0).await.unwrap(), 0, "they are there");
        let there = partitions.of_table(parted).await.unwrap();
        let made: Vec<Range> = there.into_iter().filter(|range| !before.contains(range)).collect();
        assert_eq!(made, [-2, -1, 0, 1, 2].map(day)[..expected]);
    }
    let expected = if is_parted(&database) { 2 } else { 0 };
    assert_eq!(partitions.make(Parted::Journal, 7).await.unwrap(), expected);
    let ranges = [(0, ROWS), (ROWS, 2 * ROWS), (2 * ROWS, 3 * ROWS)].map(|(from, to)| Range { from, to });
    let there = partitions.of_table(Parted::Journal).await.unwrap();
    assert_eq!(there, ranges[..if is_parted(&database) { 3 } else { 0 }]);
}

async fn evidence_of_old_days_goes_and_younger_stays(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let check = world.check("shop").await;
    world.store.partitions().make(Parted::Evidence, START.0).await.unwrap();
    // Those of a week ago have no partition, as after a week without anybody who makes any.
    let slots = [-7, -6, -2, -1, 0, 2].map(|days| START + days * DAY_MS);
    let evidence = slots.iter().map(|slot| piece(&world, check, *slot)).collect();
    let flush = Flush { evidence, ..leader.flush() };
    leader.commit(&world.store, &flush).await;
    let evidence = world.store.evidence();
    while evidence.delete_before(UnixMs(day(0).from)).await.unwrap() > 0 {}
    let left = evidence.of_check((world.tenant, check), (UnixMs(0), START + 9 * DAY_MS), None, 10).await.unwrap();
    assert_eq!(left.items.iter().map(|piece| piece.slot).collect::<Vec<_>>(), [slots[5], slots[4]]);
    let there = world.store.partitions().of_table(Parted::Evidence).await.unwrap();
    assert_eq!(there, [0, 1, 2].map(day)[..if is_parted(&database) { 3 } else { 0 }]);
}

async fn blocks_of_a_whole_day_become_its_sums(database: Database) {
    let world = World::new(&database).await;
    let leader = world.lead().await;
    let (shop, blog) = (world.check("shop").await, world.check("blog").await);
    world.store.partitions().make(Parted::Blocks, START.0).await.unwrap();
    let hours = (-30..30).map(|hour| settled(good(key(shop, 0, hour), 20)));
    let blocks: Vec<StoredBlock> = hours.chain([settled(good(key(blog, 1, 0), 7))]).collect();
    world.store.blocks().put(leader.epoch, &blocks).await.unwrap();
    let period = (UnixMs(day(-3).from), UnixMs(day(3).to));
    let days = world.store.days();
    let before = [days.of_check(shop, period).await.unwrap(), days.of_check(blog, period).await.unwrap()];
    let end = UnixMs(day(0).to);
    let expected = if is_parted(&database) { 4 } else { 0 };
    assert_eq!(days.make_whole_before(end).await.unwrap(), expected, "the first partition, which is empty, among them");
    assert_eq!(days.make_whole_before(end).await.unwrap(), 0);
    while days.make_before(end).await.unwrap() > 0 {}
    let after = [days.of_check(shop, period).await.unwrap(), days.of_check(blog, period).await.unwrap()];
    assert_eq!(before, after, "nothing is lost and nothing doubled");
    let left = world.store.blocks().of_check(shop, period, None, 100).await.unwrap();
    assert!(left.iter().all(|block| block.key.hour.start() >= end) && !left.is_empty());
    // A block that comes when its partition is gone is written all the same, and added.
    let late = settled(good(key(blog, 1, 1), 7));
    world.store.blocks().put(leader.epoch, std::slice::from_ref(&late)).await.unwrap();
    while days.make_before(end).await.unwrap() > 0 {}
    let sum: Totals = days.of_check(blog, period).await.unwrap().into_iter().map(|day| day.totals).sum();
    assert_eq!(sum, before[1].iter().map(|day| day.totals).chain([late.totals]).sum());
}

async fn retention_makes_and_forgets(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let check = world.check("shop").await;
    forget(&world.store, START).await.unwrap();
    let flush = Flush { evidence: vec![piece(&world, check, START)], ..leader.flush() };
    leader.commit(&world.store, &flush).await;
    let block = settled(good(key(check, 0, 0), 5));
    world.store.blocks().put(leader.epoch, &[block]).await.unwrap();
    let later = START + 91 * DAY_MS;
    forget(&world.store, later).await.unwrap();
    let kept = world.store.evidence().of_check((world.tenant, check), (UnixMs(0), later), None, 9).await.unwrap();
    assert!(kept.items.is_empty());
    let blocks = world.store.blocks().of_hour(Hour::of(START), &[check]).await.unwrap();
    let days = world.store.days().of_check(check, (UnixMs(day(0).from), UnixMs(day(0).to))).await.unwrap();
    assert_eq!((blocks.len(), days.len()), (0, 1));
    assert_eq!(world.store.journal().read_after(0, 9).await.unwrap().len(), 2, "nothing of it is folded");
    if is_parted(&database) {
        for parted in [Parted::Evidence, Parted::Blocks] {
            let there = world.store.partitions().of_table(parted).await.unwrap();
            assert!(there.iter().any(|range| range.holds(later.0)), "{there:?}");
            assert!(!there.contains(&day(0)), "{there:?}");
        }
    }
}

/// What the version before this one wrote stays, and what it does beside this one does the same as before.
async fn what_an_earlier_version_wrote_is_kept_and_it_writes_on(database: Database) {
    let mut earlier = first_schema(&database).await;
    let row = |seq: i64| {
        let (id, body) = if is_parted(&database) {
            (format!("decode(lpad('{seq}', 32, '0'), 'hex')"), "''::bytea")
        } else {
            (format!("cast('{seq:016}' as blob)"), "x''")
        };
        format!(
            "insert into journal (seq, epoch_n, epoch_random, flush_id, kind, version, committed_ms, results, body) \
                 values ({seq}, 0, 0, {id}, 'results', 0, {}, 0, {body}) on conflict do nothing",
            seq * 1_000
        )
    };
    for seq in [1, 2, 70_000] {
        earlier.execute(AssertSqlSafe(row(seq))).await.unwrap();
    }
    let store = database.open().await;
    for seq in [70_001, 100_000, 100_001, 70_001] {
        earlier.execute(AssertSqlSafe(row(seq))).await.unwrap();
    }
    let seqs = async || store.journal().read_after(0, 20).await.unwrap().iter().map(|row| row.seq).collect::<Vec<_>>();
    assert_eq!(seqs().await, [1, 2, 70_000, 70_001, 100_000, 100_001]);
    if is_parted(&database) {
        let first = Range { from: 0, to: 100_000 };
        assert_eq!(store.partitions().of_table(Parted::Journal).await.unwrap(), [first]);
        // Its rows beyond the first partition stand in the default one, so that no other takes their numbers.
        store.partitions().make(Parted::Journal, 100_001).await.unwrap();
        let there = store.partitions().of_table(Parted::Journal).await.unwrap();
        assert_eq!(there[1..], [(3, 4), (4, 5)].map(|(from, to)| Range { from: from * ROWS, to: to * ROWS }));
    }
    earlier.execute("delete from journal where seq < 2").await.unwrap();
    assert_eq!(seqs().await, [2, 70_000, 70_001, 100_000, 100_001]);
    while store.journal().delete_before(UnixMs(100_001_000), u64::MAX).await.unwrap() > 0 {}
    assert_eq!(seqs().await, [100_001]);
}

/// Writes rows up to this number behind the last one of the leader, as it would in days.
async fn grow(database: &Database, leader: &mut Leader, world: &World, to: i64) {
    let statement = format!(
        "insert into journal select s, j.epoch_n, j.epoch_random, decode(md5(s::text), 'hex'), 'results', 1, {} + s, \
         null, null, 0, ''::bytea from journal j, generate_series(j.seq + 1, {to}) s where j.seq = {}",
        START.0, leader.head.seq,
    );
    database.run(&statement).await;
    leader.head = world.store.journal().head().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_journal_grows_from_partition_to_partition_and_old_ones_go() {
    let database = Database::postgres();
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let (journal, partitions) = (world.store.journal(), world.store.partitions());
    partitions.make(Parted::Journal, 1).await.unwrap();
    grow(&database, &mut leader, &world, 2 * ROWS - 2).await;
    let before = leader;
    // Over the border of two partitions the chain is what it was: each number once, behind the row that was named.
    for _ in 0..3 {
        let (one, other) = (leader.flush(), leader.flush());
        let outcomes = tokio::join!(journal.commit_flush(&one), journal.commit_flush(&other));
        let (won, flush) = match outcomes {
            (Ok(won), Err(StoreError::StaleLeader)) => (won, one),
            (Err(StoreError::StaleLeader), Ok(won)) => (won, other),
            both => panic!("exactly one must win: {both:?}"),
        };
        assert_eq!(won.seq, leader.head.seq + 1);
        assert_eq!(journal.commit_flush(&flush).await.unwrap(), won, "a lost answer");
        leader.head = JournalHead { seq: won.seq, epoch: flush.epoch, flush: flush.id };
    }
    let refused = journal.commit_flush(&before.flush()).await;
    assert!(matches!(refused, Err(StoreError::StaleLeader)), "{refused:?}");
    assert_eq!(leader.head.seq as i64, 2 * ROWS + 1);
    assert_eq!(journal.count_between(0, u64::MAX >> 1).await.unwrap(), leader.head.seq);

    let young = UnixMs(START.0 + ROWS + 10);
    assert_eq!(journal.delete_before(young, (ROWS - 2) as u64).await.unwrap(), 0, "not all of it was searched");
    assert_eq!(journal.delete_before(young, u64::MAX).await.unwrap(), 1, "one partition");
    assert_eq!(journal.delete_before(young, u64::MAX).await.unwrap(), 0, "rows of a full one stay until it goes");
    let left = partitions.of_table(Parted::Journal).await.unwrap();
    assert_eq!(left, [(ROWS, 2 * ROWS), (2 * ROWS, 3 * ROWS)].map(|(from, to)| Range { from, to }));
    assert_eq!(journal.read_after(0, 1).await.unwrap()[0].seq as i64, ROWS);
    assert_eq!(journal.last_before(START).await.unwrap() as i64, ROWS - 1);
    leader.commit(&world.store, &leader.flush()).await;
    world.lead().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_restored_gets_its_partitions() {
    for database in [Database::sqlite(), Database::postgres()] {
        let world = World::new(&database).await;
        let mut leader = world.lead().await;
        let check = world.check("shop").await;
        let flush = Flush { evidence: vec![piece(&world, check, START)], ..leader.flush() };
        leader.commit(&world.store, &flush).await;
        world.store.blocks().put(leader.epoch, &[settled(good(key(check, 0, 0), 5))]).await.unwrap();
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("of.backup");
        back_up(&database.url, &file, true, START, |_, _| {}).await.unwrap();
        let other = Database::postgres();
        restore(&file, &other.url, START + HOUR_MS, |_, _| {}).await.unwrap();
        let store = other.open().await;
        for parted in [Parted::Evidence, Parted::Blocks] {
            assert!(store.partitions().of_table(parted).await.unwrap().contains(&day(0)));
        }
        let mut connection = other.connect().await;
        for default in ["journal_default", "block_default", "evidence_default"] {
            let question = format!("select count(*) from {default}");
            let row = sqlx::query(AssertSqlSafe(question)).fetch_one(&mut connection).await.unwrap();
            assert_eq!(row.get::<i64, _>(0), 0, "{default}");
        }
    }
}
