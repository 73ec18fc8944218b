//! What is done to the fleet, one thing after the other. Each ends with everything mended.

use std::time::Duration;

use anyhow::Context;
use rustix::process::Signal;

use super::Lab;
use super::fleet::Way;
use super::network::Place;
use crate::clock::now;
use crate::wait::leave_alone;

/// One host is killed in so long a time,
const KILL_EVERY: Duration = Duration::from_secs(20);
/// and is back after this.
const DEAD: Duration = Duration::from_secs(5);
/// How long the fleet is left alone before it is struck, so that what is done to it is all within its scenario.
const BREATH: Duration = Duration::from_secs(2);
/// How long a fleet is left alone after a host was stopped, or replaced.
const REST: Duration = Duration::from_secs(4);

/// One scenario.
#[derive(Clone, Copy)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    /// Whether nothing is wrong with any host, so that a standby that runs a slot does so falsely.
    pub(super) is_sound: bool,
    /// Whether it needs the program of another version.
    pub(super) needs_release: bool,
    /// Plays it, and returns how many hosts or processes were struck.
    pub(super) play: fn(&mut Lab) -> anyhow::Result<usize>,
}

const fn usual(name: &'static str, play: fn(&mut Lab) -> anyhow::Result<usize>) -> Scenario {
    Scenario { name, is_sound: false, needs_release: false, play }
}

/// All of them, in order: hosts begin on the long wire and are moved from it by the second. After the last one their
/// processes are others than those that were started.
pub(super) const SCENARIOS: [Scenario; 12] = [
    Scenario { is_sound: true, ..usual("loss", loss) },
    usual("restarts", restarts),
    Scenario { is_sound: true, ..usual("calm", calm) },
    usual("kills", kills),
    usual("pauses", pauses),
    usual("one-way", one_way),
    usual("partition", partition),
    usual("cut-from-control", cut_from_control),
    usual("control-away", control_away),
    usual("no-internet", no_internet),
    usual("provider-loss", provider_loss),
    Scenario { needs_release: true, ..usual("upgrade", upgrade) },
];

/// One packet in a hundred is lost and everything takes 100 ms.
fn loss(lab: &mut Lab) -> anyhow::Result<usize> {
    leave_alone(lab.form.lossy);
    Ok(0)
}

/// Every host is ended and started again, one after the other; from then on they reach each other directly.
fn restarts(lab: &mut Lab) -> anyhow::Result<usize> {
    for host in 0..lab.fleet.count() {
        lab.faults.begin(host, now());
        lab.fleet.stop_host(host)?;
        lab.fleet.start_host(host, Way::Direct)?;
        lab.faults.end(host, now());
        leave_alone(REST);
    }
    lab.fleet.await_settled()?;
    Ok(lab.fleet.count())
}

/// Nothing happens.
fn calm(lab: &mut Lab) -> anyhow::Result<usize> {
    leave_alone(lab.form.calm);
    Ok(0)
}

/// Hosts are killed at random, and come back.
fn kills(lab: &mut Lab) -> anyhow::Result<usize> {
    leave_alone(BREATH);
    for _ in 0..lab.form.kills {
        let host = any_host(lab);
        lab.faults.begin(host, now());
        lab.fleet.kill_host(host)?;
        leave_alone(DEAD);
        lab.fleet.start_host(host, Way::Direct)?;
        lab.faults.end(host, now());
        leave_alone(KILL_EVERY.saturating_sub(DEAD));
    }
    Ok(lab.form.kills)
}

/// Hosts stand still for a while, and go on as if nothing had been.
fn pauses(lab: &mut Lab) -> anyhow::Result<usize> {
    let pauses = lab.form.pauses.clone();
    for pause in &pauses {
        let host = any_host(lab);
        lab.faults.begin(host, now());
        lab.fleet.signal_host(host, Signal::STOP)?;
        leave_alone(*pause);
        lab.fleet.signal_host(host, Signal::CONT)?;
        lab.faults.end(host, now());
        leave_alone(REST);
    }
    Ok(pauses.len())
}

/// Nothing that one half of the hosts sends reaches the other half, which is heard as before.
fn one_way(lab: &mut Lab) -> anyhow::Result<usize> {
    let pairs = pairs_of_halves(lab);
    during(lab, &pairs)?;
    Ok(lab.fleet.count() / 2)
}

/// Neither half of the hosts reaches the other; control and the sites are reached by all.
fn partition(lab: &mut Lab) -> anyhow::Result<usize> {
    let mut pairs = pairs_of_halves(lab);
    pairs.extend(pairs.clone().into_iter().map(|(at, to)| (to, at)));
    during(lab, &pairs)?;
    Ok(lab.fleet.count() / 2)
}

/// Nothing that one host sends reaches control; its neighbours hear it.
fn cut_from_control(lab: &mut Lab) -> anyhow::Result<usize> {
    let host = any_host(lab);
    during(lab, &[(Place::Host(host), Place::Control)])?;
    Ok(1)
}

/// Control is killed and comes back.
fn control_away(lab: &mut Lab) -> anyhow::Result<usize> {
    leave_alone(BREATH);
    lab.fleet.kill_control()?;
    leave_alone(lab.form.control_away);
    lab.fleet.start_control()?;
    Ok(1)
}

/// One host no longer reaches any site, nor any reference, though all of the fleet reaches it. It notices, and when it is over.
fn no_internet(lab: &mut Lab) -> anyhow::Result<usize> {
    leave_alone(BREATH);
    let host = any_host(lab);
    lab.faults.begin(host, now());
    lab.network.cut(Place::Targets, Place::Host(host))?;
    let noticed = lab.fleet.await_sanity(host, "insane");
    leave_alone(lab.form.cut);
    lab.network.mend(Place::Targets, Place::Host(host))?;
    lab.faults.end(host, now());
    noticed?;
    lab.fleet.await_sanity(host, "sane")?;
    Ok(1)
}

/// Every host of one provider is gone at once.
fn provider_loss(lab: &mut Lab) -> anyhow::Result<usize> {
    leave_alone(BREATH);
    let one = any_host(lab);
    let gone = lab.fleet.fellows(one);
    for host in &gone {
        lab.faults.begin(*host, now());
        lab.network.set_link(Place::Host(*host), false)?;
    }
    leave_alone(lab.form.cut);
    for host in &gone {
        lab.network.set_link(Place::Host(*host), true)?;
        lab.faults.end(*host, now());
    }
    lab.fleet.await_settled()?;
    Ok(gone.len())
}

/// Every host is upgraded to another version, as an operator would have it upgraded.
fn upgrade(lab: &mut Lab) -> anyhow::Result<usize> {
    let release = lab.form.release.clone().context("there is no other version to upgrade to")?;
    let version = lab.fleet.push_release(&release)?;
    lab.fleet.upgrade(&version)?;
    lab.fleet.await_settled()?;
    Ok(lab.fleet.count())
}

fn any_host(lab: &mut Lab) -> usize {
    lab.chance.below(lab.fleet.count())
}

/// Every host of one half with every host of the other; which half a host is in is chance, and both have as many.
fn pairs_of_halves(lab: &mut Lab) -> Vec<(Place, Place)> {
    let mut hosts: Vec<usize> = (0..lab.fleet.count()).collect();
    for index in (1..hosts.len()).rev() {
        hosts.swap(index, lab.chance.below(index + 1));
    }
    let (one, other) = hosts.split_at(hosts.len() / 2);
    let with_all = |at: &usize| other.iter().map(move |to| (*at, *to)).collect::<Vec<_>>();
    one.iter().flat_map(with_all).map(|(at, to)| (Place::Host(at), Place::Host(to))).collect()
}

/// Cuts these ways for as long as the lab cuts, and mends them.
fn during(lab: &Lab, ways: &[(Place, Place)]) -> anyhow::Result<()> {
    leave_alone(BREATH);
    for (at, to) in ways {
        lab.network.cut(*at, *to)?;
    }
    leave_alone(lab.form.cut);
    ways.iter().try_for_each(|(at, to)| lab.network.mend(*at, *to))
}
