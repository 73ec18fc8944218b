//! Where a check wants to be run: from one word to what placement reads.
//!
//! A word is only accepted when the fleet has a host there, for a wish that nobody can meet would wait
//! for ever without a sound.

use std::collections::BTreeSet;

use farwatch_proto::check::Location;
use farwatch_proto::fleet::HostFacts;

/// What hosts may call their continent, and checks theirs.
pub const CONTINENTS: [&str; 7] = ["AF", "AN", "AS", "EU", "NA", "OC", "SA"];

/// The location of this word: a region, a continent or a country that the fleet has, in this order; or
/// `country:NA` and the like where a word means two things. A region brings its country and continent with
/// it where it has one of each, so that placement widens from there.
pub(super) fn locate(word: &str, fleet: &[HostFacts]) -> Result<Location, String> {
    let (kind, name) = word.split_once(':').map_or((None, word), |(kind, name)| (Some(kind), name));
    let found = match kind {
        Some("region") => region(name, fleet),
        Some("continent") => continent(name, fleet),
        Some("country") => country(name, fleet),
        Some(_) => None,
        None => region(name, fleet).or_else(|| continent(name, fleet)).or_else(|| country(name, fleet)),
    };
    found.ok_or_else(|| format!("{word:?} is no location of this fleet; {}", known_places(fleet)))
}

fn region(name: &str, fleet: &[HostFacts]) -> Option<Location> {
    let there = || fleet.iter().filter(|host| host.region == name);
    there().next()?;
    Some(Location {
        region: Some(name.to_owned()),
        country: the_only(there().map(|host| &host.country)),
        continent: the_only(there().map(|host| &host.continent)),
    })
}

fn country(name: &str, fleet: &[HostFacts]) -> Option<Location> {
    let there = || fleet.iter().filter(|host| host.country == name);
    there().next()?;
    let continent = the_only(there().map(|host| &host.continent));
    Some(Location { region: None, country: Some(name.to_owned()), continent })
}

fn continent(name: &str, fleet: &[HostFacts]) -> Option<Location> {
    let is_there = fleet.iter().any(|host| host.continent == name);
    is_there.then(|| Location { region: None, country: None, continent: Some(name.to_owned()) })
}

/// The one value that all of these have.
fn the_only<'a>(mut values: impl Iterator<Item = &'a String>) -> Option<String> {
    let first = values.next()?;
    values.all(|value| value == first).then(|| first.clone())
}

/// The locations of the fleet, in words for whoever named another.
pub fn known_places(fleet: &[HostFacts]) -> String {
    if fleet.is_empty() {
        return "it has no hosts yet, so leave the location away or register a host first".to_owned();
    }
    let listed = |values: BTreeSet<&str>| values.into_iter().collect::<Vec<_>>().join(", ");
    format!(
        "known are the regions {}, the countries {} and the continents {}",
        listed(fleet.iter().map(|host| host.region.as_str()).collect()),
        listed(fleet.iter().map(|host| host.country.as_str()).collect()),
        listed(fleet.iter().map(|host| host.continent.as_str()).collect()),
    )
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::*;

    pub(in crate::spec) fn host(name: &str, region: &str, country: &str, continent: &str) -> HostFacts {
        HostFacts {
            name: name.to_owned(),
            provider: "p".to_owned(),
            asn: 1,
            country: country.to_owned(),
            continent: continent.to_owned(),
            region: region.to_owned(),
            labels: BTreeMap::new(),
            weight: 1,
            tenant: None,
            shared_machine: None,
        }
    }

    fn fleet() -> Vec<HostFacts> {
        vec![
            host("a", "eu-central", "DE", "EU"),
            host("b", "eu-central", "AT", "EU"),
            host("c", "eu-west", "FR", "EU"),
            host("d", "us-east", "US", "NA"),
            host("e", "af-south", "NA", "AF"),
        ]
    }

    fn parts(word: &str) -> [Option<String>; 3] {
        let Location { region, country, continent } = locate(word, &fleet()).unwrap();
        [region, country, continent]
    }

    #[test]
    fn a_word_is_a_region_a_continent_or_a_country() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(parts("eu-west"), [some("eu-west"), some("FR"), some("EU")]);
        assert_eq!(parts("eu-central"), [some("eu-central"), None, some("EU")]);
        assert_eq!(parts("DE"), [None, some("DE"), some("EU")]);
        assert_eq!(parts("EU"), [None, None, some("EU")]);
        assert_eq!(parts("NA"), [None, None, some("NA")]);
        assert_eq!(parts("country:NA"), [None, some("NA"), some("AF")]);
    }

    #[test]
    fn an_unknown_word_is_answered_with_the_known_ones() {
        let refused = locate("mars", &fleet()).unwrap_err();
        assert!(refused.contains("\"mars\" is no location of this fleet"), "{refused}");
        assert!(refused.contains("regions af-south, eu-central, eu-west, us-east"), "{refused}");
        assert!(locate("planet:EU", &fleet()).is_err());
        assert!(locate("EU", &[]).unwrap_err().contains("no hosts yet"));
    }
}
