//! Turns a name into addresses, once per probe, by the system's resolver.
//!
//! The system's resolver blocks, so it is asked on threads of its own, of which there are only so many:
//! a lookup that hangs holds its place until it ends, not the probe that asked for it.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::evidence::Phase;
use super::trace::Mishap;
use crate::spawn;

/// Lookups under way at once. More would let one dead resolver take every thread of the process; fewer
/// would make good names wait behind bad ones.
pub(crate) const LOOKUPS_MAX: usize = 64;
/// More addresses than this are not judged, and none of them is used: no honest name has them.
const ADDRESSES_MAX: usize = 64;

/// The system's resolver, bounded.
#[derive(Debug)]
pub(super) struct Resolver {
    places: Arc<Semaphore>,
}

impl Default for Resolver {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(LOOKUPS_MAX)) }
    }
}

impl Resolver {
    /// The addresses of a name, in the order in which the system would use them.
    pub(super) async fn lookup(&self, name: &str, port: u16) -> Result<Vec<SocketAddr>, Mishap> {
        let place = self.places.clone().acquire_owned().await.map_err(|_| failed(name, "the resolver is closed"))?;
        let asked = name.to_owned();
        let lookup = spawn::blocking(move || {
            let addresses = (asked.as_str(), port).to_socket_addrs().map(|found| found.collect::<Vec<_>>());
            drop(place);
            addresses
        });
        let addresses = lookup.await.map_err(|error| failed(name, &error.to_string()))?;
        let addresses = addresses.map_err(|error| mishap_of(name, &error.to_string()))?;
        match addresses.len() {
            0 => Err(no_address(name)),
            1..=ADDRESSES_MAX => Ok(addresses),
            more => Err(failed(name, &format!("it has {more} addresses; at most {ADDRESSES_MAX} are allowed"))),
        }
    }
}

/// The standard library keeps of getaddrinfo's error only its text, which is never translated here
/// because nobody sets a locale.
fn mishap_of(name: &str, text: &str) -> Mishap {
    if text.contains("Name or service not known") {
        let message = format!("there is no host of the name {name}");
        Mishap::new(Phase::Resolve, "dns-not-found", message)
    } else if text.contains("No address associated") {
        no_address(name)
    } else {
        failed(name, text)
    }
}

fn no_address(name: &str) -> Mishap {
    Mishap::new(Phase::Resolve, "dns-no-address", format!("the name {name} has no address"))
}

fn failed(name: &str, why: &str) -> Mishap {
    Mishap::new(Phase::Resolve, "dns-failed", format!("the name {name} could not be resolved: {why}"))
}
