//! Join tokens: made once, used once, forgotten after a day.

use farwatch_control::store::{AuditEntry, AuditFilter, JoinUse, NewJoinToken, Redeemed, StoreError, Unique};
use farwatch_proto::id::{HostId, JoinTokenId};
use farwatch_proto::time::UnixMs;

use super::world::{Database, START, facts, random};

on_both_engines!(
    a_token_and_its_host_are_made_together_and_once,
    what_stands_in_the_way_of_the_host_leaves_the_token_unused,
    tokens_of_yesterday_are_forgotten,
    the_key_a_host_shows_is_noted,
);

const LIFE_MS: i64 = 600_000;

fn new_token(at: UnixMs) -> NewJoinToken {
    let id = JoinTokenId::new(at, random());
    NewJoinToken { id, hash: [3; 32], name: None, facts: facts("unnamed"), expires: at + LIFE_MS }
}

fn joins(at: UnixMs) -> JoinUse {
    JoinUse { at, host: HostId::new(at, random()), public_key: vec![1, 2, 3] }
}

async fn a_token_and_its_host_are_made_together_and_once(database: Database) {
    let store = database.open().await;
    let new = new_token(START);
    let signed = store.unsigned().signed(AuditEntry::of_house("join_token.create", new.id.to_string(), START));
    signed.join_tokens().create(&new, START).await.unwrap();
    signed.join_tokens().create(&new, START).await.unwrap();
    let told = store.audit().list(&AuditFilter::default(), None, 10).await.unwrap().items;
    assert_eq!(told.len(), 1, "the second time was the first one's answer");
    assert!(matches!(store.unsigned().join_tokens().create(&new_token(START), START).await, Err(StoreError::Unsigned)));
    let kept = store.join_tokens().get(new.id).await.unwrap().unwrap();
    assert_eq!((kept.hash, kept.name, kept.used, kept.expires), ([3; 32], None, None, START + LIFE_MS));

    let (first, second) = (joins(START + 5), joins(START + 6));
    assert_eq!(store.join_tokens().redeem(new.id, &facts("alpha"), &first).await.unwrap(), Redeemed::Made);
    assert_eq!(store.join_tokens().redeem(new.id, &facts("beta"), &second).await.unwrap(), Redeemed::Overtaken);
    assert_eq!(store.join_tokens().get(new.id).await.unwrap().unwrap().used, Some(first.clone()));
    let hosts = store.hosts().list().await.unwrap();
    assert_eq!(hosts.iter().map(|host| host.id).collect::<Vec<_>>(), [first.host]);
    assert_eq!((hosts[0].public_key.clone(), hosts[0].registered), (Some(vec![1, 2, 3]), START + 5));
    let late = new_token(START);
    store.join_tokens().create(&late, START).await.unwrap();
    let too_late = joins(START + LIFE_MS);
    assert_eq!(store.join_tokens().redeem(late.id, &facts("gamma"), &too_late).await.unwrap(), Redeemed::Overtaken);
    assert_eq!(store.join_tokens().get(JoinTokenId::new(START, random())).await.unwrap(), None);
}

async fn what_stands_in_the_way_of_the_host_leaves_the_token_unused(database: Database) {
    let store = database.open().await;
    store.hosts().register(HostId::new(START, random()), &facts("alpha"), START).await.unwrap();
    let new = new_token(START);
    store.join_tokens().create(&new, START).await.unwrap();
    let refused = store.join_tokens().redeem(new.id, &facts("alpha"), &joins(START)).await;
    assert!(matches!(refused, Err(StoreError::Conflict(Unique::HostName))), "{refused:?}");
    assert_eq!(store.join_tokens().get(new.id).await.unwrap().unwrap().used, None);
    assert_eq!(store.join_tokens().redeem(new.id, &facts("beta"), &joins(START)).await.unwrap(), Redeemed::Made);
}

async fn tokens_of_yesterday_are_forgotten(database: Database) {
    let store = database.open().await;
    let old = new_token(START);
    store.join_tokens().create(&old, START).await.unwrap();
    store.join_tokens().create(&new_token(START + LIFE_MS), START + LIFE_MS).await.unwrap();
    assert!(store.join_tokens().get(old.id).await.unwrap().is_some(), "whoever comes late is told so");
    let day_after = START + LIFE_MS + 86_400_001;
    store.join_tokens().create(&new_token(day_after), day_after).await.unwrap();
    assert_eq!(store.join_tokens().get(old.id).await.unwrap(), None);
}

async fn the_key_a_host_shows_is_noted(database: Database) {
    let store = database.open().await;
    let host = HostId::new(START, random());
    store.hosts().register(host, &facts("alpha"), START).await.unwrap();
    let before = store.config_log().current_stamp().await.unwrap();
    assert_eq!(store.hosts().get(host).await.unwrap().unwrap().public_key, None);
    store.hosts().note_public_key(host, &[9, 9]).await.unwrap();
    let noted = store.hosts().get(host).await.unwrap().unwrap();
    assert_eq!((noted.public_key, noted.revision), (Some(vec![9, 9]), 1));
    assert_eq!(store.config_log().current_stamp().await.unwrap(), before, "nobody has to follow it");
}
