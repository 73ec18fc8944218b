//! Heartbeats: signals are folded and kept, keys belong to one check, and silences of control are known.

use farwatch_control::store::{
    Called, Change, GAP_MIN_MS, KeyHash, NewCheck, NewHeartbeat, NewRevision, NewSignal, SIGNALS_KEPT, SignalKind,
};
use farwatch_core::heartbeat::Signal;
use farwatch_core::uptime::Period;
use farwatch_proto::check::Activity;
use farwatch_proto::id::CheckId;

use super::world::{Database, START, World, new_tenant, random};

on_both_engines!(
    what_a_job_says_is_folded_and_its_newest_signals_are_kept,
    signals_at_the_same_time_are_all_counted,
    a_key_belongs_to_one_check_and_can_be_replaced,
    a_check_that_is_watched_again_has_its_whole_time,
    a_silence_of_control_is_a_gap,
);

const KEY: KeyHash = KeyHash([7; 32]);

fn heartbeat(key: KeyHash) -> NewHeartbeat {
    NewHeartbeat { key, sealed_key: key.0.to_vec() }
}

fn saying(signal: Signal, body: &str) -> NewSignal {
    NewSignal { signal, exit: None, address: "192.0.2.7".to_owned(), agent: "curl/8".to_owned(), body: body.to_owned() }
}

async fn job(world: &World, name: &str, key: KeyHash) -> CheckId {
    let id = CheckId::new(START, random());
    let revision = NewRevision { streams: 0, ..world.wording(name) };
    let new = NewCheck { id, tenant: world.tenant, revision, heartbeat: Some(heartbeat(key)) };
    world.store.checks().create(&new, START).await.unwrap();
    id
}

async fn what_a_job_says_is_folded_and_its_newest_signals_are_kept(database: Database) {
    let world = World::new(&database).await;
    let heartbeats = world.store.heartbeats();
    let check = job(&world, "backup", KEY).await;
    assert_eq!(
        heartbeats.hear(KeyHash([8; 32]), &saying(Signal::Succeeded, ""), START).await.unwrap(),
        Called::Unknown
    );
    for (later, signal) in [(5, Signal::Started), (9, Signal::Succeeded)] {
        let called = heartbeats.hear(KEY, &saying(signal, "done"), START + later).await.unwrap();
        assert_eq!(called, Called::Heard(check));
    }
    // A process whose clock is behind says it later all the same.
    let failed = Signal::Failed { exit: Some(3), words: "full".to_owned() };
    heartbeats.hear(KEY, &NewSignal { exit: Some(3), ..saying(failed, "disk\nfull") }, START + 7).await.unwrap();
    let signals = heartbeats.signals(check, 10).await.unwrap();
    let told: Vec<_> = signals.iter().map(|one| (one.n, one.at, one.kind, one.exit, one.took_ms)).collect();
    assert_eq!(
        told,
        [
            (3, START + 9, SignalKind::Fail, Some(3), None),
            (2, START + 9, SignalKind::Success, None, Some(4)),
            (1, START + 5, SignalKind::Start, None, None),
        ]
    );
    assert_eq!((signals[0].body.as_str(), signals[0].kind.word()), ("disk\nfull", "fail"));
    let found = heartbeats.among(&[check]).await.unwrap().remove(0);
    assert_eq!((found.signals, found.record.succeeded, found.record.took_ms), (3, Some(START + 9), Some(4)));
    assert_eq!(found.record.failed.as_ref().map(|failed| failed.words.as_str()), Some("full"));
    assert_eq!(heartbeats.changed_since(START + 9).await.unwrap(), [found]);
    assert_eq!(heartbeats.changed_since(START + 10).await.unwrap(), []);

    for n in 0..i64::from(SIGNALS_KEPT) {
        heartbeats.hear(KEY, &saying(Signal::Logged, ""), START + 20 + n).await.unwrap();
    }
    let kept = heartbeats.signals(check, 2 * SIGNALS_KEPT).await.unwrap();
    assert_eq!((kept.len(), kept[kept.len() - 1].n), (SIGNALS_KEPT as usize, 4));
}

async fn signals_at_the_same_time_are_all_counted(database: Database) {
    let world = World::new(&database).await;
    let heartbeats = world.store.heartbeats();
    let check = job(&world, "backup", KEY).await;
    let said = saying(Signal::Succeeded, "");
    let all = (0..12).map(|_| heartbeats.hear(KEY, &said, START));
    for called in futures_util::future::join_all(all).await {
        assert_eq!(called.unwrap(), Called::Heard(check));
    }
    assert_eq!(heartbeats.among(&[check]).await.unwrap()[0].signals, 12);
    assert_eq!(heartbeats.signals(check, 100).await.unwrap().len(), 12);
}

async fn a_key_belongs_to_one_check_and_can_be_replaced(database: Database) {
    let world = World::new(&database).await;
    let heartbeats = world.store.heartbeats();
    let check = job(&world, "backup", KEY).await;
    assert!(world.store.checks().latest_live(check).await.unwrap().unwrap().is_heartbeat());
    assert_eq!(heartbeats.check_of(KEY).await.unwrap(), Some(check));
    assert_eq!(heartbeats.sealed_key(check).await.unwrap(), Some(KEY.0.to_vec()));
    let stranger = new_tenant(&world.store, "umbrella").await;
    let other = heartbeat(KeyHash([9; 32]));
    assert_eq!(heartbeats.set_key((stranger, check), &other, START).await.unwrap(), Change::NotFound);
    assert!(matches!(heartbeats.set_key((world.tenant, check), &other, START).await.unwrap(), Change::Made(_)));
    assert_eq!(
        (heartbeats.check_of(KEY).await.unwrap(), heartbeats.check_of(other.key).await.unwrap()),
        (None, Some(check))
    );
    let deletion = NewRevision { activity: Activity::Deleted, streams: 0, ..world.wording("backup") };
    world.store.checks().add_revision(world.tenant, check, 1, &deletion, START).await.unwrap();
    assert_eq!(heartbeats.hear(other.key, &saying(Signal::Succeeded, ""), START).await.unwrap(), Called::Unknown);
    assert_eq!(heartbeats.changed_since(START).await.unwrap(), []);
    assert_eq!(heartbeats.sealed_key(world.check("shop").await).await.unwrap(), None);
}

async fn a_check_that_is_watched_again_has_its_whole_time(database: Database) {
    let world = World::new(&database).await;
    let heartbeats = world.store.heartbeats();
    let check = job(&world, "backup", KEY).await;
    let failed = Signal::Failed { exit: None, words: String::new() };
    heartbeats.hear(KEY, &saying(failed, ""), START).await.unwrap();
    heartbeats.watch_again(check, START + 50).await.unwrap();
    let record = heartbeats.among(&[check]).await.unwrap().remove(0).record;
    assert_eq!((record.called, record.failed), (Some(START + 50), None));
}

async fn a_silence_of_control_is_a_gap(database: Database) {
    let world = World::new(&database).await;
    let listening = world.store.listening();
    for at in [0, 5_000, 5_000 + GAP_MIN_MS] {
        listening.note(START + at).await.unwrap();
    }
    assert_eq!(listening.gaps().await.unwrap(), []);
    let from = START + 5_000 + GAP_MIN_MS;
    let to = from + GAP_MIN_MS + 1;
    listening.note(to).await.unwrap();
    // One whose clock is behind takes nothing back.
    listening.note(from).await.unwrap();
    listening.note(to + 5_000).await.unwrap();
    assert_eq!(listening.gaps().await.unwrap(), [Period { from, to }]);
}
