//! What a host is told when it comes: nothing of what it holds already, whoever told it.

use farwatch_core::holding::{digest_of_all, digest_of_check};
use farwatch_proto::check::Definition;

use super::*;

/// The assignment that a leader before this one gave.
const BEFORE: Stamp = Stamp { era: 7, n: 40 };

impl World {
    /// An owner of the check comes, holding this; returns the assignments it is sent at once.
    fn arrive(&mut self, assigned: Option<Assigned>) -> Vec<(Option<Stamp>, usize)> {
        let host = self.owner(0);
        let (outbox, messages) = mpsc::channel(64);
        self.outboxes.insert(host, messages);
        let before = self.state.sessions.remove(&host);
        let due = self.state.due_to(host);
        let session = Session::begin(arrival(outbox, assigned), before, Stamp { era: 9, n: 0 }, &due, self.now.boot);
        self.state.sessions.insert(host, session);
        self.state.assign_to(host, &due);
        self.assigned(host)
    }

    /// The assignments this host was sent since it was asked last: what each changes, and how much.
    fn assigned(&mut self, host: HostId) -> Vec<(Option<Stamp>, usize)> {
        let sent = self.sent(host).into_iter();
        sent.filter_map(|message| match message {
            FromControl::Assign { since, put, .. } => Some((since, put.len())),
            _ => None,
        })
        .collect()
    }
}

fn digest(definitions: &[Definition]) -> Option<u64> {
    Some(digest_of_all([digest_of_check(definitions.iter())]))
}

#[test]
fn a_host_that_holds_what_it_should_is_sent_nothing_and_holds_it_for_the_new_leader() {
    let mut world = World::new();
    let held = Assigned { to: BEFORE, digest: digest(&[entry().definition]) };
    assert_eq!(world.arrive(Some(held)), []);
    let host = world.owner(0);
    assert!(world.state.sessions[&host].holds_latest(CHECK) && world.state.sessions[&host].holds_all());
}

#[test]
fn what_changes_then_is_sent_as_a_change_to_what_it_holds() {
    let mut world = World::new();
    world.arrive(Some(Assigned { to: BEFORE, digest: digest(&[entry().definition]) }));
    let mut changed = entry();
    changed.definition.revision = 2;
    changed.definition.in_force_from = None;
    world.put(CHECK, vec![entry(), changed]);
    world.state.reassign(&[CHECK].into());
    let host = world.owner(0);
    assert_eq!(world.assigned(host), [(Some(BEFORE), 2)]);
    assert!(!world.state.sessions[&host].holds_latest(CHECK), "it has not said so yet");
}

#[test]
fn a_host_that_holds_anything_else_or_does_not_say_what_is_sent_the_whole() {
    let mut other = entry().definition;
    other.timeout_ms += 1;
    for digest in [None, Some(0), digest(&[other])] {
        let mut world = World::new();
        assert_eq!(world.arrive(Some(Assigned { to: BEFORE, digest })), [(None, 1)]);
    }
    assert_eq!(World::new().arrive(None), [(None, 1)]);
}

#[test]
fn a_host_that_comes_back_to_the_leader_that_told_it_is_sent_changes_only_if_it_holds_what_was_sent() {
    for (said, sent) in [(digest(&[entry().definition]), vec![]), (None, vec![]), (Some(1), vec![(None, 1)])] {
        let mut world = World::new();
        world.arrive(None);
        let to = Stamp { era: 9, n: 1 };
        assert_eq!(world.arrive(Some(Assigned { to, digest: said })), sent, "{said:?}");
    }
}
