//! The agent of Net-SNMP, with a community and values of its own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use farwatch_tests::ports::free_address;
use farwatch_tests::server::{Server, path_text};
use serde::Deserialize;

use super::{Running, settings};
use crate::case::Setup;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The word that may read.
    #[serde(default = "usual_community")]
    community: String,
    /// More lines of its config.
    #[serde(default)]
    options: Vec<String>,
}

fn usual_community() -> String {
    "public".to_owned()
}

/// Starts it. Its system is called `watched.example`.
pub(super) fn start(setup: &Setup) -> anyhow::Result<Running> {
    let settings: Settings = settings(setup)?;
    let directory = tempfile::tempdir()?;
    let here = path_text(directory.path())?.to_owned();
    let address = free_address()?;
    let config = format!(
        "rocommunity {} 127.0.0.1\nsysName watched.example\nagentaddress udp:{address}\n{}\n",
        settings.community,
        settings.options.join("\n")
    );
    fs::write(directory.path().join("snmpd.conf"), config)?;
    let (config, persistent) = (format!("{here}/snmpd.conf"), format!("--persistentDir={here}"));
    // What a system has in its own config, and modules that want more than a user may, are left out.
    let arguments = ["-f", "-Lo", "-C", "-c", &config, &persistent, "-I", "-smux,mteTrigger,mteTriggerConf"];
    let ready = || answers(address, &settings.community);
    let server = Server::start(("/usr/sbin/snmpd", "snmpd"), &arguments, directory, ready)?;
    Ok(Running::new(address, server))
}

/// Whether it says what it is called.
fn answers(address: SocketAddr, community: &str) -> anyhow::Result<bool> {
    let asked = element(0x30, &[element(0x30, b"\x06\x08\x2b\x06\x01\x02\x01\x01\x05\x00\x05\x00")].concat());
    let get = element(0xa0, &[b"\x02\x01\x01\x02\x01\x00\x02\x01\x00", asked.as_slice()].concat());
    let message = [b"\x02\x01\x01".to_vec(), element(0x04, community.as_bytes()), get].concat();
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(Duration::from_millis(200)))?;
    // Until it listens, sending and hearing may both be refused.
    Ok(socket.send(&element(0x30, &message)).is_ok() && socket.recv(&mut [0; 1_500]).is_ok())
}

/// An element of BER that is shorter than 128 bytes.
fn element(tag: u8, inner: &[u8]) -> Vec<u8> {
    [&[tag, inner.len() as u8], inner].concat()
}
