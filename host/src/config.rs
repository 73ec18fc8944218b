//! What an operator decides about one host, complete and valid before anything starts.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use farwatch_proto::join::{ENDPOINTS_MAX as CONTROLS_MAX, is_endpoint};
use farwatch_sandbox::SandboxConfig;
use ipnet::IpNet;

use crate::spool::SpoolLimits;

/// Run places a host may have: each reserves 8 GiB of address space, of which there are 128 TiB.
const RUN_PLACES_MAX: u32 = 4096;
/// Threads that run guests. More than cores only adds switches between them.
const GUEST_THREADS_MAX: usize = 64;
/// Networks an operator may opt in: each address is compared with all of them.
const ALLOW_NETS_MAX: usize = 64;

/// What an operator says, unchecked.
#[derive(Clone, Debug)]
pub struct HostSettings {
    /// Where everything is kept. One host process at a time may use it, or two while one succeeds the other.
    pub data: PathBuf,
    /// The directory of `host.pem`, `host.key` and `ca.pem`. The certificate says which host this is.
    pub identity: PathBuf,
    /// Control's link addresses, `name:port` or `address:port`.
    pub controls: Vec<String>,
    /// Where neighbours dial this host; nowhere when absent, and then it stands by for nobody without control.
    pub peer_listen: Option<SocketAddr>,
    /// How neighbours reach it, where that is another address.
    pub peer_address: Option<SocketAddr>,
    /// Runs at once. Too few make slots late, too many take memory.
    pub run_places: u32,
    /// Threads that run guests; one for every two cores when absent.
    pub guest_threads: Option<usize>,
    /// Networks that checks may reach though they are not public.
    pub allow_nets: Vec<IpNet>,
    /// The local address that probes come from.
    pub probe_bind: Option<IpAddr>,
    /// A PEM file of certificates that probes trust beside the system's.
    pub extra_roots: Option<PathBuf>,
    /// The program that compiles modules, and the words it is started with.
    pub compile: (PathBuf, Vec<String>),
    /// How much room the spool may take.
    pub spool: SpoolLimits,
    /// The words that a successor of this process is started with, where it may take releases.
    pub successor: Option<Vec<OsString>>,
    /// Takes over from the process that runs on the data already, if one does.
    pub succeeds: bool,
}

impl HostSettings {
    /// The run places of a host whose operator says nothing else.
    pub const RUN_PLACES: u32 = SandboxConfig::HOST_RUN_PLACES;
}

/// A setting that cannot be used. The text names it and says what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSetting {
    /// No control, or too many.
    #[error("--control: name 1 to {CONTROLS_MAX} link addresses of control, such as control.example:8401")]
    Controls,
    /// An address of control that is none.
    #[error("--control {0:?} is no link address; write name:port, such as control.example:8401")]
    Control(String),
    /// A number of run places that no host can have.
    #[error("--run-places {0}: use 1 to {RUN_PLACES_MAX}")]
    RunPlaces(u32),
    /// A number of guest threads that no host should have.
    #[error("--guest-threads {0}: use 1 to {GUEST_THREADS_MAX}")]
    GuestThreads(usize),
    /// Too many networks.
    #[error("--allow-net: at most {ALLOW_NETS_MAX} networks; join neighbours into larger ones")]
    AllowNets,
    /// An address that nobody can dial.
    #[error("--peer-address {0}: name the address and port by which other hosts reach this one")]
    PeerAddress(SocketAddr),
    /// An address that no probe can come from.
    #[error("--probe-bind {0} is no address of one interface; name one that this machine has")]
    ProbeBind(IpAddr),
}

/// Settings that have been checked.
#[derive(Clone, Debug)]
pub struct HostConfig {
    settings: HostSettings,
}

impl HostConfig {
    /// Checks what an operator says.
    pub fn try_new(settings: HostSettings) -> Result<Self, BadSetting> {
        if !(1..=CONTROLS_MAX).contains(&settings.controls.len()) {
            return Err(BadSetting::Controls);
        }
        if let Some(bad) = settings.controls.iter().find(|control| !is_endpoint(control)) {
            return Err(BadSetting::Control(bad.clone()));
        }
        if !(1..=RUN_PLACES_MAX).contains(&settings.run_places) {
            return Err(BadSetting::RunPlaces(settings.run_places));
        }
        if let Some(threads) = settings.guest_threads.filter(|threads| !(1..=GUEST_THREADS_MAX).contains(threads)) {
            return Err(BadSetting::GuestThreads(threads));
        }
        if settings.allow_nets.len() > ALLOW_NETS_MAX {
            return Err(BadSetting::AllowNets);
        }
        let is_no_interface = |address: &IpAddr| address.is_unspecified() || address.is_multicast();
        if let Some(address) = settings.probe_bind.filter(is_no_interface) {
            return Err(BadSetting::ProbeBind(address));
        }
        let is_nowhere = |address: &SocketAddr| address.ip().is_unspecified() || address.port() == 0;
        if let Some(address) = settings.peer_address.filter(is_nowhere) {
            return Err(BadSetting::PeerAddress(address));
        }
        Ok(Self { settings })
    }

    /// What was said and is in order.
    pub const fn settings(&self) -> &HostSettings {
        &self.settings
    }

    /// The threads that run guests. One for every two cores: a run costs a sixth less where one thread has all of them than
    /// where two have half of them each, for every thread has to be woken for its own; the other half of the cores is for
    /// the network, for everything else of the host, and for whoever shares the machine.
    pub(crate) fn guest_threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.settings.guest_threads.unwrap_or_else(|| cores().div_ceil(2).min(GUEST_THREADS_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> HostSettings {
        HostSettings {
            data: "data".into(),
            identity: "identity".into(),
            controls: vec!["control.example:8401".to_owned(), "[::1]:8401".to_owned()],
            peer_listen: None,
            peer_address: None,
            run_places: HostSettings::RUN_PLACES,
            guest_threads: None,
            allow_nets: Vec::new(),
            probe_bind: None,
            extra_roots: None,
            compile: ("farwatch".into(), vec!["compile-module".to_owned()]),
            spool: SpoolLimits::USUAL,
            successor: None,
            succeeds: false,
        }
    }

    #[test]
    fn good_settings_pass() {
        let config = HostConfig::try_new(settings()).unwrap();
        assert!((1..=GUEST_THREADS_MAX).contains(&config.guest_threads()));
    }

    #[test]
    fn each_bad_setting_is_named() {
        let refused = |settings: HostSettings| HostConfig::try_new(settings).unwrap_err().to_string();
        let base = settings();
        for (bad, word) in [
            (HostSettings { controls: Vec::new(), ..base.clone() }, "--control"),
            (HostSettings { controls: vec!["control".to_owned()], ..base.clone() }, "--control \"control\""),
            (HostSettings { controls: vec!["::1:8401".to_owned()], ..base.clone() }, "--control"),
            (HostSettings { controls: vec!["c:0".to_owned()], ..base.clone() }, "--control"),
            (HostSettings { run_places: 0, ..base.clone() }, "--run-places 0"),
            (HostSettings { guest_threads: Some(0), ..base.clone() }, "--guest-threads 0"),
            (HostSettings { allow_nets: vec!["10.0.0.0/8".parse().unwrap(); 65], ..base.clone() }, "--allow-net"),
            (HostSettings { peer_address: Some("0.0.0.0:1".parse().unwrap()), ..base.clone() }, "--peer-address"),
            (HostSettings { probe_bind: Some("0.0.0.0".parse().unwrap()), ..base }, "--probe-bind 0.0.0.0"),
        ] {
            let told = refused(bad);
            assert!(told.starts_with(word), "{told}");
        }
    }
}
