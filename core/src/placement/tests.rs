use std::collections::BTreeSet;

use farwatch_proto::check::Location;
use farwatch_proto::fleet::{HostFacts, PLACEMENT_VERSION};
use farwatch_proto::time::{Stamp, UnixMs};
use proptest::prelude::*;

use super::*;

pub(crate) fn host_id(n: u8) -> HostId {
    let mut bytes = [0; 16];
    bytes[15] = n;
    HostId::from_bytes(bytes)
}

fn host(n: u8, provider: &str, region: &str, country: &str, continent: &str) -> ViewHost {
    ViewHost {
        id: host_id(n),
        standing: Standing::Active,
        facts: HostFacts {
            name: format!("host-{n}"),
            provider: provider.to_owned(),
            asn: 64_500 + u32::from(n),
            country: country.to_owned(),
            continent: continent.to_owned(),
            region: region.to_owned(),
            labels: [("tier".to_owned(), if n.is_multiple_of(2) { "a" } else { "b" }.to_owned())].into(),
            weight: 1,
            tenant: None,
            shared_machine: None,
        },
    }
}

/// A fleet of so many hosts at four providers, in regions of four.
pub(crate) fn fleet(count: u8) -> View {
    let places =
        [("fra", "DE", "EU"), ("muc", "DE", "EU"), ("par", "FR", "EU"), ("nyc", "US", "NA"), ("sfo", "US", "NA")];
    let hosts = (0..count)
        .map(|n| {
            let (region, country, continent) = places[usize::from(n / 4) % places.len()];
            host(n, ["alpha", "beta", "gamma", "delta"][usize::from(n % 4)], region, country, continent)
        })
        .collect();
    View {
        number: Stamp { era: 1, n: 1 },
        in_force_from: UnixMs(0),
        planned: true,
        placement_version: PLACEMENT_VERSION,
        hosts,
    }
}

fn wish(streams: u16, location: Location) -> PlacementWish {
    PlacementWish { location, labels: [].into(), streams }
}

fn in_region(region: &str, country: &str, continent: &str) -> Location {
    Location { region: Some(region.into()), country: Some(country.into()), continent: Some(continent.into()) }
}

fn subject(check: u8, wish: &PlacementWish) -> Subject<'_> {
    Subject {
        check: CheckId::from_bytes([check; 16]),
        tenant: TenantId::from_bytes([1; 16]),
        wish,
        repeat: Repeat::Safe,
    }
}

fn lists(check: u8, wish: &PlacementWish, view: &View) -> Vec<Vec<HostId>> {
    preference_lists(&subject(check, wish), view)
}

fn mark(view: &mut View, id: HostId, standing: Standing) {
    view.hosts.iter_mut().find(|host| host.id == id).unwrap().standing = standing;
}

fn provider(view: &View, id: HostId) -> &str {
    &view.host(id).unwrap().facts.provider
}

/// If these change, every running fleet would disagree with itself: raise `PLACEMENT_VERSION`.
#[test]
fn placement_is_pinned() {
    let wish = wish(1, Location::default());
    let first_three = |check: u8| -> Vec<u8> {
        lists(check, &wish, &fleet(20))[0].iter().take(3).map(|id| id.as_bytes()[15]).collect()
    };
    assert_eq!([first_three(1), first_three(2), first_three(3)], PINNED);
}

const PINNED: [[u8; 3]; 3] = [[19, 17, 12], [0, 3, 10], [10, 3, 8]];

#[test]
fn the_first_owner_is_where_the_check_wants_to_be_or_as_near_as_the_fleet_gets() {
    let view = fleet(20);
    let region_of = |location: Location| {
        (0..50_u8)
            .map(|check| {
                let list = &lists(check, &wish(1, location.clone()), &view)[0];
                view.host(list[0]).unwrap().facts.region.clone()
            })
            .collect::<BTreeSet<String>>()
    };
    assert_eq!(region_of(in_region("par", "FR", "EU")), BTreeSet::from(["par".to_owned()]));
    assert_eq!(region_of(in_region("lax", "US", "NA")), BTreeSet::from(["nyc".to_owned(), "sfo".to_owned()]));
    assert_eq!(region_of(Location::default()).len(), 5);
}

#[test]
fn warming_hosts_own_only_where_nobody_else_can() {
    let mut view = fleet(3);
    let list = lists(1, &wish(1, Location::default()), &view).remove(0);
    mark(&mut view, list[0], Standing::Warming);
    assert_eq!(owners(&list, &view, Repeat::Safe), [list[1], list[2], list[0]]);
    mark(&mut view, list[1], Standing::Away);
    mark(&mut view, list[2], Standing::Away);
    assert_eq!(owners(&list, &view, Repeat::Safe), list[..1]);
}

#[test]
fn an_unsafe_check_has_one_owner() {
    let view = fleet(4);
    let list = lists(1, &wish(1, Location::default()), &view).remove(0);
    assert_eq!(owners(&list, &view, Repeat::Unsafe), list[..1]);
}

#[test]
fn every_host_is_explained_once() {
    let mut view = fleet(6);
    view.hosts[2].facts.tenant = Some(TenantId::from_bytes([9; 16]));
    let mut wish = wish(1, Location::default());
    wish.labels.insert("tier".into(), "a".into());
    let reasons = explain(&subject(1, &wish), 0, &view);
    assert_eq!(reasons.iter().map(|reason| reason.host).collect::<BTreeSet<_>>().len(), 6);
    let ineligible: Vec<&str> =
        reasons.iter().filter(|reason| reason.place.is_none()).map(|reason| reason.because.as_str()).collect();
    assert_eq!(ineligible.len(), 4);
    assert!(ineligible.contains(&Ineligible::Tenant.reason()) && ineligible.contains(&Ineligible::Labels.reason()));
    assert!(reasons[0].because.ends_with("owns at rank 0"), "{}", reasons[0].because);
}

#[test]
fn a_neighbourhood_reaches_three_providers_even_when_the_nearest_are_all_one() {
    let mut hosts: Vec<ViewHost> = (0..20).map(|n| host(n, "alpha", "fra", "DE", "EU")).collect();
    hosts.push(host(20, "beta", "nyc", "US", "NA"));
    hosts.push(host(21, "gamma", "syd", "AU", "OC"));
    let all: Vec<&ViewHost> = hosts.iter().collect();
    let near = neighbourhood(&hosts[0], &all);
    assert_eq!(near.len(), 14);
    assert!(near.iter().all(|neighbour| neighbour.id != hosts[0].id));
}

#[test]
fn weights_are_tickets() {
    let mut view = fleet(4);
    view.hosts[0].facts.weight = 3;
    let wish = wish(1, Location::default());
    let won = (0..=255_u8)
        .flat_map(|check| [[check; 16], [check, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]])
        .filter(|bytes| {
            let subject = Subject { check: CheckId::from_bytes(*bytes), ..subject(0, &wish) };
            preference_lists(&subject, &view)[0][0] == host_id(0)
        })
        .count();
    // Half of 512 draws are expected: three tickets of six.
    assert!((210..300).contains(&won), "{won}");
}

proptest! {
    #[test]
    fn whoever_dies_the_second_becomes_the_first(
        check: u8, streams in 1..4_u16, count in 2..24_u8, deaths in prop::collection::vec(any::<u8>(), 1..6),
    ) {
        let mut view = fleet(count);
        let wish = wish(streams, Location::default());
        for death in deaths {
            let before = lists(check, &wish, &view);
            let owned: Vec<Vec<HostId>> = before.iter().map(|list| owners(list, &view, Repeat::Safe)).collect();
            let victim = host_id(death % count);
            mark(&mut view, victim, Standing::Away);
            let after = lists(check, &wish, &view);
            prop_assert_eq!(&before, &after, "lists do not depend on who is alive");
            for (list, owned) in after.iter().zip(owned) {
                let now = owners(list, &view, Repeat::Safe);
                if owned.first() == Some(&victim) {
                    prop_assert_eq!(now.first(), owned.get(1));
                } else {
                    prop_assert_eq!(now.first(), owned.first());
                }
            }
        }
    }

    #[test]
    fn lists_hold_every_eligible_host_once_and_are_disjoint_while_hosts_suffice(
        check: u8, streams in 1..5_u16, count in 1..24_u8,
    ) {
        let view = fleet(count);
        let lists = lists(check, &wish(streams, Location::default()), &view);
        prop_assert_eq!(lists.len(), usize::from(streams));
        for list in &lists {
            prop_assert_eq!(list.iter().collect::<BTreeSet<_>>().len(), usize::from(count));
        }
        let deep = usize::from(count) / usize::from(streams);
        let drafted: Vec<&HostId> = lists.iter().flat_map(|list| list.iter().take(deep)).collect();
        prop_assert_eq!(drafted.iter().collect::<BTreeSet<_>>().len(), drafted.len());
    }

    #[test]
    fn the_owners_of_a_stream_are_at_three_providers(check: u8, count in 4..24_u8) {
        let view = fleet(count);
        let list = &lists(check, &wish(1, Location::default()), &view)[0];
        let providers: BTreeSet<&str> = list.iter().take(OWNERS).map(|id| provider(&view, *id)).collect();
        prop_assert_eq!(providers.len(), OWNERS);
    }

    #[test]
    fn a_new_host_takes_streams_and_moves_no_others(check: u8, count in 3..23_u8) {
        let wish = wish(1, Location::default());
        let before = lists(check, &wish, &fleet(count)).remove(0);
        let after = lists(check, &wish, &fleet(count + 1)).remove(0);
        prop_assert!(after[0] == before[0] || after[0] == host_id(count));
    }
}
