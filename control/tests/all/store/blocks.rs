//! Blocks: written over, found by check, hour and what is open, deleted in pieces; and what a good result weighs.

use farwatch_control::store::{BLOCKS_AT_ONCE, DAY_MS, Engine, FoldMark, StoreError, StoredBlock};
use farwatch_core::block::{Block, BlockKey, HOUR_MS, Hour, Latency, Rank, Runner, SlotRun, Totals};
use farwatch_core::ledger::{Balance, DueSlot, InForce, due_slots};
use farwatch_core::revision::Cadence;
use farwatch_proto::check::{Activity, StreamId};
use farwatch_proto::id::{CheckId, HostId};
use farwatch_proto::interval::Interval;
use farwatch_proto::outcome::Status;
use farwatch_proto::time::{Stamp, UnixMs};
use sqlx::{Connection, Row};

use super::world::{Database, START, World};

on_both_engines!(
    a_block_is_written_over_and_reads_back,
    blocks_of_a_check_come_in_order_and_in_pieces,
    blocks_of_an_hour_are_those_of_the_named_checks,
    only_blocks_with_something_to_decide_are_unsettled,
    old_blocks_become_days_and_younger_stay,
    the_record_begins_once,
    only_the_leader_writes_and_the_mark_never_goes_back,
    a_good_result_is_stored_in_less_than_eight_bytes,
);

const NEVER: UnixMs = UnixMs(i64::MAX / 2);

pub(super) fn key(check: CheckId, number: u16, hours: i64) -> BlockKey {
    BlockKey { stream: StreamId { check, number }, hour: Hour::of(START + hours * HOUR_MS) }
}

/// The block of this hour at 10 s with two streams, and its slots.
fn empty(key: BlockKey) -> (Block, Vec<DueSlot>) {
    let cadence = Cadence { activity: Activity::Active, interval: Interval::from_seconds(10).unwrap(), streams: 2 };
    let due = due_slots(key.stream, &[InForce { from: UnixMs(0), cadence }], key.hour.start(), key.hour.end());
    (Block::open(key, &due).unwrap(), due)
}

/// The same with so many good results.
pub(super) fn good(key: BlockKey, results: usize) -> Block {
    let (mut block, due) = empty(key);
    let runner = Runner { host: HostId::from_bytes([3; 16]), view: Stamp { era: 1, n: 42 }, rank: Rank(0) };
    for (due, n) in due.iter().take(results).zip(0..) {
        let latency = Latency::of_us(20_000 + n * 7919 % 60_000);
        let started = due.slot + i64::from(n * 37 % 120);
        block.enter(due.slot, SlotRun { runner, started, latency, status: Status::Up, code: "" });
    }
    block
}

pub(super) fn settled(mut block: Block) -> StoredBlock {
    block.settle(NEVER, |_| false);
    StoredBlock::of(&block, NEVER)
}

async fn a_block_is_written_over_and_reads_back(database: Database) {
    let world = World::new(&database).await;
    let leader = world.lead().await;
    let key = key(world.check("shop").await, 0, 0);
    let blocks = world.store.blocks();
    let read = async || {
        let hour = (key.hour.start(), key.hour.end());
        blocks.of_check(key.stream.check, hour, None, 10).await.unwrap()
    };
    assert_eq!(read().await, []);
    for results in [100, 360] {
        let written = [settled(good(key, results))];
        blocks.put(leader.epoch, &written).await.unwrap();
        blocks.put(leader.epoch, &written).await.unwrap();
        let found = read().await;
        assert_eq!(found, written);
        assert_eq!((found[0].totals.balance.on_time, found[0].totals.balance.due()), (results as u64, 360));
        assert!(found[0].read().unwrap().slots().eq(settled(good(key, results)).read().unwrap().slots()));
    }
}

async fn blocks_of_a_check_come_in_order_and_in_pieces(database: Database) {
    let world = World::new(&database).await;
    let leader = world.lead().await;
    let (shop, blog) = (world.check("shop").await, world.check("blog").await);
    let blocks = world.store.blocks();
    let mut written = Vec::new();
    for (check, number, hour) in [(shop, 1, 2), (blog, 0, 1), (shop, 0, 2), (shop, 0, 1), (shop, 0, 0), (shop, 0, 3)] {
        written.push(settled(good(key(check, number, hour), 3)));
    }
    blocks.put(leader.epoch, &written).await.unwrap();
    let period = (key(shop, 0, 1).hour.start(), key(shop, 0, 3).hour.start());
    let mut after = None;
    let mut seen = Vec::new();
    loop {
        let piece = blocks.of_check(shop, period, after, 1).await.unwrap();
        let Some(last) = piece.last() else { break };
        after = Some((last.key.hour, last.key.stream.number));
        seen.extend(piece.iter().map(|block| block.key));
    }
    assert_eq!(seen, [key(shop, 0, 1), key(shop, 0, 2), key(shop, 1, 2)]);
}

async fn blocks_of_an_hour_are_those_of_the_named_checks(database: Database) {
    let world = World::new(&database).await;
    let leader = world.lead().await;
    let mut checks = Vec::new();
    for n in 0..70 {
        checks.push(world.check(&format!("shop {n}")).await);
    }
    checks.sort();
    let written: Vec<StoredBlock> = checks.iter().map(|check| settled(good(key(*check, 1, 5), 2))).collect();
    let blocks = world.store.blocks();
    blocks.put(leader.epoch, &written).await.unwrap();
    blocks.put(leader.epoch, &[settled(good(key(checks[0], 1, 6), 2))]).await.unwrap();
    let hour = written[0].key.hour;
    assert_eq!(blocks.of_hour(hour, &checks).await.unwrap(), written);
    assert_eq!(blocks.of_hour(hour, &checks[3..5]).await.unwrap(), written[3..5]);
    assert_eq!(blocks.of_hour(hour, &[]).await.unwrap(), []);
}

async fn only_blocks_with_something_to_decide_are_unsettled(database: Database) {
    let world = World::new(&database).await;
    let leader = world.lead().await;
    let check = world.check("shop").await;
    let open = [key(check, 1, 0), key(check, 0, 3)].map(|key| StoredBlock::of(&good(key, 359), key.hour.start()));
    let blocks = world.store.blocks();
    blocks.put(leader.epoch, &open).await.unwrap();
    blocks.put(leader.epoch, &[settled(good(key(check, 0, 1), 359))]).await.unwrap();
    let [first, second] = [&open[0], &open[1]].map(|block| block.settles.unwrap());
    assert_eq!(blocks.unsettled(first - 1, 10).await.unwrap(), []);
    assert_eq!(blocks.unsettled(first, 10).await.unwrap(), open[..1]);
    assert_eq!(blocks.unsettled(second, 10).await.unwrap(), open);
    assert_eq!(blocks.unsettled(second, 1).await.unwrap(), open[..1]);
    blocks.put(leader.epoch, &open.map(|block| settled(block.read().unwrap()))).await.unwrap();
    assert_eq!(blocks.unsettled(NEVER, 10).await.unwrap(), []);
}

async fn old_blocks_become_days_and_younger_stay(database: Database) {
    let world = World::new(&database).await;
    let leader = world.lead().await;
    let (shop, blog) = (world.check("shop").await, world.check("blog").await);
    // START is within a day, which its blocks fill from its own hour on.
    let of_shop: Vec<StoredBlock> =
        (0..72).map(|hour| settled(good(key(shop, 0, hour), 100 + hour as usize))).collect();
    let of_blog = [settled(good(key(blog, 1, 0), 7))];
    let store = &world.store;
    store.blocks().put(leader.epoch, &[&of_shop[..], &of_blog].concat()).await.unwrap();
    let day = UnixMs(START.0 - START.0.rem_euclid(DAY_MS));
    let period = (day, day + 4 * DAY_MS);
    let before = store.days().of_check(shop, period).await.unwrap();
    assert_eq!(before.iter().map(|day| day.totals).sum::<Totals>(), of_shop.iter().map(|block| block.totals).sum());

    let end = day + 2 * DAY_MS;
    let of_checks = async || store.days().of_checks(&[shop, blog], period).await.unwrap();
    let by_check = of_checks().await;
    for check in [shop, blog] {
        let sum = by_check.iter().filter(|day| day.check == check).map(|day| day.balance).sum::<Balance>();
        let streams = store.days().of_check(check, period).await.unwrap();
        assert_eq!(sum, streams.iter().map(|day| day.totals.balance).sum());
    }
    assert_eq!(store.days().of_checks(&[], period).await.unwrap(), []);
    assert_eq!(store.days().make_before(day + DAY_MS - 1).await.unwrap(), 0, "the first day is not over");
    let mut made = Vec::new();
    while made.last() != Some(&0) {
        made.push(store.days().make_before(end).await.unwrap());
    }
    assert_eq!(made, [2, 1, 0]);
    assert_eq!(store.days().of_check(shop, period).await.unwrap(), before, "nothing is lost and nothing doubled");
    assert_eq!(of_checks().await, by_check);
    assert_eq!(store.days().of_check(blog, period).await.unwrap()[0].stream, 1);
    let left = store.blocks().of_check(shop, (UnixMs(0), NEVER), None, 100).await.unwrap();
    assert!(left.iter().all(|block| block.key.hour.start() >= end) && !left.is_empty());

    // A block that comes after its day was made is added to it.
    store.blocks().put(leader.epoch, &of_blog).await.unwrap();
    store.days().make_before(end).await.unwrap();
    assert_eq!(store.days().of_check(blog, period).await.unwrap()[0].totals, [of_blog[0].totals; 2].into_iter().sum());
}

async fn the_record_begins_once(database: Database) {
    let world = World::new(&database).await;
    let leader = world.lead().await;
    let blocks = world.store.blocks();
    assert_eq!(blocks.record_from().await.unwrap(), UnixMs(0));
    let block = settled(good(key(world.check("shop").await, 0, 3), 1));
    blocks.put(leader.epoch, std::slice::from_ref(&block)).await.unwrap();
    for later in [5, 6] {
        blocks.begin_record(leader.epoch, START + later * HOUR_MS).await.unwrap();
        assert_eq!(blocks.record_from().await.unwrap(), block.key.hour.start(), "an earlier version folded already");
    }
}

async fn only_the_leader_writes_and_the_mark_never_goes_back(database: Database) {
    let world = World::new(&database).await;
    let former = world.lead().await;
    let leader = world.lead().await;
    let block = settled(good(key(world.check("shop").await, 0, 0), 1));
    let blocks = world.store.blocks();
    assert_eq!(blocks.fold_mark().await.unwrap(), FoldMark::default());
    let mark = FoldMark { until: START, seq: 7 };
    let refused = [blocks.put(former.epoch, &[block]).await, blocks.advance(former.epoch, mark).await];
    assert!(refused.iter().all(|refused| matches!(refused, Err(StoreError::StaleLeader))), "{refused:?}");
    blocks.advance(leader.epoch, mark).await.unwrap();
    blocks.advance(leader.epoch, FoldMark { until: START - 1, seq: 9 }).await.unwrap();
    assert_eq!(blocks.fold_mark().await.unwrap(), FoldMark { until: START, seq: 9 });
}

#[allow(clippy::print_stdout, reason = "the figure is what the test is for")]
async fn a_good_result_is_stored_in_less_than_eight_bytes(database: Database) {
    let world = World::new(&database).await;
    let leader = world.lead().await;
    let check = world.check("shop").await;
    let written: Vec<StoredBlock> =
        (0..2 * BLOCKS_AT_ONCE as i64).map(|hour| settled(good(key(check, 0, hour), 360))).collect();
    let before = size(&database).await;
    world.store.blocks().put(leader.epoch, &written).await.unwrap();
    let bytes = size(&database).await - before;
    let each = bytes as f64 / (360 * written.len()) as f64;
    println!("{each:.2} bytes a good result");
    assert!(each < 8.0, "{each:.2} bytes a good result");
}

/// What the table and its indexes weigh, with the pages they leave half empty.
async fn size(database: &Database) -> i64 {
    let question = match database.url.engine() {
        Engine::Sqlite => "select cast(page_count * page_size as integer) from pragma_page_count(), pragma_page_size()",
        Engine::Postgres => "select cast(sum(pg_total_relation_size(relid)) as bigint) from pg_partition_tree('block')",
    };
    let mut connection = database.connect().await;
    let row = sqlx::query(question).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    row.get(0)
}
