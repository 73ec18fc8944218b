//! The lab: real `farwatch` processes on machines of their own, as the kernel has it, whose links are cut for real.
//!
//! Every host, control and the watched sites stand in network namespaces with a router between them. What the sites saw
//! is held against what the ledger says. Nothing here knows how hosts or control work; it needs root, and touches no
//! address of the real machine.

mod account;
mod chance;
mod faults;
mod fleet;
mod form;
mod network;
mod report;
mod scenario;
mod targets;
mod watched;
mod wire;

use std::path::Path;

use anyhow::ensure;

pub use form::Form;
pub use network::{Built, Network, Place, remove_leftovers};
pub use targets::serve as serve_targets;
pub use wire::serve as serve_wire;

use chance::Chance;
use faults::Faults;
use fleet::{Fleet, Way};
use report::Report;
use scenario::SCENARIOS;
use watched::Watched;

/// Everything that a scenario acts upon.
struct Lab {
    form: Form,
    network: Network,
    fleet: Fleet,
    watched: Watched,
    faults: Faults,
    chance: Chance,
}

/// Starts the fleet in this network, plays every scenario and accounts for every slot.
pub fn conduct(network: Network, form: Form, folder: &Path) -> anyhow::Result<()> {
    let mut fleet = Fleet::start(&network, &form, folder)?;
    fleet.join_all()?;
    for host in 0..form.hosts {
        fleet.start_host(host, Way::Relayed)?;
    }
    fleet.await_active()?;
    let watched = Watched::create(fleet.api(), form.checks)?;
    fleet.await_settled()?;
    let chance = Chance::of(form.seed);
    let mut lab = Lab { form, network, fleet, watched, faults: Faults::default(), chance };
    let mut report = Report::new(folder);
    let has_release = lab.form.release.is_some();
    for scenario in SCENARIOS.iter().filter(|scenario| has_release || !scenario.needs_release) {
        report.begin(&lab, scenario)?;
        let blows = (scenario.play)(&mut lab)?;
        report.end(blows);
        report.tell_decided(&lab);
    }
    report.tell_all(&lab)?;
    let broken = report.broken();
    ensure!(broken.is_empty(), "{}", broken.join("; "));
    Ok(())
}
