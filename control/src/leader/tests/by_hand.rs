//! Runs ordered by hand, of checks in force and of those that are not yet.

use tokio::sync::oneshot;

use super::super::handle::TestRequest;
use super::super::testing::Tests;
use super::*;

/// Asks for a run of the check, and says who was asked.
fn run_by_hand(world: &mut World) -> Result<Vec<HostId>, String> {
    let (results, _answers) = mpsc::unbounded_channel();
    let (asked, mut told) = oneshot::channel();
    Tests::default().begin(&mut world.state, TestRequest { check: CHECK, results, asked }, world.now);
    told.try_recv().unwrap()
}

fn pending() -> Entry {
    let mut entry = entry();
    entry.definition.in_force_from = None;
    entry
}

/// This host holds all it was sent.
fn acknowledges(world: &mut World, host: HostId) {
    let assigned = world.sent(host).into_iter().find_map(|message| match message {
        FromControl::Assign { to, last: true, .. } => Some(to),
        _ => None,
    });
    world.state.sessions.get_mut(&host).unwrap().acknowledge(assigned, None);
}

#[test]
fn a_check_in_force_is_run_by_every_host_that_holds_it() {
    let mut world = World::new();
    assert_eq!(run_by_hand(&mut world).unwrap().len(), 5);
    let ordered: usize = (1..=5).map(|n| world.ordered(host_id(n)).len()).sum();
    assert_eq!(ordered, 5);
}

#[test]
fn a_check_that_is_not_in_force_is_run_by_the_hosts_that_hold_it_already() {
    let mut world = World::new();
    world.put(CHECK, vec![pending()]);
    world.state.reassign(&[CHECK].into());
    let refused = run_by_hand(&mut world).unwrap_err();
    assert!(refused.contains("no host holds the check yet"), "{refused}");
    for host in [host_id(2), host_id(4)] {
        acknowledges(&mut world, host);
    }
    assert_eq!(run_by_hand(&mut world).unwrap(), [host_id(2), host_id(4)]);
    let sent = world.sent(host_id(2));
    assert!(matches!(&sent[..], [FromControl::Run { orders }] if orders[0].revision == 1), "{sent:?}");
}

#[test]
fn of_a_check_in_force_those_are_asked_first_that_said_they_hold_it() {
    let mut world = World::new();
    world.state.reassign(&[CHECK].into());
    acknowledges(&mut world, host_id(3));
    assert_eq!(run_by_hand(&mut world).unwrap(), [host_id(3)]);
}

#[test]
fn hosts_that_cannot_be_reached_are_not_asked() {
    let mut world = World::new();
    world.now.boot = world.now.boot + 60_000;
    let refused = run_by_hand(&mut world).unwrap_err();
    assert!(refused.contains("can be reached"), "{refused}");
}
