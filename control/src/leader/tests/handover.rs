//! A host whose process hands over has two links, and control bears both.

use super::*;

const OLD: BootId = BootId::from_bytes([1; 16]);
const NEW: BootId = BootId::from_bytes([2; 16]);

/// A session of the process of this boot on this connection.
fn session(before: Option<Session>, connection: u64, boot: BootId) -> (Session, mpsc::Receiver<FromControl>) {
    let (outbox, messages) = mpsc::channel(64);
    let arrival = Arrival { connection, boot, ..arrival(outbox, None) };
    (Session::begin(arrival, before, Stamp { era: 1, n: 0 }, &[], BootMs(0)), messages)
}

fn committed(boot: BootId) -> FromControl {
    FromControl::Committed { mark: Mark { boot, segment: 0, offset: 1 } }
}

#[test]
fn the_newer_boot_is_told_and_the_older_is_heard() {
    let host = host_id(1);
    let (old, mut to_old) = session(None, 1, OLD);
    let (mut both, mut to_new) = session(Some(old), 2, NEW);
    assert_eq!((both.speaker(1), both.speaker(2)), (Some(Speaker::Leaving), Some(Speaker::Current)));
    both.send(host, FromControl::Run { orders: Vec::new() });
    both.send_to_all(host, FromControl::Withdraw { view: Stamp::default() });
    both.send_to(host, OLD, committed(OLD));
    both.send_to(host, NEW, committed(NEW));
    let said = |messages: &mut mpsc::Receiver<FromControl>| std::iter::from_fn(|| messages.try_recv().ok()).count();
    assert_eq!((said(&mut to_old), said(&mut to_new)), (2, 3));
    both.left(1);
    assert!(both.is_linked() && both.speaker(1).is_none());
    both.send_to(host, OLD, committed(OLD));
    assert_eq!(said(&mut to_new), 1, "who carries on with the segments of the older is told of them");
}

#[test]
fn the_older_boot_does_not_push_the_newer_aside_and_takes_its_place_when_it_goes() {
    let (old, _to_old) = session(None, 1, OLD);
    let (mut both, _to_new) = session(Some(old), 2, NEW);
    assert!(both.outranks(OLD) && !both.outranks(NEW));
    let (outbox, mut to_old) = mpsc::channel(64);
    let again = Arrival { connection: 3, boot: OLD, ..arrival(outbox, None) };
    both.admit_leaving(again, [FromControl::Withdraw { view: Stamp::default() }]);
    assert_eq!(both.speaker(3), Some(Speaker::Leaving));
    assert!(to_old.try_recv().is_ok());
    both.left(2);
    assert!(!both.is_linked() && !both.outranks(OLD));
    assert_eq!(to_old.try_recv(), Err(mpsc::error::TryRecvError::Disconnected), "it has to come anew");
}

#[test]
fn a_process_that_links_again_replaces_its_own_link_alone() {
    let (old, _to_old) = session(None, 1, OLD);
    let (both, mut to_new) = session(Some(old), 2, NEW);
    let (both, _to_new_again) = session(Some(both), 4, NEW);
    assert_eq!((both.speaker(1), both.speaker(4)), (Some(Speaker::Leaving), Some(Speaker::Current)));
    assert_eq!(to_new.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
}
