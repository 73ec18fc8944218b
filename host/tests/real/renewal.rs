//! A certificate is renewed over the link and shown from then on; what is not a renewal of it is not taken.

use std::fs;
use std::time::Duration;

use farwatch_proto::check::StreamId;
use farwatch_proto::id::{CheckId, HostId, OrderId};
use farwatch_proto::link::{FromControl, FromHost, Order};
use farwatch_tests::certificate::{Authority, Validity};
use farwatch_tests::wait::eventually_async;

use crate::control::Link;
use crate::running::{HOST, World, now, welcome};

const LIMIT: Duration = Duration::from_secs(20);
const HOUR_MS: i64 = 3_600_000;

async fn request(link: &mut Link) -> Vec<u8> {
    link.hear_until(|message| match message {
        FromHost::Renew { request } => Some(request),
        _ => None,
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_of_its_life_over_a_certificate_is_renewed_and_shown_on_the_next_link() {
    let authority = Authority::new().unwrap();
    let validity = Validity::Between(now() - 2 * HOUR_MS, now() + HOUR_MS);
    let mut world = World::with(authority, validity, None).await;
    let mut link = world.control.next_link().await;
    let first = link.certificate.clone();
    welcome(&mut link, Vec::new()).await;
    let request = request(&mut link).await;

    let later = Validity::Between(now() - HOUR_MS, now() + 24 * HOUR_MS);
    let of_another = world.authority.renewed(&request, HostId::from_bytes([9; 16]), later).unwrap();
    let foreign = Authority::new().unwrap().renewed(&request, HOST, later).unwrap();
    let older = world.authority.renewed(&request, HOST, Validity::Between(now() - HOUR_MS, now() + 1_000)).unwrap();
    let file = world.directory.path().join("host.pem");
    let before = fs::read_to_string(&file).unwrap();
    for chain in ["no certificate".to_owned(), of_another, foreign, older] {
        link.say(&FromControl::Certificate { chain }).await;
    }
    link.say(&FromControl::NotRenewed { reason: "not now".to_owned() }).await;
    let good = world.authority.renewed(&request, HOST, later).unwrap();
    // The host takes one message after the other: once it declines this order it has looked at all before it.
    let stream = StreamId { check: CheckId::from_bytes([9; 16]), number: 0 };
    let unheld = Order { id: OrderId::from_bytes([9; 16]), stream, revision: 1, ordered_at: now(), attempt: 1 };
    link.say(&FromControl::Run { orders: vec![unheld] }).await;
    link.hear_until(|message| matches!(message, FromHost::DeclinesOrder { .. }).then_some(())).await;
    assert_eq!(fs::read_to_string(&file).unwrap(), before, "none of these is a renewal");
    link.say(&FromControl::Certificate { chain: good.clone() }).await;
    eventually_async("the new certificate on disk", LIMIT, async || {
        Ok((fs::read_to_string(&file)? == good).then_some(()))
    })
    .await
    .unwrap();
    drop(link);
    let link = world.control.next_link().await;
    assert_ne!(link.certificate, first, "shown without a restart");
    drop(link);
    world.stop_host().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_young_certificate_is_left_alone() {
    let validity = Validity::Between(now() - HOUR_MS, now() + 2 * HOUR_MS);
    let mut world = World::with(Authority::new().unwrap(), validity, None).await;
    let mut link = world.control.next_link().await;
    welcome(&mut link, Vec::new()).await;
    let mut heartbeats = 0;
    link.hear_until(|message| {
        assert!(!matches!(message, FromHost::Renew { .. }), "{message:?}");
        heartbeats += u32::from(matches!(message, FromHost::Heartbeat { .. }));
        (heartbeats == 5).then_some(())
    })
    .await;
    world.stop_host().await;
}
