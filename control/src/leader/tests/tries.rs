//! Tries of configs that no check has: who is asked, with which secrets, and what is passed on.

use farwatch_identity::{OpeningKey, SEED_BYTES};
use farwatch_proto::link::FromHost;
use farwatch_proto::trying::{TryEnd, TryOrder, Untried};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

use super::super::question::Answer;
use super::super::secret_values::ValuesOfTenant;
use super::super::tries::{Chosen, HostEnd, Tries, TryQuestion, TryRequest};
use super::*;
use crate::links::LinkEvent;

fn question() -> TryQuestion {
    TryQuestion {
        tenant: TenantId::from_bytes([8; 16]),
        module: ModuleHash([4; 32]),
        prepared: vec![1],
        timeout_ms: 1_000,
        secrets: Vec::new(),
        placement: PlacementWish { streams: 1, ..PlacementWish::default() },
        hosts: Vec::new(),
        count: 3,
    }
}

/// One that waits for a try.
struct Waits {
    tries: Tries,
    answers: UnboundedReceiver<(HostId, HostEnd)>,
    told: Result<Chosen, Answer>,
}

fn begun(world: &mut World, question: TryQuestion, values: &ValuesOfTenant) -> Waits {
    let (answers, to_take) = mpsc::unbounded_channel();
    let (asked, mut told) = oneshot::channel();
    let mut tries = Tries::default();
    tries.begin(&mut world.state, TryRequest { question, answers, asked }, values, world.now);
    Waits { tries, answers: to_take, told: told.try_recv().unwrap() }
}

/// The tries that this host was sent.
fn orders(world: &mut World, host: HostId) -> Vec<TryOrder> {
    let sent = world.sent(host).into_iter();
    sent.filter_map(|message| if let FromControl::Try { order } = message { Some(*order) } else { None }).collect()
}

fn said(host: HostId, order: OrderId) -> LinkEvent {
    let end = TryEnd::NotRun { why: Untried::Full, detail: String::new() };
    LinkEvent::Said { host, connection: 1, received: BootMs(1), message: FromHost::Tried { order, end } }
}

#[test]
fn so_many_hosts_are_asked_and_their_answers_are_passed_on_once() {
    let mut world = World::new();
    let mut waits = begun(&mut world, question(), &ValuesOfTenant::new());
    let chosen = waits.told.unwrap();
    assert_eq!((chosen.asked.len(), chosen.outdated.len()), (3, 0));
    let all: Vec<(HostId, TryOrder)> = (1..=5)
        .map(host_id)
        .flat_map(|host| orders(&mut world, host).into_iter().map(move |order| (host, order)).collect::<Vec<_>>())
        .collect();
    assert_eq!(all.iter().map(|(host, _)| *host).collect::<BTreeSet<_>>(), chosen.asked.into_iter().collect());

    let (host, order) = &all[0];
    waits.tries.watch(&said(host_id(9), order.id));
    assert!(waits.answers.try_recv().is_err(), "nobody answers for another");
    waits.tries.watch(&said(*host, order.id));
    waits.tries.watch(&said(*host, order.id));
    assert!(matches!(waits.answers.try_recv(), Ok((by, HostEnd::Said(_))) if by == *host));
    assert!(waits.answers.try_recv().is_err());
}

#[test]
fn a_try_counts_for_nothing() {
    let mut world = World::new();
    begun(&mut world, question(), &ValuesOfTenant::new()).told.unwrap();
    assert!(world.draft.is_empty() && world.state.detectors.is_empty());
    assert!((1..=5).all(|n| world.ordered(host_id(n)).is_empty()));
}

#[test]
fn hosts_that_were_named_are_asked_or_named_again() {
    let mut world = World::new();
    world.state.sessions.get_mut(&host_id(2)).unwrap().can_try = false;
    let named = TryQuestion { hosts: vec![host_id(4), host_id(2)], ..question() };
    let chosen = begun(&mut world, named, &ValuesOfTenant::new()).told.unwrap();
    assert_eq!(chosen, Chosen { asked: vec![host_id(4)], outdated: vec![host_id(2)] });

    world.state.sessions.get_mut(&host_id(5)).unwrap().end();
    let named = TryQuestion { hosts: vec![host_id(4), host_id(5)], ..question() };
    let refused = begun(&mut world, named, &ValuesOfTenant::new()).told.unwrap_err();
    assert_eq!(refused, Answer::OutOfReach { hosts: vec![host_id(5)] });
}

#[test]
fn where_nobody_can_be_asked_that_is_said() {
    let mut world = World::new();
    for session in world.state.sessions.values_mut() {
        session.can_try = false;
    }
    let refused = begun(&mut world, question(), &ValuesOfTenant::new()).told.unwrap_err();
    assert!(matches!(&refused, Answer::Unable { reason } if reason.contains("too old")), "{refused:?}");
}

#[test]
fn the_newest_value_of_a_secret_is_sealed_for_the_host_alone() {
    let mut world = World::new();
    let key = OpeningKey::of_seed(&[1; SEED_BYTES]);
    let session = world.state.sessions.get_mut(&host_id(3)).unwrap();
    session.sealing_key = farwatch_identity::SealingKey::from_bytes(&key.sealing_key());
    let value = |text: &str| std::sync::Arc::from(text.as_bytes());
    let values: ValuesOfTenant =
        [(("pw".to_owned(), 9), value("old")), (("pw".to_owned(), 10), value("new"))].into_iter().collect();
    let wanted = TryQuestion { secrets: vec!["pw".to_owned()], hosts: vec![host_id(3)], ..question() };
    begun(&mut world, wanted.clone(), &values).told.unwrap();
    let order = orders(&mut world, host_id(3)).remove(0);
    let secret = &order.secrets[0];
    let belongs_to = secret.belongs_to(order.tenant, order.check);
    assert_eq!((secret.version, key.open(&belongs_to, &secret.sealed).as_deref()), (10, Some(b"new".as_slice())));

    let refused = begun(&mut world, wanted, &ValuesOfTenant::new()).told.unwrap_err();
    assert!(matches!(&refused, Answer::Unable { reason } if reason.contains("no secret pw")), "{refused:?}");
}

#[test]
fn a_host_is_not_asked_more_than_it_can_be_told() {
    let mut world = World::new();
    let (mut tries, mut full) = (Tries::default(), 0);
    for _ in 0..10 {
        let (answers, mut to_take) = mpsc::unbounded_channel();
        let (asked, _told) = oneshot::channel();
        let question = TryQuestion { hosts: vec![host_id(1)], ..question() };
        let request = TryRequest { question, answers, asked };
        tries.begin(&mut world.state, request, &ValuesOfTenant::new(), world.now);
        full += usize::from(to_take.try_recv().is_ok());
    }
    assert_eq!((orders(&mut world, host_id(1)).len(), full), (8, 2));
}

#[test]
fn a_try_ends_with_its_link_and_is_not_waited_for_any_longer() {
    let mut world = World::new();
    let named = TryQuestion { hosts: vec![host_id(1), host_id(2)], ..question() };
    let mut waits = begun(&mut world, named, &ValuesOfTenant::new());
    waits.tries.pass_time(&world.state, world.now.boot);
    assert!(waits.answers.try_recv().is_err());
    world.state.sessions.get_mut(&host_id(1)).unwrap().end();
    waits.tries.pass_time(&world.state, world.now.boot);
    assert_eq!(waits.answers.try_recv(), Ok((host_id(1), HostEnd::Unlinked)));
    waits.tries.pass_time(&world.state, world.now.boot + 60_000);
    assert_eq!(waits.answers.try_recv(), Err(mpsc::error::TryRecvError::Disconnected), "nobody else can answer");
}

#[test]
fn a_question_says_no_secret_and_reads_back() {
    let asked = super::super::question::Question::Try(Box::new(question()));
    let text = serde_json::to_string(&asked).unwrap();
    assert_eq!(serde_json::from_str::<super::super::question::Question>(&text).unwrap(), asked);
}
