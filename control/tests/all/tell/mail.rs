//! Mails: over STARTTLS and with a password, in one thread, and nothing in clear.

use farwatch_control::store::DeliveryState;
use farwatch_control::tell::config::TellFlags;
use farwatch_tests::mail_server::{MailEncryption, MailServer, MailStage, ReceivedMail};

use super::world::{Database, World};

on_both_engines!(
    an_outage_is_mailed_in_one_thread,
    a_mail_that_was_put_off_is_tried_again,
    a_receiver_that_does_not_exist_is_given_up,
    mails_without_a_relay_wait_and_say_so,
);

/// The flags of an operator who uses this server.
pub(super) fn relay(server: &MailServer) -> TellFlags {
    TellFlags {
        smtp_url: Some(server.url()),
        mail_from: Some("Farwatch <farwatch@monitor.example>".to_owned()),
        smtp_ca_file: Some(server.ca_file()),
        ..TellFlags::default()
    }
}

fn mails(server: &MailServer) -> Vec<ReceivedMail> {
    server.mails().unwrap()
}

async fn an_outage_is_mailed_in_one_thread(database: Database) {
    let world = World::new(database).await;
    let server = MailServer::start(MailEncryption::StartTls).unwrap();
    let reach = world.mailbox("ops@shop.example").await;
    let _worker = world.worker(&relay(&server));
    let outage = world.goes_down("Café", &[&reach]).await;
    let opened = world.settled(&outage, outage.opened(), DeliveryState::Sent).await;
    assert_eq!(opened.last_answer.as_deref(), Some("250 taken"));
    world.comes_up("Café", &outage).await;
    world.settled(&outage, outage.resolved(), DeliveryState::Sent).await;

    let mails = mails(&server);
    assert_eq!(mails.len(), 2);
    let (down, up) = (&mails[0], &mails[1]);
    assert_eq!(down.subject(), "DOWN: Café (expected status 200-299, got 503)");
    assert_eq!(up.subject(), "UP again: Café, down for 4 min 10 s");
    assert!(down.body.starts_with("Café is DOWN.\n\nTarget         https://shop.example/\n"), "{}", down.body);
    assert!(up.body.starts_with("Café is UP again.\n"), "{}", up.body);
    assert_eq!(down.message_id(), format!("<{}@monitor.example>", outage.opened()));
    assert_eq!(down.header("in-reply-to"), "");
    assert_eq!((up.header("in-reply-to"), up.header("references")), (down.message_id(), down.message_id()));
    for mail in &mails {
        assert_eq!(mail.receivers, ["ops@shop.example"]);
        assert_eq!(mail.header("to"), "ops@shop.example");
        assert_eq!(mail.header("from"), "Farwatch <farwatch@monitor.example>");
        assert_eq!(mail.header("auto-submitted"), "auto-generated");
        assert!(mail.header("date").ends_with("+0000"), "{}", mail.header("date"));
    }
}

async fn a_mail_that_was_put_off_is_tried_again(database: Database) {
    let world = World::new(database).await;
    let server = MailServer::start(MailEncryption::StartTls).unwrap();
    server.refuse(MailStage::Message, 451, 1).unwrap();
    let reach = world.mailbox("ops@shop.example").await;
    let outage = world.goes_down("shop", &[&reach]).await;
    let _worker = world.worker(&relay(&server));
    let waiting = world.settled(&outage, outage.opened(), DeliveryState::Pending).await;
    let answer = waiting.last_answer.unwrap();
    assert!(answer.contains("did not take it") && answer.contains("451"), "{answer}");
    let sent = world.settled(&outage, outage.opened(), DeliveryState::Sent).await;
    assert_eq!((sent.attempt, mails(&server).len()), (2, 1));
}

async fn a_receiver_that_does_not_exist_is_given_up(database: Database) {
    let world = World::new(database).await;
    let server = MailServer::start(MailEncryption::StartTls).unwrap();
    server.refuse(MailStage::Receiver, 550, 1).unwrap();
    let reach = world.mailbox("nobody@shop.example").await;
    let outage = world.goes_down("shop", &[&reach]).await;
    let _worker = world.worker(&relay(&server));
    let dead = world.settled(&outage, outage.opened(), DeliveryState::Dead).await;
    let answer = dead.last_answer.unwrap();
    assert!(answer.contains("550") && answer.contains("refused at rcpt"), "{answer}");
    assert!(mails(&server).is_empty());
}

async fn mails_without_a_relay_wait_and_say_so(database: Database) {
    let world = World::new(database).await;
    let reach = world.mailbox("ops@shop.example").await;
    let outage = world.goes_down("shop", &[&reach]).await;
    let without = world.worker(&TellFlags::default());
    let waiting = world.settled(&outage, outage.opened(), DeliveryState::Pending).await;
    assert_eq!(
        waiting.last_answer.as_deref(),
        Some("no mail relay is configured; start the control plane with --smtp-url and --mail-from")
    );
    drop(without);
    let server = MailServer::start(MailEncryption::StartTls).unwrap();
    let _with = world.worker(&relay(&server));
    world.settled(&outage, outage.opened(), DeliveryState::Sent).await;
    assert_eq!(mails(&server).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_may_encrypt_from_the_first_byte_and_know_only_login() {
    let world = World::new(Database::sqlite()).await;
    let server = MailServer::start_without(MailEncryption::Implicit, Some("PLAIN")).unwrap();
    let reach = world.mailbox("ops@shop.example").await;
    let outage = world.goes_down("shop", &[&reach]).await;
    let _worker = world.worker(&relay(&server));
    world.settled(&outage, outage.opened(), DeliveryState::Sent).await;
    assert_eq!(mails(&server).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sent_in_clear_to_a_relay_without_starttls() {
    let world = World::new(Database::sqlite()).await;
    let server = MailServer::start(MailEncryption::None).unwrap();
    let reach = world.mailbox("ops@shop.example").await;
    let outage = world.goes_down("shop", &[&reach]).await;
    let _worker = world.worker(&relay(&server));
    let waiting = world.settled(&outage, outage.opened(), DeliveryState::Pending).await;
    let answer = waiting.last_answer.unwrap();
    assert!(answer.contains("STARTTLS is not supported"), "{answer}");
    assert!(mails(&server).is_empty());
    let said = server.log().unwrap();
    assert!(said.contains("EHLO monitor.example"), "{said}");
    assert!(!said.contains("AUTH PLAIN") && !said.contains("MAIL FROM"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_on_this_machine_may_go_without_encryption_when_the_operator_says_so() {
    let world = World::new(Database::sqlite()).await;
    let server = MailServer::start(MailEncryption::None).unwrap();
    let reach = world.mailbox("ops@shop.example").await;
    let outage = world.goes_down("shop", &[&reach]).await;
    let url = format!("{}?tls=none", server.url());
    let _worker = world.worker(&TellFlags { smtp_url: Some(url), smtp_ca_file: None, ..relay(&server) });
    world.settled(&outage, outage.opened(), DeliveryState::Sent).await;
    assert_eq!(mails(&server).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_nobody_vouches_for_gets_nothing() {
    let world = World::new(Database::sqlite()).await;
    let server = MailServer::start(MailEncryption::StartTls).unwrap();
    let reach = world.mailbox("ops@shop.example").await;
    let outage = world.goes_down("shop", &[&reach]).await;
    let _worker = world.worker(&TellFlags { smtp_ca_file: None, ..relay(&server) });
    let waiting = world.settled(&outage, outage.opened(), DeliveryState::Pending).await;
    let answer = waiting.last_answer.unwrap();
    assert!(answer.contains("cannot be used") && answer.contains("certificate"), "{answer}");
    assert!(mails(&server).is_empty());
}
