//! The processes of the lab: control, its hosts, the sites and the wire, each on its machine.
//!
//! Hosts join as an operator would have them join: by a token. What was killed is started again by the lab alone.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::form::Form;
use super::network::{Network, Place, all_networks};
use super::targets::REFERENCE_PORTS;
use crate::api::Api;
use crate::certificate::{Authority, Validity};
use crate::system::farwatch;
use crate::wait::eventually;

/// Control compiles the built-in modules before it serves.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Asked to end, a host must have ended by then.
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// Warm-up, notice and hold-down of hosts that were struck, and a fleet that finds its way back.
const SETTLE_LIMIT: Duration = Duration::from_secs(90);
/// How long a host that came back proves itself, and at most one that was killed often: as short as a lab needs them.
const WARMUP: &str = "5s";
/// Where control listens on its machine, and where hosts listen on theirs.
const LINK_PORT: u16 = 8401;
const PEER_PORT: u16 = 8402;
/// By this name hosts know control.
const CONTROL_NAME: &str = farwatch_proto::link::CONTROL_NAME;
/// Whose machines there are, and where: provider, region, country and continent.
const PROVIDERS: [[&str; 4]; 4] = [
    ["amber", "eu-central", "DE", "EU"],
    ["birch", "eu-west", "FR", "EU"],
    ["cedar", "us-east", "US", "NA"],
    ["delta", "ap-south", "SG", "AS"],
];
/// The first number of the private range of autonomous systems (RFC 6996).
const PRIVATE_ASN: usize = 64_512;

/// How a host reaches control and the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By their own addresses.
    Direct,
    /// Through the long and lossy wire.
    Relayed,
}

/// See the file's documentation.
pub(super) struct Fleet {
    network: Network,
    folder: PathBuf,
    providers: usize,
    api: Api,
    control: Option<Child>,
    hosts: Vec<Option<Child>>,
    /// The sites and the wire, which end with the lab.
    _others: Vec<Ended>,
}

impl Fleet {
    /// Starts the sites, the wire and control.
    pub(super) fn start(network: &Network, form: &Form, folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder.join("log"))?;
        certify(&folder.join("control").join("identity"))?;
        let me = std::env::current_exe()?;
        let mut targets = network.command(Place::Targets, &me);
        targets.arg("targets").arg(hit_log(folder));
        let mut wire = network.command(Place::Router, &me);
        wire.args(["wire", &form.seed.to_string()]);
        wire.args((0..form.hosts).flat_map(|host| relays_of(Place::Host(host))));
        let others = vec![Ended(spawn(folder, "targets", &mut targets)?), Ended(spawn(folder, "wire", &mut wire)?)];
        let mut fleet = Self {
            network: network.clone(),
            folder: folder.to_owned(),
            providers: form.providers,
            api: Api::new("", ""),
            control: None,
            hosts: (0..form.hosts).map(|_| None).collect(),
            _others: others,
        };
        fleet.start_control()?;
        Ok(fleet)
    }

    /// Its API, with the operator's token.
    pub(super) const fn api(&self) -> &Api {
        &self.api
    }

    /// How many hosts it has.
    pub(super) fn count(&self) -> usize {
        self.hosts.len()
    }

    /// All hosts of the same provider as this one.
    pub(super) fn fellows(&self, host: usize) -> Vec<usize> {
        (0..self.count()).filter(|other| other % self.providers == host % self.providers).collect()
    }

    /// Starts control, and waits until it serves.
    pub(super) fn start_control(&mut self) -> anyhow::Result<()> {
        let data = self.folder.join("control");
        let _ = fs::remove_file(data.join("api.url"));
        let mut command = self.network.command(Place::Control, &farwatch()?);
        command.arg("control").arg(format!("--data={}", data.display()));
        command.arg(format!("--link-listen={}:{LINK_PORT}", Place::Control.address()));
        command.args([format!("--warmup={WARMUP}"), format!("--hold-down-max={WARMUP}")]);
        command.arg(format!("--allow-net={}", all_networks()));
        command.args(REFERENCE_PORTS.map(|port| format!("--reference={}:{port}", Place::Targets.address())));
        self.control = Some(spawn(&self.folder, "control", &mut command)?);
        self.api = eventually("control to serve", START_LIMIT, || {
            let read = |name: &str| fs::read_to_string(data.join(name)).map(|text| text.trim().to_owned());
            let api = Api::new(&read("api.url")?, &read("admin.token")?);
            api.get("/v1/hosts").map(|_| Some(api))
        })?;
        Ok(())
    }

    /// Kills control.
    pub(super) fn kill_control(&mut self) -> anyhow::Result<()> {
        end(self.control.take())
    }

    /// Makes every machine a host, by a token each.
    pub(super) fn join_all(&self) -> anyhow::Result<()> {
        (0..self.count()).try_for_each(|host| self.join(host).with_context(|| name(host)))
    }

    fn join(&self, host: usize) -> anyhow::Result<()> {
        let [provider, region, country, continent] = PROVIDERS[host % self.providers];
        let wish = json!({
            "provider": provider, "region": region, "country": country, "continent": continent,
            "asn": PRIVATE_ASN + host, "name": name(host),
            "controls": [format!("{}:{LINK_PORT}", Place::Control.address())],
        });
        let answer = self.api.post("/v1/hosts/join-tokens", &wish)?;
        let token = answer["token"].as_str().context("a token without a text")?;
        let mut command = self.network.command(Place::Host(host), &farwatch()?);
        command.args(["host", "join", "--provider", provider, "--region", region, "--token", token]);
        let output = command.arg("--data").arg(self.data(host)).env("FARWATCH_SETTINGS", "/dev/null").output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(())
    }

    fn data(&self, host: usize) -> PathBuf {
        self.folder.join("hosts").join(name(host))
    }

    /// Starts a host that has joined.
    pub(super) fn start_host(&mut self, host: usize, way: Way) -> anyhow::Result<()> {
        let place = Place::Host(host);
        let mut command = self.network.command(place, &farwatch()?);
        command.arg("host").arg(format!("--data={}", self.data(host).display()));
        command.arg(format!("--peer-listen={}:{PEER_PORT}", place.address()));
        command.args([format!("--allow-net={}", all_networks()), "--guest-threads=1".to_owned()]);
        match way {
            Way::Direct => command
                .arg(format!("--control={}:{LINK_PORT}", Place::Control.address()))
                .arg(format!("--peer-address={}:{PEER_PORT}", place.address())),
            Way::Relayed => command
                .arg(format!("--control={}:{LINK_PORT}", place.gateway()))
                .arg(format!("--peer-address={}:{PEER_PORT}", place.gateway())),
        };
        self.hosts[host] = Some(spawn(&self.folder, &name(host), &mut command)?);
        Ok(())
    }

    /// Kills a host.
    pub(super) fn kill_host(&mut self, host: usize) -> anyhow::Result<()> {
        end(self.hosts[host].take())
    }

    /// Ends a host as an operator would.
    pub(super) fn stop_host(&mut self, host: usize) -> anyhow::Result<()> {
        self.signal_host(host, Signal::TERM)?;
        let mut child = self.hosts[host].take().context("it does not run")?;
        let ended = eventually("a host to end", STOP_LIMIT, || Ok(child.try_wait()?)).map(drop);
        end(Some(child))?;
        ended
    }

    /// Sends a signal to a host.
    pub(super) fn signal_host(&self, host: usize, signal: Signal) -> anyhow::Result<()> {
        let child = self.hosts[host].as_ref().context("it does not run")?;
        Ok(kill_process(Pid::from_raw(child.id().cast_signed()).context("no process id")?, signal)?)
    }

    /// Gives control the program of another version for its hosts, and answers with that version.
    pub(super) fn push_release(&self, release: &Path) -> anyhow::Result<String> {
        let release = release.to_str().context("the path of the release is no text")?;
        let pushed = self.client(&["release", "push", release, "--json"])?;
        let pushed: Value = serde_json::from_str(&pushed)?;
        let version = pushed["version"].as_str().context("a release without a version")?;
        ensure!(version != farwatch_proto::VERSION, "{release} is of this version, {version}");
        Ok(version.to_owned())
    }

    /// Upgrades every host to this version, some at once, and waits until all run it.
    pub(super) fn upgrade(&self, version: &str) -> anyhow::Result<()> {
        self.client(&["fleet", "upgrade", "--to", version, "--max-unavailable", "2"])?;
        let listed = self.api.get("/v1/hosts")?;
        let items = listed["items"].as_array().context("the hosts are no list")?;
        let others: Vec<&Value> = items.iter().filter(|host| host["version"] != version).collect();
        ensure!(others.is_empty(), "the upgrade is done, and yet there are {others:?}");
        Ok(())
    }

    /// What a client says that an operator runs.
    fn client(&self, words: &[&str]) -> anyhow::Result<String> {
        let data = self.folder.join("control");
        let mut command = Command::new(farwatch()?);
        command.args(words).env("FARWATCH_SETTINGS", "/dev/null");
        command.env("FARWATCH_API", fs::read_to_string(data.join("api.url"))?.trim());
        let output = command.env("FARWATCH_TOKEN_FILE", data.join("admin.token")).output()?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "farwatch {}: {}", words.join(" "), complaint.trim());
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Waits until control shows that a host sees its references, or does not, by this word.
    pub(super) fn await_sanity(&self, host: usize, word: &str) -> anyhow::Result<()> {
        eventually(&format!("{} to be {word}", name(host)), SETTLE_LIMIT, || {
            let listed = self.api.get("/v1/hosts")?;
            let items = listed["items"].as_array().context("the hosts are no list")?;
            let is_it = |one: &&Value| one["name"] == name(host).as_str() && one["sanity"] == word;
            Ok(items.iter().find(is_it).map(drop))
        })
    }

    /// Waits until every host may own checks.
    pub(super) fn await_active(&self) -> anyhow::Result<()> {
        self.await_hosts(0)
    }

    /// Waits until every host owns, and hears most others: only then do they stand by for each other without control.
    pub(super) fn await_settled(&self) -> anyhow::Result<()> {
        self.await_hosts(self.count() / 2)
    }

    fn await_hosts(&self, heard_by_each: usize) -> anyhow::Result<()> {
        eventually("every host to be well", SETTLE_LIMIT, || {
            let listed = self.api.get("/v1/hosts")?;
            let items = listed["items"].as_array().context("the hosts are no list")?;
            let is_well = |host: &Value| {
                let hears = host["hears"].as_array().map_or(0, Vec::len);
                host["standing"] == "active" && host["connected"] == true && hears >= heard_by_each
            };
            ensure!(items.len() == self.count(), "there are {} hosts", items.len());
            let unwell: Vec<&Value> = items.iter().filter(|host| !is_well(host)).map(|host| &host["name"]).collect();
            ensure!(unwell.is_empty(), "not yet {unwell:?}");
            Ok(Some(()))
        })
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for child in self.hosts.iter_mut().chain([&mut self.control]) {
            // One that is gone already is as good as one that was killed.
            let _ = end(child.take());
        }
    }
}

/// A process that ends when this is dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = (self.0.kill(), self.0.wait());
    }
}

/// What the host of this number is called.
pub(super) fn name(host: usize) -> String {
    format!("lab-{}", host + 1)
}

/// The number of the host of this name.
pub(super) fn number(name: &str) -> Option<usize> {
    name.strip_prefix("lab-")?.parse::<usize>().ok()?.checked_sub(1)
}

/// Where the sites note who came.
pub(super) fn hit_log(folder: &Path) -> PathBuf {
    folder.join("hits")
}

/// What the wire relays for a host: to itself for the others, and to control for it.
fn relays_of(host: Place) -> [String; 2] {
    let own = format!("{}:{PEER_PORT}={}:{PEER_PORT}", host.gateway(), host.address());
    let control = format!("{}:{LINK_PORT}={}:{LINK_PORT}", host.gateway(), Place::Control.address());
    [own, control]
}

/// Kills a process with the strongest signal, and waits for its end.
fn end(child: Option<Child>) -> anyhow::Result<()> {
    if let Some(mut child) = child {
        child.kill()?;
        child.wait()?;
    }
    Ok(())
}

fn spawn(folder: &Path, name: &str, command: &mut Command) -> anyhow::Result<Child> {
    let log = folder.join("log").join(format!("{name}.log"));
    let log = OpenOptions::new().create(true).append(true).open(log)?;
    let child = command
        // What this machine is set up for is not what is tested.
        .env("FARWATCH_SETTINGS", "/dev/null")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn();
    child.with_context(|| format!("cannot start {name}"))
}

/// Makes the authority of the fleet and control's certificate.
fn certify(directory: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(directory)?;
    let authority = Authority::new()?;
    let control = authority.certificate(&[CONTROL_NAME], Validity::Good)?;
    fs::write(directory.join("ca.pem"), authority.pem())?;
    fs::write(directory.join("ca.key"), authority.key_pem())?;
    fs::write(directory.join("control.pem"), control.chain_pem)?;
    Ok(fs::write(directory.join("control.key"), control.key_pem)?)
}
