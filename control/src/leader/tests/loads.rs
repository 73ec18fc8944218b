//! Whoever is the first owner of a stream has to bear it, and half of its run places are kept.

use super::*;

#[test]
fn the_first_owner_bears_its_streams_and_is_told_of_where_they_are_too_many() {
    let mut world = World::new();
    world.state.add_up_loads(world.now.wall);
    let (first, second) = (world.owner(0), world.owner(1));
    let places = world.state.loads[&first].places();
    assert!(places > 0.0 && places < 1.0, "{places}");
    assert!(!world.state.loads.contains_key(&second));
    assert!(!world.state.is_beyond_capacity(first));
    world.state.sessions.get_mut(&first).unwrap().run_places = 0;
    assert!(world.state.is_beyond_capacity(first) && !world.state.is_beyond_capacity(second));
}

#[test]
fn what_makes_no_slots_due_bears_on_nobody() {
    let mut world = World::new();
    let mut paused = entry();
    paused.definition.activity = Activity::Paused;
    world.put(CHECK, vec![paused]);
    world.state.add_up_loads(world.now.wall);
    assert!(world.state.loads.is_empty());
}
