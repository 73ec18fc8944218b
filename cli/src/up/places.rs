//! The hosts of a fleet on one machine, with providers and regions of their own.
//!
//! They stand for the places a real fleet would have, and are shown as not independent, for one
//! machine runs them all.

use std::fs;
use std::path::Path;

use farwatch_control::file::write_whole;
use farwatch_proto::fleet::HostFacts;
use farwatch_proto::id::HostId;

/// The most hosts `up` starts; a machine is no fleet.
pub(super) const HOSTS_MAX: usize = 12;

/// Name, provider, region, country, continent.
const PLACES: [[&str; 5]; HOSTS_MAX] = [
    ["fra-1", "amber", "eu-central", "DE", "EU"],
    ["par-1", "birch", "eu-west", "FR", "EU"],
    ["nyc-1", "cedar", "us-east", "US", "NA"],
    ["sfo-1", "delta", "us-west", "US", "NA"],
    ["sin-1", "ember", "ap-south", "SG", "AS"],
    ["waw-1", "birch", "eu-east", "PL", "EU"],
    ["syd-1", "cedar", "ap-south", "AU", "OC"],
    ["gru-1", "delta", "sa-east", "BR", "SA"],
    ["fra-2", "ember", "eu-central", "DE", "EU"],
    ["nyc-2", "amber", "us-east", "US", "NA"],
    ["tyo-1", "birch", "ap-north", "JP", "AS"],
    ["lon-1", "delta", "eu-west", "GB", "EU"],
];

/// The first number of the private range of autonomous systems (RFC 6996).
const PRIVATE_ASN: u32 = 64_512;

/// The facts of the first `count` hosts.
pub(super) fn first(count: usize) -> Vec<HostFacts> {
    let machine = machine_name();
    let numbered = PLACES.iter().take(count).zip(PRIVATE_ASN..);
    numbered
        .map(|([name, provider, region, country, continent], asn)| HostFacts {
            name: (*name).to_owned(),
            provider: (*provider).to_owned(),
            asn,
            country: (*country).to_owned(),
            continent: (*continent).to_owned(),
            region: (*region).to_owned(),
            labels: [].into(),
            weight: 1,
            tenant: None,
            shared_machine: Some(machine.clone()),
        })
        .collect()
}

/// The id a host was given when its directory was made, or a new one.
pub(super) fn id_in(directory: &Path) -> anyhow::Result<HostId> {
    let path = directory.join("id");
    if let Ok(text) = fs::read_to_string(&path) {
        return Ok(text.trim().parse()?);
    }
    fs::create_dir_all(directory)?;
    let id = HostId::new(farwatch_control::clock::Clock.wall(), farwatch_control::secret::random_bytes());
    write_whole(&path, &format!("{id}\n"), 0o644)?;
    Ok(id)
}

/// The machine's name, in the characters that facts allow.
fn machine_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String =
        name.trim().chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    if name.is_empty() { "this-machine".to_owned() } else { name }
}
