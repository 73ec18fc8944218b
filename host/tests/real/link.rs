//! A host at its work, against a control plane that the test plays over a real link.

use farwatch_core::holding::{digest_of_all, digest_of_check};
use farwatch_proto::check::StreamId;
use farwatch_proto::id::OrderId;
use farwatch_proto::link::{Declined, FromControl, FromHost, Order};
use farwatch_proto::outcome::Status;
use farwatch_proto::run::Purpose;
use farwatch_proto::time::Stamp;
use farwatch_tests::nginx::{Nginx, Server};
use farwatch_tests::ports::free_address;

use crate::control::Link;
use crate::running::{HOST, World, assign, now, soon_due, welcome};

pub(crate) async fn acknowledged(link: &mut Link, n: u64) -> (Option<Stamp>, usize) {
    let wanted = Some(Stamp { era: 1, n });
    link.hear_until(|message| match message {
        FromHost::Holds { assignment, view, unable } if assignment == wanted => Some((view, unable.len())),
        _ => None,
    })
    .await
}

pub(crate) fn order(definition: &farwatch_proto::check::Definition, n: u8) -> Order {
    Order {
        id: OrderId::from_bytes([n; 16]),
        stream: StreamId { check: definition.check, number: 0 },
        revision: definition.revision,
        ordered_at: now(),
        attempt: 1,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_is_held_run_on_time_and_its_result_delivered() {
    let nginx = Nginx::start(&[Server::http("location / { return 200 fine; }")]).unwrap();
    let mut world = World::start().await;
    let (module, prepared) = world.http_check(&nginx.url(0, "/")).await;
    let mut link = world.control.next_link().await;
    let FromHost::Hello { host, run_places, assignment, .. } = link.hear().await else { panic!("a hello comes first") };
    assert_eq!((host, run_places, assignment), (HOST, 16, None));
    welcome(&mut link, Vec::new()).await;
    link.say_raw(r#"{"kind":"sings","song":[1]}"#.to_owned()).await;
    let first = soon_due(module, prepared.clone());
    link.say(&assign(1, vec![first])).await;
    assert_eq!(acknowledged(&mut link, 1).await, (Some(Stamp { era: 1, n: 1 }), 0));
    let definition = soon_due(module, prepared);
    link.say(&assign(2, vec![definition.clone()])).await;
    let (results, batch) = loop {
        let (results, batch) = link.hear_results().await;
        if results[0].stream.check == definition.check {
            break (results, batch);
        }
    };
    let result = &results[0];
    assert_eq!((result.outcome.status, result.purpose), (Status::Up, Purpose::Slot), "{result:?}");
    assert!((0..100).contains(&result.started.since(result.slot)), "{result:?}");
    assert!(result.outcome.latency_us > 0 && result.terms.view == Stamp { era: 1, n: 1 });
    link.say(&FromControl::Committed { mark: batch.to() }).await;
    let unknown_kinds = link.hear_until(|message| match message {
        FromHost::Heartbeat { unknown_kinds, .. } => Some(unknown_kinds),
        _ => None,
    });
    assert_eq!(unknown_kinds.await, 1);
    world.stop_host().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_run_at_once_and_answered_again_without_another_run() {
    let target = free_address().unwrap();
    let mut world = World::start().await;
    let (module, prepared) = world.http_check(&format!("http://{target}/")).await;
    let mut link = world.control.next_link().await;
    welcome(&mut link, Vec::new()).await;
    let mut definition = soon_due(module, prepared);
    definition.in_force_from = None;
    link.say(&assign(1, vec![definition.clone()])).await;
    acknowledged(&mut link, 1).await;
    let order = order(&definition, 7);
    link.say(&FromControl::Run { orders: vec![order.clone()] }).await;
    let (first, _) = link.hear_results().await;
    assert_eq!((first[0].purpose, first[0].slot), (Purpose::Vote(order.id), order.ordered_at));
    assert_eq!((first[0].outcome.status, first[0].outcome.code()), (Status::Down, "connection-refused"));
    link.say(&FromControl::Run { orders: vec![order] }).await;
    let (again, _) = link.hear_results().await;
    assert_eq!(again, first, "the same run, told again");
    let unheld = Order { revision: 9, ..self::order(&definition, 8) };
    link.say(&FromControl::Run { orders: vec![unheld.clone()] }).await;
    let declined = link.hear_until(|message| match message {
        FromHost::DeclinesOrder { order, reason } => Some((order, reason)),
        _ => None,
    });
    assert_eq!(declined.await, (unheld.id, Declined::NotHeld));
    world.stop_host().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_committed_comes_again_on_the_next_link_and_after_a_restart() {
    let mut world = World::start().await;
    let (module, prepared) = world.http_check(&format!("http://{}/", free_address().unwrap())).await;
    let mut link = world.control.next_link().await;
    welcome(&mut link, Vec::new()).await;
    let mut definition = soon_due(module, prepared);
    definition.in_force_from = None;
    link.say(&assign(1, vec![definition.clone()])).await;
    acknowledged(&mut link, 1).await;
    link.say(&FromControl::Run { orders: vec![order(&definition, 1)] }).await;
    let (first, first_batch) = link.hear_results().await;
    link.say(&FromControl::Run { orders: vec![order(&definition, 2)] }).await;
    let (second, _) = link.hear_results().await;
    drop(link);
    let mut link = world.control.next_link().await;
    let FromHost::Hello { assignment, assignment_digest, .. } = link.hear().await else {
        panic!("a hello comes first")
    };
    assert_eq!(assignment, Some(Stamp { era: 1, n: 1 }));
    assert_eq!(assignment_digest, Some(digest_of_all([digest_of_check([&definition].into_iter())])));
    welcome(&mut link, vec![first_batch.to()]).await;
    assert_eq!(link.hear_results().await.0, second, "the database has the first");
    world.stop_host().await;
    world.start_host();
    let mut link = world.control.next_link().await;
    welcome(&mut link, Vec::new()).await;
    assert_eq!(link.hear_results().await.0, [first, second].concat(), "it has nothing, whatever was said before");
    world.stop_host().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_module_that_will_not_load_is_told_and_holds_nothing_up() {
    let mut world = World::start().await;
    let module = world.control.serve_module(b"this is no module");
    let mut link = world.control.next_link().await;
    welcome(&mut link, Vec::new()).await;
    link.say(&assign(1, vec![soon_due(module, Vec::new())])).await;
    assert_eq!(acknowledged(&mut link, 1).await.1, 1);
    let (results, _) = link.hear_results().await;
    assert_eq!(results[0].outcome.code(), "module-missing");
    assert!(!results[0].outcome.status.covers());
    world.stop_host().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_follows_to_the_leader_and_leaves_a_control_that_falls_silent() {
    let mut world = World::start().await;
    let mut link = world.control.next_link().await;
    link.say(&FromControl::NotLeader { leader: Some(world.control.address.to_string()) }).await;
    let mut link = world.control.next_link().await;
    welcome(&mut link, Vec::new()).await;
    let stops_answering = link;
    let mut next = world.control.next_link().await;
    welcome(&mut next, Vec::new()).await;
    drop(stops_answering);
    world.stop_host().await;
    assert!(next.is_gone().await);
}
