use farwatch_core::join::TOKEN_LIFE_MS;
use farwatch_proto::id::JoinTokenId;
use farwatch_proto::join::JoinSecret;
use rcgen::{CertificateParams, KeyPair};

use super::*;
use crate::authority::covers_host;
use crate::clock::Clock;
use crate::links::stage::World;
use crate::store::{AuditRecord, NewJoinToken};

const NEWCOMER: &str = "192.0.2.7:4000";

fn facts() -> HostFacts {
    serde_json::from_value(json!({
        "name": "unnamed", "provider": "hetzner", "asn": 24940, "country": "DE", "continent": "EU",
        "region": "eu-central", "weight": 1,
    }))
    .unwrap()
}

impl World {
    /// Makes a token that has so long to live.
    async fn token(&self, name: Option<&str>, life_ms: i64) -> (JoinTokenId, JoinSecret) {
        let now = Clock.wall();
        let (id, secret) = (JoinTokenId::new(now, random_bytes()), JoinSecret::new(random_bytes()));
        let name = name.map(str::to_owned);
        let new = NewJoinToken { id, hash: secret.hash(), name, facts: facts(), expires: now + life_ms };
        self.links.store.join_tokens().create(&new, now).await.unwrap();
        (id, secret)
    }

    async fn join(&self, request: &JoinRequest) -> Result<JoinAnswer, (u16, String)> {
        let body = serde_json::to_vec(request).unwrap().into();
        let newcomer = Newcomer { address: NEWCOMER.parse().unwrap() };
        let response = join(State(self.links.clone()), Extension(newcomer), body).await;
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        if status == 200 {
            return Ok(serde_json::from_slice(&body).unwrap());
        }
        Err((status, serde_json::from_slice::<JoinRefusal>(&body).unwrap().reason))
    }
}

fn request(key: &KeyPair, (token, secret): &(JoinTokenId, JoinSecret)) -> JoinRequest {
    JoinRequest {
        token: *token,
        secret: secret.clone(),
        provider: "hetzner".to_owned(),
        region: "eu-central".to_owned(),
        name: "fra-7".to_owned(),
        request: CertificateParams::default().serialize_request(key).unwrap().der().to_vec(),
    }
}

#[tokio::test]
async fn a_machine_becomes_a_registered_host_by_its_own_key_and_hears_it_again() {
    let world = World::new().await;
    let (token, key) = (world.token(None, TOKEN_LIFE_MS).await, KeyPair::generate().unwrap());
    let answer = world.join(&request(&key, &token)).await.unwrap();
    assert!(covers_host(&answer.certificate, answer.host, &key, Clock.wall()));
    let host = world.links.store.hosts().get(answer.host).await.unwrap().unwrap();
    assert_eq!((host.facts.name.as_str(), host.facts.asn), ("fra-7", 24940));
    assert_eq!(host.public_key, Some(key.subject_public_key_info()));
    let told = world.told("host.join", 1).await;
    assert_eq!((&told[0].entry.actor, &told[0].entry.entity), (&token.0.to_string(), &answer.host.to_string()));
    let again = world.join(&request(&key, &token)).await.unwrap();
    assert_eq!((again.host, again.name.as_str()), (answer.host, "fra-7"));
    assert_eq!(world.links.store.hosts().list().await.unwrap().len(), 1);
    world.links.store.hosts().retire(answer.host, Clock.wall()).await.unwrap();
    assert_eq!(world.join(&request(&key, &token)).await.unwrap_err().0, 403, "a retired host is told nothing");
}

#[tokio::test]
async fn a_stolen_used_or_expired_token_lets_nobody_in_and_is_told_of() {
    let world = World::new().await;
    let (key, thief) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let (used, expired) = (world.token(None, TOKEN_LIFE_MS).await, world.token(None, 0).await);
    let stolen = request(&thief, &used);
    let forged = (used.0, JoinSecret::new([7; 32]));
    let mut unproven = request(&thief, &used);
    *unproven.request.last_mut().unwrap() ^= 1;
    for (refused, words) in [
        (JoinRequest { provider: "elsewhere".to_owned(), ..stolen.clone() }, "another provider or region"),
        (JoinRequest { region: "us-east".to_owned(), ..stolen.clone() }, "another provider or region"),
        (request(&thief, &forged), "not known"),
        (request(&thief, &expired), "expired"),
        (unproven, "not signed by its own key"),
    ] {
        let (status, reason) = world.join(&refused).await.unwrap_err();
        assert!(matches!(status, 400 | 403) && reason.contains(words), "{status} {reason}");
    }
    assert!(world.links.store.hosts().list().await.unwrap().is_empty());
    world.join(&request(&key, &used)).await.unwrap();
    let (status, reason) = world.join(&stolen).await.unwrap_err();
    assert!(status == 403 && reason.contains("has been used"), "{reason}");
    let told = world.told("refused.join", 6).await;
    let why =
        |record: &AuditRecord| serde_json::from_str::<serde_json::Value>(&record.entry.detail).unwrap()["why"].clone();
    let reasons: Vec<_> = told.iter().rev().map(why).collect();
    assert_eq!(reasons, ["elsewhere", "elsewhere", "unknown", "expired", "unreadable", "used"]);
    assert!(told.iter().all(|record| record.entry.detail.contains("192.0.2.7") && record.entry.actor == "nobody"));
    assert!(!format!("{told:?}").contains(&format!("{:?}", [7_u8; 32])));
}

#[tokio::test]
async fn of_two_machines_with_one_token_one_joins() {
    let world = World::new().await;
    let token = world.token(Some("fra-1"), TOKEN_LIFE_MS).await;
    let keys = [KeyPair::generate().unwrap(), KeyPair::generate().unwrap()];
    let requests = keys.each_ref().map(|key| request(key, &token));
    let (one, other) = tokio::join!(world.join(&requests[0]), world.join(&requests[1]));
    assert_eq!([&one, &other].iter().filter(|joined| joined.is_ok()).count(), 1, "{one:?} {other:?}");
    let refused = one.err().or(other.err()).unwrap();
    assert!(refused.1.contains("has been used"), "{refused:?}");
    assert_eq!(world.links.store.hosts().list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_in_the_way_leaves_the_token_as_good_as_it_was() {
    let world = World::new().await;
    let key = KeyPair::generate().unwrap();
    world.join(&request(&key, &world.token(Some("fra-1"), TOKEN_LIFE_MS).await)).await.unwrap();
    let token = world.token(None, TOKEN_LIFE_MS).await;
    let named = |name: &str| JoinRequest { name: name.to_owned(), ..request(&key, &token) };
    for (name, words) in [("fra-1", "a host of this name"), ("", "must not be empty")] {
        let (status, reason) = world.join(&named(name)).await.unwrap_err();
        assert!(status == 409 && reason.contains(words), "{status} {reason}");
    }
    assert_eq!(world.join(&named("fra-2")).await.unwrap().name, "fra-2");
}

#[tokio::test]
async fn a_process_without_the_key_of_the_authority_says_so() {
    let mut world = World::new().await;
    let token = world.token(None, TOKEN_LIFE_MS).await;
    world.links.signing = None;
    let (status, reason) = world.join(&request(&KeyPair::generate().unwrap(), &token)).await.unwrap_err();
    assert!(status == 503 && reason.contains("no ca.key"), "{status} {reason}");
}
