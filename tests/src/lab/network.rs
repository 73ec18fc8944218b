//! The machines of the lab, as network namespaces: a router, and every other one behind a link of its own.
//!
//! Names begin with a word that nobody else uses. No interface leads out, and none is made where the real machine has its
//! own. Links are cut by blackhole routes on one side, or taken down at the router; packets are never tampered with.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, ensure};

/// How all namespaces of labs are called first.
const PREFIX: &str = "fwlab-";
/// The first two numbers of every address. They exist in the lab's namespaces alone.
const NET: [u8; 2] = [10, 77];
/// The networks of control and the sites; hosts have those from 1 on.
const CONTROL: u8 = 200;
const TARGETS: u8 = 210;

/// A machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// What joins all others.
    Router,
    /// Where control runs, and whoever conducts the lab.
    Control,
    /// Where the watched sites are.
    Targets,
    /// The host of this number.
    Host(usize),
}

impl Place {
    /// What its link is called at the router.
    fn word(self) -> String {
        match self {
            Self::Router => "router".to_owned(),
            Self::Control => "control".to_owned(),
            Self::Targets => "targets".to_owned(),
            Self::Host(number) => format!("host{number}"),
        }
    }

    fn subnet(self) -> u8 {
        match self {
            Self::Router => 0,
            Self::Control => CONTROL,
            Self::Targets => TARGETS,
            Self::Host(number) => u8::try_from(number + 1).expect("a lab has few hosts"),
        }
    }

    /// Where it is reached.
    pub fn address(self) -> Ipv4Addr {
        Ipv4Addr::new(NET[0], NET[1], self.subnet(), 2)
    }

    /// Where the router is reached on the link to it.
    pub fn gateway(self) -> Ipv4Addr {
        Ipv4Addr::new(NET[0], NET[1], self.subnet(), 1)
    }

    fn network(self) -> String {
        format!("{}.{}.{}.0/24", NET[0], NET[1], self.subnet())
    }
}

/// All networks of the lab, which its checks are allowed to reach.
pub(super) fn all_networks() -> String {
    format!("{}.{}.0.0/16", NET[0], NET[1])
}

/// The namespaces of one lab, by the name that they share.
#[derive(Clone, Debug)]
pub struct Network {
    name: String,
    hosts: usize,
}

impl Network {
    /// One for this process.
    pub fn of_this_process(hosts: usize) -> Self {
        Self { name: format!("{PREFIX}{}", std::process::id()), hosts }
    }

    /// The one that another process has built.
    pub fn named(name: &str, hosts: usize) -> Self {
        Self { name: name.to_owned(), hosts }
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Builds it. It is removed when what is returned is dropped, and also where only a part could be built.
    pub fn build(self) -> anyhow::Result<Built> {
        let built = Built(self);
        let router = built.0.namespace(Place::Router);
        ip(&["netns", "add", &router])?;
        ip(&["-n", &router, "link", "set", "lo", "up"])?;
        let forwards = built.0.command(Place::Router, Path::new("/bin/sh")).args(["-c", FORWARD]).status();
        ensure!(forwards.is_ok_and(|status| status.success()), "the router does not forward");
        for place in built.0.places() {
            built.0.attach(place)?;
        }
        Ok(built)
    }

    fn places(&self) -> Vec<Place> {
        (0..self.hosts).map(Place::Host).chain([Place::Control, Place::Targets]).collect()
    }

    fn attach(&self, place: Place) -> anyhow::Result<()> {
        let (inside, router) = (self.namespace(place), self.namespace(Place::Router));
        let (link, gateway) = (place.word(), place.gateway().to_string());
        ip(&["netns", "add", &inside])?;
        ip(&["link", "add", "name", &link, "netns", &router, "type", "veth", "peer", "name", "up0", "netns", &inside])?;
        ip(&["-n", &router, "address", "add", &format!("{gateway}/24"), "dev", &link])?;
        ip(&["-n", &router, "link", "set", &link, "up"])?;
        ip(&["-n", &inside, "link", "set", "lo", "up"])?;
        ip(&["-n", &inside, "address", "add", &format!("{}/24", place.address()), "dev", "up0"])?;
        ip(&["-n", &inside, "link", "set", "up0", "up"])?;
        ip(&["-n", &inside, "route", "add", "default", "via", &gateway]).map(drop)
    }

    fn namespace(&self, place: Place) -> String {
        format!("{}-{}", self.name, place.word())
    }

    /// Runs a program there, as the process that is started.
    pub fn command(&self, place: Place, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace(place)]).arg(program);
        command
    }

    /// From now on nothing leaves `at` for `to`; what comes from there still arrives.
    pub(super) fn cut(&self, at: Place, to: Place) -> anyhow::Result<()> {
        ip(&["-n", &self.namespace(at), "route", "add", "blackhole", &to.network()]).map(drop)
    }

    /// It does again.
    pub(super) fn mend(&self, at: Place, to: Place) -> anyhow::Result<()> {
        ip(&["-n", &self.namespace(at), "route", "delete", "blackhole", &to.network()]).map(drop)
    }

    /// Takes the link of a place down at the router, or brings it up.
    pub(super) fn set_link(&self, place: Place, is_up: bool) -> anyhow::Result<()> {
        let state = if is_up { "up" } else { "down" };
        ip(&["-n", &self.namespace(Place::Router), "link", "set", &place.word(), state]).map(drop)
    }
}

const FORWARD: &str = "echo 1 > /proc/sys/net/ipv4/ip_forward";

/// A network that stands.
#[derive(Debug)]
pub struct Built(pub Network);

impl Drop for Built {
    fn drop(&mut self) {
        for place in self.0.places().into_iter().chain([Place::Router]) {
            // Where only a part was built, the rest is not there.
            let _ = ip(&["netns", "delete", &self.0.namespace(place)]);
        }
    }
}

/// Removes what a lab that was killed has left. One in which a process lives belongs to a lab that goes on.
pub fn remove_leftovers() -> anyhow::Result<()> {
    let listed = ip(&["netns", "list"])?;
    let names = listed.lines().filter_map(|line| line.split_whitespace().next());
    for name in names.filter(|name| name.starts_with(PREFIX)) {
        let is_of_one_that_goes_on = builder_lives(name) || !ip(&["netns", "pids", name])?.trim().is_empty();
        if !is_of_one_that_goes_on {
            ip(&["netns", "delete", name])?;
        }
    }
    Ok(())
}

/// Whether the process that built it is there: it may not have started anything in it yet.
fn builder_lives(name: &str) -> bool {
    let number = name.trim_start_matches(PREFIX).split('-').next().unwrap_or_default();
    Path::new("/proc").join(number).exists()
}

fn ip(words: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("ip").args(words).output();
    let Output { status, stdout, stderr } = output.context("ip cannot be run; install the Debian package iproute2")?;
    let complaint = String::from_utf8_lossy(&stderr);
    ensure!(status.success(), "ip {}: {}", words.join(" "), complaint.trim());
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}
