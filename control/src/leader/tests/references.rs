//! Hosts are told of the references and of how they look to the fleet.

use farwatch_proto::panel::{PanelCount, PanelWord};

use super::*;

const HOSTS: u8 = 5;

/// What the host was told last.
fn told(world: &mut World, host: HostId) -> (Vec<String>, PanelCount) {
    let mut last = world.sent(host).into_iter().filter_map(|message| match message {
        FromControl::Panel { references, fleet } => Some((references, fleet)),
        _ => None,
    });
    last.next_back().unwrap()
}

#[test]
fn every_host_is_told_what_all_of_them_say() {
    let mut world = World::new();
    let hosts: Vec<HostId> = world.outboxes.keys().copied().collect();
    assert_eq!(hosts.len(), usize::from(HOSTS));
    let references = ["192.0.2.1:443".to_owned()];
    for (index, host) in hosts.iter().enumerate() {
        let word = if index < 2 { PanelWord::Fails } else { PanelWord::Passes };
        world.state.hear_of_panel(*host, Some(word), false, world.now.boot);
    }
    world.state.tell_references(&references, world.now.boot);
    for host in &hosts {
        assert_eq!(told(&mut world, *host), (references.to_vec(), PanelCount { passing: 3, failing: 2 }));
    }
    assert!(world.state.are_references_broken);
    world.state.hear_of_panel(hosts[0], Some(PanelWord::Passes), false, world.now.boot);
    world.state.tell_references(&references, world.now.boot);
    assert!(!world.state.are_references_broken, "one of five may have lost the world");
}
