//! Passwords and signing secrets are in no recorded answer and in no log.

use farwatch_control::store::DeliveryState;
use farwatch_control::tell::config::TellFlags;
use farwatch_tests::mail_server::{MailEncryption, MailServer, PASSWORD};
use farwatch_tests::webhook_receiver::{Reply, WebhookReceiver};

use super::log;
use super::mail::relay;
use super::world::{Database, World};

on_both_engines!(no_secret_is_recorded_or_logged);

const WRONG_PASSWORD: &str = "wr0ng-passw0rd";

async fn no_secret_is_recorded_or_logged(database: Database) {
    log::keep();
    let world = World::new(database).await;
    let server = MailServer::start(MailEncryption::StartTls).unwrap();
    let receiver = WebhookReceiver::start(vec![Reply::Status(410, String::new())]).unwrap();
    let mailbox = world.mailbox("ops@shop.example").await;
    let webhook = world.webhook(world.tenant, &receiver.url()).await;
    let mailed = world.goes_down("shop", &[&mailbox]).await;
    let hooked = world.goes_down("blog", &[&webhook]).await;

    let stranger = TellFlags { smtp_url: Some(server.url_with_password(WRONG_PASSWORD)), ..relay(&server) };
    let locked_out = world.worker(&stranger);
    let refused = world.settled(&mailed, mailed.opened(), DeliveryState::Pending).await.last_answer.unwrap();
    assert!(refused.contains("cannot be used") && refused.contains("535"), "{refused}");
    let gone = world.settled(&hooked, hooked.opened(), DeliveryState::Dead).await.last_answer.unwrap();
    drop(locked_out);
    let _worker = world.worker(&relay(&server));
    let sent = world.settled(&mailed, mailed.opened(), DeliveryState::Sent).await.last_answer.unwrap();

    let logged = log::kept();
    assert!(logged.contains(&mailed.opened().to_string()), "the log was not kept");
    for secret in [PASSWORD, WRONG_PASSWORD, &webhook.secret, &webhook.secret["whsec_".len()..], "in-the-url"] {
        for text in [&refused, &gone, &sent, &logged] {
            assert!(!text.contains(secret), "{secret} stands in {text}");
        }
    }
}
