//! The journal: its fence, its chain, and what is committed with a row.

use std::collections::BTreeMap;

use farwatch_control::store::{
    DetectorChange, Flush, FlushId, JournalHead, JournalKind, MARKS_PER_HOST_MAX, SlotRange, StoreError, Takeover,
};
use farwatch_proto::id::{BootId, CheckId, ProcessId};
use farwatch_proto::link::Mark;
use tokio::task::JoinSet;

use super::world::{Database, START, World, put, random, random_16};

on_both_engines!(
    the_chain_begins_with_genesis,
    two_leaders_race_and_one_steps_down,
    many_writers_of_one_number_leave_one_row,
    a_former_leader_is_refused_after_the_takeover,
    a_last_flush_beats_the_takeover,
    only_the_holder_of_the_lease_takes_over,
    a_lost_answer_is_success_once,
    a_missing_predecessor_is_refused,
    a_flush_that_fails_leaves_nothing,
    detector_rows_are_put_and_cleared,
    a_mass_failure_fits_one_flush,
    a_check_is_judged_for_the_first_time_once,
    marks_never_go_back,
    every_segment_has_its_own_mark,
    a_host_is_told_of_so_many_segments_at_most,
    rows_are_read_by_number_and_by_slot,
    a_reader_knows_its_row_again_and_finds_where_to_begin,
    old_rows_go_and_the_newest_stays,
);

async fn the_chain_begins_with_genesis(database: Database) {
    let world = World::new(&database).await;
    let journal = world.store.journal();
    assert_eq!(journal.head().await.unwrap().seq, 0);
    let mut leader = world.lead().await;
    leader.commit(&world.store, &leader.flush()).await;
    let rows = journal.read_after(0, 10).await.unwrap();
    let kinds: Vec<_> = rows.iter().map(|row| (row.seq, row.kind, row.epoch == leader.epoch)).collect();
    assert_eq!(kinds, [(1, JournalKind::Takeover, true), (2, JournalKind::Results, true)]);
    assert_eq!(journal.head().await.unwrap(), leader.head);
}

async fn two_leaders_race_and_one_steps_down(database: Database) {
    let world = World::new(&database).await;
    let leader = world.lead().await;
    let (one, other) = (leader.flush(), leader.flush());
    let journal = world.store.journal();
    let outcomes = tokio::join!(journal.commit_flush(&one), journal.commit_flush(&other));
    match outcomes {
        (Ok(committed), Err(StoreError::StaleLeader)) | (Err(StoreError::StaleLeader), Ok(committed)) => {
            assert_eq!(committed.seq, 2);
        }
        both => panic!("exactly one must win: {both:?}"),
    }
}

async fn many_writers_of_one_number_leave_one_row(database: Database) {
    let world = World::new(&database).await;
    let leader = world.lead().await;
    let mut writers = JoinSet::new();
    for _ in 0..8 {
        let (store, flush) = (world.store.clone(), leader.flush());
        writers.spawn(async move { store.journal().commit_flush(&flush).await.is_ok() });
    }
    let won = writers.join_all().await.into_iter().filter(|won| *won).count();
    assert_eq!(won, 1);
    assert_eq!(world.store.journal().read_after(1, 10).await.unwrap().len(), 1);
}

async fn a_former_leader_is_refused_after_the_takeover(database: Database) {
    let world = World::new(&database).await;
    let former = world.lead().await;
    let mut leader = world.lead().await;
    let refused = world.store.journal().commit_flush(&former.flush()).await;
    assert!(matches!(refused, Err(StoreError::StaleLeader)), "{refused:?}");
    leader.commit(&world.store, &leader.flush()).await;
    let forged = Flush { after: leader.head, ..former.flush() };
    let half = Flush { after: JournalHead { epoch: former.epoch, ..leader.head }, ..former.flush() };
    for flush in [forged, half] {
        let refused = world.store.journal().commit_flush(&flush).await;
        assert!(matches!(refused, Err(StoreError::StaleLeader)), "{refused:?}");
    }
}

async fn a_last_flush_beats_the_takeover(database: Database) {
    let world = World::new(&database).await;
    let mut former = world.lead().await;
    let seen = world.store.lease().read().await.unwrap();
    let process = ProcessId::new(START, random());
    let held = world.store.lease().acquire(&seen, process, "b", 99).await.unwrap().unwrap();
    let takeover = Takeover { id: FlushId(random_16()), after: former.head, epoch: held.epoch, committed: START };
    former.commit(&world.store, &former.flush()).await;
    let journal = world.store.journal();
    let refused = journal.takeover(&takeover).await;
    assert!(matches!(refused, Err(StoreError::StaleLeader)), "{refused:?}");
    let again = Takeover { after: journal.head().await.unwrap(), ..takeover };
    let head = journal.takeover(&again).await.unwrap();
    assert_eq!(head, journal.takeover(&again).await.unwrap(), "a lost answer");
    assert_eq!(head, journal.head().await.unwrap());
}

async fn only_the_holder_of_the_lease_takes_over(database: Database) {
    let world = World::new(&database).await;
    let former = world.lead().await;
    let leader = world.lead().await;
    let takeover = Takeover { id: FlushId(random_16()), after: leader.head, epoch: former.epoch, committed: START };
    let refused = world.store.journal().takeover(&takeover).await;
    assert!(matches!(refused, Err(StoreError::StaleLeader)), "{refused:?}");
}

async fn a_lost_answer_is_success_once(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let check = world.check("shop").await;
    let flush = Flush { detectors: [(check, put("{}"))].into(), ..leader.flush() };
    let journal = world.store.journal();
    let first = journal.commit_flush(&flush).await.unwrap();
    assert_eq!(journal.commit_flush(&flush).await.unwrap(), first);
    assert_eq!(journal.read_after(1, 10).await.unwrap().len(), 1);

    // Also when other rows came after it: nothing of it is written a second time.
    leader.head = JournalHead { seq: first.seq, epoch: leader.epoch, flush: flush.id };
    let clear = Flush { detectors: [(check, DetectorChange::Clear)].into(), ..leader.flush() };
    leader.commit(&world.store, &clear).await;
    assert_eq!(journal.commit_flush(&flush).await.unwrap(), first);
    assert_eq!(world.store.detectors().load_all().await.unwrap(), []);
}

async fn a_missing_predecessor_is_refused(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    leader.commit(&world.store, &leader.flush()).await;
    // A failover that lost the tail: the row the leader saw last is gone.
    database.run("delete from journal where seq = 2").await;
    let refused = world.store.journal().commit_flush(&leader.flush()).await;
    assert!(matches!(refused, Err(StoreError::StaleLeader)), "{refused:?}");
}

async fn a_flush_that_fails_leaves_nothing(database: Database) {
    let world = World::new(&database).await;
    let leader = world.lead().await;
    let check = world.check("shop").await;
    let nobody = farwatch_proto::id::HostId::new(START, random());
    let mark = Mark { boot: BootId::new(START, random()), segment: 0, offset: 1 };
    let flush = Flush { detectors: [(check, put("{}"))].into(), marks: vec![(nobody, mark)], ..leader.flush() };
    let refused = world.store.journal().commit_flush(&flush).await;
    assert!(matches!(refused, Err(StoreError::DanglingReference)), "{refused:?}");
    assert_eq!(world.store.journal().head().await.unwrap(), leader.head);
    assert_eq!(world.store.detectors().load_all().await.unwrap(), []);
}

async fn detector_rows_are_put_and_cleared(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let (shop, blog) = (world.check("shop").await, world.check("blog").await);
    let both = Flush { detectors: [(shop, put("1")), (blog, put("2"))].into(), ..leader.flush() };
    leader.commit(&world.store, &both).await;
    let next = Flush { detectors: [(shop, put("3")), (blog, DetectorChange::Clear)].into(), ..leader.flush() };
    leader.commit(&world.store, &next).await;
    let rows = world.store.detectors().load_all().await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].check, rows[0].body.as_str(), rows[0].seq), (shop, "3", leader.head.seq));
    assert_eq!(world.store.detectors().of_checks(&[blog, shop]).await.unwrap(), rows);
    assert_eq!(world.store.detectors().of_checks(&[blog]).await.unwrap(), []);
}

async fn a_mass_failure_fits_one_flush(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let mut detectors = BTreeMap::new();
    for number in 0..600 {
        detectors.insert(world.check(&format!("site {number}")).await, put("{}"));
    }
    let down = Flush { detectors: detectors.clone(), ..leader.flush() };
    leader.commit(&world.store, &down).await;
    assert_eq!(world.store.detectors().load_all().await.unwrap().len(), 600);
    let up = detectors.into_keys().map(|check| (check, DetectorChange::Clear)).collect();
    let up = Flush { detectors: up, ..leader.flush() };
    leader.commit(&world.store, &up).await;
    assert_eq!(world.store.detectors().load_all().await.unwrap(), []);
}

async fn a_check_is_judged_for_the_first_time_once(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let (shop, blog) = (world.check("shop").await, world.check("blog").await);
    assert_eq!(world.store.judged_checks().among(&[shop, blog]).await.unwrap(), [].into());
    assert_eq!(sorted(world.store.judged_checks().missing().await.unwrap()), sorted(vec![shop, blog]));
    for slot in [START, START + 10_000] {
        let flush = Flush { first_judged: [(shop, slot)].into(), ..leader.flush() };
        leader.commit(&world.store, &flush).await;
    }
    assert_eq!(world.store.judged_checks().among(&[shop, blog]).await.unwrap(), [shop].into());
    assert_eq!(world.store.judged_checks().missing().await.unwrap(), [blog]);
}

fn sorted(mut checks: Vec<CheckId>) -> Vec<CheckId> {
    checks.sort();
    checks
}

async fn marks_never_go_back(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let boots = [BootId::new(START, random()), BootId::new(START + 1, random())];
    let mark = |boot: usize, segment, offset| Mark { boot: boots[boot], segment, offset };
    let commit = async |leader: &mut super::world::Leader, at_ms: i64, marks: &[Mark]| {
        let marks = marks.iter().map(|mark| (world.host, *mark)).collect();
        let flush = Flush { marks, committed: START + at_ms, ..leader.flush() };
        leader.commit(&world.store, &flush).await;
        world.store.host_marks().of_host(world.host).await.unwrap()
    };
    assert_eq!(commit(&mut leader, 0, &[mark(0, 1, 50), mark(0, 1, 20)]).await, [mark(0, 1, 50)]);
    assert_eq!(commit(&mut leader, 1, &[mark(0, 1, 49)]).await, [mark(0, 1, 50)]);
    assert_eq!(commit(&mut leader, 2, &[mark(1, 0, 7)]).await, [mark(1, 0, 7), mark(0, 1, 50)]);
    assert_eq!(commit(&mut leader, 3, &[mark(0, 1, 51)]).await, [mark(0, 1, 51), mark(1, 0, 7)]);
    assert_eq!(world.store.host_marks().delete_before(START + 3).await.unwrap(), 1);
    assert_eq!(world.store.host_marks().of_host(world.host).await.unwrap(), [mark(0, 1, 51)]);
}

async fn every_segment_has_its_own_mark(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let boot = BootId::new(START, random());
    let mark = |segment, offset| Mark { boot, segment, offset };
    let marks = |marks: &[Mark]| marks.iter().map(|mark| (world.host, *mark)).collect();
    // The newest segment comes first, the others while it grows.
    let live = Flush { marks: marks(&[mark(2, 50)]), ..leader.flush() };
    leader.commit(&world.store, &live).await;
    let backlog =
        Flush { marks: marks(&[mark(0, 90), mark(2, 60), mark(1, 70)]), committed: START + 1, ..leader.flush() };
    leader.commit(&world.store, &backlog).await;
    let held = world.store.host_marks().of_host(world.host).await.unwrap();
    assert_eq!(held, [mark(2, 60), mark(1, 70), mark(0, 90)]);
}

async fn a_host_is_told_of_so_many_segments_at_most(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let boot = BootId::new(START, random());
    let all = 0..MARKS_PER_HOST_MAX as u32 + 5;
    let marks = all.map(|segment| (world.host, Mark { boot, segment, offset: 30 })).collect();
    let flush = Flush { marks, ..leader.flush() };
    leader.commit(&world.store, &flush).await;
    let held = world.store.host_marks().of_host(world.host).await.unwrap();
    assert_eq!(held.len(), MARKS_PER_HOST_MAX);
    assert_eq!(held.last().unwrap().segment, 5, "the oldest are left out");
}

async fn rows_are_read_by_number_and_by_slot(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    for (first, last) in [(0, 10), (5, 25), (30, 40)] {
        let slots = Some(SlotRange { first: START + first, last: START + last });
        let flush = Flush { slots, results: 3, body: vec![first as u8; 5], ..leader.flush() };
        leader.commit(&world.store, &flush).await;
    }
    let journal = world.store.journal();
    let numbers = |rows: Vec<farwatch_control::store::JournalRow>| rows.iter().map(|row| row.seq).collect::<Vec<_>>();
    assert_eq!(numbers(journal.read_after(2, 1).await.unwrap()), [3]);
    let row = journal.read_after(2, 1).await.unwrap().remove(0);
    assert_eq!((row.results, row.version, row.body, row.committed), (3, 1, vec![5; 5], START));
    assert_eq!(row.slots, Some(SlotRange { first: START + 5, last: START + 25 }));
    let during = async |from: i64, to: i64, after| {
        numbers(journal.read_for_slots(START + from, START + to, after, 10).await.unwrap())
    };
    assert_eq!(during(0, 5, 0).await, [2]);
    assert_eq!(during(10, 30, 0).await, [2, 3]);
    assert_eq!(during(11, 31, 0).await, [3, 4]);
    assert_eq!(during(0, 100, 3).await, [4]);
    assert_eq!(during(26, 30, 0).await, [] as [u64; 0]);
}

async fn a_reader_knows_its_row_again_and_finds_where_to_begin(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let journal = world.store.journal();
    for after_ms in [10, 20, 30] {
        let flush = Flush { committed: START + after_ms, ..leader.flush() };
        leader.commit(&world.store, &flush).await;
        assert_eq!(journal.flush_at(leader.head.seq).await.unwrap(), Some(flush.id));
    }
    assert_eq!(journal.flush_at(leader.head.seq + 1).await.unwrap(), None);
    let before = [journal.last_before(START + 30).await.unwrap(), journal.last_before(START + 31).await.unwrap()];
    assert_eq!(before, [3, 4]);
    let counts = [journal.count_between(1, 4).await.unwrap(), journal.count_between(4, 9).await.unwrap()];
    assert_eq!(counts, [3, 0]);
    database.run("delete from journal where seq < 3").await;
    assert_eq!(journal.last_before(START).await.unwrap(), 2, "before the oldest row there is");
    assert_eq!(journal.count_between(0, 4).await.unwrap(), 2);
}

async fn old_rows_go_and_the_newest_stays(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    for second in [10, 30, 20, 40] {
        let flush = Flush { committed: START + second * 1000, ..leader.flush() };
        leader.commit(&world.store, &flush).await;
    }
    let journal = world.store.journal();
    // The row of second 20 stands behind one of second 30 and stays with it, so that there is never a gap.
    assert_eq!(journal.delete_before(START + 25_000, 1).await.unwrap(), 2, "no row behind the named one goes");
    assert_eq!(journal.delete_before(START + 25_000, u64::MAX).await.unwrap(), 1);
    let left: Vec<_> = journal.read_after(0, 10).await.unwrap().iter().map(|row| row.seq).collect();
    assert_eq!(left, [3, 4, 5]);
    assert_eq!(journal.delete_before(START + 99_000, u64::MAX).await.unwrap(), 2);
    assert_eq!(journal.delete_before(START + 99_000, u64::MAX).await.unwrap(), 0);
    assert_eq!(journal.head().await.unwrap(), leader.head);
    leader.commit(&world.store, &leader.flush()).await;
}
