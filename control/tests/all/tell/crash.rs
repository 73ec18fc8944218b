//! A worker that dies at the worst moment costs a duplicate at most, and never a message.

use farwatch_control::clock::Clock;
use farwatch_control::store::{ClaimId, ClaimRequest, DeliveryState};
use farwatch_control::tell::config::TellFlags;
use farwatch_tests::mail_server::{MailEncryption, MailServer};
use farwatch_tests::webhook_receiver::WebhookReceiver;
use tokio::runtime::{Builder, Runtime};

use super::mail::relay;
use super::world::{Database, Worker, World, loopback, random_16, until};

on_both_engines!(
    a_claim_whose_worker_died_is_sent_by_another,
    a_mail_whose_taking_was_never_heard_is_sent_again_under_its_id,
);

async fn a_claim_whose_worker_died_is_sent_by_another(database: Database) {
    let world = World::new(database).await;
    let receiver = WebhookReceiver::start(Vec::new()).unwrap();
    let reach = world.webhook(world.tenant, &receiver.url()).await;
    let outage = world.goes_down("shop", &[&reach]).await;
    let now = Clock.wall();
    let until_ms = now + 1_500;
    let (claim, limits) = (ClaimId(random_16()), 10);
    let claim = ClaimRequest { claim, now, until: until_ms, limit: limits, per_tenant: limits, per_channel: limits };
    assert_eq!(world.store.deliveries().claim_due(&claim).await.unwrap().len(), 1);

    let _worker = world.worker(&TellFlags::default());
    let sent = world.settled(&outage, outage.opened(), DeliveryState::Sent).await;
    assert!(sent.finished.unwrap() >= until_ms, "it was sent while somebody else held it");
    assert_eq!(sent.attempt, 2);
    let requests = receiver.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].header("webhook-id"), outage.opened().to_string());
}

async fn a_mail_whose_taking_was_never_heard_is_sent_again_under_its_id(database: Database) {
    let world = World::new(database).await;
    let server = MailServer::start(MailEncryption::StartTls).unwrap();
    server.stall().unwrap();
    let reach = world.mailbox("ops@shop.example").await;
    let outage = world.goes_down("shop", &[&reach]).await;
    let doomed = doomed_worker(&world, &server).await;
    until("the mail was delivered", async || (!server.mails().unwrap().is_empty()).then_some(())).await;
    doomed.shutdown_background();
    assert_eq!(world.delivery(&outage, outage.opened()).await.state, DeliveryState::Claimed);

    server.release().unwrap();
    world.database.let_claims_run_out().await;
    let _worker = world.worker(&relay(&server));
    let sent = world.settled(&outage, outage.opened(), DeliveryState::Sent).await;
    assert_eq!(sent.attempt, 2);
    let mails = server.mails().unwrap();
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0].message_id(), mails[1].message_id());
    assert_eq!(mails[0].body, mails[1].body);
}

/// A worker on a runtime of its own, which can be ended as abruptly as a process.
async fn doomed_worker(world: &World, server: &MailServer) -> Runtime {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (url, sealer, flags) = (world.database.url(), world.sealer.clone(), relay(server));
    let started = runtime.spawn(async move {
        let store = farwatch_control::store::Store::open(&url).await.unwrap();
        // It is never told to stop.
        std::mem::forget(Worker::start(store, sealer, &flags, loopback()));
    });
    started.await.unwrap();
    runtime
}
