//! What probes may reach and where they come from, by flags that whoever makes probes has: a host, and `module test`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use ipnet::IpNet;

use crate::exit::{Failure, USAGE};

/// See the file's documentation.
#[derive(Args, Debug)]
pub(crate) struct Reach {
    /// Lets checks reach this private network, such as 127.0.0.0/8; may be repeated.
    #[arg(long, env = "FARWATCH_ALLOW_NET", value_delimiter = ',', value_name = "CIDR")]
    allow_net: Vec<String>,
    /// The local address that probes come from.
    #[arg(long, env = "FARWATCH_PROBE_BIND", value_name = "ADDR")]
    pub(crate) probe_bind: Option<IpAddr>,
    /// PEM certificates that probes trust besides the system's.
    #[arg(long, env = "FARWATCH_PROBE_CA_FILE", value_name = "FILE")]
    pub(crate) probe_ca_file: Option<PathBuf>,
}

impl Reach {
    /// The networks that are opted in.
    pub(crate) fn networks(&self) -> Result<Vec<IpNet>, Failure> {
        let network = |text: &String| -> Result<IpNet, Failure> {
            let why = || Failure::new(USAGE, format_args!("--allow-net {text}: write a network as 192.168.1.0/24"));
            text.parse().map_err(|_| why())
        };
        self.allow_net.iter().map(network).collect()
    }
}
