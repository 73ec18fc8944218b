//! Webhooks: signed, in order, tried again, given up, and never sent where they must not go.

use farwatch_control::clock::Clock;
use farwatch_control::store::{ChannelChange, DeliveryState, Retried};
use farwatch_control::tell::channel::ChannelConfig;
use farwatch_control::tell::config::TellFlags;
use farwatch_core::egress::Policy;
use farwatch_tests::certificate::{Authority, Validity};
use farwatch_tests::nginx::{Nginx, Server};
use farwatch_tests::webhook_receiver::{Reply, WebhookReceiver};

use super::world::{Database, OUTAGE_MS, Worker, World, loopback, until};

on_both_engines!(
    an_outage_is_told_in_order_and_signed,
    a_busy_receiver_is_tried_again_when_it_is_due,
    a_receiver_that_is_gone_gets_no_more,
    a_receiver_that_asks_to_be_left_alone_is,
    a_recovery_that_meets_an_unsent_opening_tells_of_both,
    a_receiver_that_hangs_keeps_nobody_else_waiting,
);

fn status(status: u16, body: &str) -> Reply {
    Reply::Status(status, body.to_owned())
}

async fn requests(receiver: &WebhookReceiver, count: usize) {
    until(&format!("{count} requests came"), async || (receiver.requests().len() >= count).then_some(())).await;
}

async fn an_outage_is_told_in_order_and_signed(database: Database) {
    let world = World::new(database).await;
    let receiver = WebhookReceiver::start(Vec::new()).unwrap();
    let reach = world.webhook(world.tenant, &receiver.url()).await;
    let worker = world.worker(&TellFlags::default());
    let outage = world.goes_down("shop", &[&reach]).await;
    let opened = world.settled(&outage, outage.opened(), DeliveryState::Sent).await;
    assert_eq!((opened.attempt, opened.last_answer.as_deref()), (1, Some("204 No Content")));
    world.comes_up("shop", &outage).await;
    world.settled(&outage, outage.resolved(), DeliveryState::Sent).await;

    let requests = receiver.requests();
    assert_eq!(requests.len(), 2);
    let ids: Vec<&str> = requests.iter().map(|request| request.header("webhook-id")).collect();
    assert_eq!(ids, [outage.opened().to_string(), outage.resolved().to_string()]);
    let told: Vec<_> = requests.iter().map(|request| request.json().unwrap()).collect();
    assert_eq!([&told[0]["type"], &told[1]["type"]], ["incident.opened", "incident.resolved"]);
    assert_eq!(told[0]["data"]["check"]["name"], "shop");
    assert_eq!(told[1]["data"]["duration_ms"], OUTAGE_MS);
    for request in &requests {
        assert_eq!(request.line, "POST /hook?token=in-the-url HTTP/1.1");
        assert_eq!(request.header("content-type"), "application/json");
        assert_eq!(request.header("host"), receiver.address().to_string());
    }
    receiver.verify(&reach.secret).unwrap();
    assert!(receiver.verify("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").is_err(), "another secret must not fit");
    let task = &worker.tasks.statuses()[0];
    assert_eq!((task.name, task.last_error.as_deref()), ("tell", None));
}

async fn a_busy_receiver_is_tried_again_when_it_is_due(database: Database) {
    let world = World::new(database).await;
    let receiver = WebhookReceiver::start(vec![status(503, "come\r\nback later")]).unwrap();
    let reach = world.webhook(world.tenant, &receiver.url()).await;
    let outage = world.goes_down("shop", &[&reach]).await;
    let before = Clock.wall();
    let _worker = world.worker(&TellFlags::default());
    let waiting = world.settled(&outage, outage.opened(), DeliveryState::Pending).await;
    assert_eq!(
        (waiting.attempt, waiting.last_answer.as_deref()),
        (1, Some("503 Service Unavailable: come back later"))
    );
    let wait_ms = waiting.due.since(before);
    assert!((4_000..=6_000 + Clock.wall().since(before)).contains(&wait_ms), "due after {wait_ms} ms");
    let sent = world.settled(&outage, outage.opened(), DeliveryState::Sent).await;
    assert_eq!(sent.attempt, 2);
    assert!(sent.finished.unwrap() >= waiting.due, "it was sent before it was due");
    let requests = receiver.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].header("webhook-id"), requests[1].header("webhook-id"));
    assert_eq!(requests[0].body, requests[1].body);
    receiver.verify(&reach.secret).unwrap();
}

async fn a_receiver_that_is_gone_gets_no_more(database: Database) {
    let world = World::new(database).await;
    let receiver = WebhookReceiver::start(vec![status(410, "")]).unwrap();
    let reach = world.webhook(world.tenant, &receiver.url()).await;
    let outage = world.goes_down("shop", &[&reach]).await;
    let _worker = world.worker(&TellFlags::default());
    let dead = world.settled(&outage, outage.opened(), DeliveryState::Dead).await;
    assert_eq!(dead.last_answer.as_deref(), Some("410 Gone"));
    let shown = world.store.deliveries().list_dead(world.tenant, None, 10).await.unwrap();
    assert_eq!(shown.items, [dead]);
    world.comes_up("shop", &outage).await;
    let unsent = world.settled(&outage, outage.resolved(), DeliveryState::Dead).await;
    assert!(unsent.last_answer.unwrap().contains("asked for nothing more: 410 Gone"));
    assert_eq!(receiver.requests().len(), 1);

    let same = ChannelChange { config: ChannelConfig::Webhook(receiver.url()).to_json(), sealed_secret: None };
    let contacts = world.store.contacts();
    contacts.change_channel(world.tenant, reach.channel, 1, &same, Clock.wall()).await.unwrap();
    let retried = world.store.deliveries().retry(world.tenant, outage.resolved(), Clock.wall()).await.unwrap();
    assert!(matches!(retried, Retried::Made(_)), "{retried:?}");
    world.settled(&outage, outage.resolved(), DeliveryState::Sent).await;
    assert_eq!(world.delivery(&outage, outage.opened()).await.state, DeliveryState::Merged);
    assert_eq!(receiver.requests()[1].json().unwrap()["data"]["includes_opening"], true);
}

async fn a_receiver_that_asks_to_be_left_alone_is(database: Database) {
    let world = World::new(database).await;
    let receiver = WebhookReceiver::start(vec![Reply::RetryAfter(429, "600".to_owned())]).unwrap();
    let reach = world.webhook(world.tenant, &receiver.url()).await;
    let outage = world.goes_down("shop", &[&reach]).await;
    let before = Clock.wall();
    let _worker = world.worker(&TellFlags::default());
    let waiting = world.settled(&outage, outage.opened(), DeliveryState::Pending).await;
    let wait_ms = waiting.due.since(before);
    assert!((600_000..=720_000 + Clock.wall().since(before)).contains(&wait_ms), "due after {wait_ms} ms");
}

async fn a_recovery_that_meets_an_unsent_opening_tells_of_both(database: Database) {
    let world = World::new(database).await;
    let receiver = WebhookReceiver::start(Vec::new()).unwrap();
    let reach = world.webhook(world.tenant, &receiver.url()).await;
    let outage = world.goes_down("shop", &[&reach]).await;
    world.comes_up("shop", &outage).await;
    let _worker = world.worker(&TellFlags::default());
    world.settled(&outage, outage.resolved(), DeliveryState::Sent).await;
    assert_eq!(world.delivery(&outage, outage.opened()).await.state, DeliveryState::Merged);
    let requests = receiver.requests();
    assert_eq!(requests.len(), 1);
    let told = requests[0].json().unwrap();
    assert_eq!((&told["type"], &told["data"]["includes_opening"]), (&"incident.resolved".into(), &true.into()));
    assert_eq!(told["data"]["cause"]["code"], "http-status");
    receiver.verify(&reach.secret).unwrap();
}

async fn a_receiver_that_hangs_keeps_nobody_else_waiting(database: Database) {
    let world = World::new(database).await;
    let hanging = WebhookReceiver::start(vec![Reply::Silence; 50]).unwrap();
    let quick = WebhookReceiver::start(Vec::new()).unwrap();
    let stuck = world.webhook(world.tenant, &hanging.url()).await;
    for number in 0..12 {
        world.goes_down(&format!("site {number}"), &[&stuck]).await;
    }
    let _worker = world.worker(&TellFlags::default());
    requests(&hanging, 4).await;
    let reach = world.webhook(world.other_tenant().await, &quick.url()).await;
    let outage = world.goes_down("shop", &[&reach]).await;
    let made = Clock.wall();
    let sent = world.settled(&outage, outage.opened(), DeliveryState::Sent).await;
    assert!(sent.finished.unwrap().since(made) < 10_000, "it waited for somebody else's receiver");
    assert!(hanging.requests().len() <= 4, "{} at once to one receiver", hanging.requests().len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_address_is_refused_and_the_remedy_named() {
    let world = World::new(Database::sqlite()).await;
    let receiver = WebhookReceiver::start(Vec::new()).unwrap();
    let reach = world.webhook(world.tenant, &receiver.url()).await;
    let outage = world.goes_down("shop", &[&reach]).await;
    let _worker = Worker::start(world.store.clone(), world.sealer.clone(), &TellFlags::default(), Policy::default());
    let refused = world.settled(&outage, outage.opened(), DeliveryState::Pending).await;
    assert_eq!(
        refused.last_answer.as_deref(),
        Some(
            "127.0.0.1 is refused: loopback; to let webhooks reach it, start the control plane with \
             --allow-net 127.0.0.1/32"
        )
    );
    assert!(receiver.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_leads_home_is_refused_like_its_address() {
    let world = World::new(Database::sqlite()).await;
    let receiver = WebhookReceiver::start(Vec::new()).unwrap();
    let url = format!("http://localhost:{}/", receiver.address().port());
    let reach = world.webhook(world.tenant, &url).await;
    let outage = world.goes_down("shop", &[&reach]).await;
    let listeners = Policy::new(
        vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()],
        vec![receiver.address(), format!("[::1]:{}", receiver.address().port()).parse().unwrap()],
    );
    let _worker = Worker::start(world.store.clone(), world.sealer.clone(), &TellFlags::default(), listeners);
    let refused = world.settled(&outage, outage.opened(), DeliveryState::Pending).await;
    let answer = refused.last_answer.unwrap();
    assert!(answer.contains("Farwatch itself listens there"), "{answer}");
    assert!(receiver.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_is_not_followed() {
    let world = World::new(Database::sqlite()).await;
    let elsewhere = WebhookReceiver::start(Vec::new()).unwrap();
    let receiver = WebhookReceiver::start(vec![Reply::Redirect(elsewhere.url())]).unwrap();
    let reach = world.webhook(world.tenant, &receiver.url()).await;
    let outage = world.goes_down("shop", &[&reach]).await;
    let _worker = world.worker(&TellFlags::default());
    let dead = world.settled(&outage, outage.opened(), DeliveryState::Dead).await;
    let answer = dead.last_answer.unwrap();
    assert!(answer.contains("redirects are not followed"), "{answer}");
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_must_have_a_certificate_that_somebody_trusts() {
    let authority = Authority::new().unwrap();
    let certificate = authority.certificate(&["localhost"], Validity::Good).unwrap();
    let nginx = Nginx::start(&[Server::https(certificate, "location / { return 200 'thanks'; }")]).unwrap();
    let world = World::new(Database::sqlite()).await;
    let url = format!("https://localhost:{}/", nginx.address(0).port());
    let reach = world.webhook(world.tenant, &url).await;
    let trusting = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(trusting.path(), authority.pem()).unwrap();
    let policy = || Policy::new(vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()], Vec::new());

    let outage = world.goes_down("shop", &[&reach]).await;
    let strict = Worker::start(world.store.clone(), world.sealer.clone(), &TellFlags::default(), policy());
    let refused = world.settled(&outage, outage.opened(), DeliveryState::Pending).await.last_answer.unwrap();
    assert!(refused.contains("certificate"), "{refused}");
    drop(strict);

    let flags = TellFlags { webhook_ca_file: Some(trusting.path().to_owned()), ..TellFlags::default() };
    let _worker = Worker::start(world.store.clone(), world.sealer.clone(), &flags, policy());
    let sent = world.settled(&outage, outage.opened(), DeliveryState::Sent).await;
    assert_eq!(sent.last_answer.as_deref(), Some("200 OK: thanks"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_channel_is_told_nothing() {
    let world = World::new(Database::sqlite()).await;
    let receiver = WebhookReceiver::start(Vec::new()).unwrap();
    let reach = world.webhook(world.tenant, &receiver.url()).await;
    let outage = world.goes_down("shop", &[&reach]).await;
    world.store.contacts().delete_channel(world.tenant, reach.channel, 1, Clock.wall()).await.unwrap();
    let _worker = Worker::start(world.store.clone(), world.sealer.clone(), &TellFlags::default(), loopback());
    let dead = world.settled(&outage, outage.opened(), DeliveryState::Dead).await;
    assert_eq!(dead.last_answer.as_deref(), Some("the channel was deleted"));
    assert!(receiver.requests().is_empty());
}
