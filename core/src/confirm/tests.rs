use farwatch_proto::fleet::View;
use farwatch_proto::id::CheckId;
use proptest::prelude::*;

use super::*;
use crate::placement::tests::{fleet, host_id};

pub(crate) fn panel<'v>(view: &'v View, unreachable: &[u8]) -> Panel<'v> {
    let candidates = view.hosts.iter().enumerate().map(|(place, host)| Candidate {
        host,
        place,
        reachable: !unreachable.iter().any(|n| host_id(*n) == host.id),
    });
    Panel { candidates: candidates.collect() }
}

fn beginning(question: Question) -> Beginning<'static> {
    Beginning {
        question,
        stream: StreamId { check: CheckId::from_bytes([1; 16]), number: 0 },
        revision: 1,
        host: host_id(0),
        code: "status-unexpected",
        message: "expected 200, got 503",
        timeout_ms: 3_000,
        need: None,
    }
}

const NOW: UnixMs = UnixMs(1_000_000);

fn answer_all(round: &mut Round, answers: &[Answer]) {
    let orders: Vec<OrderId> = round.open_orders().filter_map(|vote| vote.order).collect();
    for (order, answer) in orders.into_iter().zip(answers) {
        assert!(round.answer(order, *answer, "", ""));
    }
}

#[test]
fn two_thirds_rounded_up_must_agree() {
    assert_eq!([1, 2, 3, 4, 5].map(need_of), [1, 2, 2, 3, 4]);
}

#[test]
fn a_round_asks_the_least_alike_and_ends_at_quorum() {
    let view = fleet(8);
    let mut round = Round::begin(&beginning(Question::Outage), &panel(&view, &[]), NOW);
    assert_eq!((round.n, round.need, round.votes.len()), (5, 4, 5));
    let providers: Vec<&str> =
        round.votes.iter().take(4).map(|vote| view.host(vote.host).unwrap().facts.provider.as_str()).collect();
    assert_eq!(providers.iter().collect::<std::collections::BTreeSet<_>>().len(), 4, "{providers:?}");
    assert_eq!(round.tally(NOW), Tally::Open);
    answer_all(&mut round, &[Answer::Bad, Answer::Bad]);
    assert_eq!(round.tally(NOW), Tally::Open);
    answer_all(&mut round, &[Answer::Bad]);
    assert_eq!(round.tally(NOW), Tally::Confirmed);
    assert_eq!(round.voices().len(), 4);
}

#[test]
fn a_round_ends_when_agreement_has_become_impossible() {
    let view = fleet(5);
    let mut round = Round::begin(&beginning(Question::Outage), &panel(&view, &[]), NOW);
    answer_all(&mut round, &[Answer::Good]);
    assert_eq!(round.tally(NOW), Tally::Open, "4 of 5 can still be bad");
    answer_all(&mut round, &[Answer::Good]);
    assert_eq!(round.tally(NOW), Tally::Refuted);
}

#[test]
fn the_rule_does_not_shrink_because_hosts_are_away() {
    let view = fleet(5);
    let mut round = Round::begin(&beginning(Question::Outage), &panel(&view, &[2, 3, 4]), NOW);
    assert_eq!((round.n, round.need), (5, 4));
    answer_all(&mut round, &[Answer::Bad]);
    assert_eq!(round.tally(NOW), Tally::TooFew);
    assert!(!round.extend(&panel(&view, &[2, 3, 4]), 3_000, NOW), "there is nobody else");
}

#[test]
fn a_voter_that_cannot_tell_is_replaced_by_the_next() {
    let view = fleet(8);
    let mut round = Round::begin(&beginning(Question::Outage), &panel(&view, &[]), NOW);
    let silent = round.votes[1].host;
    assert!(round.lose(silent));
    assert!(round.replace_void(&panel(&view, &[]), NOW));
    assert_eq!(round.open_orders().count(), 4);
    assert!(round.open_orders().all(|vote| vote.host != silent));
    assert!(!round.lose(silent), "it has no open vote any more");
}

#[test]
fn a_round_past_its_deadline_gets_one_extra_round() {
    let view = fleet(10);
    let mut round = Round::begin(&beginning(Question::Outage), &panel(&view, &[]), NOW);
    let late = round.deadline;
    assert_eq!(round.tally(late), Tally::TooFew);
    assert!(round.extend(&panel(&view, &[]), 3_000, late));
    assert_eq!(round.tally(late), Tally::Open);
    assert_eq!(round.tally(round.deadline), Tally::TooFew);
    assert!(!round.extend(&panel(&view, &[]), 3_000, round.deadline));
}

#[test]
fn whoever_replaces_a_silent_voter_has_the_time_of_any_other() {
    let view = fleet(6);
    let mut round = Round::begin(&beginning(Question::Outage), &panel(&view, &[]), NOW);
    let silent = round.votes[1].host;
    round.lose(silent);
    let replaced = NOW + 3_500;
    assert!(round.replace_void(&panel(&view, &[]), replaced));
    let spare = round.votes.last().unwrap().clone();
    assert_eq!(round.orders().last().unwrap().1.ordered_at, replaced);
    let late = round.deadline;
    assert!(round.extend(&panel(&view, &[]), 3_000, late), "the spare one is still running");
    let open: Vec<_> = round.open_orders().map(|vote| vote.host).collect();
    assert_eq!(open, [spare.host], "those asked at the beginning had their time");
    assert_eq!(round.tally(round.deadline), Tally::TooFew, "nobody is waited for a third time");
}

#[test]
fn an_answer_to_an_order_of_an_earlier_round_counts_for_nothing() {
    let view = fleet(5);
    let earlier = Round::begin(&beginning(Question::Outage), &panel(&view, &[]), NOW);
    let mut round = Round::begin(&beginning(Question::Outage), &panel(&view, &[]), NOW + 10_000);
    for vote in earlier.open_orders() {
        assert!(!round.answer(vote.order.unwrap(), Answer::Bad, "", ""));
    }
    assert_eq!(round.open_orders().count(), 4);
}

#[test]
fn a_single_host_is_asked_again_and_must_fail_every_time() {
    let view = fleet(1);
    let mut round = Round::begin(&beginning(Question::Outage), &panel(&view, &[]), NOW);
    assert!(round.alone);
    assert_eq!((round.n, round.need, round.open_orders().count()), (3, 3, 2));
    let orders: Vec<_> = round.votes.iter().map(|vote| (vote.order, vote.attempt)).collect();
    assert_ne!(orders[1].0, orders[2].0);
    answer_all(&mut round, &[Answer::Good]);
    assert_eq!(round.tally(NOW), Tally::Refuted);
}

proptest! {
    #[test]
    fn nothing_is_confirmed_by_fewer_than_need_fresh_votes(
        count in 2..12_u8, answers in prop::collection::vec(0..3_usize, 0..12),
    ) {
        let view = fleet(count);
        let mut round = Round::begin(&beginning(Question::Recovery), &panel(&view, &[]), NOW);
        let given: Vec<Answer> =
            answers.iter().map(|index| [Answer::Good, Answer::Bad, Answer::Void][*index]).collect();
        answer_all(&mut round, &given);
        let good = round.votes.iter().filter(|vote| vote.answer == Some(Answer::Good)).count();
        let bad = round.votes.iter().filter(|vote| vote.answer == Some(Answer::Bad)).count();
        match round.tally(NOW) {
            Tally::Confirmed => prop_assert!(good >= usize::from(round.need)),
            Tally::Refuted => prop_assert!(bad > usize::from(round.n - round.need)),
            Tally::Open => prop_assert!(round.open_orders().count() > 0),
            Tally::TooFew => prop_assert_eq!(round.open_orders().count(), 0),
        }
    }
}
