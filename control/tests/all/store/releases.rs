//! Releases and the upgrade of the fleet.

use farwatch_control::store::{Published, RELEASES_MAX, Release, StoreError, StoredUpgrade, UploadId};
use farwatch_proto::id::ReleaseHash;
use farwatch_proto::time::UnixMs;

use super::world::{Database, START, World, random_16};

on_both_engines!(
    a_release_is_read_part_by_part_until_it_is_deleted,
    the_same_bytes_are_one_release_and_only_so_many_are_kept,
    what_came_to_nothing_is_swept_away,
    an_upgrade_is_written_upon_what_was_seen,
    an_operator_signs_what_it_does,
);

fn release(n: u8, upload: UploadId) -> Release {
    let hash = ReleaseHash([n; 32]);
    Release { hash, version: format!("{n}.0"), size_bytes: 4, upload, pushed: START + i64::from(n) }
}

async fn uploaded(world: &World, now: UnixMs) -> UploadId {
    let upload = UploadId(random_16());
    let releases = world.store.releases();
    releases.begin(upload, now).await.unwrap();
    for (number, part) in [(0, b"ab"), (1, b"cd")] {
        releases.put_part(upload, number, part).await.unwrap();
    }
    upload
}

async fn a_release_is_read_part_by_part_until_it_is_deleted(database: Database) {
    let world = World::new(&database).await;
    let releases = world.store.releases();
    let (old, new) = (uploaded(&world, START).await, uploaded(&world, START).await);
    assert_eq!(releases.publish(&release(1, old)).await.unwrap(), Published::Now);
    assert_eq!(releases.publish(&release(2, new)).await.unwrap(), Published::Now);
    assert_eq!(releases.list().await.unwrap(), [release(2, new), release(1, old)]);
    assert_eq!(releases.part(old, 1).await.unwrap(), Some(b"cd".to_vec()));
    assert_eq!(releases.part(old, 2).await.unwrap(), None);
    assert!(releases.delete(ReleaseHash([1; 32])).await.unwrap());
    assert!(!releases.delete(ReleaseHash([1; 32])).await.unwrap());
    assert_eq!(releases.part(old, 0).await.unwrap(), None);
    assert_eq!(releases.list().await.unwrap(), [release(2, new)]);
}

async fn the_same_bytes_are_one_release_and_only_so_many_are_kept(database: Database) {
    let world = World::new(&database).await;
    let releases = world.store.releases();
    for n in 0..RELEASES_MAX as u8 {
        let upload = uploaded(&world, START).await;
        assert_eq!(releases.publish(&release(n, upload)).await.unwrap(), Published::Now);
    }
    let again = uploaded(&world, START).await;
    assert_eq!(releases.publish(&release(0, again)).await.unwrap(), Published::Before);
    assert_eq!(releases.part(again, 0).await.unwrap(), None, "its bytes are there once");
    let more = uploaded(&world, START).await;
    assert_eq!(releases.publish(&release(99, more)).await.unwrap(), Published::NoRoom);
    assert_eq!(releases.list().await.unwrap().len(), RELEASES_MAX);
}

async fn what_came_to_nothing_is_swept_away(database: Database) {
    let world = World::new(&database).await;
    let releases = world.store.releases();
    let (abandoned, kept) = (uploaded(&world, START).await, uploaded(&world, START).await);
    releases.publish(&release(1, kept)).await.unwrap();
    let later = uploaded(&world, START + 3_600_001).await;
    let parts = [abandoned, kept, later].map(|upload| releases.part(upload, 0));
    let mut there = Vec::new();
    for part in parts {
        there.push(part.await.unwrap().is_some());
    }
    assert_eq!(there, [false, true, true]);
}

async fn an_upgrade_is_written_upon_what_was_seen(database: Database) {
    let world = World::new(&database).await;
    let upgrades = world.store.fleet_upgrades();
    assert_eq!(upgrades.read().await.unwrap(), None);
    assert!(!upgrades.write(3, "{}", false).await.unwrap(), "there is none of this revision");
    assert!(upgrades.write(0, "{\"a\":1}", false).await.unwrap());
    assert!(!upgrades.write(0, "{\"a\":2}", false).await.unwrap(), "somebody was faster");
    assert!(upgrades.write(1, "{\"a\":3}", false).await.unwrap());
    let kept = StoredUpgrade { revision: 2, body: "{\"a\":3}".to_owned() };
    assert_eq!(upgrades.read().await.unwrap(), Some(kept));
}

async fn an_operator_signs_what_it_does(database: Database) {
    let world = World::new(&database).await;
    let unsigned = world.store.unsigned();
    let upload = uploaded(&world, START).await;
    let refused = unsigned.releases().publish(&release(1, upload)).await;
    assert!(matches!(refused, Err(StoreError::Unsigned)), "{refused:?}");
    let refused = unsigned.fleet_upgrades().write(0, "{}", true).await;
    assert!(matches!(refused, Err(StoreError::Unsigned)), "{refused:?}");
    assert_eq!(world.store.fleet_upgrades().read().await.unwrap(), None);
}
