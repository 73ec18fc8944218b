//! What a leader leaves for others: its checkpoint for the next one, its status for those who follow, and, when it is
//! stopped in the middle of a flush, its locks.

use farwatch_control::store::{
    Engine, Epoch, FlushId, LeaderCheckpoint, QUESTION_MAX_MS, QuestionId, ShownStatus, StoreError, StoredQuestion,
    Takeover,
};
use farwatch_proto::id::ProcessId;
use farwatch_proto::time::UnixMs;
use sqlx::Executor;

use super::world::{Database, START, World, random, random_16};

on_both_engines!(
    a_checkpoint_is_replaced_and_a_former_leader_writes_none,
    what_a_later_leader_shows_is_not_replaced_by_a_former_one,
    a_question_is_taken_up_once_by_each_leadership_until_it_is_answered,
    only_so_many_questions_wait_and_old_ones_are_swept_away,
);

fn checkpoint(seq: u64) -> LeaderCheckpoint {
    LeaderCheckpoint { seq, version: 1, body: vec![seq as u8; 40] }
}

async fn a_checkpoint_is_replaced_and_a_former_leader_writes_none(database: Database) {
    let world = World::new(&database).await;
    assert_eq!(world.store.leader_checkpoint().read().await.unwrap(), None);
    let former = world.lead().await;
    for seq in [1, 2] {
        world.store.leader_checkpoint().write(former.epoch, &checkpoint(seq)).await.unwrap();
        assert_eq!(world.store.leader_checkpoint().read().await.unwrap(), Some(checkpoint(seq)));
    }
    world.lead().await;
    let refused = world.store.leader_checkpoint().write(former.epoch, &checkpoint(3)).await;
    assert!(matches!(refused, Err(StoreError::StaleLeader)), "{refused:?}");
    assert_eq!(world.store.leader_checkpoint().read().await.unwrap(), Some(checkpoint(2)));
}

async fn what_a_later_leader_shows_is_not_replaced_by_a_former_one(database: Database) {
    let world = World::new(&database).await;
    assert_eq!(world.store.leader_status().read().await.unwrap(), None);
    let (former, later) = (world.lead().await, world.lead().await);
    let status = |epoch, age_ms: i64| ShownStatus { epoch, at: START + -age_ms, body: "{}".to_owned() };
    for status in [status(later.epoch, 9), status(later.epoch, 5)] {
        world.store.leader_status().show(&status).await.unwrap();
        assert_eq!(world.store.leader_status().read().await.unwrap(), Some(status));
    }
    world.store.leader_status().show(&status(former.epoch, 0)).await.unwrap();
    assert_eq!(world.store.leader_status().read().await.unwrap(), Some(status(later.epoch, 5)));
}

/// As `SIGSTOP` leaves it: a row of the journal written and not committed, and the lease held in place by it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_stopped_in_the_middle_of_a_flush_keeps_nobody_from_leading() {
    let database = Database::postgres();
    assert_eq!(database.url.engine(), Engine::Postgres);
    let world = World::new(&database).await;
    let stopped = world.lead().await;
    let mut session = database.connect().await;
    session.execute("set idle_in_transaction_session_timeout = '3s'").await.unwrap();
    session.execute("begin").await.unwrap();
    session.execute("select counter from lease where name = 'leader' for share").await.unwrap();
    session
        .execute(
            "insert into journal (seq, epoch_n, epoch_random, flush_id, kind, version, committed_ms, results, body) \
             select seq + 1, epoch_n, epoch_random, decode(repeat('07', 16), 'hex'), 'results', 1, 0, 0, ''::bytea \
             from journal order by seq desc limit 1",
        )
        .await
        .unwrap();

    let seen = world.store.lease().read().await.unwrap();
    let process = ProcessId::new(START, random());
    let held = world.store.lease().acquire(&seen, process, "b", 77).await.unwrap().expect("the lease is free to take");
    let after = world.store.journal().head().await.unwrap();
    assert_eq!(after, stopped.head, "what was not committed is not there");
    let takeover = Takeover { id: FlushId(random_16()), after, epoch: held.epoch, committed: START };
    let head = world.store.journal().takeover(&takeover).await.unwrap();
    assert_eq!((head.seq, head.epoch), (after.seq + 1, held.epoch));
    // The one that was stopped wakes up, and its transaction is gone.
    assert!(session.execute("commit").await.is_err());
    let refused = world.store.journal().commit_flush(&stopped.flush()).await;
    assert!(matches!(refused, Err(StoreError::StaleLeader)), "{refused:?}");
}

fn asked(n: u8, at: UnixMs) -> StoredQuestion {
    StoredQuestion { id: QuestionId([n; 16]), asked: at, question: format!("{{\"n\":{n}}}") }
}

async fn a_question_is_taken_up_once_by_each_leadership_until_it_is_answered(database: Database) {
    let world = World::new(&database).await;
    let (former, latter) = (Epoch { n: 1, random: 1 }, Epoch { n: 2, random: 2 });
    let leader_questions = world.store.leader_questions();
    assert!(
        leader_questions.ask(&asked(1, START)).await.unwrap() && leader_questions.ask(&asked(2, START)).await.unwrap()
    );
    assert_eq!(leader_questions.take(former, START + 1).await.unwrap(), []);
    assert_eq!(leader_questions.take(former, START).await.unwrap().len(), 2);
    assert_eq!(leader_questions.take(former, START).await.unwrap(), []);
    leader_questions.answer(asked(1, START).id, "yes").await.unwrap();
    assert_eq!(leader_questions.take(latter, START).await.unwrap(), [asked(2, START)]);
    assert_eq!(leader_questions.answer_to(asked(1, START).id).await.unwrap().as_deref(), Some("yes"));
    assert_eq!(leader_questions.answer_to(asked(2, START).id).await.unwrap(), None);
    assert_eq!(leader_questions.answer_to(asked(3, START).id).await.unwrap(), None);
}

async fn only_so_many_questions_wait_and_old_ones_are_swept_away(database: Database) {
    let world = World::new(&database).await;
    let leader_questions = world.store.leader_questions();
    for n in 0..32 {
        assert!(leader_questions.ask(&asked(n, START)).await.unwrap());
    }
    assert!(!leader_questions.ask(&asked(32, START)).await.unwrap());
    leader_questions.answer(asked(0, START).id, "no").await.unwrap();
    assert!(leader_questions.ask(&asked(32, START)).await.unwrap(), "one less waits");
    let later = START + QUESTION_MAX_MS + 1;
    assert!(leader_questions.ask(&asked(33, later)).await.unwrap(), "nobody waits for the others any more");
    assert_eq!(leader_questions.answer_to(asked(0, START).id).await.unwrap(), None);
}
