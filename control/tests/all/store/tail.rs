//! What is held of the journal in memory: read as it grows, without rows that are damaged, and anew when the journal is
//! not the one that was read.

use farwatch_control::clock::Clock;
use farwatch_control::leader::journal_body::{self, HostResults};
use farwatch_control::store::{Flush, SlotRange};
use farwatch_control::tail::Tail;
use farwatch_core::block::Hour;
use farwatch_proto::check::StreamId;
use farwatch_proto::id::{BootId, CheckId, ModuleHash};
use farwatch_proto::outcome::Outcome;
use farwatch_proto::run::{Purpose, RunCost, RunResult, Terms};
use farwatch_proto::time::{Stamp, UnixMs};

use super::world::{Database, Leader, World};

on_both_engines!(
    rows_are_read_as_they_come_and_each_once,
    a_damaged_row_is_left_out_and_counted,
    a_journal_that_lost_its_tail_is_read_anew,
    another_journal_of_the_same_length_is_noticed,
    a_row_that_is_lost_in_the_middle_is_noticed_by_an_audit,
    votes_and_slots_out_of_time_are_not_held,
);

const STREAM: StreamId = StreamId { check: CheckId::from_bytes([7; 16]), number: 0 };

fn now() -> UnixMs {
    Clock.wall()
}

fn result(slot: UnixMs) -> RunResult {
    RunResult {
        stream: STREAM,
        purpose: Purpose::Slot,
        slot,
        terms: Terms { revision: 1, module: ModuleHash([2; 32]), view: Stamp { era: 1, n: 1 } },
        started: slot + 4,
        duration_us: 30_000,
        cost: RunCost::default(),
        outcome: Outcome::up(1_000),
    }
}

/// A flush of these results.
fn flush(world: &World, leader: &Leader, results: Vec<RunResult>) -> Flush {
    let slots = results.iter().map(|result| result.slot);
    let range = slots.clone().min().zip(slots.max());
    let count = u32::try_from(results.len()).unwrap();
    let section = HostResults { host: world.host, boot: BootId::from_bytes([9; 16]), results };
    Flush {
        committed: now(),
        slots: range.map(|(first, last)| SlotRange { first, last }),
        results: count,
        body: journal_body::encode(&[section]),
        ..leader.flush()
    }
}

async fn commit(world: &World, leader: &mut Leader, slot: UnixMs) {
    let flush = flush(world, leader, vec![result(slot)]);
    leader.commit(&world.store, &flush).await;
}

/// The slots that are held, after everything was read.
async fn held(tail: &Tail) -> Vec<UnixMs> {
    tail.freshen().await.unwrap();
    let held = tail.held();
    let (Some(first), Some(last)) = (held.open().first(), held.open().last()) else { return Vec::new() };
    let hours = std::iter::successors(Some(first), |hour| (*hour < last).then(|| Hour::of(hour.end())));
    hours.flat_map(|hour| held.open().runs(STREAM, hour).map(|run| run.slot).collect::<Vec<_>>()).collect()
}

async fn rows_are_read_as_they_come_and_each_once(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let first = now() - 600_000;
    let tail = Tail::new(world.store.clone(), Clock);
    assert_eq!(tail.status(), None, "nothing was read yet");
    assert_eq!(held(&tail).await, []);
    let mut slots = Vec::new();
    for n in 0..40 {
        let slot = first + n * 10_000;
        commit(&world, &mut leader, slot).await;
        slots.push(slot);
        if n % 7 == 0 {
            assert_eq!(held(&tail).await, slots);
        }
    }
    assert_eq!(held(&tail).await, slots);
    assert_eq!(held(&tail).await, slots);
    let status = tail.status().unwrap();
    assert_eq!((status.seq, status.runs, status.unreadable, status.reloads), (leader.head.seq, 40, 0, 0));
    let other = Tail::new(world.store.clone(), Clock);
    assert_eq!(held(&other).await, slots, "a process that starts now holds the same");
}

async fn a_damaged_row_is_left_out_and_counted(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let tail = Tail::new(world.store.clone(), Clock);
    let slots = [now() - 30_000, now() - 20_000];
    commit(&world, &mut leader, slots[0]).await;
    let damaged = Flush { body: vec![1, 0xff, 0xff], ..flush(&world, &leader, vec![result(now())]) };
    leader.commit(&world.store, &damaged).await;
    commit(&world, &mut leader, slots[1]).await;
    assert_eq!(held(&tail).await, slots);
    assert_eq!(tail.status().unwrap().unreadable, 1);
}

async fn a_journal_that_lost_its_tail_is_read_anew(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let tail = Tail::new(world.store.clone(), Clock);
    let slots = [60_000, 50_000, 40_000, 30_000].map(|ago_ms| now() - ago_ms);
    commit(&world, &mut leader, slots[0]).await;
    let kept = leader;
    commit(&world, &mut leader, slots[1]).await;
    assert_eq!(held(&tail).await, slots[..2]);
    // A standby without the last row takes over, and two others are written.
    database.run(&format!("delete from journal where seq > {}", kept.head.seq)).await;
    let mut leader = kept;
    commit(&world, &mut leader, slots[2]).await;
    commit(&world, &mut leader, slots[3]).await;
    assert_eq!(held(&tail).await, [slots[0], slots[2], slots[3]]);
    assert_eq!(tail.status().unwrap().reloads, 1);
    database.run(&format!("delete from journal where seq > {}", kept.head.seq)).await;
    assert_eq!(held(&tail).await, slots[..1], "a journal that is shorter");
}

async fn another_journal_of_the_same_length_is_noticed(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let tail = Tail::new(world.store.clone(), Clock);
    let kept = leader;
    let slots = [60_000, 50_000].map(|ago_ms| now() - ago_ms);
    commit(&world, &mut leader, slots[0]).await;
    assert_eq!(held(&tail).await, slots[..1]);
    database.run(&format!("delete from journal where seq > {}", kept.head.seq)).await;
    let mut leader = kept;
    commit(&world, &mut leader, slots[1]).await;
    assert_eq!(held(&tail).await, slots[1..]);
}

async fn a_row_that_is_lost_in_the_middle_is_noticed_by_an_audit(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let tail = Tail::new(world.store.clone(), Clock);
    let slots = [60_000, 50_000, 40_000].map(|ago_ms| now() - ago_ms);
    for slot in slots {
        commit(&world, &mut leader, slot).await;
    }
    tail.audit().await.unwrap();
    assert_eq!((held(&tail).await, tail.status().unwrap().reloads), (slots.to_vec(), 0));
    database.run(&format!("delete from journal where seq = {}", leader.head.seq - 1)).await;
    tail.audit().await.unwrap();
    assert_eq!(held(&tail).await, [slots[0], slots[2]]);
    tail.audit().await.unwrap();
    assert_eq!(tail.status().unwrap().reloads, 1, "what is gone is not missed twice");
}

async fn votes_and_slots_out_of_time_are_not_held(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let tail = Tail::new(world.store.clone(), Clock);
    let slot = now();
    let vote = RunResult { purpose: Purpose::Vote(farwatch_proto::id::OrderId::from_bytes([1; 16])), ..result(slot) };
    let results = vec![vote, result(slot + 3_600_000), result(slot - 72 * 3_600_000), result(slot)];
    let flush = flush(&world, &leader, results);
    leader.commit(&world.store, &flush).await;
    assert_eq!(held(&tail).await, [slot]);
}
