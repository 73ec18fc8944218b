//! Hosts that went by a view which the database has lost are believed, if they hold the check.

use super::*;

/// Whether the host at this place of the list may say a result of a view of this number.
fn is_admitted(world: &mut World, place: usize, number: u64) -> bool {
    let host = world.state.book.page(CHECK).unwrap().lists[0][place];
    let mut result = world.result(Status::Up);
    result.terms.view = Stamp { era: 1, n: number };
    world.receive(host, &result).unwrap();
    let admitted = world.draft.results() > 0;
    world.commit();
    admitted
}

#[test]
fn a_holder_is_believed_where_its_view_was_lost_and_not_where_it_is_known() {
    let mut world = World::new();
    assert_eq!(world.state.newest.number.n, 1);
    let later = View { number: Stamp { era: 1, n: 5_000 }, in_force_from: world.now.wall + 60_000, ..view() };
    world.state.views.put_in_force(later);
    assert!(is_admitted(&mut world, 0, 1), "an owner needs no excuse");
    assert!(!is_admitted(&mut world, 4, 1) && !is_admitted(&mut world, 4, 5_000));
    assert!(is_admitted(&mut world, 4, 2) && is_admitted(&mut world, 3, 4_999));
    assert!(!is_admitted(&mut world, 4, 5_001), "nobody gave that number");
}
