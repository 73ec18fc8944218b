//! Answers that are kept with what they tell of: once per key, for a day, and only so many.

use farwatch_control::store::{AuditEntry, KeptAnswer, NewContact, NewToken, Signature, Store, StoreError};
use farwatch_proto::id::{ContactId, TokenId};
use farwatch_proto::time::UnixMs;
use sqlx::Connection;

use super::world::{Database, START, World, random};

on_both_engines!(
    an_answer_is_kept_with_what_it_tells_of_or_not_at_all,
    an_answer_is_kept_for_a_day,
    a_token_has_only_so_many,
);

const DAY_MS: i64 = 24 * 3_600_000;

async fn a_token(store: &Store) -> TokenId {
    let id = TokenId::new(START, random());
    let mut hash = [0; 32];
    hash[..16].copy_from_slice(id.as_bytes());
    let new = NewToken { id, tenant: None, name: "t".to_owned(), scope: "operator".to_owned(), hash, expires: None };
    store.tokens().create(&new, START).await.unwrap();
    id
}

fn answer(token: TokenId, key: &str, says: u8) -> KeptAnswer {
    KeptAnswer { token, key: key.to_owned(), fingerprint: [says; 32], sealed: vec![says; 50] }
}

/// Makes a contact whose answer is kept.
async fn make(world: &World, name: &str, answer: &KeptAnswer, at: UnixMs) -> Result<(), StoreError> {
    let entry = AuditEntry::of_house("contact.create", name.to_owned(), at);
    let signed = world.store.signed(Signature { entry, answer: Some(answer.clone()) });
    let new = NewContact { id: ContactId::new(at, random()), tenant: world.tenant, name: name.to_owned() };
    signed.contacts().create(&new, at).await.map(|_| ())
}

async fn names(world: &World) -> Vec<String> {
    let page = world.store.contacts().list(world.tenant, None, 9).await.unwrap();
    page.items.into_iter().map(|contact| contact.name).collect()
}

async fn an_answer_is_kept_with_what_it_tells_of_or_not_at_all(database: Database) {
    let world = World::new(&database).await;
    let token = a_token(&world.store).await;
    let kept_answers = world.store.kept_answers();
    let first = answer(token, "k1", 1);
    make(&world, "ops", &first, START).await.unwrap();
    assert_eq!(kept_answers.find(token, "k1", START).await.unwrap(), Some(first));
    assert_eq!(kept_answers.find(token, "k2", START).await.unwrap(), None);
    assert_eq!(
        kept_answers.find(a_token(&world.store).await, "k1", START).await.unwrap(),
        None,
        "a key is its token's own"
    );

    let twin = make(&world, "boss", &answer(token, "k1", 2), START).await;
    assert!(matches!(twin, Err(StoreError::KeyInUse)), "{twin:?}");
    assert_eq!(names(&world).await, ["ops"], "of two with one key one makes something");
    make(&world, "ops", &answer(token, "k3", 3), START).await.unwrap_err();
    assert_eq!(kept_answers.find(token, "k3", START).await.unwrap(), None, "what was not made has no answer");
}

async fn an_answer_is_kept_for_a_day(database: Database) {
    let world = World::new(&database).await;
    let token = a_token(&world.store).await;
    let kept_answers = world.store.kept_answers();
    make(&world, "ops", &answer(token, "k1", 1), START).await.unwrap();
    let late = START + (DAY_MS - 1);
    assert!(kept_answers.find(token, "k1", late).await.unwrap().is_some());
    assert!(make(&world, "boss", &answer(token, "k1", 2), late).await.is_err());
    let next_day = START + DAY_MS;
    assert_eq!(kept_answers.find(token, "k1", next_day).await.unwrap(), None);
    make(&world, "boss", &answer(token, "k1", 2), next_day).await.unwrap();
    assert_eq!(kept_answers.find(token, "k1", next_day).await.unwrap(), Some(answer(token, "k1", 2)));
    make(&world, "night", &answer(token, "k2", 3), next_day + DAY_MS).await.unwrap();
    let mut connection = database.connect().await;
    let left: i64 = sqlx::query_scalar("select count(*) from kept_answer").fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    assert_eq!(left, 1, "what is past its time goes when the next is kept");
}

async fn a_token_has_only_so_many(database: Database) {
    let world = World::new(&database).await;
    let token = a_token(&world.store).await;
    let mut connection = database.connect().await;
    sqlx::query(
        "with recursive n (i) as (select 1 union all select i + 1 from n where i < 9999) \
         insert into kept_answer (token_id, key, fingerprint, sealed, created_ms) \
         select $1, 'made ' || i, $1, $1, $2 from n",
    )
    .bind(token.as_bytes().as_slice())
    .bind(START.0)
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
    make(&world, "ops", &answer(token, "the last", 1), START).await.unwrap();
    let refused = make(&world, "boss", &answer(token, "one more", 2), START).await;
    assert!(matches!(refused, Err(StoreError::TooManyKeys { most: 10_000 })), "{refused:?}");
    assert_eq!(names(&world).await, ["ops"]);
    make(&world, "boss", &answer(a_token(&world.store).await, "one more", 2), START).await.unwrap();
}
