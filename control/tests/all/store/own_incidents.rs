//! Our own incidents: one row per cause and first slot, and until when somebody looked.

use farwatch_control::store::{Epoch, StoreError};
use farwatch_core::ledger::MissCause;
use farwatch_core::own_incident::OwnIncident;

use super::world::{Database, START, World};

on_both_engines!(a_look_is_kept_with_what_it_changed, a_former_leader_writes_none);

fn incident(cause: MissCause, first_ms: i64) -> OwnIncident {
    let first_slot = START + first_ms;
    OwnIncident {
        cause,
        first_slot,
        last_slot: first_slot,
        missed: 1,
        opened: first_slot + 15_000,
        last_seen: first_slot + 15_000,
        resolved: None,
    }
}

async fn a_look_is_kept_with_what_it_changed(database: Database) {
    let world = World::new(&database).await;
    let leader = world.lead().await;
    let own_incidents = world.store.own_incidents();
    assert_eq!((own_incidents.looked_until().await.unwrap().0, own_incidents.open().await.unwrap()), (0, Vec::new()));
    let none = incident(MissCause::NoRun, 0);
    let paused = incident(MissCause::HostTrouble { host: world.host, code: "host-paused".to_owned() }, 1);
    let outside = incident(MissCause::OutsideWindow { host: world.host }, 2);
    let all = [none.clone(), paused.clone(), outside.clone()];
    for _ in 0..2 {
        own_incidents.save(leader.epoch, &all, START + 60_000).await.unwrap();
        assert_eq!(own_incidents.open().await.unwrap(), all);
    }
    let backlog = world.store.backlog().await.unwrap();
    assert_eq!((backlog.own_incidents, backlog.own_missed), (3, 3));

    let over = OwnIncident { missed: 7, last_slot: START + 50_000, resolved: Some(START + 700_000), ..none.clone() };
    own_incidents.save(leader.epoch, std::slice::from_ref(&over), START + 120_000).await.unwrap();
    assert_eq!(own_incidents.open().await.unwrap(), [paused.clone(), outside.clone()]);
    assert_eq!(own_incidents.newest(10).await.unwrap(), [outside.clone(), paused, over]);
    assert_eq!(own_incidents.newest(1).await.unwrap(), [outside]);
    own_incidents.save(leader.epoch, &[], START).await.unwrap();
    assert_eq!(own_incidents.looked_until().await.unwrap(), START + 120_000, "a look does not go back");
}

async fn a_former_leader_writes_none(database: Database) {
    let world = World::new(&database).await;
    let leader = world.lead().await;
    let former = Epoch { n: leader.epoch.n + 1, ..leader.epoch };
    let own_incidents = world.store.own_incidents();
    let refused = own_incidents.save(former, &[incident(MissCause::NoRun, 0)], START).await;
    assert!(matches!(refused, Err(StoreError::StaleLeader)), "{refused:?}");
    assert_eq!(
        (own_incidents.looked_until().await.unwrap().0, own_incidents.newest(10).await.unwrap()),
        (0, Vec::new())
    );
}
