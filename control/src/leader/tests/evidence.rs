//! What is kept of failed runs: changes, counted votes, and now and then what goes on failing.

use farwatch_core::evidence::{Day, Occasion, THINNED_MS};

use super::*;

/// Why each piece of the draft is kept, with its code.
fn kept(world: &World) -> Vec<(Occasion, &str)> {
    world.draft.evidence.iter().map(|piece| (piece.occasion, piece.brought.code.as_str())).collect()
}

impl World {
    fn next_slot(&mut self) {
        self.now.wall = self.now.wall + 10_000;
    }

    /// The next slot fails with this code, and what of it is kept.
    fn fails_next(&mut self, code: &str) -> Vec<(Occasion, String)> {
        self.next_slot();
        let owner = self.owner(0);
        let result =
            RunResult { outcome: Outcome::told(Status::Down, 0, code, "it failed"), ..self.result(Status::Down) };
        self.receive(owner, &result).unwrap();
        let kept = kept(self).into_iter().map(|(occasion, code)| (occasion, code.to_owned())).collect();
        self.commit();
        kept
    }
}

#[test]
fn the_first_failure_and_every_counted_vote_are_kept_once() {
    let mut world = World::new();
    let owner = world.owner(0);
    world.receive(owner, &world.result(Status::Down)).unwrap();
    assert_eq!(kept(&world), [(Occasion::Change, "code")]);
    world.commit();
    let voters: Vec<HostId> = (1..=5).map(host_id).filter(|host| *host != owner).collect();
    let votes: Vec<(HostId, RunResult)> = voters
        .iter()
        .map(|host| {
            let [order] = world.ordered(*host)[..] else { panic!("every other host is asked once") };
            let purpose = Purpose::Vote(order);
            (*host, RunResult { purpose, slot: world.now.wall, ..world.result(Status::Down) })
        })
        .collect();
    for (host, vote) in &votes[..2] {
        world.receive(*host, vote).unwrap();
    }
    // A voter repeats its answer rather than run twice.
    world.receive(votes[0].0, &votes[0].1).unwrap();
    assert_eq!(kept(&world), [(Occasion::Vote, "code"); 2]);
    world.commit();
    for (host, vote) in &votes {
        world.receive(*host, vote).unwrap();
    }
    // The third of them decided with the first failure; the fourth was not counted any more.
    assert_eq!(kept(&world), [(Occasion::Vote, "code")]);
    world.commit();
    assert_eq!(world.state.detectors[&CHECK].verdict, Verdict::Down);
    let used = world.state.evidence.used.values().map(|used| used.pieces).collect::<Vec<_>>();
    assert_eq!(used, [4]);
}

#[test]
fn what_goes_on_failing_is_kept_once_per_code_and_ten_minutes() {
    let mut world = World::new();
    assert_eq!(world.fails_next("timeout"), [(Occasion::Change, "timeout".to_owned())]);
    assert_eq!(world.fails_next("timeout"), []);
    assert_eq!(world.fails_next("connection-refused"), [(Occasion::Slot, "connection-refused".to_owned())]);
    assert_eq!(world.fails_next("connection-refused"), []);
    world.now.wall = world.now.wall + THINNED_MS;
    assert_eq!(world.fails_next("timeout"), [(Occasion::Slot, "timeout".to_owned())]);
}

#[test]
fn good_runs_and_late_failures_leave_no_evidence() {
    let mut world = World::new();
    let owner = world.owner(0);
    world.receive(owner, &world.result(Status::Up)).unwrap();
    let old = world.result(Status::Down);
    world.now.wall = world.now.wall + 30_000;
    world.receive(owner, &old).unwrap();
    assert_eq!(world.draft.results(), 2);
    assert!(world.draft.evidence.is_empty());
    world.commit();
    assert!(world.state.evidence.codes.is_empty());
    assert!(world.state.evidence.used.is_empty());
}

#[test]
fn a_vote_of_another_day_is_not_kept() {
    let mut world = World::new();
    let owner = world.owner(0);
    world.receive(owner, &world.result(Status::Down)).unwrap();
    world.commit();
    let voter = (1..=5).map(host_id).find(|host| *host != owner).unwrap();
    let [order] = world.ordered(voter)[..] else { panic!("every other host is asked once") };
    let slot = Day::first_remembered(world.now.wall).start() - 1;
    let vote = RunResult { purpose: Purpose::Vote(order), slot, started: slot, ..world.result(Status::Down) };
    world.receive(voter, &vote).unwrap();
    assert!(world.draft.evidence.is_empty() && world.draft.results() == 1);
}
